"""Which findings a study has, and how big: drawn to follow the clinic, never a wished-for figure.

Sizes are clipped log-normal. What causes what is kept: trauma brings fracture, scalp hematoma and extra-axial blood
together; a thick collection or a large clot shifts the midline; deep clots break into the ventricles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from plainscan.phantom.anatomy import Patient
from plainscan.phantom.lesion import Blob, Placed, Spot, Vector, blob, sign, spot, wobble
from plainscan.phantom.lesion_hemorrhage import (
    DuralSubdural,
    Epidural,
    Intraparenchymal,
    Intraventricular,
    Subarachnoid,
    Subdural,
)
from plainscan.phantom.lesion_skull import Fracture, ScalpHematoma
from plainscan.phantom.lesion_space import Atrophy, Hydrocephalus, MidlineShift
from plainscan.phantom.lesion_tissue import Cavity, EarlyInfarct, Mass
from plainscan.phantom.truth import Age, Side, Site

Rng: TypeAlias = np.random.Generator

# Middle of each lobe's surface as a direction from the cranium's middle (left side), and the y range of its bone.
LOBES: Final[dict[Site, tuple[tuple[float, float, float], tuple[float, float]]]] = {
    "frontal": ((0.55, -0.8, 0.15), (-95.0, -24.0)),
    "parietal": ((0.8, 0.3, 0.5), (-24.0, 48.0)),
    "temporal": ((0.97, -0.15, -0.2), (-28.0, 44.0)),
    "occipital": ((0.5, 0.86, -0.02), (46.0, 99.0)),
}
DEEP: Final[dict[Site, tuple[float, float, float]]] = {
    "basal_ganglia": (26, -6, 50),
    "thalamus": (12, 10, 51),
    "internal_capsule": (20, 3, 52),
    "corona_radiata": (25, -2, 72),
    "centrum_semiovale": (24, 8, 84),
    "cerebellum": (24, 44, 4),
    "brainstem": (3, 10, 11),
}
SHIFT_MM: Final = 3.0  # a displacement below this is not called a midline shift


def draw_acute(rng: Rng, patient: Patient) -> list[Placed]:
    """Findings that a patient comes to the scanner with; at least one."""
    scenarios: tuple[tuple[float, Callable[[Rng, Patient], list[Placed]]], ...] = (
        (0.34, _trauma),
        (0.20, _stroke_bleed),
        (0.08, _aneurysm),
        (0.15, _early_infarct),
        (0.11, _mass),
        (0.07, _old_subdural),
        (0.05, _hydrocephalus),
    )
    weights = np.array([weight for weight, _ in scenarios])
    return scenarios[int(rng.choice(len(scenarios), p=weights / weights.sum()))][1](rng, patient)


def draw_chronic(rng: Rng, patient: Patient) -> list[Placed]:
    """Findings that stay in all of a patient's studies; at least one."""
    found: list[Placed] = []
    if rng.random() < 0.15 + 0.35 * (patient.age_years > 60):
        found.append(_atrophy(rng))
    if rng.random() < 0.4:
        found.append(_late_infarct(rng, patient))
    if rng.random() < 0.5 or not found:
        found += [_lacune(rng, patient) for _ in range(int(rng.integers(1, 4)))]
    return found


def _size(rng: Rng, median: float, spread: float, low: float, high: float) -> float:
    return float(np.clip(median * np.exp(rng.normal(0, spread)), low, high))


def _side(rng: Rng) -> Side:
    return "left" if rng.random() < 0.5 else "right"


def _lobe(rng: Rng, weights: tuple[float, float, float, float] = (0.3, 0.25, 0.3, 0.15)) -> Site:
    return list(LOBES)[int(rng.choice(4, p=weights))]


def _spot(rng: Rng, patient: Patient, side: Side, site: Site, jitter: float = 0.16) -> Spot:
    direction = np.array(LOBES[site][0]) * (sign(side), 1, 1) + rng.normal(0, jitter, 3)
    return spot(patient, direction)


def _inward(rng: Rng, patient: Patient, side: Side, site: Site, depth_mm: float) -> Vector:
    place = _spot(rng, patient, side, site)
    return np.asarray(place.point_mm - depth_mm * place.normal)


