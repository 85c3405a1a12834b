from __future__ import annotations

import polars as pl

from plainscan.evaluation.units import Elsewhere, against_clean, patient_rows, slice_units, studies, study_units
from plainscan.findings import ANY_FINDING, FINDING_KEYS


def _frame(labels: list[int | None], probability: list[float], study: list[str]) -> pl.DataFrame:
    n = len(labels)
    columns: dict[str, object] = {
        "study_uid": study,
        "patient_id": [f"p{s}" for s in study],
        "slice_height": [i / max(1, n - 1) for i in range(n)],
        "brain_share": [0.1] * n,
    }
    for key in FINDING_KEYS:
        columns[key] = pl.Series(labels if key == ANY_FINDING else [0] * n, dtype=pl.Int8)
        columns[f"probability_{key}"] = probability
    return pl.DataFrame(columns)


def test_a_study_has_the_finding_when_one_slice_has_and_is_unknown_when_a_silent_one_might() -> None:
    frame = _frame([0, 1, None, 0, None, 0, 0], [0.5] * 7, ["a", "a", "a", "b", "b", "c", "c"])
    found = studies(frame, max)
    assert dict(zip(found["study_uid"], found[ANY_FINDING], strict=True)) == {"a": 1, "b": None, "c": 0}


def test_labels_of_a_study_come_from_all_its_slices() -> None:
    whole = _frame([0, 1, 0, None, 0], [0.5] * 5, ["a", "a", "b", "b", "c"])
    found = studies(whole[[0, 2, 4]], max, whole)
    assert dict(zip(found["study_uid"], found[ANY_FINDING], strict=True)) == {"a": 1, "b": None, "c": 0}


def test_a_study_is_scored_by_the_rule_that_is_handed_in() -> None:
    found = studies(_frame([0, 0, 0], [0.1, 0.9, 0.4], ["a", "a", "b"]), max)
    assert found[f"probability_{ANY_FINDING}"].to_list() == [0.9, 0.4]


def test_slices_without_a_label_are_left_out_never_counted_as_normal() -> None:
    frame = _frame([0, 1, None], [0.1, 0.9, 0.4], ["a", "a", "b"])
    units = slice_units(frame, ANY_FINDING, patient_rows(frame), Elsewhere.of(frame), 0.5)
    assert units.group.labels.tolist() == [0, 1]
    assert units.probability.tolist() == [0.1, 0.9]


def test_no_label_at_all_gives_no_unit() -> None:
    frame = _frame([None, None], [0.1, 0.9], ["a", "b"])
    assert study_units(studies(frame, max), ANY_FINDING, patient_rows(frame), None).group.labels.size == 0


def test_slices_of_one_patient_share_a_row() -> None:
    frame = _frame([0, 1, 0], [0.1, 0.9, 0.4], ["b", "a", "b"])
    units = slice_units(frame, ANY_FINDING, patient_rows(frame), Elsewhere.of(frame), None)
    assert units.group.cluster.tolist() == [1, 0, 1]


def test_a_slice_with_another_finding_is_not_clean() -> None:
    frame = _frame([1, 1, 0, None], [0.5] * 4, ["a", "b", "c", "d"])
    frame = frame.with_columns(mass=pl.Series([0, 1, 0, 0], dtype=pl.Int8))
    frame = frame.with_columns(subdural_hemorrhage=pl.Series([1, 0, 0, 0], dtype=pl.Int8))
    found = against_clean(frame, "subdural_hemorrhage")
    assert found["study_uid"].to_list() == ["a", "c"]


def test_without_other_slices_the_place_is_learned_on_the_other_patients() -> None:
    frame = _frame([0, 1, 0, 1], [0.5] * 4, ["a", "a", "b", "b"]).with_columns(slice_height=pl.Series([0.0, 1, 0, 1]))
    units = slice_units(frame, ANY_FINDING, patient_rows(frame), Elsewhere.of(frame.clear(), frame), None)
    height = units.trivial["learned_height"]
    assert height[1] > height[0]
    assert height[3] > height[2]
