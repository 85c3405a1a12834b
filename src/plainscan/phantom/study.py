"""One study: a person, what ails them, a scan of it, and the truth about it.

>>> study = make_study(np.random.default_rng(1), StudyOptions(size=256, slices=(4, 4)))
>>> study.hu.shape, study.hu.dtype.name, study.masks.dtype.name, study.truth.slice_count
((4, 256, 256), 'int16', 'uint16', 4)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.findings import FINDING_KEYS, index
from plainscan.phantom import scanner as scan
from plainscan.phantom.anatomy import Patient, make_patient
from plainscan.phantom.atlas import Point
from plainscan.phantom.draw import draw_acute
from plainscan.phantom.lesion import Placed
from plainscan.phantom.scene import Scene, make_scene, render_plane
from plainscan.phantom.truth import Lesion, StudyTruth, Variant

MINIMUM_AREA_MM2: Final = 12.0
"""A slice shows a focal finding when its mask covers this much: a disc of 4 mm, the smallest lesion that a reader of
5 mm slices is expected to see (a lacune is 3-15 mm by definition: Wardlaw et al., Lancet Neurol 2013;12:822)."""
MINIMUM_DIFFUSE_AREA_MM2: Final = 60.0
"""The same for atrophy, hydrocephalus and midline shift, whose masks are spread over the slice."""
VERTEX_MM: Final = 122.0  # of the average head, above the ear canal
DIFFUSE: Final = ("atrophy", "hydrocephalus", "midline_shift")


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """How to draw a study.

    Args:
        size: Rows and columns.
        slices: Least and most slices.
        acute: Whether the patient comes with something new.
        history: Findings of earlier days that are still there.
        number: 0-based number of the study among the patient's.
    """

    size: int = 256
    slices: tuple[int, int] = (20, 36)
    acute: bool = True
    history: tuple[Placed, ...] = ()
    number: int = 0


@dataclass(frozen=True, slots=True)
class Study:
    """A synthetic study.

    Args:
        hu: (slices, rows, columns), int16, HU, lowest slice first.
        masks: (slices, rows, columns), uint16; bit i is ``FINDING_KEYS[i]``, bit 0 any of them.
        labels: (slices, findings), int8, 1 or 0, columns as ``FINDING_KEYS``.
        geometry: Where the slices lie.
        truth: What is there.
        scene: For further series of the same head.
        acquisition: How it was scanned.
    """

    hu: NDArray[np.int16]
    masks: NDArray[np.uint16]
    labels: NDArray[np.int8]
    geometry: scan.Geometry
    truth: StudyTruth
    scene: Scene
    acquisition: scan.Scanner


def make_study(rng: np.random.Generator, options: StudyOptions | None = None, patient: Patient | None = None) -> Study:
    """Draw and scan one study; without ``patient`` a person is drawn first."""
    options = options or StudyOptions()
    patient = patient or make_patient(rng)
    new = tuple(draw_acute(rng, patient)) if options.acute else ()
    scene = make_scene(rng, patient, options.history + new, options.number)
    geometry = _plan(rng, scene, options)
    acquisition = scan.Scanner(
        scan.SOFT,
        dose=float(rng.uniform(0.75, 1.35)),
        hardening=float(rng.choice([0.0, 0.5, 1.0])),
        headrest_mm=float(rng.uniform(100, 112)),
    )
    hu, found, means = scan_series(rng, scene, geometry, acquisition)
    masks = _masks(found, scene)
    labels = _labels(masks, geometry.pixel_mm**2)
    return Study(hu, masks, labels, geometry, _truth(scene, labels, geometry, means), scene, acquisition)


def scan_series(
    rng: np.random.Generator, scene: Scene, geometry: scan.Geometry, acquisition: scan.Scanner
) -> tuple[NDArray[np.int16], NDArray[np.bool_], list[float]]:
    """Scan a scene.

    Returns:
        HU (slices, rows, columns), int16; the mask of each finding (findings, slices, rows, columns), bool; and the
        median of the noise-free HU under each mask (the mean would follow bone at its edge).
    """
    amplitude = scan.spectrum(geometry.shape, geometry.pixel_mm, acquisition.kernel)
    rest = scan.headrest(geometry, acquisition)
    hu = np.empty((len(geometry), *geometry.shape), np.int16)
    masks = np.zeros((len(scene.lesions), *hu.shape), np.bool_)
    under: list[list[NDArray[np.float32]]] = [[] for _ in scene.lesions]
    least = np.array([lesion.mask_share for lesion in scene.lesions], np.float32)[:, None, None]
    for i in range(len(geometry)):
        ideal, shares = render_plane(scene, geometry, i)
        np.greater_equal(shares, least, out=masks[:, i])
        for seen_hu, mask in zip(under, masks[:, i], strict=True):
            seen_hu.append(ideal[mask])
        scan.merge_headrest(ideal, rest)
        thick = np.float32(np.sqrt(5.0 / geometry.thickness_mm[i]))
        hu[i] = np.rint(np.clip(scan.detect(ideal, rng, geometry, acquisition, amplitude * thick), -1024, 3071))
    return hu, masks, [_median(np.concatenate(parts)) for parts in under]


def _median(values: NDArray[np.float32]) -> float:
    return round(float(np.median(values)), 1) if values.size else 0.0


def _plan(rng: np.random.Generator, scene: Scene, options: StudyOptions) -> scan.Geometry:
    """Choose the planes: tilt, field of view, range along the table, spacing."""
    count = int(rng.integers(options.slices[0], options.slices[1] + 1))
    tilt = scene.tilt_deg
    lean = np.deg2rad(tilt)
    bottom = float(rng.uniform(-48, -22))
    top = VERTEX_MM + float(rng.uniform(-8, 3))
    spacing = _spacing(rng, count, top - bottom)
    field = float(rng.uniform(225, 250))
    pixel = field / options.size
    down = np.array([0.0, np.cos(lean), -np.sin(lean)])
    middle = np.stack([np.zeros(count), np.zeros(count), bottom + np.cumsum(spacing) - spacing[0] / 2], axis=1)
    corner = middle - (options.size - 1) / 2 * pixel * (np.array([1.0, 0.0, 0.0]) + down)
    corner += scene.pose.shift_mm + np.array([*rng.uniform(-4, 4, 2), 0.0])
    return scan.Geometry(
        (options.size, options.size),
        pixel,
        (1.0, 0.0, 0.0),
        (0.0, float(down[1]), float(down[2])),
        np.round(corner, 4),
        np.round(spacing, 2),
        tilt,
    )


def _spacing(rng: np.random.Generator, count: int, length: float) -> NDArray[np.float64]:
    """Distance of each slice from the one below, mm: even, or thin at the base and thick above."""
    if count >= 12 and rng.random() < 0.25:
        base = round(count * 0.45)
        thin = length / (base + 1.6 * (count - base))
        return np.asarray(np.where(np.arange(count) < base, round(thin, 1), round(1.6 * thin, 1)), np.float64)
    return np.full(count, round(length / count, 1), np.float64)


def _masks(found: NDArray[np.bool_], scene: Scene) -> NDArray[np.uint16]:
    masks = np.zeros(found.shape[1:], np.uint16)
    for mask, lesion in zip(found, scene.lesions, strict=True):
        masks |= mask * np.uint16(1 << index(lesion.finding) | 1)
    return masks


def _labels(masks: NDArray[np.uint16], pixel_mm2: float) -> NDArray[np.int8]:
    labels = np.zeros((len(masks), len(FINDING_KEYS)), np.int8)
    for i, key in enumerate(FINDING_KEYS[1:], start=1):
        area = ((masks >> i) & 1).sum(axis=(1, 2)) * pixel_mm2
        labels[:, i] = area >= (MINIMUM_DIFFUSE_AREA_MM2 if key in DIFFUSE else MINIMUM_AREA_MM2)
    labels[:, 0] = labels[:, 1:].any(axis=1)
    return labels


def _truth(scene: Scene, labels: NDArray[np.int8], geometry: scan.Geometry, means: list[float]) -> StudyTruth:
    lesions = []
    order = sorted(range(len(means)), key=lambda i: index(scene.lesions[i].finding))
    for placed, hu in ((scene.lesions[i], means[i]) for i in order):
        slices = np.flatnonzero(labels[:, index(placed.finding)])
        if slices.size:
            where = tuple(int(i) for i in slices)
            lesions.append(Lesion(placed.finding, placed.side, placed.site, placed.size_mm, where, placed.age, hu))
    return StudyTruth(
        patient=scene.patient.number,
        study=scene.number,
        lesions=tuple(lesions),
        variants=_variants(scene, geometry),
        slice_count=len(geometry),
        thickness_mm=float(geometry.thickness_mm[-1]),
        age_years=scene.patient.age_years,
        sex=scene.patient.sex,
        comparison=scene.number > 0,
    )


def _variants(scene: Scene, geometry: scan.Geometry) -> tuple[Variant, ...]:
    """Calcifications with the slices that cut them, and a transverse sinus much larger than the other."""
    found = [Variant(s.kind, s.side, _cut(scene, geometry, s.center_mm, s.radius_mm[2])) for s in scene.patient.specks]
    right, left = scene.patient.look.sinus_mm
    if min(right, left) < 0.6 * max(right, left):
        found.append(Variant("asymmetric_sinus", "right" if right > left else "left", ()))
    return tuple(found)


def _cut(scene: Scene, geometry: scan.Geometry, center_mm: Point, radius_mm: float) -> tuple[int, ...]:
    point = scene.pose.turn.T @ np.array(center_mm) + scene.pose.shift_mm
    away = np.abs((geometry.positions_mm - point) @ geometry.normal())
    return tuple(int(i) for i in np.flatnonzero(away < geometry.thickness_mm / 2 + radius_mm * 0.5))
