"""Plots as self-contained SVG text: letters are outlines, nothing is loaded from outside.

Colors are of the Okabe-Ito palette, told apart with any color vision; every line also has its own style.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from textwrap import fill
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from plainscan.evaluation import metrics as m
from plainscan.evaluation import published
from plainscan.evaluation.bootstrap import Counts
from plainscan.evaluation.bootstrap import Figure as Judged
from plainscan.evaluation.calibration import reliability
from plainscan.evaluation.judge import Units
from plainscan.evaluation.metrics import Weights
from plainscan.evaluation.strata import HEIGHT_BINS, equal_width
from plainscan.findings import ANY_FINDING

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#767676"
_GRID: Final = np.linspace(0, 1, 101)
_BAND_RESAMPLES: Final = 300
STYLE: Final[Any] = {
    "svg.fonttype": "path",
    "svg.hashsalt": "plainscan",
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#222222",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "legend.fontsize": 9,
}


@dataclass(frozen=True)
class Bands:
    """What may be shaded: a plot draws an interval only where its figure has one.

    Args:
        level: Coverage, such as 0.95.
        silent: Figure -> why it has no interval.
    """

    level: float = 0.95
    silent: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, figures: Iterable[Judged], level: float) -> Bands:
        """From the judged figures of any finding, slices."""
        ours = [f for f in figures if (f.finding, f.level) == (ANY_FINDING, "slice")]
        return cls(level, {f.figure: f.note for f in ours if f.low is None})

    def ends(self, curves: Weights) -> Weights:
        """Lower and upper end, (2, points), of curves (resamples, points)."""
        tail = (1 - self.level) / 2
        return np.asarray(np.quantile(curves, [tail, 1 - tail], axis=0), np.float64)

    def words(self, figure: str, drawn: str) -> str:
        """A caption's sentence about the interval."""
        reason = self.silent.get(figure)
        if reason is None:
            return f"{drawn}: {100 * self.level:g} % interval, patients resampled."
        return f"{reason[:1].upper()}{reason[1:]}."


class _Sheet:
    """One plot on its way to SVG text."""

    def __init__(self) -> None:
        self.svg = ""


@contextmanager
def _sheet(sheet: _Sheet, width: float = 4.6, height: float = 4.2) -> Iterator[Axes]:
    with mpl.rc_context(STYLE):
        canvas = Canvas(figsize=(width, height), layout="constrained", facecolor="none")
        yield canvas.add_subplot()
        stream = io.StringIO()
        backend = FigureCanvasSVG(canvas)
        metadata = {"Date": None, "Creator": "plainscan"}
        backend.print_svg(stream, metadata=metadata)  # type: ignore[no-untyped-call]  # backends carry no types
    sheet.svg = stream.getvalue()


def _square(ax: Axes, x: str, y: str) -> None:
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=x, ylabel=y, aspect="equal")


def _legend_above(ax: Axes, columns: int) -> None:
    """A legend over the plot, where it covers no point."""
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, columnspacing=1)


def roc_curve(units: Units, counts: Counts) -> Weights:
    """Sensitivity on a grid of 101 false-positive rates, (resamples + 1, 101); rows lacking a class are NaN."""
    ranking = m.rank(units.probability, units.group.labels)
    curves = np.full((len(counts), _GRID.size), np.nan)
    for i, row in enumerate(counts):
        positives, negatives = ranking.counts(row[units.group.cluster].astype(np.float64)[None])
        if positives[0, -1] > 0 and negatives[0, -1] > 0:
            fpr = np.append(0, negatives[0] / negatives[0, -1])
            curves[i] = np.interp(_GRID, fpr, np.append(0, positives[0] / positives[0, -1]))
    return curves


def precision_curve(units: Units, counts: Counts) -> Weights:
    """Precision on a grid of 101 sensitivities, (resamples + 1, 101): best threshold that reaches each."""
    ranking = m.rank(units.probability, units.group.labels)
    curves = np.full((len(counts), _GRID.size), np.nan)
    for i, row in enumerate(counts):
        positives, negatives = (c[0] for c in ranking.counts(row[units.group.cluster].astype(np.float64)[None]))
        if positives[-1] > 0:
            first = np.searchsorted(positives / positives[-1], np.maximum(_GRID, 1e-9) - 1e-12)
            at = np.clip(first, 0, positives.size - 1)
            curves[i] = positives[at] / (positives[at] + negatives[at])
    return curves


def _band(ax: Axes, curves: Weights, bands: Bands, figure: str) -> None:
    valid = curves[1:][np.isfinite(curves[1:]).all(axis=1)]
    if figure not in bands.silent and len(valid) > 1:
        ax.fill_between(_GRID, *bands.ends(valid), color=BLUE, alpha=0.15, linewidth=0)


