"""Simple shapes and textures on a square grid, for pictures that are no head."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
SIZE: Final = 256


def grid(rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Coordinates from about -1 to 1, shifted and slightly turned: y, x of shape (SIZE, SIZE)."""
    y, x = (np.mgrid[:SIZE, :SIZE] / (SIZE / 2) - 1).astype(np.float32)
    turn = np.float32(rng.uniform(-0.15, 0.15))
    y, x = y - np.float32(rng.uniform(-0.06, 0.06)), x - np.float32(rng.uniform(-0.06, 0.06))
    return np.cos(turn) * y - np.sin(turn) * x, np.sin(turn) * y + np.cos(turn) * x


def disc(y: Plane, x: Plane, at: tuple[float, float], radii: tuple[float, float]) -> NDArray[np.bool_]:
    """An ellipse by its middle and its half axes, in the unit of y and x."""
    result: NDArray[np.bool_] = ((y - at[0]) / radii[0]) ** 2 + ((x - at[1]) / radii[1]) ** 2 < 1
    return result


def noisy(rng: np.random.Generator, hu: Plane, sd: float = 8.0) -> Plane:
    """Blurred as a scanner does, with its noise."""
    soft = (hu + np.roll(hu, 1, 0) + np.roll(hu, 1, 1) + np.roll(hu, (1, 1), (0, 1))) / 4
    result: Plane = (soft + rng.normal(0, sd, hu.shape)).astype(np.float32)
    return result


def smooth(rng: np.random.Generator, cells: int) -> Plane:
    """A smooth random field, 0 to 1, with about ``cells`` bumps a side."""
    coarse = rng.random((cells + 2, cells + 2))
    at = np.linspace(0, cells, SIZE)
    low, part = at.astype(int), at - at.astype(int)
    part = part * part * (3 - 2 * part)
    rows = coarse[low] * (1 - part[:, None]) + coarse[low + 1] * part[:, None]
    field = rows[:, low] * (1 - part) + rows[:, low + 1] * part
    result: Plane = ((field - field.min()) / np.ptp(field)).astype(np.float32)
    return result
