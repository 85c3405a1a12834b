"""Which findings a study has: drawn to follow the clinic, never a wished-for figure.

What causes what is kept: trauma brings fracture, scalp hematoma and extra-axial blood together; a thick collection or
a large clot shifts the midline; deep clots break into the ventricles.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plainscan.phantom.anatomy import Patient
from plainscan.phantom.draw_wide import draw_wide
from plainscan.phantom.lesion import Placed, blob, sign
from plainscan.phantom.lesion_tissue import EarlyInfarct, Mass
from plainscan.phantom.place import (
    DEEP,
    Rng,
    atrophy,
    clot,
    contusion,
    deep,
    draw_lobe,
    draw_side,
    draw_size,
    epidural,
    fracture,
    hydrocephalus,
    intraventricular,
    inward,
    lacune,
    late_infarct,
    midline_shift,
    scalp_hematoma,
    subarachnoid,
    subdural,
    surface,
    traumatic_subarachnoid,
)
from plainscan.phantom.truth import Age, Side, Site


def draw_acute(rng: Rng, patient: Patient, wide: bool = False) -> list[Placed]:
    """Findings that a patient comes to the scanner with; at least one. ``wide``: as ``draw_wide`` says."""
    if wide:
        return draw_wide(rng, patient)
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
        found.append(atrophy(rng))
    if rng.random() < 0.4:
        found.append(late_infarct(rng, patient))
    if rng.random() < 0.5 or not found:
        found += [lacune(rng, patient) for _ in range(int(rng.integers(1, 4)))]
    return found


def _trauma(rng: Rng, patient: Patient) -> list[Placed]:
    side, site = draw_side(rng), draw_lobe(rng)
    impact = surface(rng, patient, side, site)
    found: list[Placed] = []
    if rng.random() < 0.7:
        found.append(scalp_hematoma(rng, side, site, impact))
    if rng.random() < 0.45:
        found.append(fracture(rng, side, site, impact))
    if rng.random() < (0.5 if len(found) == 2 else 0.12):
        found.append(epidural(rng, side, site, impact))
    other: Side = "right" if side == "left" else "left"
    if rng.random() < 0.35:
        found += subdural(rng, patient, other, "acute")
    if rng.random() < 0.35:
        found.append(traumatic_subarachnoid(rng, patient, other))
    if rng.random() < 0.25:
        found += [contusion(rng, patient, other) for _ in range(int(rng.integers(1, 3)))]
    return found or [scalp_hematoma(rng, side, site, impact)]


def _aneurysm(rng: Rng, patient: Patient) -> list[Placed]:
    side = draw_side(rng)
    found = [subarachnoid(rng, "bilateral", "basal_cisterns", np.array([0, -8, 32]), float(rng.uniform(22, 42)))]
    if rng.random() < 0.7:
        found.append(
            subarachnoid(rng, side, "sylvian_fissure", np.array([sign(side) * 42, -10, 42]), float(rng.uniform(18, 32)))
        )
    if rng.random() < 0.35:
        found.append(intraventricular(rng, "bilateral", None))
    if rng.random() < 0.35:
        found += _hydrocephalus(rng, patient)
    return found


def _stroke_bleed(rng: Rng, patient: Patient) -> list[Placed]:
    side = draw_side(rng)
    place = int(rng.choice(6, p=[0.42, 0.2, 0.2, 0.1, 0.05, 0.03]))
    sites: tuple[Site, ...] = ("basal_ganglia", "thalamus", "parietal", "cerebellum", "brainstem", "frontal")
    site = sites[place]
    if site in DEEP:
        limit = {"brainstem": 9.0, "thalamus": 17.0, "cerebellum": 19.0}.get(site, 27.0)
        radius = draw_size(rng, 6.0 if site == "brainstem" else 11.0, 0.5, 3.0, limit)
        center = deep(rng, side, site, 2.0)
        center[0] += sign(side) * 0.15 * radius * (site == "basal_ganglia")
    else:
        radius = draw_size(rng, 14.0, 0.45, 5.0, 30.0)
        center = inward(rng, patient, side, site, radius + rng.uniform(4, 12))
    found: list[Placed] = [clot(rng, side, site, center, radius)]
    if site in ("basal_ganglia", "thalamus") and rng.random() < 0.15 + 0.025 * radius:
        found.append(
            intraventricular(rng, side, blob(rng, np.array([sign(side) * 12, -5, 62]), float(rng.uniform(12, 30))))
        )
    if site not in ("cerebellum", "brainstem"):
        found += midline_shift(rng, side, 0.55 * (radius - 9), (float(center[1]) * 0.4, 55.0))
    return found


def _hydrocephalus(rng: Rng, patient: Patient) -> list[Placed]:
    del patient
    return [hydrocephalus(draw_size(rng, 5.0, 0.3, 3.0, 10.0), tight=float(rng.uniform(0.1, 0.5)))]


def _early_infarct(rng: Rng, patient: Patient) -> list[Placed]:
    side = draw_side(rng)
    site = draw_lobe(rng, (0.25, 0.35, 0.25, 0.15))
    large = rng.random() < 0.55
    radius = float(rng.uniform(24, 40)) if large else float(rng.uniform(8, 20))
    center = inward(rng, patient, side, site, 0.7 * radius)
    found: list[Placed] = [
        EarlyInfarct(
            finding="early_infarct",
            side=side,
            site=site,
            size_mm=2 * radius,
            age="acute",
            territory=blob(rng, center, radius, rough=0.12, flat=0.6),
            water_hu=float(rng.uniform(3, 8)),
            swelling_mm=float(rng.uniform(0.1, 0.6)),
        )
    ]
    return found + (midline_shift(rng, side, 0.2 * (radius - 20), (0.0, 58.0)) if large else [])


def _mass(rng: Rng, patient: Patient) -> list[Placed]:
    side, site = draw_side(rng), draw_lobe(rng)
    radius = draw_size(rng, 12.0, 0.4, 5.0, 26.0)
    at_surface = rng.random() < 0.3
    center = inward(
        rng, patient, side, site, radius * (0.75 if at_surface else 1.0) + (0 if at_surface else rng.uniform(6, 16))
    )
    solid = float(rng.uniform(40, 56) if at_surface else rng.uniform(32, 46))
    edema = float(rng.uniform(0, 8) if at_surface else rng.uniform(5, 18))
    core = solid if at_surface or rng.random() < 0.4 else float(rng.uniform(12, 26))
    tumor = Mass(
        finding="mass",
        side=side,
        site=site,
        size_mm=2 * radius,
        tumor=blob(rng, center, radius, rough=0.1, flat=0.75),
        solid_hu=solid,
        core_hu=core,
        rim_mm=float(rng.uniform(2.5, 5)),
        edema_mm=edema,
        edema_hu=float(rng.uniform(7, 11)),
        calcified=bool(at_surface and rng.random() < 0.3),
    )
    return [tumor, *midline_shift(rng, side, 0.4 * (radius + 0.6 * edema - 12), (float(center[1]) * 0.4, 56.0))]


def _old_subdural(rng: Rng, patient: Patient) -> list[Placed]:
    age: Age = "subacute" if rng.random() < 0.4 else "chronic"
    found = subdural(rng, patient, draw_side(rng), age)
    if rng.random() < 0.25 and len(found) == 1:
        other: Side = "left" if found[0].side == "right" else "right"
        found += [item for item in subdural(rng, patient, other, age) if item.finding != "midline_shift"]
    return found
