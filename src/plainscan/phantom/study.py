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
from plainscan.phantom.acquisition import draw_scanner, plan, turn_scene
from plainscan.phantom.anatomy import Patient, make_patient
from plainscan.phantom.anatomy_shape import CENTER_MM
from plainscan.phantom.atlas import Point
from plainscan.phantom.draw import draw_acute
from plainscan.phantom.furnish import draw_objects
from plainscan.phantom.lesion import Placed
from plainscan.phantom.objects import NOTHING, Objects, add_objects, background
from plainscan.phantom.scene import Scene, make_scene, render_planes
from plainscan.phantom.truth import Lesion, StudyTruth, Variant

MINIMUM_AREA_MM2: Final = 12.0
"""A slice shows a focal finding when its mask covers this much: a disc of 4 mm, the smallest lesion that a reader of
5 mm slices is expected to see (a lacune is 3-15 mm by definition: Wardlaw et al., Lancet Neurol 2013;12:822)."""
MINIMUM_DIFFUSE_AREA_MM2: Final = 60.0
"""The same for atrophy, hydrocephalus and midline shift, whose masks are spread over the slice."""
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
        wide: Vary everything farther than a hospital does (domain randomization, as a training wants it; the idea is
            SynthSeg's: Billot et al., Med Image Anal 2023;86:102789, recalled, not looked up).
    """

    size: int = 256
    slices: tuple[int, int] = (20, 36)
    acute: bool = True
    history: tuple[Placed, ...] = ()
    number: int = 0
    wide: bool = False


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
        objects: What lay beside the patient.
    """

    hu: NDArray[np.int16]
    masks: NDArray[np.uint16]
    labels: NDArray[np.int8]
    geometry: scan.Geometry
    truth: StudyTruth
    scene: Scene
    acquisition: scan.Scanner
    objects: Objects = NOTHING


def make_study(rng: np.random.Generator, options: StudyOptions | None = None, patient: Patient | None = None) -> Study:
    """Draw and scan one study; without ``patient`` a person is drawn first."""
    options = options or StudyOptions()
    patient = patient or make_patient(rng, wide=options.wide)
    new = tuple(draw_acute(rng, patient, wide=options.wide)) if options.acute else ()
    scene = make_scene(rng, patient, options.history + new, options.number)
    if options.wide:
        scene = turn_scene(rng, scene)
    geometry = plan(rng, scene, options.size, options.slices, options.wide)
    acquisition = draw_scanner(rng, float(geometry.thickness_mm[0]), options.wide)
    objects = draw_objects(rng, scene, options.wide)
    hu, found, means = scan_series(rng, scene, geometry, acquisition, objects)
    masks = _masks(found, scene)
    labels = _labels(masks, geometry.pixel_mm**2)
    return Study(hu, masks, labels, geometry, _truth(scene, labels, geometry, means), scene, acquisition, objects)


def scan_series(
    rng: np.random.Generator,
    scene: Scene,
    geometry: scan.Geometry,
    acquisition: scan.Scanner,
    objects: Objects = NOTHING,
) -> tuple[NDArray[np.int16], NDArray[np.bool_], list[float]]:
    """Scan a scene.

    Returns:
        HU (slices, rows, columns), int16; the mask of each finding (findings, slices, rows, columns), bool; and the
        median of the noise-free HU under each mask (the mean would follow bone at its edge).
    """
    detector = scan.make_detector(rng, geometry, acquisition, _middle(scene))
    still = background(objects, geometry)
    hu = np.empty((len(geometry), *geometry.shape), np.int16)
    masks = np.zeros((len(scene.lesions), *hu.shape), np.bool_)
    under: list[list[NDArray[np.float32]]] = [[] for _ in scene.lesions]
    least = np.array([lesion.mask_share for lesion in scene.lesions], np.float32)[:, None, None]
    for i, (ideal, shares) in enumerate(render_planes(scene, geometry, acquisition.kernel.blur_mm)):
        np.greater_equal(shares, least, out=masks[:, i])
        for seen_hu, mask in zip(under, masks[:, i], strict=True):
            seen_hu.append(ideal[mask])
        metal = add_objects(ideal, objects, still, geometry, i, rng)
        hu[i] = np.rint(scan.detect(detector, ideal, rng, float(geometry.thickness_mm[i]), metal))
    if acquisition.output.circle_hu is not None:
        masks[:, :, detector.outside] = False  # what is not on the slice is not shown
    return hu, masks, [_median(np.concatenate(parts)) for parts in under]


def _middle(scene: Scene) -> NDArray[np.float64]:
    """The middle of the head in patient coordinates."""
    return np.asarray(scene.pose.turn.T @ CENTER_MM + scene.pose.shift_mm)


def _median(values: NDArray[np.float32]) -> float:
    return round(float(np.median(values)), 1) if values.size else 0.0


def _masks(found: NDArray[np.bool_], scene: Scene) -> NDArray[np.uint16]:
    masks = np.zeros(found.shape[1:], np.uint16)
    for mask, lesion in zip(found, scene.lesions, strict=True):
        masks |= mask * np.uint16(1 << index(lesion.finding) | 1)
    return masks


def _labels(masks: NDArray[np.uint16], pixel_mm2: float) -> NDArray[np.int8]:
    labels = np.zeros((len(masks), len(FINDING_KEYS)), np.int8)
    present = int(np.bitwise_or.reduce(masks, axis=None))
    for i, key in enumerate(FINDING_KEYS[1:], start=1):
        if not present >> i & 1:
            continue
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
