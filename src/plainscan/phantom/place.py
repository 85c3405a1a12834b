"""Each finding on its own: where it may lie, how big and how dense it is.

Sizes are clipped log-normal; HU follow the table in ``tissue``.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np

from plainscan.phantom.anatomy import Patient
from plainscan.phantom.lesion import Blob, Placed, Spot, Vector, blob, sign, spot, wobble
from plainscan.phantom.lesion_clot import Intraparenchymal, Intraventricular
from plainscan.phantom.lesion_hemorrhage import DuralSubdural, Epidural, Subarachnoid, Subdural
from plainscan.phantom.lesion_skull import Fracture, ScalpHematoma
from plainscan.phantom.lesion_space import Atrophy, Hydrocephalus, MidlineShift
from plainscan.phantom.lesion_tissue import Cavity
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


def draw_size(rng: Rng, median: float, spread: float, low: float, high: float) -> float:
    """A size in mm: log-normal about the median, clipped."""
    return float(np.clip(median * np.exp(rng.normal(0, spread)), low, high))


def draw_side(rng: Rng) -> Side:
    """Left or right."""
    return "left" if rng.random() < 0.5 else "right"


def draw_lobe(rng: Rng, weights: tuple[float, float, float, float] = (0.3, 0.25, 0.3, 0.15)) -> Site:
    """A lobe, by weight."""
    return list(LOBES)[int(rng.choice(4, p=weights))]


def surface(rng: Rng, patient: Patient, side: Side, site: Site, jitter: float = 0.16) -> Spot:
    """A place on the inner table over a lobe."""
    direction = np.array(LOBES[site][0]) * (sign(side), 1, 1) + rng.normal(0, jitter, 3)
    return spot(patient, direction)


def inward(rng: Rng, patient: Patient, side: Side, site: Site, depth_mm: float) -> Vector:
    """A point below the surface of a lobe, (3,), mm."""
    place = surface(rng, patient, side, site)
    return np.asarray(place.point_mm - depth_mm * place.normal)


def scalp_hematoma(rng: Rng, side: Side, site: Site, impact: Spot) -> Placed:
    """A scalp hematoma at the point of impact."""
    thick = draw_size(rng, 7.0, 0.45, 3.0, 18.0)
    return ScalpHematoma(
        finding="scalp_hematoma",
        side=side,
        site=site,
        size_mm=thick,
        age="acute",
        spot=impact,
        radius_mm=float(rng.uniform(18, 24) + 1.6 * thick),
        blood_hu=float(rng.uniform(42, 68)),
        shape=wobble(rng, 18),
    )


def fracture(rng: Rng, side: Side, site: Site, impact: Spot) -> Placed:
    """A skull fracture at the point of impact."""
    # Mostly steep lines, which axial slices cut across; a line within the slice plane is missed by readers too.
    across = np.cross(impact.normal, np.array([0, 0, 1.0]) * rng.choice([1, 1, 0.3]) + rng.normal(0, 0.25, 3))
    across = np.cross(np.cross(across, impact.normal), impact.normal) if rng.random() < 0.15 else across
    depth = float(rng.uniform(3, 8)) if rng.random() < 0.25 else 0.0
    return Fracture(
        finding="skull_fracture",
        side=side,
        site=site,
        size_mm=depth,
        age=None,
        spot=impact,
        across=across / np.linalg.norm(across),
        width_mm=draw_size(rng, 1.3, 0.4, 0.6, 3.0),
        length_mm=draw_size(rng, 48, 0.4, 20, 95),
        depth_mm=depth,
        shape=wobble(rng, 25),
        mask_share=0.4,
    )


def epidural(rng: Rng, side: Side, site: Site, impact: Spot) -> Placed:
    """An epidural hemorrhage under the point of impact."""
    thick = draw_size(rng, 11.0, 0.5, 4.0, 28.0)
    return Epidural(
        finding="epidural_hemorrhage",
        side=side,
        site=site,
        size_mm=thick,
        age="acute",
        spot=impact,
        radius_mm=float(14 + 1.6 * thick * rng.uniform(0.8, 1.1)),
        blood_hu=float(rng.uniform(55, 78)),
        swirl_hu=float(rng.choice([0, 0, 20])),
        sutures_mm=LOBES[site][1],
        shape=wobble(rng, 14),
    )


def subdural(rng: Rng, patient: Patient, side: Side, age: Age) -> list[Placed]:
    """A subdural hemorrhage of the convexity with the shift it causes, or one along the dura."""
    if age == "acute" and rng.random() < 0.25:
        return [dural_subdural(rng, side)]
    low, high = {"acute": (55, 80), "subacute": (30, 44), "chronic": (10, 26)}[age]
    thick = draw_size(rng, 8.0 if age == "acute" else 12.0, 0.5, 3.0, 26.0)
    site: Site = "convexity"
    place = spot(patient, np.array([sign(side) * 0.9, rng.uniform(-0.45, 0.35), rng.uniform(0.05, 0.45)]))
    collection = Subdural(
        finding="subdural_hemorrhage",
        side=side,
        site=site,
        size_mm=thick,
        age=age,
        spot=place,
        radius_mm=float(rng.uniform(48, 66) + thick),
        blood_hu=float(rng.uniform(low, high)),
        layer_hu=float(rng.uniform(4, 12)) if age != "acute" and rng.random() < 0.5 else 0.0,
        shape=wobble(rng, 45),
    )
    room = 0.12 * max(patient.age_years - 40, 0)  # an old brain leaves room
    return [collection, *midline_shift(rng, side, 0.75 * thick - 1.5 - room, (place.point_mm[1] * 0.4, 58.0))]


def dural_subdural(rng: Rng, side: Side) -> Placed:
    """A subdural hemorrhage along falx or tentorium."""
    site: Site = "falx" if rng.random() < 0.6 else "tentorium"
    middle = (float(rng.uniform(-30, 55)), 85.0) if site == "falx" else (45.0, 32.0)
    return DuralSubdural(
        finding="subdural_hemorrhage",
        side=side,
        site=site,
        size_mm=draw_size(rng, 4.0, 0.3, 2.4, 9.0),
        age="acute",
        blood_hu=float(rng.uniform(55, 78)),
        middle_mm=middle,
        radius_mm=float(rng.uniform(32, 55)),
    )


def midline_shift(rng: Rng, side: Side, amount_mm: float, middle_mm: tuple[float, float]) -> list[Placed]:
    """A shift away from ``side`` when it is large enough to be called one."""
    amount = float(min(amount_mm * rng.uniform(0.75, 1.15), 16.0))
    if amount < SHIFT_MM:
        return []
    away: Side = "left" if side == "right" else "right"
    return [
        MidlineShift(
            finding="midline_shift",
            side=away,
            site="midline",
            size_mm=amount,
            middle_mm=(float(middle_mm[0]), float(middle_mm[1])),
        )
    ]


def traumatic_subarachnoid(rng: Rng, patient: Patient, side: Side) -> Placed:
    """Subarachnoid blood after trauma: over a convexity or in one Sylvian fissure."""
    site: Site = "sulci" if rng.random() < 0.65 else "sylvian_fissure"
    middle = inward(rng, patient, side, draw_lobe(rng), 4.0) if site == "sulci" else np.array([sign(side) * 46, -6, 42])
    return subarachnoid(rng, side, site, middle, float(rng.uniform(16, 34)))


def subarachnoid(rng: Rng, side: Side, site: Site, middle: Vector, radius_mm: float) -> Placed:
    """Subarachnoid blood around a point."""
    return Subarachnoid(
        finding="subarachnoid_hemorrhage",
        side=side,
        site=site,
        size_mm=2 * radius_mm,
        age="acute",
        mask_share=0.4,
        blood_hu=float(rng.uniform(45, 70)),
        middle_mm=(float(middle[0]), float(middle[1]), float(middle[2])),
        radius_mm=radius_mm,
        shape=wobble(rng, 16),
    )


def clot(rng: Rng, side: Side, site: Site, center: Vector, radius: float) -> Intraparenchymal:
    """An intraparenchymal clot."""
    return Intraparenchymal(
        finding="intraparenchymal_hemorrhage",
        side=side,
        site=site,
        size_mm=2 * radius,
        age="acute",
        clot=blob(rng, center, radius, rough=0.16, flat=0.65),
        blood_hu=float(rng.uniform(54, 80)),
        edema_mm=float(rng.uniform(1.0, 2.5) + 0.18 * radius),
    )


def contusion(rng: Rng, patient: Patient, side: Side) -> Placed:
    """A contusion: a superficial clot."""
    site = draw_lobe(rng, (0.5, 0.05, 0.4, 0.05))
    radius = draw_size(rng, 6.5, 0.5, 2.5, 20.0)
    return clot(rng, side, site, inward(rng, patient, side, site, radius + 3.0), radius)


def deep(rng: Rng, side: Side, site: Site, jitter_mm: float) -> Vector:
    """A point at a deep site, (3,), mm."""
    return np.asarray(np.array(DEEP[site], float) * (sign(side), 1, 1) + rng.normal(0, jitter_mm, 3))


def intraventricular(rng: Rng, side: Side, cast: Blob | None) -> Placed:
    """Intraventricular blood, with a cast where a clot broke in."""
    return Intraventricular(
        finding="intraventricular_hemorrhage",
        side=side,
        site="lateral_ventricle",
        size_mm=0.0,
        age="acute",
        blood_hu=float(rng.uniform(50, 74)),
        level_mm=float(rng.uniform(34, 52)),
        cast=cast,
    )


def late_infarct(rng: Rng, patient: Patient) -> Placed:
    """A late infarct that reaches the surface."""
    side = draw_side(rng)
    site = draw_lobe(rng, (0.2, 0.3, 0.2, 0.3))
    radius = draw_size(rng, 16.0, 0.4, 7.0, 36.0)
    center = inward(rng, patient, side, site, 0.35 * radius)
    return Cavity(
        finding="late_infarct",
        side=side,
        site=site,
        size_mm=2 * radius,
        age="chronic",
        defect=blob(rng, center, radius, rough=0.14, flat=0.6),
        fluid_hu=float(rng.uniform(6, 16)),
        border_mm=2.5,
        pial=True,
    )


def lacune(rng: Rng, patient: Patient) -> Placed:
    """An old lacune."""
    del patient
    side = draw_side(rng)
    sites: tuple[Site, ...] = (
        "basal_ganglia",
        "thalamus",
        "internal_capsule",
        "corona_radiata",
        "centrum_semiovale",
        "brainstem",
    )
    site = sites[int(rng.choice(6, p=[0.4, 0.18, 0.12, 0.18, 0.07, 0.05]))]
    radius = draw_size(rng, 3.8, 0.3, 2.6, 7.0)
    return Cavity(
        finding="lacune",
        side=side,
        site=site,
        size_mm=2 * radius,
        age="chronic",
        defect=blob(rng, deep(rng, side, site, 3.0), radius, rough=0.1),
        fluid_hu=float(rng.uniform(6, 14)),
        border_mm=0.8,
        pial=False,
        mask_share=0.4,
    )


def atrophy(rng: Rng) -> Placed:
    """Widening beyond age."""
    return Atrophy(
        finding="atrophy",
        side="bilateral",
        site="brain",
        size_mm=0.0,
        sulcus_mm=float(rng.uniform(0.35, 0.9)),
        gap_mm=float(rng.uniform(0.6, 2.2)),
        ventricle_mm=float(rng.uniform(1.2, 3.4)),
    )


def hydrocephalus(amount_mm: float, tight: float) -> Placed:
    """Ventricles wider by ``amount_mm`` on each side, the outer spaces pressed by the share ``tight``."""
    return Hydrocephalus(
        finding="hydrocephalus",
        side="bilateral",
        site="ventricles",
        size_mm=4.4 + 2 * amount_mm,
        ventricle_mm=amount_mm,
        tight=tight,
    )
