"""Brain, ventricles, cisterns and dura as fields of head coordinates (frame of ``anatomy_head``).

Sulci are sheets that run inward from the surface: the zero set of a random field on the brain's surface,
carried radially inward. They look like gyri without being any particular gyrus.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from plainscan.phantom.atlas import F32, Atlas, Grid, build, ellipsoid, f32, normalized, smooth_max, smooth_noise, tube

BRAIN_GRID: Final = Grid((-76.0, -90.0, -46.0), 2.0, (77, 90, 83))
BRAIN_FIELDS: Final = (
    "ventricle",
    "sulcus",
    "fissure",
    "cistern",
    "deep_gray",
    "tentorium",
    "infratentorial",
    "hindbrain",
    "brainstem",
    "falx",
    "depth",
    "patchy",
    "ventricle_rise",
    "sulcus_rise",
)


AVERAGE_FIELDS: Final = tuple(name for name in BRAIN_FIELDS if name not in ("sulcus", "depth", "patchy", "sulcus_rise"))
FOLDS_GRID: Final = Grid((-105.0, -105.0, -105.0), 2.1, (101, 101, 101))
FOLD_MM: Final = (3.6, 5.7)  # Gaussians whose difference makes the folds: sulci are about 13 mm apart
FOLDS_SEED: Final = 20  # any number: the folds are turned anew for each person


@cache
def average_brain() -> Atlas:
    """The average brain, ``AVERAGE_FIELDS``: made once per process; what differs per person comes on top of it."""
    x, y, z = (np.ascontiguousarray(axis) for axis in np.broadcast_arrays(*BRAIN_GRID.axes()))
    stem = brainstem(x, y, z)
    below = infratentorial(x, y, z)
    water = ventricles(x, y, z)
    fields = {
        "ventricle": water,
        "fissure": fissures(x, y, z),
        "cistern": cisterns(x, y, z, stem),
        "deep_gray": deep_gray(x, y, z),
        "tentorium": z - tentorium_height(x, y),
        "infratentorial": below,
        "hindbrain": hindbrain(x, y, z, below),
        "brainstem": stem,
        "falx": np.broadcast_to(falx(y, z), x.shape),
        "ventricle_rise": np.clip(np.abs(np.gradient(water, BRAIN_GRID.step_mm, axis=2)), 0, 1),
    }
    return build(BRAIN_GRID, [fields[name] for name in AVERAGE_FIELDS])


def ventricles(x: F32, y: F32, z: F32) -> F32:
    """Signed distance to the ventricles of a young adult, mm."""
    ax = np.abs(x)
    low = 60 + (z - 60) * 0.6  # horns and bodies are taller than wide
    path = (
        ((15, -38, 57), 1.4),
        ((8.5, -24, 60), 3.4),
        ((5.5, -10, 62), 3.0),
        ((9, 8, 65), 3.2),
        ((16, 27, 66), 3.8),
        ((23, 39, 60), 5.2),
    )
    lateral = tube(ax, y, low, path)
    occipital = tube(ax, y, z, (((23, 39, 60), 5.0), ((26, 50, 56), 2.6), ((26, 62, 52), 1.2)))
    temporal = tube(ax, y, z, (((24, 37, 58), 4.0), ((31, 24, 42), 1.6), ((34, 8, 30), 1.2), ((29, -4, 26), 1.6)))
    third = ellipsoid(ax, y, z, (0, 1, 46), (1.8, 16, 12))
    fourth = ellipsoid(ax, y - 0.18 * (z - 6), z, (0, 27, 6), (7, 4.2, 12))
    return f32(np.maximum.reduce([lateral, occipital, temporal, third, fourth]))


def tentorium_height(x: F32, y: F32) -> F32:
    """Height of the tentorium over (x, y), mm."""
    ax = np.abs(x)
    middle = 49 - 0.52 * np.clip(y - 33, -10, 60)
    return f32(17 + (middle - 17) * np.exp(-((ax / 27) ** 1.6)) + 0.06 * np.clip(y, 0, 80))


def infratentorial(x: F32, y: F32, z: F32) -> F32:
    """Signed distance to the compartment behind the petrous ridges and below the tentorium."""
    behind = (y - (-10 + 0.56 * np.abs(x))) * 0.87
    notch = ellipsoid(x, y, z, (0, 9, 34), (15, 15, 23))
    below = np.minimum((tentorium_height(x, y) - z) * 0.8, behind)
    below = np.minimum(below, np.maximum(0.8 * (y - 23), 30 - z))  # in front of it the incisura is open
    return f32(np.maximum(below, np.minimum(notch, 40 - z)))


def brainstem(x: F32, y: F32, z: F32) -> F32:
    """Signed distance to midbrain, pons, medulla and cervical cord."""
    ax = np.abs(x)
    pons = ellipsoid(ax, y, z, (0, 9, 12), (16, 12.5, 17))
    stem = tube(ax, y, z, (((0, 11, 38), 9.0), ((0, 12, 12), 10.0), ((0, 17, -22), 6.5), ((0, 19, -60), 6.0)))
    peduncle = tube(ax, y, z, (((9, 4, 32), 6.0), ((12, -1, 40), 6.5)))
    tectum = ellipsoid(ax, y, z, (5, 20, 38), (6, 5, 7))
    return f32(np.maximum.reduce([pons, stem, peduncle, tectum]))


def hindbrain(x: F32, y: F32, z: F32, compartment: F32) -> F32:
    """Signed distance to the cerebellum: it fills its compartment behind the brainstem up to a cisternal gap.

    Args:
        x: Coordinates.
        y: The same.
        z: The same.
        compartment: From ``infratentorial``.
    """
    ax = np.abs(x)
    middle = 18 + 11 * np.clip((z - 18) / 12, 0, 1) + 9 * np.clip((-14 - z) / 10, 0, 1)
    front = middle + np.clip((ax - 12) / 10, 0, 1) * (0.56 * ax - 4 - middle)
    notch = np.hypot(ax * 1.3, (y - 68) * 0.45) - 9 * np.clip((-2 - z) / 10, 0, 1)  # vallecula and cisterna magna
    body = np.minimum(np.minimum(compartment - 1.0, y - front), np.minimum(notch, z + 24))
    peduncle = ellipsoid(ax, y, z, (15, 18, 6), (8, 10, 8))
    return smooth_max(body.astype(np.float32), peduncle, 3.0)


def cisterns(x: F32, y: F32, z: F32, stem: F32) -> F32:
    """Signed distance to the basal cisterns around sella and midbrain."""
    ax = np.abs(x)
    suprasellar = ellipsoid(ax, y, z, (0, -13, 30), (12, 11, 6.5))
    arms = tube(ax, y, z, (((8, -14, 30), 3.0), ((26, -20, 32), 2.2)))
    arms = np.maximum(arms, tube(ax, y, z, (((0, -22, 30), 2.0), ((0, -34, 32), 1.4))))
    around = np.minimum(1.3 - np.abs(-stem - 1.3), np.minimum(9 - np.abs(z - 34), y + 6))
    quadrigeminal = ellipsoid(ax, f32(y - 0.3 * (9 - ax)), z, (0, 27, 43), (9.5, 2.9, 5.5))
    return f32(np.maximum.reduce([suprasellar, arms, around, quadrigeminal]))


def fissures(x: F32, y: F32, z: F32) -> F32:
    """Distance to the Sylvian fissures and insular cisterns, mm, as minus the distance to their sheets."""
    ax = np.abs(x)
    inside = ellipsoid(x * 0, y, z, (0, -8, 44), (40, 25, 15))
    insula = -np.hypot(ax - 38 + 0.006 * (y + 8) ** 2, np.clip(-inside, 0, None))
    bend = z - (37 + 0.42 * (y + 12))
    reach = np.clip(np.abs(y + 8) - 24, 0, None)
    lateral = -np.hypot(np.hypot(bend * 0.9, np.clip(38 - ax, 0, None)), reach)
    return f32(np.maximum(insula, lateral))


def deep_gray(x: F32, y: F32, z: F32) -> F32:
    """Signed distance to caudate, lentiform nucleus and thalamus."""
    ax = np.abs(x)
    caudate = tube(ax, y, z, (((14, -27, 53), 5.5), ((14.5, -14, 61), 4.5), ((19, 10, 70), 2.0)))
    lentiform = ellipsoid(ax - 0.28 * (y + 6), y, z, (25, -6, 48), (6.5, 19, 12))
    thalamus = ellipsoid(ax - 0.3 * (y - 8), y, z, (11, 10, 51), (7.5, 14, 10))
    return f32(np.maximum.reduce([caudate, lentiform, thalamus]))


def falx(y: F32, z: F32) -> F32:
    """Signed distance, within the midline plane, to the sickle between skull and corpus callosum."""
    under = np.hypot((y - 2) / 46, (z - 48) / 32)
    return f32(np.maximum((under - 1) * 30, np.minimum((-y - 36) * 0.9, z - 26)))


def round_point(x: F32, y: F32, z: F32) -> tuple[F32, F32, F32]:
    """The point where the brain is a ball about the origin, mm: the frame of ``folds``."""
    return x / np.float32(0.84), y + np.float32(2.0), (z - np.float32(40.0)) / np.float32(0.95)


def _labyrinth(rng: np.random.Generator) -> F32:
    """Noise of one wavelength: its zero set is a maze of sheets that keep their distance, as sulci do."""
    white = rng.standard_normal(FOLDS_GRID.shape, dtype=np.float32)
    fine, coarse = (gaussian_filter(white, width / FOLDS_GRID.step_mm, mode="wrap") for width in FOLD_MM)
    return f32((fine - coarse) / np.std(fine - coarse))


@cache
def folds() -> Atlas:
    """Signed distance to the nearest sulcal sheet, mm, in two patterns, one per hemisphere, in ``round_point``.

    Each pattern is followed by its gradient, 3 fields.

    The brain's surface looks the same from all sides, so that any rotation of a pattern is another person's.
    """
    rng = np.random.default_rng(FOLDS_SEED)
    x, y, z = FOLDS_GRID.axes()
    radius = np.sqrt(x * x + y * y + z * z)
    pull = (72.0 / np.maximum(radius, 12.0)) ** 0.8
    patterns: list[F32] = []
    for _ in range(2):
        noise = _labyrinth(rng)
        at = [
            (axis * pull + 1.2 * smooth_noise(rng, FOLDS_GRID, 12.0) - start) / FOLDS_GRID.step_mm
            for axis, start in zip((x, y, z), FOLDS_GRID.origin_mm, strict=True)
        ]
        field = map_coordinates(noise, np.stack(at), order=1, mode="reflect")
        patterns.append(np.clip(normalized(field.astype(np.float32), FOLDS_GRID.step_mm, 0.06), -12, 12))
        patterns += [
            f32(np.clip(part, -1, 1))
            for part in (np.gradient(patterns[-1], FOLDS_GRID.step_mm, axis=axis) for axis in range(3))
        ]
    return build(FOLDS_GRID, patterns)
