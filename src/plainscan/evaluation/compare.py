"""Two or more judged runs and the paper, side by side: how much does the kind of split flatter?

The difference of two figures gets an interval from theirs by Zou and Donner (2008, MOVER), which takes them as
independent. Two splits of one cohort are not quite, so read it as a guide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from plainscan.counted import counted
from plainscan.evaluation import published
from plainscan.evaluation.report import FRAGILE, Figures, estimate, number
from plainscan.findings import ANY_FINDING

# figure, finding or class, level, words
ROWS: Final = (
    ("precision", ANY_FINDING, "slice", "any finding: precision"),
    ("recall", ANY_FINDING, "slice", "any finding: recall"),
    ("f1", ANY_FINDING, "slice", "any finding: F1"),
    ("precision", "no_finding", "slice", "no finding: precision"),
    ("recall", "no_finding", "slice", "no finding: recall"),
    ("f1", "no_finding", "slice", "no finding: F1"),
    ("auc", ANY_FINDING, "slice", "AUC"),
    ("accuracy", ANY_FINDING, "slice", "accuracy"),
    ("mcc", ANY_FINDING, "slice", "Matthews correlation"),
    ("auc_within_height", ANY_FINDING, "slice", "AUC, same height only"),
    ("auc_of_learned_height_alone", ANY_FINDING, "slice", "AUC of slice height alone"),
    ("auc", ANY_FINDING, "study", "AUC, whole studies"),
)
FLATTERED, FAIR = "image", "patient"


class Difference(NamedTuple):
    """One figure minus another, with an interval where both have one."""

    value: float
    low: float | None
    high: float | None


class Comparison(NamedTuple):
    """A table: the first row is the header."""

    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    def text(self) -> str:
        """For a terminal: columns padded with blanks."""
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in self.rows]
        rule = "  ".join("-" * width for width in widths)
        return "\n".join([lines[0].rstrip(), rule, *(line.rstrip() for line in lines[1:]), "", *self.notes])

    def markdown(self) -> str:
        """As a Markdown table."""
        lines = [f"| {' | '.join(row)} |" for row in self.rows]
        rule = "|---" * len(self.rows[0]) + "|"
        return "\n".join([lines[0], rule, *lines[1:], "", *(f"{note}\n" for note in self.notes)])


def difference(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> Difference | None:
    """Subtract b from a, two entries of `metrics.json`; None where one is not estimable.

    >>> a = {"value": 0.9, "low": 0.86, "high": 0.93}
    >>> b = {"value": 0.8, "low": 0.77, "high": 0.84}
    >>> [round(x, 4) for x in difference(a, b)]
    [0.1, 0.0434, 0.1424]
    """
    if not a or not b or a["value"] is None or b["value"] is None:
        return None
    gap = a["value"] - b["value"]
    if a["low"] is None or b["low"] is None:
        return Difference(gap, None, None)
    down = math.hypot(a["value"] - a["low"], b["high"] - b["value"])
    up = math.hypot(a["high"] - a["value"], b["value"] - b["low"])
    return Difference(gap, gap - down, gap + up)


def compare(runs: Mapping[str, Mapping[str, Any]]) -> Comparison:
    """Put runs beside the paper; with an image and a patient split, the inflation as a last column.

    Args:
        runs: Name, such as "patient" or "image", to the content of its `metrics.json`.
    """
    inflation = FLATTERED in runs and FAIR in runs
    header = ("figure", *(f"split by {name}" for name in runs), "Zhang 2020", *(("inflation",) if inflation else ()))
    figures = {name: Figures(metrics["figures"]) for name, metrics in runs.items()}
    rows = [header]
    for figure, finding, level, words in ROWS:
        entries = {name: get(figure, finding, level) for name, get in figures.items()}
        paper = published.value(figure, finding) if level == "slice" else None
        cells = [words, *(estimate(entry) for entry in entries.values()), number(paper, 2 if figure == "auc" else 3)]
        if inflation:
            cells.append(_signed(difference(entries[FLATTERED], entries[FAIR])))
        rows.append(tuple(cells))
    notes = list(_notes(runs, inflation))
    if any(FRAGILE in cell for row in rows for cell in row):
        notes.append(f"{FRAGILE} rests on so few patients that the interval is too narrow.")
    return Comparison(tuple(rows), tuple(notes))


def _signed(found: Difference | None) -> str:
    if found is None:
        return "–"
    text = f"{found.value:+.3f}".replace("-", "−")
    return text if found.low is None else f"{text} ({number(found.low)} to {number(found.high)})"


def _notes(runs: Mapping[str, Mapping[str, Any]], inflation: bool) -> Sequence[str]:
    sizes = ", ".join(
        f"{name} {counted(m['counts']['test_slices'], 'slices')} of {counted(m['counts']['test_patients'], 'patients')}"
        for name, m in runs.items()
    )
    notes = [
        f"Test sets: {sizes}; Zhang 2020 {published.N} slices ({published.SPLIT}).",
        "In brackets: intervals by resampling patients. The paper gave none.",
    ]
    if inflation:
        notes.append(
            "Inflation: split by image minus split by patient. With the image split, slices of one patient lie on "
            "both sides; only the patient split says what to expect of a new patient."
        )
    return notes
