"""Everything that is not blood within the skull, in all its forms and drawn evenly: fractures, infarcts, masses."""

from __future__ import annotations

from typing import Final

import numpy as np

from plainscan.phantom.anatomy import Patient
from plainscan.phantom.lesion import Blob, Placed, Spot, Vector, blob, sign, spot, wobble
from plainscan.phantom.lesion_skull import Fracture, ScalpHematoma
from plainscan.phantom.lesion_tissue import DenseArtery, EarlyInfarct, Mass
from plainscan.phantom.place import Rng, draw_lobe, draw_side, inward, midline_shift, surface
from plainscan.phantom.place_blood import acute_hu, even
from plainscan.phantom.truth import Age, Side, Site

# Middle (left side), and least and most radius of an infarct's territory, mm.
TERRITORIES: Final[tuple[tuple[Site, tuple[float, float, float], tuple[float, float]], ...]] = (
    ("insula", (40, -8, 44), (9.0, 16.0)),
    ("basal_ganglia", (25, -6, 48), (9.0, 15.0)),
    ("temporal", (46, -4, 52), (24.0, 42.0)),  # most of the middle cerebral artery's
    ("frontal", (38, -38, 60), (12.0, 26.0)),
    ("parietal", (42, 24, 66), (12.0, 28.0)),
    ("frontal", (8, -44, 70), (14.0, 30.0)),  # anterior cerebral artery
    ("occipital", (20, 62, 40), (14.0, 28.0)),  # posterior cerebral artery
    ("cerebellum", (26, 44, -2), (12.0, 24.0)),
    ("thalamus", (12, 10, 51), (5.0, 9.0)),
)
BASES: Final = ((0.8, 0.15, -0.6), (0.3, -0.6, -0.5), (0.4, 0.75, -0.65), (0.62, -0.3, -0.55))


def any_scalp(rng: Rng, side: Side, site: Site, impact: Spot) -> Placed:
    """Scalp swelling from a bruise to a large hematoma."""
    thick = even(rng, 3, 22)
    return ScalpHematoma(
        finding="scalp_hematoma",
        side=side,
        site=site,
        size_mm=thick,
        age="acute",
        spot=impact,
        radius_mm=float(rng.uniform(14, 26) + 1.6 * thick),
        blood_hu=float(rng.uniform(36, 72)),
        shape=wobble(rng, float(rng.uniform(8, 24))),
    )


def impact(rng: Rng, patient: Patient) -> tuple[Side, Site, Spot]:
    """Where a blow lands."""
    side, site = draw_side(rng), draw_lobe(rng, (0.3, 0.25, 0.25, 0.2))
    return side, site, surface(rng, patient, side, site, 0.3)


def any_fracture(rng: Rng, patient: Patient, side: Side, site: Site, place: Spot) -> Placed:
    """A thin line, a depressed one, a sprung suture, or one of the base with air and fluid."""
    kind = int(rng.choice(4, p=[0.5, 0.2, 0.1, 0.2]))
    if kind == 3:
        site, place = "skull_base", spot(patient, np.array(BASES[int(rng.integers(4))]) * (sign(side), 1, 1))
    lean = np.array([0, 0, 1.0]) * float(rng.choice([1, 1, 0.3])) + rng.normal(0, 0.3, 3)
    across = np.cross(place.normal, lean)
    depth = even(rng, 2.5, 10) if kind == 1 else 0.0
    low, high = ((0.6, 1.4), (0.8, 2.5), (2.0, 4.0), (0.6, 1.8))[kind]
    open_in = rng.random() < (0.06, 0.3, 0.1, 0.5)[kind]
    return Fracture(
        finding="skull_fracture",
        side=side,
        site=site,
        size_mm=depth,
        spot=place,
        across=across / max(float(np.linalg.norm(across)), 1e-6),
        width_mm=even(rng, low, high),
        length_mm=even(rng, 18, 100),
        depth_mm=depth,
        shape=wobble(rng, float(rng.uniform(14, 40))),
        mask_share=0.4,
        bubbles=_bubbles(rng, place) if open_in else (),
        fluid=bool(rng.random() < (0.05, 0.1, 0.1, 0.7)[kind]),
    )


def _bubbles(rng: Rng, place: Spot) -> tuple[Blob, ...]:
    """Air under the bone, within a centimeter or two of the fracture."""
    middle = [
        place.point_mm - float(rng.uniform(1, 7)) * place.normal + rng.normal(0, 9, 3)
        for _ in range(int(rng.integers(1, 6)))
    ]
    return tuple(blob(rng, at, even(rng, 1.2, 6), rough=0.1) for at in middle)


