"""Errors of a slice that come from bone and metal hardening the beam: dark bars, bands, a bright or dark rim of brain.

The error of a projection grows with the square of the dense path in it (Joseph and Spital, J Comput Assist Tomogr
1978;2:100; recalled, not looked up). So the slice is made coarse, its dense part projected, squared, and filtered and
back-projected: bars between the petrous bones, bands under the vault and streaks between metals come out by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array

from plainscan.phantom.atlas import F32, f32

SIDE: Final = 56  # cells a side of the coarse slice: about 4 mm, and the bars are wider than that
ANGLES: Final = 40
BINS: Final = 84  # across the diagonal of the coarse slice
DENSE_HU: Final = 200.0
DENSEST_HU: Final = 9000.0
SCALE_HU_PER_MM: Final = (
    -1.6
)  # HU of error for 1 mm of reconstructed squared path at strength 1: -15 between petrous bones


@dataclass(frozen=True, slots=True)
class Projector:
    """Parallel projection of the coarse slice and its filtered back-projection, lengths in cells.

    Args:
        forward: (ANGLES * BINS, SIDE * SIDE).
        back: Its transpose.
        ramp: (BINS, BINS), symmetric: the ramp filter (Ramachandran and Lakshminarayanan, PNAS 1971;68:2236).
    """

    forward: csr_array
    back: csr_array
    ramp: F32


@lru_cache(maxsize=1)
def projector() -> Projector:
    """The one projector: its sizes are fixed."""
    middle = np.arange(SIDE) - (SIDE - 1) / 2
    x, y = np.tile(middle, SIDE), np.repeat(middle, SIDE)
    used = np.flatnonzero(np.hypot(x, y) < SIDE / 2 + 1)  # the corners hold no head
    x, y = x[used], y[used]
    angle = (np.arange(ANGLES) * np.pi / ANGLES)[:, None]
    at = x * np.cos(angle) + y * np.sin(angle) + (BINS - 1) / 2
    low = np.floor(at)
    cell = np.broadcast_to(used, at.shape)
    first = np.arange(ANGLES)[:, None] * BINS + low
    rows = np.concatenate([first.ravel(), first.ravel() + 1]).astype(np.int32)
    weight = np.concatenate([(1 - at + low).ravel(), (at - low).ravel()]).astype(np.float32)
    columns = np.concatenate([cell.ravel()] * 2).astype(np.int32)
    forward = csr_array((weight, (rows, columns)), shape=(ANGLES * BINS, SIDE * SIDE))
    apart = np.abs(np.arange(BINS)[:, None] - np.arange(BINS))
    ramp = np.where(apart % 2 == 1, -1 / (np.pi * np.maximum(apart, 1)) ** 2, 0.0)
    np.fill_diagonal(ramp, 0.25)
    return Projector(forward, csr_array(forward.T), f32(ramp))


@lru_cache(maxsize=8)
def grids(length: int) -> tuple[F32, F32]:
    """Matrices that make ``length`` pixels coarse by area, (SIDE, length), and fine again by lines, (length, SIDE)."""
    step = length / SIDE
    edges = np.arange(length)
    low, high = np.arange(SIDE)[:, None] * step, (np.arange(SIDE)[:, None] + 1) * step
    overlap = np.minimum(high, edges + 1) - np.maximum(low, edges)
    at = np.clip((edges + 0.5) / step - 0.5, 0, SIDE - 1)[:, None]
    fine = np.clip(1 - np.abs(at - np.arange(SIDE)), 0, 1)
    return f32(np.clip(overlap, 0, None) / step), f32(fine)


def coarse(values: F32) -> F32:
    """(rows, columns) to (SIDE, SIDE) by area."""
    return f32(grids(values.shape[0])[0] @ values @ grids(values.shape[1])[0].T)


def fine(values: F32, shape: tuple[int, int]) -> F32:
    """(SIDE, SIDE) to ``shape`` by lines."""
    return f32(grids(shape[0])[1] @ values @ grids(shape[1])[1].T)


def dense(hu: F32) -> F32:
    """The dense part of a slice on the coarse grid, (SIDE, SIDE), 1 where it is 1000 HU above ``DENSE_HU``."""
    return coarse(f32(np.clip(hu, DENSE_HU, DENSEST_HU)) - np.float32(DENSE_HU)) * np.float32(1e-3)


def hardened(bone: F32, cell_mm: float, strength: float) -> F32:
    """Error of the slice by hardening on the coarse grid, HU.

    What is linear in the path only changes how dense bone looks; that part is taken out, as a calibration does.

    Args:
        bone: From ``dense``.
        cell_mm: Side of a coarse cell.
        strength: 1 gives about -15 HU between petrous bones; negative is an overdone correction.
    """
    machine = projector()
    path = (machine.forward @ bone.ravel()) * np.float32(cell_mm)
    square = path * path
    linear = float(path @ square) / max(float(square.sum()), 1e-6)
    excess = (square - np.float32(linear) * path).reshape(ANGLES, BINS) @ machine.ramp
    spread = machine.back @ excess.ravel()
    error: F32 = spread.reshape(SIDE, SIDE) * np.float32(np.pi / ANGLES / cell_mm * SCALE_HU_PER_MM * strength)
    return error


def rim(bone: F32, cell_mm: float, reach_mm: float) -> F32:
    """The long tail of the point spread beside bone on the coarse grid, about 1 beside the vault."""
    tail: F32 = gaussian_filter(bone, reach_mm / cell_mm, truncate=3.0)
    return f32(np.clip(tail * np.float32(3.0), 0, 1.5))


def path_across(bone: F32, cell_mm: float) -> NDArray[np.float32]:
    """Dense path along each row of the coarse grid, (SIDE,), mm: horizontal rays starve behind petrous bones."""
    made: F32 = bone.sum(axis=1) * np.float32(cell_mm)
    return made
