"""Pictures that are no plain head CT, drawn from simple shapes: what the gatekeeper has to refuse.

CT numbers of tissues: fat -100, water 0, muscle and organs 40-60, contrast-filled vessels 200-400, spongy bone 300,
cortical bone 1000, lung -850 (Kalender, Computed Tomography, 3rd ed. 2011, chapter 1, recalled, not looked up).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainscan.ct.window import to_unit
from plainscan.phantom.shapes import PICTURE, SIZE, Plane, disc, grid, noisy, shown, smooth

Maker = Callable[[np.random.Generator, Plane], Plane]
AIR, FAT, MUSCLE, BONE, SPONGY, LUNG = -1000.0, -100.0, 50.0, 900.0, 300.0, -850.0


class Wrong(NamedTuple):
    """One wrong input: its kind and its pixels, (rows, columns), float32, HU."""

    kind: str
    hu: Plane


def wrong_inputs(rng: np.random.Generator, heads: NDArray[np.int16], each: int = 12) -> Iterator[Wrong]:
    """All kinds in turn, ``each`` of every one; the same generator state gives the same pictures.

    Args:
        rng: Source of all that varies.
        heads: (slices, rows, columns), int16, HU: slices above the skull base, which some kinds falsify.
        each: How many of every kind.
    """
    for kind, maker in KINDS.items():
        for _ in range(each):
            head = heads[rng.integers(len(heads))].astype(np.float32)
            yield Wrong(kind, maker(rng, head).astype(np.float32))


def _body(rng: np.random.Generator, y: Plane, x: Plane, tall: float, wide: float) -> Plane:
    """An ellipse of muscle in a layer of fat, in air."""
    hu = np.full(y.shape, AIR, np.float32)
    fat = rng.uniform(0.04, 0.14)
    hu[disc(y, x, (0, 0), (tall, wide))] = FAT
    hu[disc(y, x, (0, 0), (tall - fat, wide - fat))] = MUSCLE
    return hu


def _spine(hu: Plane, y: Plane, x: Plane, at: float, side: float) -> None:
    hu[disc(y, x, (at, 0), (side, side * 1.2))] = SPONGY
    hu[disc(y, x, (at + 1.4 * side, 0), (side * 0.55, side * 0.6))] = BONE
    hu[disc(y, x, (at + 1.4 * side, 0), (side * 0.35, side * 0.4))] = 30.0


def _chest(rng: np.random.Generator, _: Plane) -> Plane:
    y, x = grid(rng)
    tall, wide = rng.uniform(0.5, 0.68), rng.uniform(0.72, 0.9)
    hu = _body(rng, y, x, tall, wide)
    for side in (-1, 1):
        hu[disc(y, x, (0, side * wide * 0.45), (tall * 0.68, wide * 0.33))] = LUNG
    hu[disc(y, x, (-0.1, 0.1), (tall * 0.4, wide * rng.uniform(0.2, 0.35)))] = rng.uniform(40, 180)
    for angle in rng.uniform(0, 2 * np.pi, rng.integers(8, 20)):
        hu[disc(y, x, (tall * 0.8 * np.sin(angle), wide * 0.83 * np.cos(angle)), (0.03, 0.05))] = BONE
    _spine(hu, y, x, tall * 0.5, 0.11)
    return noisy(rng, hu)


def _abdomen(rng: np.random.Generator, _: Plane) -> Plane:
    y, x = grid(rng)
    tall, wide = rng.uniform(0.5, 0.7), rng.uniform(0.7, 0.9)
    hu = _body(rng, y, x, tall, wide)
    hu[disc(y, x, (0, 0), (tall * 0.7, wide * 0.75))] = rng.choice([FAT, 30.0])
    hu[disc(y, x, (-0.1, -wide * 0.35), (tall * 0.5, wide * 0.35))] = rng.uniform(50, 120)
    for radius in rng.uniform(0.07, 0.1, 8):
        at = (rng.uniform(-0.4, 0.1) * tall, rng.uniform(-0.4, 0.6) * wide)
        hu[disc(y, x, at, (radius, radius))] = rng.choice([-900.0, 20.0, 60.0, 300.0])
    _spine(hu, y, x, tall * 0.45, 0.12)
    return noisy(rng, hu)


def _pelvis(rng: np.random.Generator, _: Plane) -> Plane:
    y, x = grid(rng)
    tall, wide = rng.uniform(0.45, 0.6), rng.uniform(0.75, 0.92)
    hu = _body(rng, y, x, tall, wide)
    for side in (-1, 1):
        for radius, value in ((0.19, BONE), (0.16, SPONGY)):
            hu[disc(y, x, (0.02, side * wide * 0.6), (radius, radius))] = value
        hu[disc(y, x, (-0.1, side * wide * 0.33), (0.05, 0.16))] = BONE
    hu[disc(y, x, (tall * 0.55, 0), (0.09, 0.22))] = SPONGY
    hu[disc(y, x, (-0.05, 0), (0.17, 0.2))] = rng.uniform(0, 15)
    return noisy(rng, hu)


def _limb(rng: np.random.Generator, _: Plane) -> Plane:
    y, x = grid(rng)
    radius = rng.uniform(0.35, 0.75)
    hu = _body(rng, y, x, radius, radius * rng.uniform(0.85, 1.1))
    for share in rng.uniform(0.1, 0.22, rng.integers(1, 3)):
        at = (rng.uniform(-0.2, 0.2) * radius, rng.uniform(-0.35, 0.35) * radius)
        inner = share * radius
        hu[disc(y, x, at, (inner * 1.5, inner * 1.5))] = BONE
        hu[disc(y, x, at, (inner, inner))] = FAT
    return noisy(rng, hu)


def _two_legs(rng: np.random.Generator, head: Plane) -> Plane:
    leg = np.roll(_limb(rng, head)[::2, ::2], 0)
    hu = np.full((SIZE, SIZE), AIR, np.float32)
    hu[SIZE // 4 : 3 * SIZE // 4, : SIZE // 2], hu[SIZE // 4 : 3 * SIZE // 4, SIZE // 2 :] = leg, leg[:, ::-1]
    return hu


def _water_phantom(rng: np.random.Generator, _: Plane) -> Plane:
    y, x = grid(rng)
    radius = rng.uniform(0.5, 0.85)
    hu = np.full(y.shape, AIR, np.float32)
    hu[disc(y, x, (0, 0), (radius, radius))] = 120.0  # acrylic
    hu[disc(y, x, (0, 0), (radius - 0.03, radius - 0.03))] = rng.uniform(-5, 5)
    return noisy(rng, hu, 3.0)


def _mr(flair: bool, fluid: float, white: float, gray: float, scalp: float) -> Maker:
    """MR-like contrast of a head: the skull has no signal, fat of the scalp and of the marrow does."""

    def make(rng: np.random.Generator, head: Plane) -> Plane:
        knots = [-1000.0, -300.0, -110.0, -30.0, 8.0, 26.0, 38.0, 60.0, 110.0, 3000.0]
        levels = [0.0, 0.0, scalp, scalp, fluid, white, gray, 0.5, 0.05, 0.03 if flair else 0.06]
        unit = np.interp(head, knots, levels) + rng.normal(0, 0.02, head.shape)
        return shown((unit * rng.uniform(0.85, 1.15)).astype(np.float32))

    return make


def _mr_raw(rng: np.random.Generator, head: Plane) -> Plane:
    """MR values from 0 up, taken for HU."""
    unit = (_mr(flair=False, fluid=0.1, white=0.7, gray=0.5, scalp=1.0)(rng, head) + 20) / 120
    result: Plane = (unit * rng.uniform(400, 3000)).astype(np.float32)
    return result


def _inverted(_: np.random.Generator, head: Plane) -> Plane:
    return shown(1 - to_unit(head, PICTURE))


def _inverted_hu(_: np.random.Generator, head: Plane) -> Plane:
    result: Plane = (head.max() + np.float32(AIR) - head).astype(np.float32)
    return result


def _wrong_window(low: float, high: float) -> Maker:
    """A picture exported in another window than the one that is stated."""

    def make(rng: np.random.Generator, head: Plane) -> Plane:
        shift = rng.uniform(-0.05, 0.05) * (high - low)
        return shown((head - low - shift) / (high - low))

    return make


def _shifted(rng: np.random.Generator, head: Plane) -> Plane:
    """Stored values without their intercept, or with it twice."""
    result: Plane = head + np.float32(rng.choice([1024.0, -1024.0]))
    return result


def _bone_kernel(rng: np.random.Generator, head: Plane) -> Plane:
    """Edges doubled and the noise of a sharp kernel, 60-120 HU."""
    soft = np.mean([np.roll(head, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
    noise = rng.normal(0, rng.uniform(60, 120), head.shape)
    result: Plane = (head + 1.5 * (head - soft) + noise).astype(np.float32)
    return result


def _angiogram(rng: np.random.Generator, head: Plane) -> Plane:
    """Contrast in arteries, sinus and cortical veins, 200-400 HU, over a brain slice."""
    hu = head.copy()
    rows, columns = np.nonzero(head > AIR / 3)
    top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
    tall, wide = (bottom - top) / 2, (right - left) / 2
    y, x = np.mgrid[: head.shape[0], : head.shape[1]].astype(np.float32)
    y, x = (y - (top + bottom) / 2) / tall, (x - (left + right) / 2) / wide
    value = rng.uniform(200, 400)
    lines = [(rng.uniform(0.1, 0.55), rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.2)) for _ in range(10)]
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    for at, start, length in lines:
        away = np.abs(radius - at - 0.04 * np.sin(6 * (angle - start)))
        hu[(away < 0.02) & ((angle - start) % (2 * np.pi) < length)] = value
    hu[disc(y, x, (0.76, 0), (0.05, 0.04))] = value
    for at_x in (-0.12, 0.12):
        hu[disc(y, x, (-0.05, at_x), (0.04, 0.05))] = value
    return hu


def _photo(rng: np.random.Generator, _: Plane) -> Plane:
    unit = 0.5 * smooth(rng, 3) + 0.3 * smooth(rng, 12) + 0.2 * smooth(rng, 50)
    return shown(unit + rng.normal(0, 0.01, unit.shape).astype(np.float32))


def _portrait(rng: np.random.Generator, _: Plane) -> Plane:
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
    return shown(unit)


def _flat_color(rng: np.random.Generator, _: Plane) -> Plane:
    """What is left of a color picture that was turned grey: patches of flat tone."""
    unit = np.floor(smooth(rng, int(rng.integers(3, 9))) * 6) / 6
    return shown(unit.astype(np.float32))


def _gradient(rng: np.random.Generator, _: Plane) -> Plane:
    y, x = grid(rng)
    angle = rng.uniform(0, 2 * np.pi)
    unit = (np.cos(angle) * y + np.sin(angle) * x + 1) / 2
    return shown((unit if rng.random() < 0.6 else np.hypot(y, x)).astype(np.float32))


def _glow(rng: np.random.Generator, _: Plane) -> Plane:
    """A bright middle that fades into black."""
    y, x = grid(rng)
    return shown(np.exp(-(y**2 + x**2) / rng.uniform(0.08, 0.3)).astype(np.float32))


def _text(dark_page: bool, columns: int = 1) -> Maker:
    """Lines of words; in a dark viewer, or as the table of a dose sheet in columns."""

    def make(rng: np.random.Generator, _: Plane) -> Plane:
        page = np.zeros((SIZE, SIZE), np.float32)
        for top in range(16, SIZE - 16, int(rng.integers(9, 14))):
            ink = rng.random((6, SIZE - 32)) < 0.45
            words = np.repeat(rng.random((SIZE - 32) // 8) < (0.75 if columns == 1 else 0.35), 8)
            page[top : top + 6, 16 : 16 + words.size] = ink[:, : words.size] & words
        return shown(page if dark_page else 1 - page)

    return make


def _screenshot(rng: np.random.Generator, head: Plane) -> Plane:
    """A viewer with a small head beside panels and text."""
    page = np.full((SIZE, SIZE), np.float32(rng.uniform(0.15, 0.9)))
    page[: SIZE // 10] = 0.8
    small = to_unit(head[::3, ::3], PICTURE)
    top, left = rng.integers(30, 90, 2)
    page[top : top + small.shape[0], left : left + small.shape[1]] = small[: SIZE - top, : SIZE - left]
    page[:, -40:] = rng.random((SIZE, 40)) < 0.3
    return shown(page)


def _tiles(rng: np.random.Generator, head: Plane) -> Plane:
    """Several slices on one sheet."""
    count = int(rng.integers(2, 5))
    small = to_unit(head[::count, ::count], PICTURE)
    return shown(np.tile(small, (count, count)))


def _skull_xray(rng: np.random.Generator, _: Plane) -> Plane:
    """A skull in projection: the rim bright, the middle brighter than air, no plateau."""
    y, x = grid(rng)
    inside = np.clip(1 - (y / 0.8) ** 2 - (x / 0.68) ** 2, 0, None)
    within = np.clip(1 - (y / 0.74) ** 2 - (x / 0.62) ** 2, 0, None)
    unit = 1.4 * (np.sqrt(inside) - np.sqrt(within)) + 0.4 * np.sqrt(within) + 0.15 * smooth(rng, 8) * (inside > 0)
    return shown((unit * rng.uniform(0.8, 1.3) + 0.04).astype(np.float32))


def _chest_xray(rng: np.random.Generator, _: Plane) -> Plane:
    y, x = grid(rng)
    unit = 0.75 + 0.15 * smooth(rng, 5)
    for side in (-1, 1):
        unit[disc(y, x, (-0.05, side * 0.42), (0.62, 0.3))] -= 0.5
    unit += 0.08 * (np.sin(18 * y + 3 * np.abs(x)) > 0.6)
    return shown(unit)


def _mammogram(rng: np.random.Generator, _: Plane) -> Plane:
    y, x = grid(rng)
    breast = disc(y, x, (0, -1), (0.8, rng.uniform(0.9, 1.4)))
    return shown(np.where(breast, 0.35 + 0.6 * smooth(rng, 9), 0.0).astype(np.float32))


def _ultrasound(rng: np.random.Generator, _: Plane) -> Plane:
    y, x = grid(rng)
    y = y + 0.9
    sector = (np.hypot(y, x) < 1.7) & (np.abs(np.arctan2(x, y)) < rng.uniform(0.5, 0.8)) & (y > 0.1)
    speckle = rng.rayleigh(0.25, y.shape) * smooth(rng, 6)
    return shown(np.where(sector, speckle * 1.6, 0.0).astype(np.float32))


def _pet(rng: np.random.Generator, head: Plane) -> Plane:
    """Uptake in gray matter, blurred, no skull."""
    brain = ((head > 5) & (head < 70)).astype(np.float32)
    for axis in (0, 1):
        brain = np.mean([np.roll(brain, i, axis) for i in range(-4, 5)], axis=0, dtype=np.float32)
    return shown(brain * (0.6 + 0.4 * smooth(rng, 10)))


def _noise(rng: np.random.Generator, _: Plane) -> Plane:
    if rng.random() < 0.5:
        return shown(rng.random((SIZE, SIZE)).astype(np.float32))
    result: Plane = rng.normal(rng.uniform(-200, 100), rng.uniform(20, 400), (SIZE, SIZE)).astype(np.float32)
    return result


def _blank(rng: np.random.Generator, _: Plane) -> Plane:
    level = rng.choice([AIR, -20.0, 0.0, 40.0, 100.0, 1000.0])
    result: Plane = rng.normal(level, rng.choice([0, 1]), (SIZE, SIZE)).astype(np.float32)
    return result


def _air(rng: np.random.Generator, _: Plane) -> Plane:
    result: Plane = rng.normal(AIR, rng.uniform(5, 40), (SIZE, SIZE)).astype(np.float32)
    return result


def _checkers(rng: np.random.Generator, _: Plane) -> Plane:
    step = int(rng.choice([4, 8, 16, 32, 64]))
    rows, columns = np.mgrid[:SIZE, :SIZE] // step
    return shown(((rows + columns) % 2 * rng.uniform(0.4, 1)).astype(np.float32))


def _disc_of_grey(rng: np.random.Generator, _: Plane) -> Plane:
    """A ball, a coin, the moon: an even disc without a rim."""
    y, x = grid(rng)
    radius = rng.uniform(0.4, 0.85)
    return shown(np.where(disc(y, x, (0, 0), (radius, radius)), rng.uniform(0.2, 0.8), 0.0).astype(np.float32))


KINDS: Final[dict[str, Maker]] = {
    "chest CT": _chest,
    "abdomen CT": _abdomen,
    "pelvis CT": _pelvis,
    "limb CT": _limb,
    "both legs CT": _two_legs,
    "water phantom": _water_phantom,
    "MR, T1-like": _mr(flair=False, fluid=0.12, white=0.7, gray=0.5, scalp=1.0),
    "MR, T2-like": _mr(flair=False, fluid=1.0, white=0.35, gray=0.5, scalp=0.7),
    "MR, FLAIR-like": _mr(flair=True, fluid=0.05, white=0.45, gray=0.6, scalp=0.8),
    "MR values as HU": _mr_raw,
    "inverted picture": _inverted,
    "inverted HU": _inverted_hu,
    "bone window as brain window": _wrong_window(-800, 2000),
    "lung window as brain window": _wrong_window(-1350, 150),
    "wrong intercept": _shifted,
    "bone kernel": _bone_kernel,
    "angiogram": _angiogram,
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
    "air": _air,
    "checkerboard": _checkers,
    "disc": _disc_of_grey,
}