def _trauma(rng: Rng, patient: Patient) -> list[Placed]:
    side, site = _side(rng), _lobe(rng)
    impact = _spot(rng, patient, side, site)
    found: list[Placed] = []
    if rng.random() < 0.7:
        found.append(_scalp(rng, side, site, impact))
    if rng.random() < 0.45:
        found.append(_fracture(rng, side, site, impact))
    if rng.random() < (0.5 if len(found) == 2 else 0.12):
        found.append(_epidural(rng, side, site, impact))
    other: Side = "right" if side == "left" else "left"
    if rng.random() < 0.35:
        found += _subdural(rng, patient, other, "acute")
    if rng.random() < 0.35:
        found.append(_traumatic_subarachnoid(rng, patient, other))
    if rng.random() < 0.25:
        found += [_contusion(rng, patient, other) for _ in range(int(rng.integers(1, 3)))]
    return found or [_scalp(rng, side, site, impact)]


def _scalp(rng: Rng, side: Side, site: Site, impact: Spot) -> Placed:
    thick = _size(rng, 7.0, 0.45, 3.0, 18.0)
    return ScalpHematoma(
        finding="scalp_hematoma", side=side, site=site, size_mm=thick, age="acute", spot=impact,
        radius_mm=float(rng.uniform(18, 24) + 1.6 * thick), blood_hu=float(rng.uniform(42, 68)), shape=wobble(rng, 18),
    )


def _fracture(rng: Rng, side: Side, site: Site, impact: Spot) -> Placed:
    # Mostly steep lines, which axial slices cut across; a line within the slice plane is missed by readers too.
    across = np.cross(impact.normal, np.array([0, 0, 1.0]) * rng.choice([1, 1, 0.3]) + rng.normal(0, 0.25, 3))
    across = np.cross(np.cross(across, impact.normal), impact.normal) if rng.random() < 0.15 else across
    depressed = rng.random() < 0.25
    return Fracture(
        finding="skull_fracture", side=side, site=site, size_mm=float(rng.uniform(3, 8)) if depressed else 0.0,
        age=None, spot=impact, across=across / np.linalg.norm(across), width_mm=_size(rng, 1.3, 0.4, 0.6, 3.0),
        length_mm=_size(rng, 48, 0.4, 20, 95), depth_mm=0.0, shape=wobble(rng, 25), mask_share=0.4,
    )


def _epidural(rng: Rng, side: Side, site: Site, impact: Spot) -> Placed:
    thick = _size(rng, 11.0, 0.5, 4.0, 28.0)
    return Epidural(
        finding="epidural_hemorrhage", side=side, site=site, size_mm=thick, age="acute", spot=impact,
        radius_mm=float(14 + 1.6 * thick * rng.uniform(0.8, 1.1)), blood_hu=float(rng.uniform(55, 78)),
        swirl_hu=float(rng.choice([0, 0, 20])), sutures_mm=LOBES[site][1], shape=wobble(rng, 14),
    )


def _subdural(rng: Rng, patient: Patient, side: Side, age: Age) -> list[Placed]:
    if age == "acute" and rng.random() < 0.25:
        return [_dural(rng, side)]
    low, high = {"acute": (55, 80), "subacute": (30, 44), "chronic": (10, 26)}[age]
    thick = _size(rng, 8.0 if age == "acute" else 12.0, 0.5, 3.0, 26.0)
    site: Site = "convexity"
    place = spot(patient, np.array([sign(side) * 0.9, rng.uniform(-0.45, 0.35), rng.uniform(0.05, 0.45)]))
    collection = Subdural(
        finding="subdural_hemorrhage", side=side, site=site, size_mm=thick, age=age, spot=place,
        radius_mm=float(rng.uniform(48, 66) + thick), blood_hu=float(rng.uniform(low, high)),
        layer_hu=float(rng.uniform(4, 12)) if age != "acute" and rng.random() < 0.5 else 0.0, shape=wobble(rng, 45),
    )
    room = 0.12 * max(patient.age_years - 40, 0)  # an old brain leaves room
    return [collection, *_shift(rng, side, 0.75 * thick - 1.5 - room, (place.point_mm[1] * 0.4, 58.0))]


def _dural(rng: Rng, side: Side) -> Placed:
    site: Site = "falx" if rng.random() < 0.6 else "tentorium"
    middle = (float(rng.uniform(-30, 55)), 85.0) if site == "falx" else (45.0, 32.0)
    return DuralSubdural(
        finding="subdural_hemorrhage", side=side, site=site, size_mm=_size(rng, 4.0, 0.3, 2.4, 9.0), age="acute",
        blood_hu=float(rng.uniform(55, 78)), middle_mm=middle, radius_mm=float(rng.uniform(32, 55)),
    )


def _shift(rng: Rng, side: Side, amount_mm: float, middle_mm: tuple[float, float]) -> list[Placed]:
    """A shift away from ``side`` when it is large enough to be called one."""
    amount = float(min(amount_mm * rng.uniform(0.75, 1.15), 16.0))
    if amount < SHIFT_MM:
        return []
    away: Side = "left" if side == "right" else "right"
    return [MidlineShift(finding="midline_shift", side=away, site="midline", size_mm=amount, middle_mm=(float(middle_mm[0]), float(middle_mm[1])))]


