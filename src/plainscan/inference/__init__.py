"""From a bundle and Hounsfield units to scores and heat maps. Never imports torch."""
