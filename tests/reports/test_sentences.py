"""Hand-written sentences in departmental style, none taken from the phrase files' examples."""

import csv
from pathlib import Path

import pytest

from plainscan.findings import HEMORRHAGE_KEYS
from plainscan.reports.label import read_report

DATA = Path(__file__).parent / "data"
GROUPS = {"hemorrhage": HEMORRHAGE_KEYS, "infarct": ("early_infarct", "late_infarct")}


def sentences() -> list[dict[str, str]]:
    rows = []
    for name in ("chinese", "english"):
        with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            rows += list(csv.DictReader(stream))
    return rows


def expected(row: dict[str, str]) -> dict[str, str]:
    statuses = {
        key: status
        for status in ("present", "absent", "uncertain")
        for name in row[status].split()
        for key in GROUPS.get(name, (name,))
    }
    return statuses | {"any_finding": row["any_finding"]}


@pytest.mark.parametrize("row", sentences(), ids=lambda row: row["sentence"])
def test_a_radiologist_s_sentence_is_read_as_the_radiologist_means_it(row: dict[str, str]) -> None:
    assert {key: mention.status for key, mention in read_report(row["sentence"]).items()} == expected(row)


def test_there_are_sixty_sentences_in_each_language() -> None:
    assert len(sentences()) >= 120