def _traumatic_subarachnoid(rng: Rng, patient: Patient, side: Side) -> Placed:
    site: Site = "sulci" if rng.random() < 0.65 else "sylvian_fissure"
    middle = _inward(rng, patient, side, _lobe(rng), 4.0) if site == "sulci" else np.array([sign(side) * 46, -6, 42])
    return _subarachnoid(rng, side, site, middle, float(rng.uniform(16, 34)))


def _subarachnoid(rng: Rng, side: Side, site: Site, middle: Vector, radius_mm: float) -> Placed:
    return Subarachnoid(
        finding="subarachnoid_hemorrhage", side=side, site=site, size_mm=2 * radius_mm, age="acute", mask_share=0.4,
        blood_hu=float(rng.uniform(45, 70)), middle_mm=(float(middle[0]), float(middle[1]), float(middle[2])),
        radius_mm=radius_mm, shape=wobble(rng, 16),
    )


def _aneurysm(rng: Rng, patient: Patient) -> list[Placed]:
    side = _side(rng)
    found = [_subarachnoid(rng, "bilateral", "basal_cisterns", np.array([0, -8, 32]), float(rng.uniform(22, 42)))]
    if rng.random() < 0.7:
        found.append(_subarachnoid(rng, side, "sylvian_fissure", np.array([sign(side) * 42, -10, 42]), float(rng.uniform(18, 32))))
    if rng.random() < 0.35:
        found.append(_intraventricular(rng, "bilateral", None))
    if rng.random() < 0.35:
        found += _hydrocephalus(rng, patient)
    return found


def _clot(rng: Rng, side: Side, site: Site, center: Vector, radius: float) -> Intraparenchymal:
    return Intraparenchymal(
        finding="intraparenchymal_hemorrhage", side=side, site=site, size_mm=2 * radius, age="acute",
        clot=blob(rng, center, radius, rough=0.16, flat=0.65), blood_hu=float(rng.uniform(54, 80)),
        edema_mm=float(rng.uniform(1.0, 2.5) + 0.18 * radius),
    )


def _contusion(rng: Rng, patient: Patient, side: Side) -> Placed:
    site = _lobe(rng, (0.5, 0.05, 0.4, 0.05))
    radius = _size(rng, 6.5, 0.5, 2.5, 20.0)
    return _clot(rng, side, site, _inward(rng, patient, side, site, radius + 3.0), radius)


def _stroke_bleed(rng: Rng, patient: Patient) -> list[Placed]:
    side = _side(rng)
    place = int(rng.choice(6, p=[0.42, 0.2, 0.2, 0.1, 0.05, 0.03]))
    sites: tuple[Site, ...] = ("basal_ganglia", "thalamus", "parietal", "cerebellum", "brainstem", "frontal")
    site = sites[place]
    if site in DEEP:
        limit = {"brainstem": 9.0, "thalamus": 17.0, "cerebellum": 19.0}.get(site, 27.0)
        radius = _size(rng, 6.0 if site == "brainstem" else 11.0, 0.5, 3.0, limit)
        center = _deep(rng, side, site, 2.0)
        center[0] += sign(side) * 0.15 * radius * (site == "basal_ganglia")
    else:
        radius = _size(rng, 14.0, 0.45, 5.0, 30.0)
        center = _inward(rng, patient, side, site, radius + rng.uniform(4, 12))
    found: list[Placed] = [_clot(rng, side, site, center, radius)]
    if site in ("basal_ganglia", "thalamus") and rng.random() < 0.15 + 0.025 * radius:
        found.append(_intraventricular(rng, side, blob(rng, np.array([sign(side) * 12, -5, 62]), float(rng.uniform(12, 30)))))
    if site not in ("cerebellum", "brainstem"):
        found += _shift(rng, side, 0.55 * (radius - 9), (float(center[1]) * 0.4, 55.0))
    return found


def _deep(rng: Rng, side: Side, site: Site, jitter_mm: float) -> Vector:
    return np.asarray(np.array(DEEP[site], float) * (sign(side), 1, 1) + rng.normal(0, jitter_mm, 3))


def _intraventricular(rng: Rng, side: Side, cast: Blob | None) -> Placed:
    return Intraventricular(
        finding="intraventricular_hemorrhage", side=side, site="lateral_ventricle", size_mm=0.0, age="acute",
        blood_hu=float(rng.uniform(50, 74)), level_mm=float(rng.uniform(34, 52)), cast=cast,
    )


