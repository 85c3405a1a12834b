"""What a run measured stands on the card where it stood before, and nothing else changes."""

from __future__ import annotations

import tomllib

import pytest
from docs.card_figures import NOTES, refilled

from plainscan.errors import SourceError
from plainscan.evaluation.report import Figures

HEAD = '# words\n\nname = "x"\n\n'
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
    numbers = {"value": 0.912345, "low": 0.8, "high": 1.0, "n": 10, "n_positive": 4, "clusters": 5, "note": ""}
    return {"figure": "auc", "finding": "any_finding", "level": "slice", **numbers, **changed}


def test_figures_of_a_run_take_the_place_of_the_old_ones_and_others_stay() -> None:
    new = refilled(HEAD + OLD, {"a": Figures([entry()])})
    first, second = tomllib.loads(new)["figures"]
    named = {"data": "a", "figure": "auc", "level": "slice", "finding": "any_finding"}
    assert first == named | {"value": 0.9123, "low": 0.8, "high": 1.0, "n": 10, "n_positive": 4, "clusters": 5}
    assert second["value"] == 0.25
    assert new.startswith(HEAD + "[[figures]]")


def test_the_project_s_own_list_is_written_as_it_is_read() -> None:
    notes = NOTES.read_text(encoding="utf-8")
    assert refilled(notes, {}) == notes


@pytest.mark.parametrize("found", [[], [entry(value=None)]])
def test_a_figure_that_was_not_measured_is_an_error(found: list[dict[str, object]]) -> None:
    with pytest.raises(SourceError, match="no auc of any_finding per slice"):
        refilled(HEAD + OLD, {"a": Figures(found)})


def test_data_that_the_list_does_not_know_are_an_error() -> None:
    with pytest.raises(SourceError, match="no figure with data"):
        refilled(HEAD + OLD, {"c": Figures([])})
