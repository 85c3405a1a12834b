"""How good a set of predictions is, with an interval on every figure.

Pure arithmetic; plots and report return text or bytes and write nothing.
"""
