from __future__ import annotations

import numpy as np
import pytest

from plainscan.findings import FINDING_KEYS, index
from plainscan.phantom import place
from plainscan.phantom.anatomy import Patient, make_patient
from plainscan.phantom.draw import draw_acute, draw_chronic
from plainscan.phantom.lesion import Placed
from plainscan.phantom.lesion_space import Hydrocephalus
from plainscan.phantom.study import DIFFUSE, MINIMUM_AREA_MM2, MINIMUM_DIFFUSE_AREA_MM2, Study, StudyOptions, make_study


@pytest.fixture(scope="module")
def patient() -> Patient:
    return make_patient(np.random.default_rng(5))


def scanned(patient: Patient, *lesions: Placed, seed: int = 3, slices: int = 20) -> Study:
    options = StudyOptions(256, (slices, slices), acute=False, history=lesions)
    return make_study(np.random.default_rng(seed), options, patient)


@pytest.fixture(scope="module")
def normal(patient: Patient) -> Study:
    return scanned(patient)


def test_the_same_seed_gives_the_same_study_and_another_seed_does_not() -> None:
    one, two, other = (make_study(np.random.default_rng(seed), StudyOptions(256, (4, 4))) for seed in (1, 1, 2))
    assert np.array_equal(one.hu, two.hu)
    assert np.array_equal(one.masks, two.masks)
    assert one.truth == two.truth
    assert not np.array_equal(one.hu, other.hu)


def test_a_study_without_findings_has_no_mask_and_no_label(normal: Study) -> None:
    assert not normal.masks.any()
    assert not normal.labels.any()
    assert normal.truth.lesions == ()


def test_hounsfield_values_of_air_brain_and_bone_are_where_they_belong(normal: Study) -> None:
    middle = normal.hu[12].astype(float)
    corner = middle[4:24, 60:100]
    assert abs(np.median(corner) + 1000) < 15
    brain = middle[(middle > 10) & (middle < 60)]
    assert 24 < np.median(brain) < 40
    assert np.percentile(middle, 99) > 700


def test_slices_run_from_the_neck_to_the_vertex(normal: Study) -> None:
    heights = normal.geometry.positions_mm @ normal.geometry.normal()
    assert (np.diff(heights) > 1).all()
    tissue = (normal.hu > -200).sum(axis=(1, 2))
    assert tissue[-1] < 0.5 * tissue[10]


def test_gray_matter_is_denser_than_white_and_ventricles_are_near_water(patient: Patient) -> None:
    assert 8 < patient.look.gray_hu - patient.look.white_hu < 14
    study = scanned(patient, place.atrophy(np.random.default_rng(1)))
    inside = study.hu[11:15][(study.hu[11:15] > -20) & (study.hu[11:15] < 70)]
    assert np.percentile(inside, 1) < 12


CASES = {
    "epidural_hemorrhage": lambda rng, p: place.epidural(
        rng, "left", "temporal", place.surface(rng, p, "left", "temporal")
    ),
    "subdural_hemorrhage": lambda rng, p: place.subdural(rng, p, "right", "acute")[0],
    "subarachnoid_hemorrhage": lambda rng, p: place.subarachnoid(
        rng, "bilateral", "basal_cisterns", np.array([0.0, -8.0, 32.0]), 30.0
    ),
    "intraparenchymal_hemorrhage": lambda rng, p: place.clot(
        rng, "left", "basal_ganglia", place.deep(rng, "left", "basal_ganglia", 1.0), 12.0
    ),
    "late_infarct": place.late_infarct,
    "scalp_hematoma": lambda rng, p: place.scalp_hematoma(
        rng, "left", "parietal", place.surface(rng, p, "left", "parietal")
    ),
    "skull_fracture": lambda rng, p: place.fracture(
        rng, "right", "parietal", place.surface(rng, p, "right", "parietal")
    ),
    "atrophy": lambda rng, p: place.atrophy(rng),
}


