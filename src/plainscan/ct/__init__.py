"""Hounsfield arithmetic: value, window, geometry, network input.

Pure: NumPy only; no I/O, no clock, no global random state.
"""
