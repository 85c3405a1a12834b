"""Synthetic head CT studies with known truth.

Pure: NumPy and SciPy only; no I/O, no clock; every random number comes from the rng passed in.
"""
