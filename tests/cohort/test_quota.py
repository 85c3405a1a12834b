import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainscan.cohort.quota import keep_quota
from plainscan.errors import SplitError

SLICES = pl.DataFrame(
    {
        "study_uid": [f"{i // 10}" for i in range(200)],
        "series_uid": "s",
        "instance_uid": [f"{i:03}" for i in range(200)],
        "frame": 0,
        "any_finding": pl.Series([[0, 0, 1, None, 0][i % 5] for i in range(200)], dtype=pl.Int8),
    }
)


def count(slices: pl.DataFrame, value: int) -> int:
    return int((slices["any_finding"] == value).sum())


@settings(deadline=None, max_examples=25)
@given(no=st.integers(1, 120), some=st.integers(1, 40), seed=st.integers(0, 999))
def test_exactly_so_many_of_each_class_whatever_the_row_order(no: int, some: int, seed: int) -> None:
    kept = keep_quota(SLICES, no, some, seed)
    assert (count(kept, 0), count(kept, 1), len(kept)) == (no, some, no + some)
    assert kept.equals(keep_quota(SLICES.sample(fraction=1.0, shuffle=True, seed=seed), no, some, seed))


def test_studies_are_filled_one_by_one_and_only_the_last_is_trimmed() -> None:
    kept = keep_quota(SLICES, 21, 120 // 3, 3).filter(pl.col("any_finding") == 0)
    per_study = sorted(kept.group_by("study_uid").len()["len"].to_list())
    assert per_study == [3, 6, 6, 6]


def test_a_class_without_quota_is_kept_whole() -> None:
    kept = keep_quota(SLICES, None, 7, 1)
    assert (count(kept, 0), count(kept, 1), kept["any_finding"].null_count()) == (120, 7, 40)
    assert keep_quota(SLICES, None, None, 1).equals(SLICES)


def test_too_few_slices_say_both_numbers() -> None:
    with pytest.raises(SplitError, match=r"split\.any_finding: 40 slices .* expected at least the 41 asked for"):
        keep_quota(SLICES, None, 41, 1)
