from __future__ import annotations

from typing import Any

from plainscan.evaluation.overview import COLUMNS, overview


def _entry(figure: str, finding: str, value: float | None, level: str = "slice", note: str = "") -> dict[str, Any]:
    ends = {"low": None, "high": None} if value is None else {"low": value - 0.1, "high": value + 0.05}
    n = {"n": 100, "n_positive": 20, "clusters": 40}
    return {"figure": figure, "finding": finding, "level": level, "value": value, "note": note, **ends, **n}


def _metrics(figures: list[dict[str, Any]]) -> dict[str, Any]:
    counts = {"test_slices": 100, "test_studies": 40, "test_patients": 40}
    patients = {"any_finding": 9, "any_hemorrhage": 8}
    common = {"name": "tiny", "counts": counts, "positive_patients": patients, "confidence": 0.95}
    return {**common, "figures": figures}


def test_every_auc_stands_beside_what_the_place_alone_reaches() -> None:
    figures = [_entry(figure, "any_hemorrhage", 0.9, level) for figure, level, _ in COLUMNS]
    table = overview(_metrics(figures))
    assert table.rows[0][2:] == tuple(words for _, _, words in COLUMNS)
    assert table.rows[1] == ("any hemorrhage", "20 (8) of 100", *["0.900 (0.800-0.950)"] * len(COLUMNS))
    assert len(table.rows) == 2
    assert "40 studies" in table.text()


def test_what_cannot_be_estimated_has_no_row_and_what_is_missing_a_dash() -> None:
    table = overview(_metrics([_entry("auc", "mass", None), _entry("auc", "any_finding", 0.8)]))
    assert [row[0] for row in table.rows[1:]] == ["any finding"]
    assert table.rows[1][3:] == ("–",) * (len(COLUMNS) - 1)


def test_a_table_without_a_row_says_why() -> None:
    why = "not estimable: none of 100 labels is positive"
    table = overview(_metrics([_entry("auc", "any_finding", None, note=why), _entry("auc", "mass", None)]))
    assert len(table.rows) == 1
    assert table.notes[0] == f"AUC of any finding: {why}. An AUC needs slices with a finding and slices without."


def test_an_interval_of_few_patients_is_marked_and_explained() -> None:
    few = _entry("auc", "any_finding", 0.8, note="3 patients only: the interval is too narrow")
    table = overview(_metrics([few]))
    assert table.rows[1][2].endswith("†")
    assert "the true interval is wider" in table.notes[-1]
