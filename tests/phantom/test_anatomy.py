from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plainscan.phantom.anatomy import Patient, make_patient
from plainscan.phantom.anatomy_brain import BRAIN_FIELDS
from plainscan.phantom.anatomy_head import HEAD_FIELDS
from plainscan.phantom.anatomy_shape import PersonHead
from plainscan.phantom.anatomy_wide import Osteoma

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


def with_osteomas(patient: Patient, *osteomas: Osteoma) -> Patient:
    shape = replace(patient.head.shape, build=replace(patient.head.shape.build, osteomas=osteomas))
    return replace(patient, head=PersonHead(shape))


def test_an_osteoma_thickens_the_bone_to_the_sides_it_has_and_nowhere_else() -> None:
    plain = with_osteomas(WIDE[0])
    inner = with_osteomas(plain, Osteoma((1.0, 0.0, 0.0), 6.0, 5.0, 0.0))
    outer = with_osteomas(plain, Osteoma((1.0, 0.0, 0.0), 6.0, 0.0, 5.0))
    before = fields(plain, 60, -2, 42)
    assert before["cavity"] - fields(inner, 60, -2, 42)["cavity"] == pytest.approx(5, abs=1.2)
    assert fields(inner, 60, -2, 42)["wall_mm"] - before["wall_mm"] == pytest.approx(5, abs=1.2)
    assert fields(outer, 60, -2, 42)["cavity"] == before["cavity"]
    assert fields(outer, 60, -2, 42)["skin"] - before["skin"] == pytest.approx(5, abs=1.2)
    for away in ((-60, -2, 42), (0, -60, 60), (0, 60, 60)):
        assert fields(inner, *away)["cavity"] == pytest.approx(fields(plain, *away)["cavity"], abs=0.01)


def test_wide_grown_people_sometimes_have_osteomas_above_the_base_and_children_none() -> None:
    people = [make_patient(np.random.default_rng(seed), wide=True) for seed in range(300)]
    with_some = [p for p in people if p.head.shape.build.osteomas]
    assert 0.04 < len(with_some) / len(people) < 0.16
    assert min(p.age_years for p in with_some) > 15
    assert min(osteoma.direction[2] for p in with_some for osteoma in p.head.shape.build.osteomas) >= 0


def test_the_space_under_the_vault_of_wide_people_grows_with_age_and_may_be_shut_at_any_age() -> None:
    people = [make_patient(np.random.default_rng(seed), wide=True) for seed in range(300)]
    young, old = ([p.look.gap_mm for p in people if low < p.age_years < high] for low, high in ((15, 40), (75, 99)))
    assert np.median(young) < 0.3
    assert np.median(old) > 0.7
    assert min(old) < 0.2


def test_infants_have_a_thinner_skull_base_than_the_grown() -> None:
    people = [make_patient(np.random.default_rng(seed), wide=True) for seed in range(200)]
    infants = [p.head.shape.build.base for p in people if p.age_years < 2]
    assert max(infants) < min(p.head.shape.build.base for p in people if p.age_years > 20)