def roc(slices: Units, studies: Units, counts: Counts, bands: Bands) -> str:
    """ROC curves of slices, studies and slice height alone, with the frozen operating point and the paper's."""
    sheet, drawn = _Sheet(), counts[: _BAND_RESAMPLES + 1]
    with _sheet(sheet) as ax:
        ax.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
        curves = roc_curve(slices, drawn)
        _band(ax, curves, bands, "auc")
        ax.plot(_GRID, curves[0], color=BLUE, linewidth=2, label=f"slices (n = {slices.group.labels.size})")
        if count := studies.group.labels.size:
            curve = roc_curve(studies, counts[:1])[0]
            ax.plot(_GRID, curve, color=GREEN, linewidth=1.6, linestyle="--", label=f"studies (n = {count})")
        if "learned_height" in slices.trivial:
            height = Units(slices.group, slices.trivial["learned_height"])
            ax.plot(_GRID, roc_curve(height, counts[:1])[0], color=GREY, linestyle=":", label="slice height alone")
        _points(ax, slices)
        _square(ax, "1 - specificity", "sensitivity")
        ax.legend(loc="lower right")
    return sheet.svg


def _points(ax: Axes, slices: Units) -> None:
    c = m.confusion(
        slices.probability >= (slices.threshold if slices.threshold is not None else np.inf),
        slices.group.labels,
        m.once(slices.group.labels.size),
    )
    if slices.threshold is not None:
        ax.plot(1 - m.specificity(c), m.recall(c), "o", color=BLUE, markersize=7, label="frozen operating point")
    theirs = 1 - published.TN / published.N_NO, published.TP / published.N_ANY
    ax.plot(*theirs, "D", color=RED, markersize=6, fillstyle="none", label="Zhang 2020 (image split)")


def precision_recall(slices: Units, counts: Counts, bands: Bands) -> str:
    """Precision against sensitivity of slices; the dotted line is what guessing gets."""
    sheet, base = _Sheet(), float(slices.group.labels.mean()) if slices.group.labels.size else 0.0
    with _sheet(sheet) as ax:
        curves = precision_curve(slices, counts[: _BAND_RESAMPLES + 1])
        _band(ax, curves, bands, "average_precision")
        ax.plot(_GRID, curves[0], color=BLUE, linewidth=2, label=f"slices (n = {slices.group.labels.size})")
        ax.axhline(base, color=GREY, linestyle=":", label=f"guessing: {base:.2f} of slices are positive")
        _square(ax, "sensitivity (recall)", "precision")
        ax.legend(loc="best")
    return sheet.svg


def calibration(slices: Units, counts: Counts, bands: Bands, bins: int = 10) -> str:
    """Observed against predicted in ten bins; bars below say how many slices each bin holds.

    A bin has an interval when its slices are of more than one patient.
    """
    sheet, p, y = _Sheet(), slices.probability, slices.group.labels
    found = reliability(p, y, bins)
    member = np.eye(bins)[equal_width(p, bins)]
    weights = counts[: _BAND_RESAMPLES + 1][:, slices.group.cluster].astype(np.float64)
    rates = m.share((weights * y) @ member, weights @ member)
    with _sheet(sheet) as ax:
        ax.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
        ax.bar((found.edges[:-1] + found.edges[1:]) / 2, found.n / max(1, found.n.max()) * 0.18, 0.09, color="#dddddd")
        for i in np.flatnonzero(found.n) if "calibration_error" not in bands.silent else ():
            drawn = rates[1:, i][np.isfinite(rates[1:, i])]
            if drawn.size > 1 and np.unique(slices.group.cluster[member[:, i] > 0]).size > 1:
                ax.plot([found.mean_probability[i]] * 2, bands.ends(drawn), color=BLUE, linewidth=1.2)
        ax.plot(found.mean_probability, found.positive_rate, "o", color=BLUE, markersize=5, clip_on=False)
        _square(ax, "predicted probability", "share that has a finding")
    return sheet.svg


def height_profile(slices: Units) -> str:
    """Share of slices with a finding, and mean predicted probability, from skull base to vertex."""
    sheet, y = _Sheet(), slices.group.labels.astype(np.float64)
    where = equal_width(slices.trivial["height"])
    n = np.bincount(where, minlength=HEIGHT_BINS)
    known = np.where(n > 0, n, np.nan)
    at = (np.arange(HEIGHT_BINS) + 0.5) / HEIGHT_BINS
    with _sheet(sheet) as ax:
        ax.bar(at, np.bincount(where, y, HEIGHT_BINS) / known, 0.08, color="#cfdfea", label="have a finding")
        mean = np.bincount(where, slices.probability, HEIGHT_BINS) / known
        ax.plot(at, mean, "o-", color=BLUE, markersize=4, label="mean predicted probability")
        rate = _mean_by(where, slices.trivial["learned_height"])
        ax.plot(at, rate, "s:", color=GREY, markersize=4, label="share in train and tune")
        ax.set(xlim=(0, 1), ylim=(0, 1.01), xlabel=_HEIGHT_LABEL, ylabel="share of slices / probability")
        ax.legend(loc="upper left")
    return sheet.svg


