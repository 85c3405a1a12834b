"""plainscan: from an archive of non-contrast head CT to a trusted slice classifier with heat maps.

Research software, not a medical device.
"""

from importlib.metadata import version

__version__ = version("plainscan")
