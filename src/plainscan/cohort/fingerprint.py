"""Fingerprints of slices: near-identical pictures get near-equal vectors, whatever was done to the file.

A prepared slice is cut to the brain window, which nearly every exported picture holds, averaged to a coarse grid and
whitened over the cohort, so that what all heads share counts little and what one slice alone has counts much. The
cosine of two fingerprints is near 1 for one slice in two files and near 0 for two people. Thresholds: see
docs/experiments.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

GRID: Final = 24  # cells a side: coarser than JPEG blocks, finer than a gyrus
BRAIN_HU: Final = (0.0, 80.0)
INSIDE: Final = (0.06, 0.94)  # of the window: neither air, nor bone
INFORMATIVE: Final = 0.25  # share of cells inside: below that a slice shows too little to be known again
PARTS: Final = 128  # principal parts kept
SLICES_PER_PART: Final = 4  # fewer slices than that would be whitened into noise
SMALLEST_VARIANCE: Final = 1e-9

Floats = NDArray[np.float32]


def grid(hu: NDArray[np.int16]) -> Floats:
    """Slices in the brain window on the coarse grid.

    Args:
        hu: (slices, size, size), int16, HU, as ``ct.prepare.prepare_slice`` makes them.

    Returns:
        (slices, GRID, GRID), float32, [0, 1].
    """
    low, high = BRAIN_HU
    scaled = (np.clip(hu.astype(np.float32), low, high) - np.float32(low)) / np.float32(high - low)
    edges = np.linspace(0, hu.shape[1], GRID + 1).round().astype(np.intp)
    down = np.add.reduceat(scaled, edges[:-1], axis=1)
    cells = np.add.reduceat(down, edges[:-1], axis=2)
    sides = np.diff(edges).astype(np.float32)
    result: Floats = cells / (sides[:, None] * sides)
    return result


def informative(cells: Floats) -> NDArray[np.bool_]:
    """Which slices of (slices, GRID, GRID) show enough brain to be told from others, (slices,)."""
    low, high = INSIDE
    return np.asarray(((cells > low) & (cells < high)).mean(axis=(1, 2)) >= INFORMATIVE)


def mirrors(cells: Floats) -> tuple[Floats, ...]:
    """The slices of (slices, GRID, GRID) in the seven other ways to lay a square: mirrored, or turned by quarters.

    Arrays saved as pictures often come out upside down or, where columns came first, with rows and columns changed.
    """
    swapped = cells.transpose(0, 2, 1)
    flips = ((one[:, :, ::-1], one[:, ::-1], one[:, ::-1, ::-1]) for one in (cells, swapped))
    return swapped, *(view for views in flips for view in views)


@dataclass(frozen=True)
class Whitening:
    """What the slices of a cohort have in common.

    Args:
        mean: (GRID * GRID,).
        parts: (GRID * GRID, parts): principal directions, each over its spread.
    """

    mean: Floats
    parts: Floats

    @classmethod
    def fit(cls, cells: Floats) -> Whitening:
        """Learn it from informative slices, (slices, GRID, GRID): at least two."""
        flat = cells.reshape(len(cells), -1).astype(np.float64)
        mean = flat.mean(axis=0)
        variance, vectors = np.linalg.eigh(np.cov(flat.T))
        most = max(2, min(PARTS, len(cells) // SLICES_PER_PART))
        kept = np.argsort(-variance, kind="stable")[:most]
        kept = kept[variance[kept] > SMALLEST_VARIANCE]
        parts = vectors[:, kept] / np.sqrt(variance[kept])
        return cls(mean.astype(np.float32), parts.astype(np.float32))

    def of(self, cells: Floats) -> Floats:
        """Fingerprints of (slices, GRID, GRID): (slices, parts), length 1."""
        return unit((cells.reshape(len(cells), -1) - self.mean).astype(np.float32) @ self.parts)


def unit(vectors: Floats) -> Floats:
    """Vectors (n, parts) of length 1; a vector of zeros stays one."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Floats = (vectors / np.where(length > 0, length, 1)).astype(np.float32)
    return result


class Prints(NamedTuple):
    """Fingerprints of some slices.

    Args:
        study: (slices,), number of each slice's study.
        prints: (slices, parts), length 1.
        mirrored: The same of the slices as ``mirrors`` gives them.
    """

    study: NDArray[np.intp]
    prints: Floats
    mirrored: tuple[Floats, ...]
