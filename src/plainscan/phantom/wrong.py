"""Pictures and slices that are no plain head CT, drawn from simple shapes: what the gatekeeper has to refuse.

CT numbers of tissues: fat -100, water 0, muscle and organs 40-60, contrast-filled vessels 200-400, spongy bone 300,
cortical bone 1000, lung -850 (Kalender, Computed Tomography, 3rd ed. 2011, chapter 1, recalled, not looked up).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainscan.ct.window import BRAIN, Window, from_picture, to_unit
from plainscan.phantom.drawn import DRAWN, Made, Maker
from plainscan.phantom.shapes import SIZE, Plane, disc, grid, noisy

AIR, FAT, MUSCLE, BONE, SPONGY, LUNG = -1000.0, -100.0, 50.0, 900.0, 300.0, -850.0
STATED: Final = (BRAIN, Window(40.0, 120.0), Window(35.0, 100.0), Window(50.0, 150.0), Window(80.0, 200.0))
"""Windows of which one is stated for a picture that never had it."""
USUAL_MM: Final = 0.9  # a pixel of a synthetic head of 256 pixels
BODY_MM: Final = 1.6  # of a trunk


class Wrong(NamedTuple):
    """One wrong input.

    Args:
        kind: A key of ``KINDS``.
        hu: (rows, columns), float32, HU; of a picture what was read under the stated window.
        pixel_mm: Side of a pixel; None where it is not known, as of a picture.
    """

    kind: str
    hu: Plane
    pixel_mm: float | None = None


def wrong_inputs(
    rng: np.random.Generator, heads: NDArray[np.int16], each: int = 12, kinds: Iterable[str] | None = None
) -> Iterator[Wrong]:
    """Kinds in turn, ``each`` of every one; the same generator state gives the same pictures.

    Args:
        rng: Source of all that varies.
        heads: (slices, rows, columns), int16, HU: slices above the skull base, which some kinds falsify.
        each: How many of every kind.
        kinds: Keys of ``KINDS``; by default all.
    """
    for kind in KINDS if kinds is None else kinds:
        maker, form = KINDS[kind]
        for _ in range(each):
            made = maker(rng, heads[rng.integers(len(heads))].astype(np.float32))
            if form == PICTURE:
                window = STATED[rng.integers(len(STATED))]
                yield Wrong(kind, from_picture(np.rint(np.clip(made, 0, 1) * 255).astype(np.uint8), window))
            else:
                yield Wrong(kind, made.astype(np.float32), form)


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


def _chest(rng: np.random.Generator, _: Plane) -> Made:
    y, x = grid(rng)
    wide = rng.uniform(0.72, 0.92)
    tall = wide / rng.uniform(1.25, 1.7)
    hu = _body(rng, y, x, tall, wide)
    for side in (-1, 1):
        hu[disc(y, x, (0, side * wide * 0.45), (tall * 0.68, wide * 0.33))] = LUNG
    hu[disc(y, x, (-0.1, 0.1), (tall * 0.4, wide * rng.uniform(0.2, 0.35)))] = rng.uniform(40, 180)
    for angle in rng.uniform(0, 2 * np.pi, rng.integers(8, 15)):
        hu[disc(y, x, (tall * 0.8 * np.sin(angle), wide * 0.83 * np.cos(angle)), (0.03, 0.05))] = BONE
    _spine(hu, y, x, tall * 0.5, 0.11)
    return noisy(rng, hu)


def _abdomen(rng: np.random.Generator, _: Plane) -> Made:
    y, x = grid(rng)
    wide = rng.uniform(0.7, 0.92)
    tall = wide / rng.uniform(1.15, 1.6)
    hu = _body(rng, y, x, tall, wide)
    hu[disc(y, x, (0, 0), (tall * 0.7, wide * 0.75))] = rng.choice([FAT, 30.0])
    hu[disc(y, x, (-0.1, -wide * 0.35), (tall * 0.5, wide * 0.35))] = rng.uniform(50, 120)
    for radius in rng.uniform(0.07, 0.1, 8):
        at = (rng.uniform(-0.4, 0.1) * tall, rng.uniform(-0.4, 0.6) * wide)
        hu[disc(y, x, at, (radius, radius))] = rng.choice([-900.0, 20.0, 60.0, 300.0])
    _spine(hu, y, x, tall * 0.45, 0.12)
    return noisy(rng, hu)


def _pelvis(rng: np.random.Generator, _: Plane) -> Made:
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


def _limb(rng: np.random.Generator, _: Plane) -> Made:
    y, x = grid(rng)
    radius = rng.uniform(0.35, 0.75)
    hu = _body(rng, y, x, radius, radius * rng.uniform(0.85, 1.1))
    for share in rng.uniform(0.1, 0.22, rng.integers(1, 3)):
        at = (rng.uniform(-0.2, 0.2) * radius, rng.uniform(-0.35, 0.35) * radius)
        inner = share * radius
        hu[disc(y, x, at, (inner * 1.5, inner * 1.5))] = BONE
        hu[disc(y, x, at, (inner, inner))] = FAT
    return noisy(rng, hu)


def _two_legs(rng: np.random.Generator, head: Plane) -> Made:
    leg = _limb(rng, head)[::2, ::2]
    hu = np.full((SIZE, SIZE), AIR, np.float32)
    hu[SIZE // 4 : 3 * SIZE // 4, : SIZE // 2], hu[SIZE // 4 : 3 * SIZE // 4, SIZE // 2 :] = leg, leg[:, ::-1]
    return hu


def _neck(rng: np.random.Generator, _: Plane) -> Made:
    """Muscle around a vertebra, the windpipe, vessels."""
    y, x = grid(rng)
    tall, wide = rng.uniform(0.4, 0.6), rng.uniform(0.45, 0.75)
    hu = _body(rng, y, x, tall, wide)
    _spine(hu, y, x, rng.uniform(0.0, 0.15) * tall, rng.uniform(0.1, 0.14))
    hu[disc(y, x, (-0.55 * tall, 0), (0.08, 0.09))] = AIR
    for side in (-1, 1):
        hu[disc(y, x, (-0.1 * tall, side * 0.4 * wide), (0.05, 0.05))] = rng.uniform(40, 60)
    return noisy(rng, hu)


def _localizer(rng: np.random.Generator, _: Plane) -> Made:
    """A side view of a head and neck in projection: soft parts near 0 HU, bone above."""
    y, x = grid(rng)
    hu = np.full(y.shape, AIR, np.float32)
    skull = disc(y, x, (-0.3, 0.1), (0.55, 0.65))
    hu[(y > -0.2) & (np.abs(x - 0.1) < rng.uniform(0.25, 0.35))] = rng.uniform(0, 60)
    hu[disc(y, x, (0.1, -0.35), (0.4, 0.3))] = rng.uniform(0, 100)
    hu[skull] = rng.uniform(100, 250)
    hu[skull & ~disc(y, x, (-0.3, 0.1), (0.5, 0.6))] = rng.uniform(400, 800)
    return noisy(rng, hu)


def _water_phantom(rng: np.random.Generator, _: Plane) -> Made:
    y, x = grid(rng)
    radius = rng.uniform(0.5, 0.85)
    hu = np.full(y.shape, AIR, np.float32)
    hu[disc(y, x, (0, 0), (radius, radius))] = 120.0  # acrylic
    hu[disc(y, x, (0, 0), (radius - 0.03, radius - 0.03))] = rng.uniform(-5, 5)
    return noisy(rng, hu, 3.0)


def _mr(flair: bool, fluid: float, white: float, gray: float, scalp: float) -> Maker:
    """MR-like contrast of a head: the skull has no signal, fat of the scalp and of the marrow does."""

    def make(rng: np.random.Generator, head: Plane) -> Made:
        knots = [-1000.0, -300.0, -110.0, -30.0, 8.0, 26.0, 38.0, 60.0, 110.0, 3000.0]
        levels = [0.0, 0.0, scalp, scalp, fluid, white, gray, 0.5, 0.05, 0.03 if flair else 0.06]
        unit = np.interp(head, knots, levels) + rng.normal(0, 0.02, head.shape)
        return unit * rng.uniform(0.85, 1.15)

    return make


def _mr_raw(rng: np.random.Generator, head: Plane) -> Made:
    """MR values from 0 up, taken for HU."""
    return _mr(flair=False, fluid=0.1, white=0.7, gray=0.5, scalp=1.0)(rng, head) * rng.uniform(400, 3000)


def _inverted(_: np.random.Generator, head: Plane) -> Made:
    return 1 - to_unit(head, BRAIN)


def _inverted_hu(_: np.random.Generator, head: Plane) -> Made:
    return np.asarray(head.max() + np.float32(AIR) - head)


def _wrong_window(low: float, high: float) -> Maker:
    """A picture exported in another window than the one that is stated."""

    def make(rng: np.random.Generator, head: Plane) -> Made:
        shift = rng.uniform(-0.05, 0.05) * (high - low)
        return (head - low - shift) / (high - low)

    return make


def _windowed(make: Maker) -> Maker:
    """A CT slice as a picture in the brain window."""
    return lambda rng, head: to_unit(make(rng, head), BRAIN)


def _unchanged(_: np.random.Generator, head: Plane) -> Made:
    """A head whose pixels are not what it is said."""
    return head


def _shifted(rng: np.random.Generator, head: Plane) -> Made:
    """Stored values without their intercept, or with it twice."""
    return head + np.float32(rng.choice([1024.0, -1024.0]))


def _bone_kernel(rng: np.random.Generator, head: Plane) -> Made:
    """Edges doubled and the noise of a sharp kernel, 60-120 HU."""
    soft = np.mean([np.roll(head, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
    noise = rng.normal(0, rng.uniform(60, 120), head.shape)
    return np.asarray(head + 1.5 * (head - soft) + noise)


def _angiogram(rng: np.random.Generator, head: Plane) -> Made:
    """Contrast in arteries, sinus and cortical veins, 200-400 HU, over a brain slice."""
    hu = head.copy()
    rows, columns = np.nonzero(head > AIR / 3)
    top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
    tall, wide = (bottom - top) / 2, (right - left) / 2
    y, x = np.mgrid[: head.shape[0], : head.shape[1]].astype(np.float32)
    y, x = (y - (top + bottom) / 2) / tall, (x - (left + right) / 2) / wide
    value = rng.uniform(200, 400)
    lines = [
        (rng.uniform(0.1, 0.55), rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.2)) for _ in range(rng.integers(3, 10))
    ]
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    for at, start, length in lines:
        away = np.abs(radius - at - 0.04 * np.sin(6 * (angle - start)))
        hu[(away < 0.02) & ((angle - start) % (2 * np.pi) < length)] = value
    hu[disc(y, x, (0.76, 0), (0.05, 0.04))] = value
    for at_x in (-0.12, 0.12):
        hu[disc(y, x, (-0.05, at_x), (0.04, 0.05))] = value
    return hu


def _noise_hu(rng: np.random.Generator, _: Plane) -> Made:
    return rng.normal(rng.uniform(-200, 100), rng.uniform(20, 400), (SIZE, SIZE))


def _air(rng: np.random.Generator, _: Plane) -> Made:
    return rng.normal(AIR, rng.uniform(5, 40), (SIZE, SIZE))


def angiogram(rng: np.random.Generator, heads: NDArray[np.int16]) -> Plane:
    """A contrast series: the slices (slices, rows, columns) of one head, float32, HU, with filled vessels on each."""
    return np.stack([_angiogram(rng, head.astype(np.float32)) for head in heads]).astype(np.float32)


PICTURE: Final = 0.0  # in place of a pixel's side: grey from 0 to 1, read under a stated window
KINDS: Final[dict[str, tuple[Maker, float]]] = {
    "chest CT": (_chest, BODY_MM),
    "abdomen CT": (_abdomen, BODY_MM),
    "pelvis CT": (_pelvis, BODY_MM),
    "neck CT": (_neck, USUAL_MM),
    "limb CT": (_limb, USUAL_MM),
    "both legs CT": (_two_legs, BODY_MM),
    "localizer": (_localizer, USUAL_MM),
    "water phantom": (_water_phantom, USUAL_MM),
    "wrong intercept": (_shifted, USUAL_MM),
    "MR values as HU": (_mr_raw, USUAL_MM),
    "inverted HU": (_inverted_hu, USUAL_MM),
    "bone kernel": (_bone_kernel, USUAL_MM),
    "pixels of 5 mm": (_unchanged, 5.0),
    "pixels of 0.1 mm": (_unchanged, 0.1),
    "noise in HU": (_noise_hu, USUAL_MM),
    "air": (_air, USUAL_MM),
    "chest CT as a picture": (_windowed(_chest), PICTURE),
    "abdomen CT as a picture": (_windowed(_abdomen), PICTURE),
    "pelvis CT as a picture": (_windowed(_pelvis), PICTURE),
    "neck CT as a picture": (_windowed(_neck), PICTURE),
    "limb CT as a picture": (_windowed(_limb), PICTURE),
    "MR, T1-like": (_mr(flair=False, fluid=0.12, white=0.7, gray=0.5, scalp=1.0), PICTURE),
    "MR, T2-like": (_mr(flair=False, fluid=1.0, white=0.35, gray=0.5, scalp=0.7), PICTURE),
    "MR, FLAIR-like": (_mr(flair=True, fluid=0.05, white=0.45, gray=0.6, scalp=0.8), PICTURE),
    "inverted picture": (_inverted, PICTURE),
    "bone window as brain window": (_wrong_window(-800, 2000), PICTURE),
    "lung window as brain window": (_wrong_window(-1350, 150), PICTURE),
    **{kind: (maker, PICTURE) for kind, maker in DRAWN.items()},
}
