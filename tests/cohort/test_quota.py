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


MIXED = pl.DataFrame(
    {
        "study_uid": [f"{i // 10:02}" for i in range(400)],
        "series_uid": "s",
        "instance_uid": [f"{i:03}" for i in range(400)],
        "frame": 0,  # every other study has a finding, on four of its ten slices
        "any_finding": pl.Series([int((i // 10) % 2 and i % 10 < 4) for i in range(400)], dtype=pl.Int8),
    }
)


@pytest.mark.parametrize("seed", range(5))
def test_a_study_with_a_finding_never_turns_into_one_without(seed: int) -> None:
    kept = keep_quota(MIXED, 175, 37, seed)
    assert (count(kept, 0), count(kept, 1)) == (175, 37)
    finding = pl.col("any_finding").max()
    before = MIXED.group_by("study_uid").agg(finding.alias("before"))
    after = kept.group_by("study_uid").agg(finding.alias("after")).join(before, on="study_uid")
    assert after.filter(pl.col("before") != pl.col("after")).is_empty()


@pytest.mark.parametrize("seed", range(5))
def test_studies_are_whole_but_for_a_few(seed: int) -> None:
    per_study = keep_quota(MIXED, 175, 37, seed).group_by("study_uid").len()
    assert (per_study["len"] < 10).sum() <= 4


def test_a_class_without_quota_has_no_limit() -> None:
    kept = keep_quota(MIXED, None, 8, 1)
    assert (count(kept, 0), count(kept, 1)) == (200 + 12, 8)
    assert keep_quota(MIXED, None, None, 1).equals(MIXED)


def test_slices_whose_class_is_not_known_leave() -> None:
    assert keep_quota(SLICES, None, 7, 1)["any_finding"].null_count() == 0


def test_too_few_slices_say_both_numbers() -> None:
    with pytest.raises(SplitError, match=r"split\.any_finding: 40 slices .* expected at least the 41 asked for"):
        keep_quota(SLICES, None, 41, 1)
