"""One is singular: in the helper, and in every place that counts with it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from plainscan.counted import ONE, counted

SOURCE = Path(__file__).parents[1] / "src" / "plainscan"


@pytest.mark.parametrize(
    ("number", "what", "said"),
    [
        (0, "studies", "0 studies"),
        (1, "studies", "1 study"),
        (2, "studies", "2 studies"),
        (1, "series", "1 series"),
        (1, "people", "1 person"),
        (1, "slices with a finding", "1 slice with a finding"),
        (1, "studies where report and slices disagree", "1 study where report and slices disagree"),
        (1, "patient identifiers", "1 patient identifier"),
        (1, "train_slices", "1 train_slice"),
        (1, "across splits", "1 across splits"),
        (1, "files or images", "1 file or image"),
        (0.5, "slice AUC", "0.5 slice AUC"),
        ("int8", "engine", "int8 engine"),
    ],
)
def test_one_is_singular_and_nothing_else(number: float | str, what: str, said: str) -> None:
    assert counted(number, what) == said


def test_thousands_are_parted_where_asked() -> None:
    assert counted(12345, "slices", ",") == "12,345 slices"


def test_every_place_that_counts_names_a_noun_that_is_known() -> None:
    texts = [path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")]
    nodes = [node for text in texts if "import counted" in text for node in ast.walk(ast.parse(text))]
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "counted"]
    named = [str(call.args[1].value) for call in calls if isinstance(call.args[1], ast.Constant)]
    assert len(named) > 40
    assert not [what for what in named if not any(noun in what for noun in ONE)]
