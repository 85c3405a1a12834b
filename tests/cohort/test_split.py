import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainscan.cohort.split import split_slices
from plainscan.errors import SplitError
from plainscan.findings import ANY_FINDING, FINDING_KEYS

SHARES = {"train": 0.7, "tune": 0.2, "test": 0.1}
UNIT = ("patient", "image")


def cohort(patients: int, seed: int) -> pl.DataFrame:
    """Patients with one or two studies of 5 to 12 slices, half of them with positive slices, some unlabeled."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        sick = rng.random() < 0.5
        for study in range(int(rng.integers(1, 3))):
            for frame in range(int(rng.integers(5, 13))):
                labels = dict.fromkeys(FINDING_KEYS) if rng.random() < 0.05 else dict.fromkeys(FINDING_KEYS, 0)
                if labels[ANY_FINDING] == 0 and sick and rng.random() < 0.4:
                    labels |= {ANY_FINDING: 1, FINDING_KEYS[int(rng.integers(1, 15))]: 1}
                key = {"study_uid": f"{patient}.{study}", "series_uid": "s", "instance_uid": "i", "frame": frame}
                rows.append({"patient_id": f"p{patient}", **key, **labels})
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(FINDING_KEYS, pl.Int8))


@settings(deadline=None, max_examples=15)
@given(patients=st.integers(10, 120), seed=st.integers(0, 10_000))
def test_by_patient_no_patient_is_in_two_splits_and_no_slice_is_lost(patients: int, seed: int) -> None:
    slices = cohort(patients, seed)
    result = split_slices(slices, SHARES, "patient", seed)
    assert result.group_by("patient_id").agg(pl.col("split").n_unique())["split"].max() == 1
    assert len(result) == len(slices)
    counts = dict(result.unique("patient_id").group_by("split").len().iter_rows())
    for name, share in SHARES.items():
        assert abs(counts[name] - share * patients) <= 1


@settings(deadline=None, max_examples=10)
@given(unit=st.sampled_from(UNIT), seed=st.integers(0, 10_000))
def test_same_seed_same_split_whatever_the_row_order(unit: str, seed: int) -> None:
    slices = cohort(30, 4)
    shuffled = slices.sample(fraction=1.0, shuffle=True, seed=seed)
    first = split_slices(slices, SHARES, unit, 7)  # type: ignore[arg-type]
    assert first.equals(split_slices(shuffled, SHARES, unit, 7))  # type: ignore[arg-type]
    assert not first["split"].equals(split_slices(slices, SHARES, unit, 8)["split"])  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_prevalence_and_slice_shares_are_near_equal(seed: int) -> None:
    result = split_slices(cohort(200, seed), SHARES, "patient", seed)
    overall = result[ANY_FINDING].mean()
    for name, share in SHARES.items():
        part = result.filter(pl.col("split") == name)
        assert abs(part[ANY_FINDING].mean() - overall) < 0.02  # type: ignore[operator]
        assert abs(len(part) / len(result) - share) < 0.02


def test_by_image_the_shares_hold_in_each_class() -> None:
    slices = cohort(100, 1)
    result = split_slices(slices, SHARES, "image", 1)
    for value in (0, 1):
        of_class = result.filter(pl.col(ANY_FINDING) == value)
        assert abs((of_class["split"] == "test").sum() - 0.1 * len(of_class)) <= 2
    assert result.group_by("patient_id").agg(pl.col("split").n_unique())["split"].max() == 3


def test_large_patients_do_not_always_train() -> None:
    slices = cohort(40, 2)
    largest = slices.group_by("patient_id").len().sort("len", "patient_id")["patient_id"][-1]
    drawn = {
        split_slices(slices, SHARES, "patient", s).filter(pl.col("patient_id") == largest)["split"][0]
        for s in range(25)
    }
    assert len(drawn) > 1


def test_an_empty_split_says_the_counts() -> None:
    with pytest.raises(SplitError, match=r"test would be empty: 2 patients give slices train \d+, tune \d+, test 0"):
        split_slices(cohort(2, 1), SHARES, "patient", 1)


def test_a_split_that_is_not_asked_for_may_be_empty() -> None:
    result = split_slices(cohort(10, 1), {"train": 0.8, "tune": 0.2, "test": 0.0}, "patient", 1)
    assert set(result["split"]) == {"train", "tune"}


@pytest.mark.parametrize("nobody", [None, "", "  "])
def test_a_patient_without_identifier_stops_a_split_by_patient(nobody: str | None) -> None:
    slices = cohort(20, 1).with_columns(pl.lit(nobody, pl.String).alias("patient_id"))
    with pytest.raises(SplitError, match="without a patient identifier"):
        split_slices(slices, SHARES, "patient", 1)
    assert len(split_slices(slices, SHARES, "image", 1)) == len(slices)


def test_no_slice_is_an_error() -> None:
    with pytest.raises(SplitError, match="no slice"):
        split_slices(cohort(1, 1).clear(), SHARES, "patient", 1)
