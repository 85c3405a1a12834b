from __future__ import annotations

from typing import Any

import pytest

from plainscan.evaluation.report import Figures, headline, interval


def _entry(figure: str, value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    place = {"finding": "any_finding", "level": "slice", "n": 100, "n_positive": 20, "clusters": 40}
    return {"figure": figure, "value": value, "low": low, "high": high, "note": "not estimable: why", **place}


def _headline(within_low: float | None, *more: dict[str, Any]) -> str:
    figures = [
        _entry("auc", 0.9, 0.85, 0.94),
        _entry("auc_within_height", 0.7, within_low, 0.8),
        _entry("auc_of_learned_height_alone", 0.8, 0.75, 0.85),
        *more,
    ]
    return " ".join(headline({"figures": figures}))


def test_the_first_sentences_say_what_height_alone_reaches() -> None:
    text = _headline(0.6)
    assert "AUC 0.900 (0.850 to 0.940)" in text
    assert "0.800 (0.750 to 0.850)" in text
    assert "not shown" not in text


def test_it_says_when_nothing_more_than_height_is_shown() -> None:
    assert "not shown that the network sees more" in _headline(0.45)


def test_without_an_interval_to_trust_it_says_that_this_cannot_be_told() -> None:
    words = "Whether the network sees more than where a slice lies cannot be told from so few patients."
    assert words in _headline(None)
    fragile = {"low": 0.75, "note": "2 patients only: the interval is too narrow"}
    within = _entry("auc_within_height", 0.8, 0.75, 1.0) | fragile
    assert words in _headline(0.6, within)


def test_the_larger_of_height_and_brain_area_is_what_the_network_is_held_against() -> None:
    area = _entry("auc_of_learned_brain_area_alone", 0.86, 0.8, 0.9)
    text = _headline(0.6, area, _entry("auc_within_brain_area", 0.6, 0.45, 0.7))
    assert "how much brain the slice shows" in text
    assert "0.860 (0.800 to 0.900)" in text
    assert "not shown that the network sees more than how much brain a slice shows" in text
    smaller = _headline(0.6, area | {"value": 0.7}, _entry("auc_within_brain_area", 0.6, 0.45, 0.7))
    assert "how high the slice lies" in smaller


def test_an_interval_of_few_patients_is_marked_in_tables_and_in_the_headline() -> None:
    entry = _entry("auc", 0.9, 0.85, 0.94) | {"note": "3 patients only: the interval is too narrow"}
    assert interval(entry) == "0.850 to 0.940 †"
    assert "AUC 0.900 (0.850 to 0.940 †)." in headline({"figures": [entry]})[0]


def test_why_there_is_no_interval_is_said_once() -> None:
    lines = headline({"figures": [_entry("auc", 0.68) | {"note": "no interval: it rests on one patient"}]})
    assert "AUC 0.680 (no interval)." in lines[0]
    assert lines[-1] == "No interval: it rests on one patient."


@pytest.mark.parametrize("figures", [[], [_entry("auc", None)]])
def test_no_auc_is_said_in_words(figures: list[dict[str, Any]]) -> None:
    assert "no judgement" in headline({"figures": figures})[0]


def test_an_entry_is_found_by_figure_finding_and_level() -> None:
    get = Figures([_entry("auc", 0.9)])
    assert get("auc") is not None
    assert get("auc", level="study") is None
