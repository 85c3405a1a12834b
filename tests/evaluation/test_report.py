from __future__ import annotations

from typing import Any

import pytest

from plainscan.evaluation.report import Figures, headline


def _entry(figure: str, value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    place = {"finding": "any_finding", "level": "slice", "n": 100, "n_positive": 20, "clusters": 40}
    return {"figure": figure, "value": value, "low": low, "high": high, "note": "not estimable: why", **place}


def _headline(within_low: float) -> str:
    figures = [
        _entry("auc", 0.9, 0.85, 0.94),
        _entry("auc_within_height", 0.7, within_low, 0.8),
        _entry("auc_of_learned_height_alone", 0.8, 0.75, 0.85),
    ]
    return " ".join(headline({"figures": figures}))


def test_the_first_sentences_say_what_height_alone_reaches() -> None:
    text = _headline(0.6)
    assert "AUC 0.900 (0.850 to 0.940)" in text
    assert "0.800 (0.750 to 0.850)" in text
    assert "not shown" not in text


def test_it_says_when_nothing_more_than_height_is_shown() -> None:
    assert "not shown that the network sees more" in _headline(0.45)


@pytest.mark.parametrize("figures", [[], [_entry("auc", None)]])
def test_no_auc_is_said_in_words(figures: list[dict[str, Any]]) -> None:
    assert "no judgement" in headline({"figures": figures})[0]


def test_an_entry_is_found_by_figure_finding_and_level() -> None:
    get = Figures([_entry("auc", 0.9)])
    assert get("auc") is not None
    assert get("auc", level="study") is None