@pytest.mark.parametrize("finding", CASES)
def test_each_finding_marks_its_own_bit_and_only_there_changes_the_label(finding: str, patient: Patient) -> None:
    study = scanned(patient, CASES[finding](np.random.default_rng(2), patient))
    bit = index(finding)
    assert study.labels[:, bit].any()
    assert not np.delete(study.labels, (0, bit), axis=1).any()
    assert np.array_equal(study.labels[:, 0], study.labels[:, bit])
    assert set(np.unique(study.masks)) <= {0, 1 | 1 << bit}
    (lesion,) = study.truth.lesions
    assert lesion.slices == tuple(np.flatnonzero(study.labels[:, bit]))


@pytest.mark.parametrize(
    ("finding", "low", "high"),
    [
        ("epidural_hemorrhage", 50, 80),
        ("subarachnoid_hemorrhage", 40, 72),
        ("intraparenchymal_hemorrhage", 40, 82),
        ("late_infarct", 2, 25),
        ("scalp_hematoma", 35, 75),
    ],
)
def test_the_density_under_a_mask_is_the_clinic_s(finding: str, low: float, high: float, patient: Patient) -> None:
    study = scanned(patient, CASES[finding](np.random.default_rng(2), patient))
    (lesion,) = study.truth.lesions
    assert low <= lesion.mean_hu <= high


def test_a_lesion_on_the_patients_left_lies_where_x_is_large(patient: Patient) -> None:
    study = scanned(patient, CASES["intraparenchymal_hemorrhage"](np.random.default_rng(2), patient))
    _, _, columns = np.nonzero(study.masks)
    assert columns.mean() > 128 + 10  # DICOM: x grows toward the patient's left, and so do columns here


def test_labels_are_the_masks_area_against_the_stated_limit() -> None:
    rng = np.random.default_rng(11)
    study = make_study(rng, StudyOptions(256, (20, 20)))
    area = study.geometry.pixel_mm**2
    for key in FINDING_KEYS[1:]:
        covered = ((study.masks >> index(key)) & 1).sum(axis=(1, 2)) * area
        limit = MINIMUM_DIFFUSE_AREA_MM2 if key in DIFFUSE else MINIMUM_AREA_MM2
        assert np.array_equal(study.labels[:, index(key)], covered >= limit)


def test_hydrocephalus_widens_the_ventricles(patient: Patient, normal: Study) -> None:
    wider = Hydrocephalus(
        finding="hydrocephalus", side="bilateral", site="ventricles", size_mm=14.0, ventricle_mm=5.0, tight=0.3
    )
    wide = scanned(patient, wider)
    water = [(np.abs(s.hu[8:16, 80:170, 90:166].astype(int) - 6) < 8).sum() for s in (normal, wide)]
    assert water[1] > 1.5 * water[0]


def test_both_draws_always_give_a_finding_of_the_closed_list(patient: Patient) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        for drawn in (draw_acute(rng, patient), draw_chronic(rng, patient)):
            assert drawn
            assert {lesion.finding for lesion in drawn} <= set(FINDING_KEYS[1:])


def test_a_wide_study_is_whole_and_repeatable(patient: Patient) -> None:
    options = StudyOptions(96, (6, 6), wide=True)
    one, two = (make_study(np.random.default_rng(4), options, patient) for _ in range(2))
    assert np.array_equal(one.hu, two.hu)
    assert one.objects == two.objects
    assert one.hu.shape == one.masks.shape == (6, 96, 96)
    assert one.hu.min() >= -1024
    assert one.truth.slice_count == 6
    assert one.truth.thickness_mm == one.geometry.thickness_mm[-1]


def test_objects_and_flaws_of_a_wide_study_are_no_findings(patient: Patient) -> None:
    for seed in range(6):
        study = make_study(np.random.default_rng(seed), StudyOptions(64, (4, 4), acute=False, wide=True), patient)
        assert not study.masks.any()
        assert not study.labels.any()
        assert study.truth.lesions == ()


def test_wide_studies_differ_from_each_other_in_noise_and_field(patient: Patient) -> None:
    studies = [
        make_study(np.random.default_rng(s), StudyOptions(64, (1, 1), acute=False, wide=True), patient)
        for s in range(12)
    ]
    assert np.ptp([study.geometry.pixel_mm for study in studies]) > 0.5
    assert len({study.acquisition.kernel for study in studies}) == 12
