import polars as pl
import pytest

from plainscan.cohort.leak import leaked_patients, verify
from plainscan.errors import LeakError

LEAKY = pl.DataFrame({"patient_id": ["Wang^Li", "Wang^Li", "B"], "split": ["train", "test", "tune"]})


def test_a_patient_in_two_splits_stops_the_run_and_is_not_named() -> None:
    with pytest.raises(LeakError, match="1 of 2 patients in two splits") as caught:
        verify(LEAKY, "patient")
    assert "Wang" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_split_by_image_may_leak_and_is_counted() -> None:
    verify(LEAKY, "image")
    assert leaked_patients(LEAKY) == 1
    verify(LEAKY.tail(2), "patient")