_HEIGHT_LABEL: Final = "slice height (0 lowest slice, 1 vertex)"


def _mean_by(where: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    n = np.bincount(where, minlength=HEIGHT_BINS)
    return np.asarray(np.bincount(where, values, HEIGHT_BINS) / np.where(n > 0, n, np.nan), np.float64)


def score_by_height(slices: Units, most: int = 1500) -> str:
    """Every slice as a point: its probability against its height, by its label (thinned evenly above ``most``)."""
    sheet, height = _Sheet(), slices.trivial["height"]
    with _sheet(sheet) as ax:
        for label, color, marker, name in ((0, GREY, "o", "no finding"), (1, RED, "^", "any finding")):
            members = np.flatnonzero(slices.group.labels == label)
            shown = members[:: max(1, int(np.ceil(members.size / most)))]
            ax.plot(
                *(height[shown], slices.probability[shown], marker),
                color=color,
                markersize=4,
                alpha=0.6,
                markeredgewidth=0,
                label=name,
            )
        if slices.threshold is not None:
            ax.axhline(slices.threshold, color=BLUE, linewidth=1, label="frozen threshold")
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=_HEIGHT_LABEL, ylabel="probability of any finding")
        _legend_above(ax, 3)
    return sheet.svg


def leak_meter(figures: Sequence[Mapping[str, Any]], splits: Mapping[str, str]) -> str:
    """The probe's AUC under each split, with true labels and with coins; what cannot be made is said in its place.

    Args:
        figures: Entries ``auc_<split>`` and ``coin_auc_<split>`` of leak_meter.json.
        splits: Split -> what is held out.
    """
    sheet, known = _Sheet(), {f["figure"]: f for f in figures}
    series = (("auc", BLUE, "o", "true labels", -0.08), ("coin_auc", RED, "s", "one coin per patient", 0.08))
    with _sheet(sheet, 6.4, 4.0) as ax:
        ax.axhline(0.5, color="#bbbbbb", linewidth=0.8)
        for name, color, marker, words, aside in series:
            made = [(i, f) for i, split in enumerate(splits) if (f := known[f"{name}_{split}"])["value"] is not None]
            for i, f in made:
                if f["low"] is not None:
                    ax.plot([i + aside] * 2, [f["low"], f["high"]], color=color, linewidth=1.4)
            at, values = [i + aside for i, _ in made], [f["value"] for _, f in made]
            ax.plot(at, values, marker, color=color, markersize=6, linestyle="none", label=words)
        for i, split in enumerate(splits):
            if known[f"auc_{split}"]["value"] is None:
                why = fill(str(known[f"auc_{split}"]["note"]).removeprefix("not made: "), 14)
                ax.text(i, 0.72, why, ha="center", va="center", color=GREY, fontsize=8)
        ax.set(xlim=(-0.5, len(splits) - 0.5), ylim=(0.3, 1.02), ylabel="AUC of the probe")
        ax.set_xticks(
            range(len(splits)), [f"{split}\n{fill(words, 18)}" for split, words in splits.items()], fontsize=8
        )
        _legend_above(ax, 2)
    return sheet.svg


def all_plots(slices: Units, studies: Units, counts: Counts, bands: Bands) -> Sequence[tuple[str, str, str]]:
    """(title, caption, SVG) of every plot, in reading order; none where there is no labeled slice."""
    if not slices.group.labels.size:
        return ()
    of_auc = bands.words("auc", "Shaded")
    of_precision = f"At this share of positive slices. {bands.words('average_precision', 'Shaded')}"
    diagonal = "On the diagonal, 30 % means 30 of 100. Bars: slices per bin."
    of_bins = f"{diagonal} {bands.words('calibration_error', 'Lines')}"
    return (
        ("ROC curve", of_auc, roc(slices, studies, counts, bands)),
        ("Precision and recall", of_precision, precision_recall(slices, counts, bands)),
        ("Calibration", of_bins, calibration(slices, counts, bands)),
        ("Where findings are", "The network should follow the bars, not the dots.", height_profile(slices)),
        ("Score by height", "Errors that sit at one height show a shortcut.", score_by_height(slices)),
    )
