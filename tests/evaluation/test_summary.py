from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from plainscan.dicom.write import HABITS
from plainscan.evaluation.bootstrap import Group
from plainscan.evaluation.judge import Units
from plainscan.evaluation.summary import (
    SYNTHETIC_MAKER,
    confusion_counts,
    is_synthetic,
    limits,
    split_table,
    split_unit,
    warnings,
)


def _manifest(rows: list[tuple[str, str, int | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"patient_id": p, "study_uid": f"{p}.1", "split": s, "any_finding": y} for p, s, y in rows],
        schema={"patient_id": pl.String, "study_uid": pl.String, "split": pl.String, "any_finding": pl.Int8},
    )


def test_each_split_is_counted_and_an_absent_one_is_zero() -> None:
    table = split_table(_manifest([("a", "train", 1), ("a", "train", None), ("b", "tune", 0)]))
    assert [row["split"] for row in table] == ["train", "tune", "test"]
    train = {"split": "train", "patients": 1, "studies": 1, "slices": 2}
    assert table[0] == {**train, "any_finding": 1, "no_finding": 0, "unlabeled": 1}
    assert table[2]["slices"] == 0


def test_a_patient_in_two_splits_means_split_by_image() -> None:
    assert split_unit(_manifest([("a", "train", 1), ("b", "test", 0)])) == "patient"
    assert split_unit(_manifest([("a", "train", 1), ("a", "test", 0)])) == "image"
    assert split_unit(_manifest([])) == "patient"


def test_the_reader_is_warned_of_what_spoils_the_figures() -> None:
    assert len(warnings("image", True, [{"patients": 20}], (9, 20))) == 3
    assert warnings("patient", False, [{"patients": 60}], (30, 60)) == []
    assert "Split by image" in limits("image", False)[0]


@pytest.mark.parametrize(
    ("patients", "by_class", "words"),
    [
        (20, (9, 20), ["20 patients. With fewer than about 30"]),
        (20, (3, 20), ["3 of them with slices with a finding: the intervals marked † are much too narrow"]),
        (20, (12, 2), ["2 of them with slices without one"]),
        (40, (1, 40), ["its slices with a finding are of one patient: no interval"]),
        (2, (0, 2), ["one class only", "2 patients. With fewer"]),
        (1, (1, 1), ["1 patient, and its slices with a finding are of one patient"]),
    ],
)
def test_the_warning_of_few_patients_fits_the_case(patients: int, by_class: tuple[int, int], words: list[str]) -> None:
    found = warnings("patient", False, [{"patients": patients}], by_class)
    assert len(found) == len(words)
    assert all(word in line for word, line in zip(words, found, strict=True))


def test_slices_of_the_phantom_are_known_by_their_manufacturer() -> None:
    for name, expected in (("SYNTH-C", True), ("Toroid", False), (None, False)):
        assert is_synthetic(pl.DataFrame({"manufacturer": [name]}, schema={"manufacturer": pl.String})) is expected
    assert all(habits.manufacturer.startswith(SYNTHETIC_MAKER) for habits in HABITS)


def test_the_confusion_matrix_counts_whole_units() -> None:
    group = Group("any_finding", "slice", np.array([1, 1, 0, 0, 0], np.int8), np.arange(5, dtype=np.intp))
    p = np.array([0.9, 0.1, 0.8, 0.2, 0.3])
    assert confusion_counts(Units(group, p, 0.5)) == {"tp": 1, "fn": 1, "fp": 1, "tn": 2}
    assert confusion_counts(Units(group, p, None)) is None