def any_early_infarct(rng: Rng, patient: Patient) -> list[Placed]:
    """An infarct from its first hours, seen by a dense artery or a lost ribbon, to the first weeks."""
    del patient
    site, middle, radii = TERRITORIES[int(rng.integers(len(TERRITORIES)))]
    side, radius = draw_side(rng), even(rng, *radii)
    center = np.array(middle) * (sign(side), 1, 1) + rng.normal(0, 3, 3)
    days = float(rng.choice([0.15, 0.5, 1, 3, 7, 14]))
    age: Age = "acute" if days <= 1 else "subacute"
    # Water rises over the first days: -2 HU per 1 %: Unger et al., AJNR 1988;9:687; fogging in week 2-3 is left out.
    water = float(rng.uniform(3.5, 6) + 3.2 * np.log1p(days) + 2.5 * (radius < 12))
    found: list[Placed] = [
        EarlyInfarct(
            finding="early_infarct",
            side=side,
            site=site,
            size_mm=2 * radius,
            age=age,
            territory=blob(rng, center, radius, rough=0.12, flat=0.6),
            water_hu=water,
            swelling_mm=float(rng.uniform(0.1, 0.9)),
        )
    ]
    if age == "acute" and site in ("insula", "basal_ganglia", "temporal", "frontal") and rng.random() < 0.4:
        found.append(_dense_artery(rng, side, "sylvian_fissure"))
    if age == "acute" and site in ("cerebellum", "thalamus") and rng.random() < 0.3:
        found.append(_dense_artery(rng, "midline", "brainstem"))
    return found + (midline_shift(rng, side, 0.25 * (radius - 18), (0.0, 58.0)) if site != "cerebellum" else [])


def _dense_artery(rng: Rng, side: Side, site: Site) -> Placed:
    return DenseArtery(
        finding="early_infarct",
        side=side,
        site=site,
        size_mm=12.0,
        age="acute",
        mask_share=0.4,
        blood_hu=float(rng.uniform(58, 82)),
        radius_mm=float(rng.uniform(1.6, 2.4)),
    )


def masses(rng: Rng, patient: Patient) -> list[Placed]:
    """One mass, or several as metastases are: ring, solid, cyst, calcified, bleeding."""
    count = int(rng.choice([1, 2, 3], p=[0.75, 0.15, 0.1]))
    found: list[Placed] = []
    for _ in range(count):
        side = draw_side(rng)
        if rng.random() < 0.2:
            site, radius = "cerebellum", even(rng, 5, 18)
            center: Vector = np.array([sign(side) * 24, 44, 2]) + rng.normal(0, 4, 3)
            at_surface = False
        else:
            site, radius = draw_lobe(rng), even(rng, 4.5, 26 if count == 1 else 14)
            at_surface = bool(count == 1 and rng.random() < 0.3)
            depth = 0.75 * radius if at_surface else radius + float(rng.uniform(2, 16))
            center = inward(rng, patient, side, site, depth)
        found.append(_mass(rng, side, site, center, radius, at_surface))  # type: ignore[arg-type]  # a site
    largest = max(found, key=lambda item: item.size_mm)
    assert isinstance(largest, Mass)
    amount = 0.2 * largest.size_mm + 0.24 * largest.edema_mm - 5
    return found + (midline_shift(rng, largest.side, amount, (0.0, 56.0)) if largest.site != "cerebellum" else [])


def _mass(rng: Rng, side: Side, site: Site, center: Vector, radius: float, at_surface: bool) -> Placed:
    solid = float(rng.uniform(40, 56) if at_surface else rng.uniform(30, 48))
    hollow = not at_surface and rng.random() < 0.6
    edema = float(rng.uniform(0, 10) if at_surface else rng.uniform(4, 20))
    return Mass(
        finding="mass",
        side=side,
        site=site,
        size_mm=2 * radius,
        tumor=blob(rng, center, radius, rough=float(rng.uniform(0.04, 0.16)), flat=0.7),
        solid_hu=solid,
        core_hu=float(rng.uniform(8, 26)) if hollow else solid,
        rim_mm=float(rng.uniform(1.5, 5)),
        edema_mm=edema,
        edema_hu=float(rng.uniform(6, 13)),
        calcified=bool(rng.random() < (0.35 if at_surface else 0.12)),
        bleed_hu=acute_hu(rng, 0.0) if not at_surface and rng.random() < 0.1 else 0.0,
    )
