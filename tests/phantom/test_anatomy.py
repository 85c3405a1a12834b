from __future__ import annotations

import numpy as np
import pytest

from plainscan.phantom.anatomy import Patient, make_patient
from plainscan.phantom.anatomy_brain import BRAIN_FIELDS
from plainscan.phantom.anatomy_head import HEAD_FIELDS

WIDE = [make_patient(np.random.default_rng(seed), seed, wide=True) for seed in range(60)]


def fields(patient: Patient, *point: float) -> dict[str, float]:
    x, y, z = (np.array([value], np.float32) for value in point)
    head = dict(zip(HEAD_FIELDS, patient.head.sample(x, y, z)[:, 0], strict=True))
    return head | dict(zip(BRAIN_FIELDS, patient.brain.sample(x, y, z)[:, 0], strict=True))


def test_the_same_seed_gives_the_same_person_and_another_seed_does_not() -> None:
    one, two, other = (fields(make_patient(np.random.default_rng(seed)), 20, 10, 60) for seed in (1, 1, 2))
    assert one == two
    assert one != other


@pytest.mark.parametrize("patient", WIDE[:12], ids=lambda p: str(p.number))
def test_the_middle_of_the_head_is_inside_skin_and_skull_and_far_points_are_not(patient: Patient) -> None:
    assert fields(patient, 0, -5, 65)["cavity"] > 8
    assert fields(patient, 60, -5, 65)["skin"] > fields(patient, 60, -5, 65)["cavity"]
    for point in ((105, 0, 60), (0, 130, 60), (0, 0, 158)):
        assert fields(patient, *point)["skin"] < 0


def test_wide_people_differ_more_than_a_hospitals() -> None:
    narrow = [make_patient(np.random.default_rng(seed)) for seed in range(60)]
    for name in ("white_hu", "csf_hu", "ventricle_mm", "bone_hu"):
        spread, usual = (np.std([getattr(p.look, name) for p in people]) for people in (WIDE, narrow))
        assert spread > usual, name
    thickness = [p.head.shape.build.calvaria_mm for p in WIDE]
    assert min(thickness) < 2
    assert max(thickness) > 6


def test_children_have_thin_skulls_and_infants_open_sutures() -> None:
    people = [make_patient(np.random.default_rng(seed), wide=True) for seed in range(200)]
    infants = [p for p in people if p.age_years < 2]
    grown = [p for p in people if p.age_years > 20]
    assert infants
    assert max(p.head.shape.build.calvaria_mm for p in infants) < np.median(
        [p.head.shape.build.calvaria_mm for p in grown]
    )
    assert min(p.look.suture_mm for p in infants) > max(p.look.suture_mm for p in grown)


def test_hyperostosis_thickens_the_frontal_bone_inward() -> None:
    thick = next(p for p in WIDE if p.head.shape.build.hyperostosis_mm > 3)
    build = thick.head.shape.build
    x, y, z = (np.array([value], np.float32) for value in (25.0, -60.0, 70.0))
    field = dict(zip(HEAD_FIELDS, thick.head.sample(x, y, z)[:, 0], strict=True))
    assert field["wall_mm"] > build.calvaria_mm + 0.5


def test_infants_have_a_thinner_skull_base_than_the_grown() -> None:
    people = [make_patient(np.random.default_rng(seed), wide=True) for seed in range(200)]
    infants = [p.head.shape.build.base for p in people if p.age_years < 2]
    assert max(infants) < min(p.head.shape.build.base for p in people if p.age_years > 20)
