"""Synthetic head CT studies with known truth.

Pure: NumPy and SciPy only; no I/O, no clock; every random number comes from the rng passed in.
"""

from typing import Final

WORLD: Final = "world-5"
"""The name of the rules that studies are drawn by; change it with any change that moves a value."""
