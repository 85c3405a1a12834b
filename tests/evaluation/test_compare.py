from __future__ import annotations

from typing import Any

import pytest

from plainscan.evaluation.compare import ROWS, compare, difference


def _metrics(shift: float) -> dict[str, Any]:
    entries = [
        {"figure": f, "finding": c, "level": level, "value": 0.7 + shift, "low": 0.65 + shift, "high": 0.75 + shift}
        for f, c, level, _ in ROWS
    ]
    return {"figures": entries, "counts": {"test_slices": 100, "test_patients": 9}}


def test_equal_intervals_give_the_difference_of_independent_figures() -> None:
    a, b = ({"value": v, "low": v - 0.03, "high": v + 0.03} for v in (0.9, 0.8))
    found = difference(a, b)
    assert found is not None
    assert tuple(found) == pytest.approx((0.1, 0.1 - 0.03 * 2**0.5, 0.1 + 0.03 * 2**0.5))


def test_what_is_not_estimable_has_no_difference() -> None:
    known, unknown = {"value": 0.9, "low": None, "high": None}, {"value": None, "low": None, "high": None}
    assert difference(known, unknown) is None
    assert difference(None, known) is None
    assert difference(known, known) == (0.0, None, None)


def test_image_and_patient_split_stand_beside_the_paper_with_the_inflation() -> None:
    found = compare({"patient": _metrics(0.0), "image": _metrics(0.2)})
    assert found.rows[0] == ("figure", "split by patient", "split by image", "Zhang 2020", "inflation")
    recall = next(row for row in found.rows if row[0] == "any finding: recall")
    assert recall[1:4] == ("0.700 (0.650 to 0.750)", "0.900 (0.850 to 0.950)", "0.961")
    assert recall[4].startswith("+0.200 (0.129 to 0.271)")


def test_studies_have_no_paper_figure_beside_them() -> None:
    found = compare({"patient": _metrics(0.0)})
    assert "inflation" not in found.rows[0]
    assert next(row for row in found.rows if row[0] == "AUC, whole studies")[-1] == "–"


def test_text_and_markdown_hold_every_row() -> None:
    found = compare({"patient": _metrics(0.0), "image": _metrics(0.2)})
    assert all(words in found.text() and words in found.markdown() for *_, words in ROWS)
    table = [line for line in found.markdown().splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {6}
