"""The one table of a judgement: each finding's AUC beside what the place of a slice alone would reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from plainscan.counted import counted
from plainscan.evaluation.compare import Comparison
from plainscan.evaluation.hemorrhage import JUDGED
from plainscan.evaluation.report import FRAGILE, Figures, fragile, number
from plainscan.evaluation.summary import AGAINST_CLEAN
from plainscan.findings import ANY_FINDING

# figure, level, words
COLUMNS: Final = (
    ("auc", "slice", "slices"),
    ("auc_within_height", "slice", "same height"),
    ("auc_of_learned_height_alone", "slice", "height alone"),
    ("auc_within_brain_area", "slice", "same brain area"),
    ("auc_of_learned_brain_area_alone", "slice", "brain area alone"),
    (f"{AGAINST_CLEAN}auc", "slice", "against clean slices"),
    ("auc", "study", "studies"),
)


def overview(metrics: Mapping[str, Any]) -> Comparison:
    """The table of `metrics.json`, for a terminal or as Markdown; the first row is the header."""
    get = Figures(metrics["figures"])
    rows = [("AUC", "slices (patients)", *(words for _, _, words in COLUMNS))]
    for finding in JUDGED:
        auc = get("auc", finding.key)
        if auc is None or auc["value"] is None:
            continue
        positive = f"{auc['n_positive']} ({metrics['positive_patients'][finding.key]}) of {auc['n']}"
        cells = [_cell(get(figure, finding.key, level)) for figure, level, _ in COLUMNS]
        rows.append((finding.english, positive, *cells))
    notes = _notes(metrics, any(FRAGILE in cell for row in rows for cell in row))
    any_finding = get("auc", ANY_FINDING)
    if len(rows) == 1 and any_finding:
        why = f"AUC of any finding: {any_finding['note']}. An AUC needs slices with a finding and slices without."
        notes = (why, *notes)
    return Comparison(tuple(rows), notes)


def _cell(entry: Mapping[str, Any] | None) -> str:
    if entry is None or entry["value"] is None:
        return "–"
    if entry["low"] is None:
        return number(entry["value"])
    mark = FRAGILE if fragile(entry) else ""
    return f"{number(entry['value'])} ({number(entry['low'])}-{number(entry['high'])}){mark}"


def _notes(metrics: Mapping[str, Any], few: bool) -> tuple[str, ...]:
    counts = metrics["counts"]
    notes = [
        f"{metrics['name']}: {counted(counts['test_slices'], 'slices')}, {counted(counts['test_studies'], 'studies')}, "
        f"{counted(counts['test_patients'], 'patients')}. In brackets: {100 * metrics['confidence']:g} % intervals, "
        "patients resampled.",
        "Same height, same brain area: only slices there are compared. Alone: no network. Against clean slices: the "
        "score of any hemorrhage, slices with no finding only.",
    ]
    return (*notes, f"{FRAGILE} few patients: the true interval is wider.") if few else tuple(notes)
