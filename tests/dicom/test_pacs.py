from datetime import date

import pytest
from pydantic import ValidationError

from plainscan.config import FetchSettings
from plainscan.dicom.pacs import FoundSeries, FoundStudy, Query, hashed, is_uid, is_wanted, matches, queries

STUDY = FoundStudy("1.2", "A1", "20200105", "CT HEAD PLAIN")


def settings(**values: object) -> FetchSettings:
    return FetchSettings.model_validate({"pacs": "https://pacs/dicom-web", "since": "2020-01-01", **values})


def test_a_range_of_days_is_asked_for_day_by_day() -> None:
    asked = queries(settings(since="2019-12-30", until="2020-01-02"), [], date(2021, 1, 1))
    assert [query.dates for query in asked] == ["20191230", "20191231", "20200101", "20200102"]
    assert len(queries(settings(since="2020-12-01"), [], date(2020, 12, 31))) == 31


def test_accession_numbers_are_asked_for_one_by_one_within_the_days() -> None:
    asked = queries(settings(accessions="x.csv", until="2020-02-01"), ["A1", "A2"], date(2021, 1, 1))
    assert asked == [Query("20200101-20200201", "A1"), Query("20200101-20200201", "A2")]
    assert queries(settings(accessions="x.csv", since=None), ["A1"], date(2021, 1, 1)) == [Query("", "A1")]


@pytest.mark.parametrize(
    ("query", "values", "is_match"),
    [
        (Query("20200105"), {}, True),
        (Query("20200104"), {}, False),
        (Query("20200101-20200105"), {}, True),
        (Query("-20200104"), {}, False),
        (Query("", "A1"), {}, True),
        (Query("", "A"), {}, False),
        (Query("20200105"), {"description": "head"}, True),
        (Query("20200105"), {"description": "head*"}, False),
        (Query("20200105"), {"description": "ct*plain"}, True),
        (Query("20200105"), {"description": "[C]T"}, False),
    ],
)
def test_what_a_pacs_lets_through_is_looked_at_again(query: Query, values: dict[str, str], is_match: bool) -> None:
    assert matches(STUDY, query, settings(**values)) is is_match


def test_a_series_of_another_modality_or_body_part_is_not_wanted_but_one_without_a_body_part_is() -> None:
    assert is_wanted(FoundSeries("1", "CT", "HEAD"), settings(body_part="head"))
    assert is_wanted(FoundSeries("1", "CT", ""), settings(body_part="HEAD"))
    assert not is_wanted(FoundSeries("1", "CT", "KNEE"), settings(body_part="HEAD"))
    assert not is_wanted(FoundSeries("1", "SR", "HEAD"), settings())


@pytest.mark.parametrize("uid", ["../x", "1.2/../3", "1.2\n", "", "1..2", "1.2.", "1" * 65, "１.2"])
def test_what_is_no_uid_is_not_taken_for_one_and_its_name_stays_inside(uid: str) -> None:
    assert not is_uid(uid)
    assert len(hashed(uid)) == 32
    assert set(hashed(uid)) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "values",
    [
        {"pacs": "https://me:hunter2@pacs/dicom-web"},
        {"pacs": "https://pacs/dicom-web?token=hunter2"},
        {"pacs": "dicom://pacs:104"},
        {"pacs": "dicom://AE@pacs:65536"},
        {"pacs": "dicom://AE@pacs:0"},
        {"pacs": "https://pacs:99999/dicom-web"},
        {"pacs": "dicom://SEVENTEEN_LETTERS@pacs:104"},
        {"pacs": "dicom://影像@pacs:104"},
        {"modality": "CT*"},
        {"modality": "ct"},
        {"modality": ""},
        {"since": None},
        {"since": "2020-1-1"},
        {"since": "2020-02-30"},
        {"until": "2019-01-01"},
        {"hours": "22-6"},
        {"hours": "25:00-06:00"},
        {"retrieve": "move"},
        {"certificate": "a.pem"},
        {"ae_title": "SEVENTEEN_LETTERS"},
        {"ae_title": "back\\slash"},
    ],
)
def test_settings_that_cannot_work_are_refused_and_no_secret_is_repeated(values: dict[str, object]) -> None:
    from plainscan.config import explain

    with pytest.raises(ValidationError) as caught:
        settings(**values)
    assert "hunter2" not in explain(caught.value)
