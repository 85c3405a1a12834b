from __future__ import annotations

import numpy as np
import pytest

from plainscan.findings import FINDING_KEYS, HEMORRHAGE_KEYS
from plainscan.phantom.anatomy import Patient, make_patient
from plainscan.phantom.draw import draw_acute
from plainscan.phantom.draw_wide import SCENARIOS
from plainscan.phantom.lesion import Placed
from plainscan.phantom.study import StudyOptions, make_study


@pytest.fixture(scope="module")
def patient() -> Patient:
    return make_patient(np.random.default_rng(5))


@pytest.fixture(scope="module")
def drawn(patient: Patient) -> list[list[Placed]]:
    rng = np.random.default_rng(7)
    return [draw_acute(rng, patient, wide=True) for _ in range(1200)]


def test_about_seven_in_ten_draws_bleed(drawn: list[list[Placed]]) -> None:
    bleeds = [any(item.finding in HEMORRHAGE_KEYS for item in found) for found in drawn]
    assert 0.68 < np.mean(bleeds) < 0.78


def test_every_finding_of_the_acute_list_is_drawn_and_none_of_another_list(drawn: list[list[Placed]]) -> None:
    keys = {item.finding for found in drawn for item in found}
    assert set(FINDING_KEYS[1:]) - {"atrophy", "lacune"} <= keys <= set(FINDING_KEYS[1:])


@pytest.mark.parametrize(("finding", "limit_mm"), [("epidural_hemorrhage", 6.0), ("subdural_hemorrhage", 4.0)])
def test_thin_collections_are_a_good_part_of_all(drawn: list[list[Placed]], finding: str, limit_mm: float) -> None:
    sizes = np.array([item.size_mm for found in drawn for item in found if item.finding == finding])
    assert 0.2 < (sizes < limit_mm).mean() < 0.7
    assert sizes.max() > 18


def test_blood_is_drawn_in_all_ages_and_several_kinds_together(drawn: list[list[Placed]]) -> None:
    ages = {item.age for found in drawn for item in found if item.finding == "subdural_hemorrhage"}
    assert ages == {"acute", "subacute", "chronic"}
    kinds = [len({item.finding for item in found} & set(HEMORRHAGE_KEYS)) for found in drawn]
    assert np.mean(np.array(kinds) > 1) > 0.08


@pytest.mark.parametrize("scenario", [function for _, function in SCENARIOS[:9]])
def test_nearly_every_hemorrhage_drawn_is_seen(scenario, patient: Patient) -> None:  # type: ignore[no-untyped-def]
    seen = 0
    for seed in range(4):
        found = tuple(scenario(np.random.default_rng(seed), patient))
        options = StudyOptions(128, (24, 24), acute=False, history=found)
        study = make_study(np.random.default_rng(seed), options, patient)
        seen += bool(study.labels[:, 1:6].any())
    assert seen >= 3
