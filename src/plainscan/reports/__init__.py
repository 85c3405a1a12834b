"""Report text to findings. Pure: standard library only; the phrases are data in phrases/*.toml."""
