"""The report: one HTML file that holds everything it shows and asks the network for nothing.

Its numbers come from the same dictionary that is written as `metrics.json`; it adds words and pictures.
No patient, study or instance identifier enters it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import jinja2

from plainscan.counted import counted
from plainscan.evaluation import published
from plainscan.evaluation.bootstrap import FEW, TOO_NARROW
from plainscan.evaluation.hemorrhage import JUDGED
from plainscan.evaluation.localization import SIZES
from plainscan.findings import ANY_FINDING, FINDINGS

NOT_ESTIMABLE: Final = "not estimable"
CHANCE: Final = 0.5
FRAGILE: Final = "†"
# trivial score -> (what it knows, what is compared, what the network may see besides)
_TRIVIAL: Final = {
    "height": ("how high the slice lies", "at the same height", "where a slice lies"),
    "brain_area": ("how much brain the slice shows", "with the same brain area", "how much brain a slice shows"),
}
_NAMES: Final = {f.key: f for f in JUDGED}

# The paper's table: (figure, class, words, in the abstract itself or derived from it).
PAPER_ROWS: Final = (
    ("precision", ANY_FINDING, "any finding: precision", "of the slices it marks, the share that has a finding"),
    ("recall", ANY_FINDING, "any finding: recall (sensitivity)", "of the slices with a finding, the share it marks"),
    ("f1", ANY_FINDING, "any finding: F1", ""),
    ("precision", "no_finding", "no finding: precision", "of the slices it passes, the share that has none"),
    ("recall", "no_finding", "no finding: recall (specificity)", "of the slices without one, the share it passes"),
    ("f1", "no_finding", "no finding: F1", ""),
    ("auc", ANY_FINDING, "AUC", "chance that a slice with a finding scores above one without"),
    ("accuracy", ANY_FINDING, "accuracy", "the paper's follows from its confusion matrix"),
    ("mcc", ANY_FINDING, "Matthews correlation", "the paper's follows from its confusion matrix"),
)
PLACE_ROWS: Final = (
    ("auc", "The network, all pairs of slices"),
    ("auc_within_height", "The network, only slices at the same height compared"),
    ("auc_within_brain_area", "The network, only slices with the same brain area compared"),
    ("auc_of_learned_height_alone", "No network: how often slices at that height had a finding in {others}"),
    ("auc_of_height_alone", "No network: slice height itself, higher counts as more suspicious"),
    ("auc_of_learned_brain_area_alone", "No network: how often slices with that brain area had one in {others}"),
    ("auc_of_brain_area_alone", "No network: brain area itself"),
)


class Picture(NamedTuple):
    """A plot.

    Args:
        title: A few words.
        caption: One sentence.
        svg: Self-contained SVG text.
    """

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Case:
    """One error of the gallery.

    Args:
        kind: ``missed`` or ``false alarm``.
        place: Where in its study, such as "slice 12 of 28".
        probability: Of any finding.
        findings: English names of what the reference standard says, for a missed slice.
        png: The slice beside its heat map.
    """

    kind: str
    place: str
    probability: float
    findings: tuple[str, ...]
    png: bytes


class Figures:
    """The entries of `metrics.json`, by name."""

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self._known = {(e["figure"], e["finding"], e["level"]): e for e in entries}

    def __call__(self, figure: str, finding: str = ANY_FINDING, level: str = "slice") -> Mapping[str, Any] | None:
        """The entry, or None where it was not computed."""
        return self._known.get((figure, finding, level))


def number(value: float | None, digits: int = 3) -> str:
    """A figure as text, with a true minus sign; a dash for None.

    >>> number(0.87654), number(None), number(-0.5, 1)
    ('0.877', '–', '−0.5')
    """
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def fragile(entry: Mapping[str, Any] | None) -> bool:
    """Whether an interval rests on so few patients that it is too narrow."""
    return entry is not None and entry["low"] is not None and TOO_NARROW in entry.get("note", "")


def interval(entry: Mapping[str, Any] | None, digits: int = 3) -> str:
    """The interval of an entry as text, marked where it is too narrow.

    >>> interval({"low": 0.812, "high": 0.9, "value": 0.85})
    '0.812 to 0.900'
    """
    if entry is None or entry["low"] is None:
        return ""
    mark = f" {FRAGILE}" if fragile(entry) else ""
    return f"{number(entry['low'], digits)} to {number(entry['high'], digits)}{mark}"


def percent(share: float) -> str:
    """A level as text.

    >>> percent(0.95), percent(0.975)
    ('95 %', '97.5 %')
    """
    return f"{round(100 * share, 6):g} %"


def estimate(entry: Mapping[str, Any] | None, digits: int = 3) -> str:
    """Value and interval.

    >>> estimate({"value": 0.85, "low": 0.8, "high": 0.9}), estimate({"value": None, "low": None, "high": None})
    ('0.850 (0.800 to 0.900)', 'not estimable')
    """
    if entry is None:
        return "–"
    if entry["value"] is None:
        return NOT_ESTIMABLE
    ends = interval(entry, digits)
    return f"{number(entry['value'], digits)} ({ends or 'no interval'})"


def headline(metrics: Mapping[str, Any]) -> list[str]:
    """The result in a few plain sentences."""
    get = Figures(metrics["figures"])
    auc = get("auc")
    if auc is None or auc["value"] is None:
        reason = auc["note"] if auc else "no slice of the test split was scored"
        return [f"The test split allows no judgement of “any finding”: {reason}."]
    lines = [
        f"On {counted(auc['n'], 'test slices', ',')} of {counted(auc['clusters'], 'patients')} "
        f"({counted(auc['n_positive'], 'slices', ',')} with a finding), "
        f"the network puts a slice with a finding above one without in {_percent(auc)} of all pairs: "
        f"AUC {estimate(auc)}."
    ]
    lines += _beyond_place(get)
    found, passed = get("recall"), get("recall", "no_finding")
    if found and passed and found["value"] is not None and passed["value"] is not None:
        lines.append(
            f"At the threshold fixed beforehand it marks {_percent(found)} of the slices with a finding, "
            f"and passes {_percent(passed)} of those without."
        )
    study = get("auc", level="study")
    if study and study["value"] is not None:
        lines.append(f"For {study['n']:,} whole studies the AUC is {estimate(study)}.")
    elif study:
        lines.append(f"For whole studies the AUC is {study['note']}.")
    return lines if auc["low"] is not None else [*lines, f"{auc['note'][:1].upper()}{auc['note'][1:]}."]


def _beyond_place(get: Figures) -> list[str]:
    """What the better of the two trivial scores reaches, what the network adds to it, and whether that is shown."""
    known = {name: entry for name in _TRIVIAL if (entry := get(f"auc_of_learned_{name}_alone"))}
    estimable = {name: entry for name, entry in known.items() if entry["value"] is not None}
    if not estimable:
        return []
    best = max(estimable, key=lambda name: estimable[name]["value"])
    knows, compared, besides = _TRIVIAL[best]
    within = get(f"auc_within_{best}")
    lines = [
        f"Knowing only {knows}, without looking for a finding, already gives {estimate(estimable[best])}; "
        f"comparing only slices {compared}, the network reaches {estimate(within)}."
    ]
    if within is None or within["low"] is None or fragile(within):
        lines.append(f"Whether the network sees more than {besides} cannot be told from so few patients.")
    elif within["low"] <= CHANCE:
        lines.append(
            f"That interval does not lie above 0.5: on these data it is not shown that the network sees more than "
            f"{besides}."
        )
    return lines


def _percent(entry: Mapping[str, Any]) -> str:
    if entry["low"] is None:
        return f"{100 * entry['value']:.0f} %"
    mark = f" {FRAGILE}" if fragile(entry) else ""
    return f"{100 * entry['value']:.0f} % ({100 * entry['low']:.0f} to {100 * entry['high']:.0f} %{mark})"


def data_uri(content: str | bytes, kind: str) -> str:
    """Content as a data URI.

    >>> data_uri("<svg/>", "image/svg+xml")
    'data:image/svg+xml;base64,PHN2Zy8+'
    """
    raw = content.encode() if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


def render(
    metrics: Mapping[str, Any], plots: Sequence[Picture], gallery: Sequence[Case], flow_svg: str | None = None
) -> str:
    """The report as HTML text.

    Args:
        metrics: What `metrics.json` holds.
        plots: In reading order.
        gallery: The worst errors.
        flow_svg: The flow diagram of `select`, if there is one.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("plainscan.evaluation"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, estimate=estimate, interval=interval, percent=percent)
    page, get = environment.get_template("report.html.j2"), Figures(metrics["figures"])
    return page.render(
        metrics=metrics,
        get=get,
        estimable=[key for key in _NAMES if (entry := get("auc", key)) and entry["value"] is not None],
        clean=[key for key in _NAMES if (entry := get("against_clean_auc", key)) and entry["value"] is not None],
        headline=headline(metrics),
        plots=[(p.title, p.caption, data_uri(p.svg, "image/svg+xml")) for p in plots],
        gallery=[(case, data_uri(case.png, "image/png")) for case in gallery],
        flow=data_uri(flow_svg, "image/svg+xml") if flow_svg else None,
        findings=_NAMES,
        paper_rows=PAPER_ROWS,
        place_rows=[(figure, words.format(others=metrics["learned_on"])) for figure, words in PLACE_ROWS],
        published=published,
        few=FEW,
        fragile=any(fragile(entry) for entry in metrics["figures"]),
        localized=[f for f in FINDINGS if get("pointing_game", f.key)],
        sized=any(get(f"pointing_game_of_{name}") for name, _, _ in SIZES),
    )
