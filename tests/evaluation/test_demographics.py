from __future__ import annotations

import polars as pl
import pytest

from plainscan.evaluation.demographics import FEWEST, MOST, cohort_table, prevalence_table
from plainscan.findings import FINDING_KEYS


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
    assert row["sex"] == {"F or M": 2}
    assert row["age_years"] == {"n": 2, "low": None, "median": None, "high": None}  # too few to hide among
    assert row["manufacturer"] == {"X or Y": 3}
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
    many = [name for name in names for _ in range(FEWEST)]
    frame = _frame(patient_id=many, study_uid=[str(i) for i in range(len(many))], manufacturer=many)
    found = cohort_table(frame, ("train",))[0]["manufacturer"]
    assert len(found) == MOST + 1
    assert found[" or ".join(names[MOST:])] == 3 * FEWEST


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("A" * 9 + "B" * 5, {"A": 9, "B": 5}),
        ("A" * 9 + "B" * 4, {"A or B": 13}),  # alone, 4 would follow from the total
        ("A" * 9 + "B" * 4 + "C", {"A": 9, "B or C": 5}),
        ("A" * 9 + "B" * 2 + "CDE", {"A": 9, "others": 5}),
        ("A" * 9 + "-" * 2, {"A": 9, "unknown": 2}),
        ("A" * 9 + "B" + "-" * 3, {"A or B": 10, "unknown": 3}),
        ("A" * 4, {"not shown": 4}),  # nothing to hide among
        ("A" * 4 + "-" * 9, {"not shown": 4, "unknown": 9}),
        ("A" * 5, {"A": 5}),
    ],
)
def test_fewer_than_five_of_a_kind_are_never_counted_alone(kinds: str, expected: dict[str, int]) -> None:
    names = [str(i) for i in range(len(kinds))]
    models = [None if kind == "-" else kind for kind in kinds]
    frame = _frame(patient_id=names, study_uid=names, manufacturer_model=models, study_date=["20210304"] * len(names))
    (row,) = cohort_table(frame, ("train",))
    assert row["model"] == expected
    assert row["year"] == {"2021" if len(names) >= FEWEST else "not shown": len(names)}


def test_prevalence_counts_slices_studies_and_patients_and_what_is_not_known() -> None:
    frame = _frame(patient_id=list("aabb"), study_uid=["1", "1", "2", "3"])
    labels = [pl.lit(None, pl.Int8).alias(key) for key in FINDING_KEYS[1:]]
    frame = frame.with_columns(pl.Series("any_finding", [1, 1, None, 0], pl.Int8), *labels)
    (row,) = prevalence_table(frame, ("train", "test"))
    assert row["train"] == {"slices": 2, "known": 3, "studies": 1, "patients": 1}
    assert row["test"] == {"slices": 0, "known": 0, "studies": 0, "patients": 0}
