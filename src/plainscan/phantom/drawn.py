"""Grey pictures that are no CT at all: photos, text, X-rays, ultrasound, noise; each from 0 to 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from plainscan.ct.window import BRAIN, to_unit
from plainscan.phantom.shapes import SIZE, Plane, disc, grid, smooth

Made = NDArray[Any]
Maker = Callable[[np.random.Generator, Plane], Made]


def _photo(rng: np.random.Generator, _: Plane) -> Made:
    unit = 0.5 * smooth(rng, 3) + 0.3 * smooth(rng, 12) + 0.2 * smooth(rng, 50)
    return np.asarray(unit + rng.normal(0, 0.01, unit.shape))


def _portrait(rng: np.random.Generator, _: Plane) -> Made:
    """A face before a dark wall: an oval of skin, hair, eyes."""
    y, x = grid(rng)
    unit = 0.05 * smooth(rng, 4)
    face = disc(y, x, (0, 0), (0.62, 0.46))
    unit[disc(y, x, (-0.1, 0), (0.66, 0.52))] = rng.uniform(0.0, 0.25)
    unit[face] = (rng.uniform(0.5, 0.8) + 0.2 * x + 0.1 * smooth(rng, 20))[face]
    for side in (-1, 1):
        unit[disc(y, x, (-0.1, side * 0.18), (0.04, 0.08))] = 0.1
    unit[disc(y, x, (0.3, 0), (0.04, 0.14))] = 0.3
    unit[(y > 0.6) & (np.abs(x) < 0.7)] = 0.4
    return unit


def _flat_color(rng: np.random.Generator, _: Plane) -> Made:
    """What is left of a color picture that was turned grey: patches of flat tone."""
    return np.floor(smooth(rng, int(rng.integers(3, 9))) * 6) / 6


def _gradient(rng: np.random.Generator, _: Plane) -> Made:
    y, x = grid(rng)
    angle = rng.uniform(0, 2 * np.pi)
    unit = (np.cos(angle) * y + np.sin(angle) * x + 1) / 2
    return unit if rng.random() < 0.6 else np.hypot(y, x)


def _glow(rng: np.random.Generator, _: Plane) -> Made:
    """A bright middle that fades into black."""
    y, x = grid(rng)
    return np.asarray(np.exp(-(y**2 + x**2) / rng.uniform(0.08, 0.3)))


def _text(dark_page: bool, columns: int = 1) -> Maker:
    """Lines of words; in a dark viewer, or as the table of a dose sheet in columns."""

    def make(rng: np.random.Generator, _: Plane) -> Made:
        page = np.zeros((SIZE, SIZE), np.float32)
        for top in range(16, SIZE - 16, int(rng.integers(9, 14))):
            ink = rng.random((6, SIZE - 32)) < 0.45
            words = np.repeat(rng.random((SIZE - 32) // 8) < (0.75 if columns == 1 else 0.35), 8)
            page[top : top + 6, 16 : 16 + words.size] = ink[:, : words.size] & words
        return page if dark_page else 1 - page

    return make


def _screenshot(rng: np.random.Generator, head: Plane) -> Made:
    """A viewer with a small head beside panels and text."""
    page = np.full((SIZE, SIZE), np.float32(rng.uniform(0.15, 0.9)))
    page[: SIZE // 10] = 0.8
    small = to_unit(head[::3, ::3], BRAIN)
    top, left = rng.integers(30, 90, 2)
    page[top : top + small.shape[0], left : left + small.shape[1]] = small[: SIZE - top, : SIZE - left]
    page[:, -40:] = rng.random((SIZE, 40)) < 0.3
    return page


def _tiles(rng: np.random.Generator, head: Plane) -> Made:
    """Several slices on one sheet."""
    count = int(rng.integers(2, 5))
    small = to_unit(head[::count, ::count], BRAIN)
    return np.tile(small, (count, count))


def _skull_xray(rng: np.random.Generator, _: Plane) -> Made:
    """A skull in projection: the rim bright, the middle brighter than air, no plateau."""
    y, x = grid(rng)
    inside = np.clip(1 - (y / 0.8) ** 2 - (x / 0.68) ** 2, 0, None)
    within = np.clip(1 - (y / 0.74) ** 2 - (x / 0.62) ** 2, 0, None)
    unit = 1.4 * (np.sqrt(inside) - np.sqrt(within)) + 0.4 * np.sqrt(within) + 0.15 * smooth(rng, 8) * (inside > 0)
    return np.asarray(unit * rng.uniform(0.8, 1.3) + 0.04)


def _chest_xray(rng: np.random.Generator, _: Plane) -> Made:
    y, x = grid(rng)
    unit = 0.75 + 0.15 * smooth(rng, 5)
    for side in (-1, 1):
        unit[disc(y, x, (-0.05, side * 0.42), (0.62, 0.3))] -= 0.5
    unit += 0.08 * (np.sin(18 * y + 3 * np.abs(x)) > 0.6)
    return unit


def _mammogram(rng: np.random.Generator, _: Plane) -> Made:
    y, x = grid(rng)
    breast = disc(y, x, (0, -1), (0.8, rng.uniform(0.9, 1.4)))
    return np.where(breast, 0.35 + 0.6 * smooth(rng, 9), 0.0)


def _ultrasound(rng: np.random.Generator, _: Plane) -> Made:
    y, x = grid(rng)
    y = y + 0.9
    sector = (np.hypot(y, x) < 1.7) & (np.abs(np.arctan2(x, y)) < rng.uniform(0.5, 0.8)) & (y > 0.1)
    speckle = rng.rayleigh(0.25, y.shape) * smooth(rng, 6)
    return np.where(sector, speckle * 1.6, 0.0)


def _pet(rng: np.random.Generator, head: Plane) -> Made:
    """Uptake in gray matter, blurred, no skull."""
    brain = ((head > 5) & (head < 70)).astype(np.float32)
    for axis in (0, 1):
        brain = np.mean([np.roll(brain, i, axis) for i in range(-4, 5)], axis=0, dtype=np.float32)
    return brain * (0.6 + 0.4 * smooth(rng, 10))


def _noise(rng: np.random.Generator, _: Plane) -> Made:
    return rng.random((SIZE, SIZE))


def _blank(rng: np.random.Generator, _: Plane) -> Made:
    """One level, with a trace of noise or none; also what a lost window leaves."""
    return rng.normal(rng.choice([0, 0.1, 0.5, 0.9, 1]), rng.choice([0, 0.005]), (SIZE, SIZE))


def _checkers(rng: np.random.Generator, _: Plane) -> Made:
    step = int(rng.choice([4, 8, 16, 32, 64]))
    rows, columns = np.mgrid[:SIZE, :SIZE] // step
    return np.asarray((rows + columns) % 2 * rng.uniform(0.4, 1))


def _disc_of_grey(rng: np.random.Generator, _: Plane) -> Made:
    """A ball, a coin, the moon: an even disc without a rim."""
    y, x = grid(rng)
    radius = rng.uniform(0.4, 0.85)
    return np.where(disc(y, x, (0, 0), (radius, radius)), rng.uniform(0.2, 0.8), 0.0)


DRAWN: Final[dict[str, Maker]] = {
    "photo": _photo,
    "portrait": _portrait,
    "flat colors": _flat_color,
    "gradient": _gradient,
    "glow": _glow,
    "text page": _text(dark_page=False),
    "dark text page": _text(dark_page=True),
    "dose sheet": _text(dark_page=True, columns=2),
    "screenshot": _screenshot,
    "tiled slices": _tiles,
    "skull X-ray": _skull_xray,
    "chest X-ray": _chest_xray,
    "mammogram": _mammogram,
    "ultrasound": _ultrasound,
    "PET": _pet,
    "noise": _noise,
    "blank": _blank,
    "checkerboard": _checkers,
    "disc": _disc_of_grey,
}
