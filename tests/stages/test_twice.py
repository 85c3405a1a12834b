from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from plainscan import tables
from plainscan.errors import TableError
from plainscan.stages.twice import counted_twice, one_person, twice_limits, twice_warning

PAIR = {"slices": 0, "strength": 1.0, "split": "test", "other_split": "test", "crosses": False}


def slices(patients: dict[str, str], table: tables.Table = tables.COHORT) -> pl.DataFrame:
    """One slice for each study: study -> patient."""
    rows = [
        {"patient_id": patient, "study_uid": study, "series_uid": "s", "instance_uid": study, "frame": 0}
        for study, patient in patients.items()
    ]
    return tables.from_rows(rows, table)


def leaks(folder: Path, *pairs: tuple[str, str, str], accepted: str | None = None) -> None:
    """What `leak` leaves: rows of kind, study and study."""
    rows = [
        {**PAIR, "pair": f"L{i}", "kind": kind, "study_uid": a, "other_study_uid": b, "accepted_by": accepted}
        for i, (kind, a, b) in enumerate(pairs)
    ]
    tables.write(tables.from_rows(rows, tables.LEAKS), folder, tables.LEAKS)
    (folder / "leak.run.json").write_text("{}")


PATIENTS = {"1": "A", "2": "B", "3": "C", "4": "D", "5": "D"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with five studies of four patients, all of them prepared."""
    tables.write(slices(PATIENTS), tmp_path, tables.COHORT)
    tables.write(slices(PATIENTS, tables.PREPARED), tmp_path, tables.PREPARED)
    return tmp_path


def test_people_who_count_as_two_are_counted_once_whatever_the_evidence(folder: Path) -> None:
    leaks(folder, ("same_person", "1", "2"), ("same_pixels", "1", "2"), ("twin", "2", "3"), ("same_pixels", "4", "5"))
    found = counted_twice(folder, slices(PATIENTS))
    assert found == {
        **{"identifiers": 4, "studies": 5, "searched": 5, "pairs": 2, "patients": 3, "people": 1, "hints": 0},
        "kinds": {"same_person": 1, "same_pixels": 1, "twin": 1},
    }
    (said,) = twice_warning(found)
    assert "3 of the patients judged may be 1: `leak` found 2 pairs" in said
    assert "1 same_person, 1 same_pixels, 1 twin" in said
    assert twice_limits(found) == []


def test_joined_patients_and_studies_that_are_not_judged_are_no_news(folder: Path) -> None:
    leaks(folder, ("same_person", "1", "2"), ("twin", "3", "4"))
    found = counted_twice(folder, slices({"1": "A", "2": "A", "3": "C"}))
    assert (found["pairs"], found["identifiers"], found["studies"]) == (0, 3, 3)
    assert twice_warning(found) == []


def test_a_pair_that_somebody_accepted_is_two_people(folder: Path) -> None:
    leaks(folder, ("same_person", "1", "2"), accepted="Dr. Chen")
    assert counted_twice(folder, slices(PATIENTS))["pairs"] == 0
    assert one_person(folder, ["1"]) == set()


def test_a_hint_warns_of_nothing_and_is_a_limit(folder: Path) -> None:
    leaks(folder, ("same_digits", "1", "2"))
    found = counted_twice(folder, slices(PATIENTS))
    assert (found["pairs"], found["hints"], twice_warning(found)) == (0, 1, [])
    assert "leading zeros alone: 1." in twice_limits(found)[0]
    assert one_person(folder, ["1"]) == set()


def test_studies_that_nobody_searched_are_a_limit(folder: Path) -> None:
    assert "not looked for in 5 of 5 studies" in twice_limits(counted_twice(folder, slices(PATIENTS)))[0]
    leaks(folder)
    more = slices({**PATIENTS, "6": "E"})
    assert "not looked for in 1 of 6 studies" in twice_limits(counted_twice(folder, more))[0]


def test_whom_leak_takes_for_one_person_is_followed_through_others(folder: Path) -> None:
    leaks(folder, ("same_person", "1", "2"), ("twin", "2", "3"))
    assert one_person(folder, ["3"]) == {"A", "B", "C"}
    assert one_person(folder, ["4"]) == set()


def test_a_search_that_did_not_end_says_nothing(folder: Path) -> None:
    leaks(folder)
    (folder / "leak.run.json").unlink()
    with pytest.raises(TableError, match="did not end"):
        counted_twice(folder, slices(PATIENTS))
