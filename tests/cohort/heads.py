"""Heads for tests of leaks: an ellipse of brain with a person's own texture, quick to draw and all different."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 64


def head(seed: int, place: float = 0.0) -> NDArray[np.int16]:
    """One slice, (64, 64), int16, HU: brain at 35 HU with a person's blobs of 20 HU, skull, air.

    Args:
        seed: The person.
        place: 0 to 1: how far the slice's own blobs replace the person's.
    """
    row, column = np.mgrid[:SIDE, :SIDE]
    distance = np.hypot((row - 31.5) / 30, (column - 31.5) / 26)
    hu = np.full((SIDE, SIDE), -1000.0)
    hu[distance < 1] = 1000
    inside = distance < 0.88
    own, here = (_blobs(np.random.default_rng(s)) for s in ([seed], [seed, int(place * 1000)]))
    hu[inside] = 35 + 20 * ((1 - place) * own + place * here)[inside]
    return np.rint(hu).astype(np.int16)


def _blobs(rng: np.random.Generator) -> NDArray[np.float64]:
    coarse = rng.normal(size=(12, 12))
    return np.kron(coarse, np.ones((6, 6)))[4 : 4 + SIDE, 4 : 4 + SIDE]


def study(seed: int, slices: int = 8) -> NDArray[np.int16]:
    """Slices of one person, (slices, 64, 64)."""
    return np.stack([head(seed, i / slices) for i in range(slices)])
