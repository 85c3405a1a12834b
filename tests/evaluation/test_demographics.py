from __future__ import annotations

import polars as pl

from plainscan.evaluation.demographics import MOST, cohort_table


def _frame(**columns: list[object]) -> pl.DataFrame:
    n = len(next(iter(columns.values())))
    text = dict.fromkeys(("patient_sex", "patient_age", "manufacturer", "convolution_kernel"), [None] * n)
    rest = {"split": ["train"] * n, "slice_thickness_mm": [None] * n}
    schema = {"slice_thickness_mm": pl.Float64, **dict.fromkeys(text, pl.String)}
    return pl.DataFrame({**text, **rest, **columns}, schema_overrides=schema)


def test_patients_and_studies_are_counted_not_slices() -> None:
    frame = _frame(
        patient_id=["a", "a", "a", "b"],
        study_uid=["a1", "a1", "a2", "b1"],
        patient_sex=["F", "F", "F", "M"],
        patient_age=["040Y", "040Y", "041Y", "060Y"],
        manufacturer=["X", "X", "Y", "X"],
        slice_thickness_mm=[5.0, 5.0, 4.0, 5.0],
    )
    (row,) = cohort_table(frame, ("train",))
    assert row["sex"] == {"F": 1, "M": 1}
    assert row["age_years"] == {"n": 2, "low": None, "median": None, "high": None}  # too few to hide among
    assert row["manufacturer"] == {"X": 2, "Y": 1}
    assert row["kernel"] == {"unknown": 3}
    assert row["slice_thickness_mm"]["n"] == 3


def test_a_split_without_a_slice_or_a_header_is_said_to_be_unknown() -> None:
    frame = _frame(patient_id=["a"], study_uid=["a1"])
    train, test = cohort_table(frame, ("train", "test"))
    assert train["age_years"] == {"n": 0, "low": None, "median": None, "high": None}
    assert train["sex"] == {"unknown": 1}
    assert test["sex"] == {}


def test_age_is_given_as_quartiles_of_patients() -> None:
    names = list("abcde")
    ages = ["040Y", "050Y", "060Y", "006M", "100Y"]
    (row,) = cohort_table(_frame(patient_id=names, study_uid=names, patient_age=ages), ("train",))
    assert row["age_years"] == {"n": 5, "low": 40.0, "median": 50.0, "high": 60.0}


def test_rare_names_are_counted_together() -> None:
    names = [f"maker {i}" for i in range(MOST + 3)]
    frame = _frame(patient_id=names, study_uid=names, manufacturer=names)
    found = cohort_table(frame, ("train",))[0]["manufacturer"]
    assert len(found) == MOST + 1
    assert found["others"] == 3
