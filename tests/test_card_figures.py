"""What a run measured stands on the card where it stood before, and nothing else changes."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from docs.card_figures import NOTES, refilled

from plainscan.bundle import SHIPPED_FOLDER, read_card
from plainscan.config import make_section
from plainscan.errors import SourceError
from plainscan.stages.ship import Notes

HEAD = '# words\n\nname = "x"\nfigures_of = { model_sha256 = "old", threshold = 0.5 }\n\n'
OLD = """[[figures]]
data = "a"
figure = "auc"
level = "slice"
finding = "any_finding"
value = 0.5
note = "old"

[[figures]]
data = "b"
figure = "auc"
level = "slice"
finding = "any_finding"
value = 0.25
n = 3
"""


def entry(**changed: object) -> dict[str, object]:
    numbers = {"value": 0.91234567, "low": 0.8, "high": 1.0, "n": 10, "n_positive": 4, "clusters": 5, "note": ""}
    return {"figure": "auc", "finding": "any_finding", "level": "slice", **numbers, **changed}


def metrics(*entries: dict[str, object], model: str = "old", threshold: float = 0.5) -> dict[str, object]:
    return {"figures": list(entries), "provenance": {"model_sha256": model}, "threshold": threshold}


def test_figures_of_a_run_take_the_place_of_the_old_ones_and_others_stay() -> None:
    new = refilled(HEAD + OLD, {"a": metrics(entry())})
    first, second = tomllib.loads(new)["figures"]
    named = {"data": "a", "figure": "auc", "level": "slice", "finding": "any_finding"}
    assert first == named | {"value": 0.912346, "low": 0.8, "high": 1.0, "n": 10, "n_positive": 4, "clusters": 5}
    assert second["value"] == 0.25
    assert new.startswith(HEAD + "[[figures]]")


def test_the_project_s_own_list_is_written_as_it_is_read() -> None:
    notes = NOTES.read_text(encoding="utf-8")
    assert refilled(notes, {}) == notes


@pytest.mark.parametrize("found", [[], [entry(value=None)]])
def test_a_figure_that_was_not_measured_is_an_error(found: list[dict[str, object]]) -> None:
    with pytest.raises(SourceError, match="no auc of any_finding per slice"):
        refilled(HEAD + OLD, {"a": metrics(*found)})


def test_data_that_the_list_does_not_know_are_an_error() -> None:
    with pytest.raises(SourceError, match="no figure with data"):
        refilled(HEAD + OLD, {"c": metrics()})


def test_figures_of_all_data_by_one_bundle_say_which() -> None:
    new = refilled(HEAD + OLD, dict.fromkeys("ab", metrics(entry(), model="new", threshold=0.25)))
    assert tomllib.loads(new)["figures_of"] == {"model_sha256": "new", "threshold": 0.25}


@pytest.mark.parametrize("other", [{"model": "new"}, {"threshold": 0.25}])
@pytest.mark.parametrize("data", ["a", "ab"])
def test_figures_of_two_bundles_do_not_stand_in_one_list(other: dict[str, Any], data: str) -> None:
    measured = {"b": metrics(entry()), "a": metrics(entry(), **other)}
    with pytest.raises(SourceError, match="several weights or thresholds"):
        refilled(HEAD + OLD, {name: measured[name] for name in data})


def test_the_project_s_own_figures_were_measured_with_the_bundle_that_ships() -> None:
    notes = make_section(Notes, **tomllib.loads(NOTES.read_text(encoding="utf-8")))
    card = read_card(SHIPPED_FOLDER)
    assert notes.said_of(card) == {name: getattr(card, name) for name in ("name", "figures", "known_failures")}
