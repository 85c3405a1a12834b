"""Which findings a study for training has: kinds, sizes and sites evenly, small and faint ones as often as large.

Each kind also comes alone: what causes what is kept in only some, so that a network cannot lean on company.
About seven in ten of the draws bleed within the skull.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from plainscan.phantom.anatomy import Patient
from plainscan.phantom.lesion import Placed
from plainscan.phantom.place import Rng, hydrocephalus, late_infarct
from plainscan.phantom.place_blood import (
    aneurysmal,
    any_clot,
    any_dural,
    any_epidural,
    any_intraventricular,
    any_subdural,
    broken_in,
    cisternal,
    contusions,
    petechiae,
    sulcal,
)
from plainscan.phantom.place_wide import any_early_infarct, any_fracture, any_scalp, impact, masses


def draw_wide(rng: Rng, patient: Patient) -> list[Placed]:
    """Findings of one study; at least one."""
    weights = np.array([weight for weight, _ in SCENARIOS])
    return SCENARIOS[int(rng.choice(len(SCENARIOS), p=weights / weights.sum()))][1](rng, patient)


def _epidural(rng: Rng, patient: Patient) -> list[Placed]:
    found, place, side, site = any_epidural(rng, patient)
    if rng.random() < 0.45:
        found.append(any_fracture(rng, patient, side, site, place))
    if rng.random() < 0.4:
        found.append(any_scalp(rng, side, site, place))
    return found


def _subdural(rng: Rng, patient: Patient) -> list[Placed]:
    found = any_subdural(rng, patient)
    if rng.random() < 0.2:
        other = any_subdural(rng, patient, "left" if found[0].side == "right" else "right")
        return [found[0], other[0]]  # one on each side: no shift
    if rng.random() < 0.2:
        found.append(any_dural(rng, found[0].side))
    return found


def _dural(rng: Rng, patient: Patient) -> list[Placed]:
    del patient
    return [any_dural(rng) for _ in range(int(rng.choice([1, 2], p=[0.75, 0.25])))]


def _sulcal(rng: Rng, patient: Patient) -> list[Placed]:
    return [sulcal(rng, patient) for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])))]


def _cisternal(rng: Rng, patient: Patient) -> list[Placed]:
    found = aneurysmal(rng) if rng.random() < 0.35 else [cisternal(rng)]
    if rng.random() < 0.3:
        found.append(any_intraventricular(rng))
    return found + (_hydrocephalus(rng, patient) if rng.random() < 0.15 else [])


def _clot(rng: Rng, patient: Patient) -> list[Placed]:
    found = any_clot(rng, patient)
    return found + broken_in(rng, found)


def _intraventricular(rng: Rng, patient: Patient) -> list[Placed]:
    return [any_intraventricular(rng), *(_hydrocephalus(rng, patient) if rng.random() < 0.25 else [])]


def _petechiae(rng: Rng, patient: Patient) -> list[Placed]:
    del patient
    return [petechiae(rng) for _ in range(int(rng.integers(1, 4)))]


def _trauma(rng: Rng, patient: Patient) -> list[Placed]:
    """Two to four kinds at once."""
    side, site, place = impact(rng, patient)
    found: list[Placed] = [any_scalp(rng, side, site, place)] if rng.random() < 0.6 else []
    if rng.random() < 0.5:
        found.append(any_fracture(rng, patient, side, site, place))
    kinds = (_epidural, _subdural, _dural, _sulcal, contusions, _petechiae)
    for i in rng.choice(len(kinds), int(rng.choice([2, 3])), replace=False):
        found += kinds[int(i)](rng, patient)
    shifts = sorted((item for item in found if item.finding == "midline_shift"), key=lambda item: -item.size_mm)
    return [item for item in found if item.finding != "midline_shift"] + shifts[:1]


def _early_infarct(rng: Rng, patient: Patient) -> list[Placed]:
    found = any_early_infarct(rng, patient)
    return found + ([petechiae(rng)] if rng.random() < 0.06 else [])


def _skull(rng: Rng, patient: Patient) -> list[Placed]:
    side, site, place = impact(rng, patient)
    found = [any_fracture(rng, patient, side, site, place)]
    return found + ([any_scalp(rng, side, site, place)] if rng.random() < 0.4 else [])


def _scalp(rng: Rng, patient: Patient) -> list[Placed]:
    return [any_scalp(rng, *impact(rng, patient)) for _ in range(int(rng.choice([1, 2], p=[0.75, 0.25])))]


def _hydrocephalus(rng: Rng, patient: Patient) -> list[Placed]:
    del patient
    return [hydrocephalus(float(rng.uniform(3, 10)), tight=float(rng.uniform(0.1, 0.7)))]


SCENARIOS: Final[tuple[tuple[float, Callable[[Rng, Patient], list[Placed]]], ...]] = (
    (0.20, _epidural),
    (0.10, _subdural),
    (0.03, _dural),
    (0.06, _sulcal),
    (0.06, _cisternal),
    (0.15, _clot),
    (0.06, _intraventricular),
    (0.06, contusions),
    (0.02, _petechiae),
    (0.08, _trauma),
    (0.09, _early_infarct),
    (0.06, masses),
    (0.06, _skull),
    (0.03, _scalp),
    (0.02, _hydrocephalus),
    (0.02, lambda rng, patient: [late_infarct(rng, patient)]),
)