def _hydrocephalus(rng: Rng, patient: Patient) -> list[Placed]:
    del patient
    amount = _size(rng, 5.0, 0.3, 3.0, 10.0)
    return [
        Hydrocephalus(
            finding="hydrocephalus", side="bilateral", site="ventricles", size_mm=4.4 + 2 * amount,
            ventricle_mm=amount, tight=float(rng.uniform(0.1, 0.5)),
        )
    ]


def _early_infarct(rng: Rng, patient: Patient) -> list[Placed]:
    side = _side(rng)
    site = _lobe(rng, (0.25, 0.35, 0.25, 0.15))
    large = rng.random() < 0.55
    radius = float(rng.uniform(24, 40)) if large else float(rng.uniform(8, 20))
    center = _inward(rng, patient, side, site, 0.7 * radius)
    found: list[Placed] = [
        EarlyInfarct(
            finding="early_infarct", side=side, site=site, size_mm=2 * radius, age="acute",
            territory=blob(rng, center, radius, rough=0.12, flat=0.6), water_hu=float(rng.uniform(3, 8)),
            swelling_mm=float(rng.uniform(0.1, 0.6)),
        )
    ]
    return found + (_shift(rng, side, 0.2 * (radius - 20), (0.0, 58.0)) if large else [])


def _late_infarct(rng: Rng, patient: Patient) -> Placed:
    side = _side(rng)
    site = _lobe(rng, (0.2, 0.3, 0.2, 0.3))
    radius = _size(rng, 16.0, 0.4, 7.0, 36.0)
    center = _inward(rng, patient, side, site, 0.35 * radius)
    return Cavity(
        finding="late_infarct", side=side, site=site, size_mm=2 * radius, age="chronic",
        defect=blob(rng, center, radius, rough=0.14, flat=0.6), fluid_hu=float(rng.uniform(6, 16)), border_mm=2.5, pial=True,
    )


def _lacune(rng: Rng, patient: Patient) -> Placed:
    del patient
    side = _side(rng)
    sites: tuple[Site, ...] = ("basal_ganglia", "thalamus", "internal_capsule", "corona_radiata", "centrum_semiovale", "brainstem")
    site = sites[int(rng.choice(6, p=[0.4, 0.18, 0.12, 0.18, 0.07, 0.05]))]
    radius = _size(rng, 3.8, 0.3, 2.6, 7.0)
    return Cavity(
        finding="lacune", side=side, site=site, size_mm=2 * radius, age="chronic",
        defect=blob(rng, _deep(rng, side, site, 3.0), radius, rough=0.1), fluid_hu=float(rng.uniform(6, 14)), border_mm=0.8, pial=False, mask_share=0.4,
    )


def _atrophy(rng: Rng) -> Placed:
    return Atrophy(
        finding="atrophy", side="bilateral", site="brain", size_mm=0.0, sulcus_mm=float(rng.uniform(0.35, 0.9)),
        gap_mm=float(rng.uniform(0.6, 2.2)), ventricle_mm=float(rng.uniform(1.2, 3.4)),
    )


def _mass(rng: Rng, patient: Patient) -> list[Placed]:
    side, site = _side(rng), _lobe(rng)
    radius = _size(rng, 12.0, 0.4, 5.0, 26.0)
    at_surface = rng.random() < 0.3
    center = _inward(rng, patient, side, site, radius * (0.75 if at_surface else 1.0) + (0 if at_surface else rng.uniform(6, 16)))
    solid = float(rng.uniform(40, 56) if at_surface else rng.uniform(32, 46))
    edema = float(rng.uniform(0, 8) if at_surface else rng.uniform(5, 18))
    core = solid if at_surface or rng.random() < 0.4 else float(rng.uniform(12, 26))
    tumor = Mass(
        finding="mass", side=side, site=site, size_mm=2 * radius, tumor=blob(rng, center, radius, rough=0.1, flat=0.75),
        solid_hu=solid, core_hu=core, rim_mm=float(rng.uniform(2.5, 5)), edema_mm=edema,
        edema_hu=float(rng.uniform(7, 11)), calcified=bool(at_surface and rng.random() < 0.3),
    )
    return [tumor, *_shift(rng, side, 0.4 * (radius + 0.6 * edema - 12), (float(center[1]) * 0.4, 56.0))]


def _old_subdural(rng: Rng, patient: Patient) -> list[Placed]:
    age: Age = "subacute" if rng.random() < 0.4 else "chronic"
    found = _subdural(rng, patient, _side(rng), age)
    if rng.random() < 0.25 and len(found) == 1:
        other: Side = "left" if found[0].side == "right" else "right"
        found += [item for item in _subdural(rng, patient, other, age) if item.finding != "midline_shift"]
    return found
