"""A learning curve over labeled patients: who is trained on, who is tested, and AUC against their number.

What trains and scores lies in `benchmarks/learning_curve.py`; this part is arithmetic. Folds by patient: those with and
those without a positive slice are dealt out in turn, so that each patient is tested exactly once in a repeat. A fold's
training sets come from its other patients, mixed as in the cohort and one with a positive slice first: even two
patients hold a positive one. The smaller set is part of the larger.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from plainscan.errors import SplitError
from plainscan.evaluation.bootstrap import draw, replicate
from plainscan.evaluation.calibration import sigmoid
from plainscan.evaluation.hemorrhage import ANY_HEMORRHAGE, noisy_or
from plainscan.evaluation.metrics import Weights
from plainscan.evaluation.plots import BLUE, GREY, RED, STYLE
from plainscan.evaluation.strata import HEIGHT_BINS, Within, equal_width, rate_of_others
from plainscan.findings import ANY_FINDING, FINDING_KEYS, HEMORRHAGE_KEYS

RANDOM, START = "random", "start"
WORDS: Final = {ANY_HEMORRHAGE: "any hemorrhage", ANY_FINDING: "any finding"}
PLACES: Final = {"all": "all slices", "height": "same height"}
STARTS: Final = {RANDOM: "random weights", START: "this start"}
RESAMPLES: Final = 1000
LEVEL: Final = 0.95
Scores = Mapping[tuple[int, int, str], NDArray[np.float64]]  # repeat, patients, start -> logits (slices, findings)


class Job(NamedTuple):
    """One training, and whom it is tested on; with 0 patients nothing is trained."""

    repeat: int
    fold: int
    patients: tuple[str, ...]
    tested: tuple[str, ...]
    start: str

    @property
    def name(self) -> str:
        """Of its result."""
        return f"repeat{self.repeat}-fold{self.fold}-patients{len(self.patients):02d}-{self.start}"


class Estimate(NamedTuple):
    """A value with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def deal(positive: Sequence[str], negative: Sequence[str], folds: int, rng: np.random.Generator) -> list[list[str]]:
    """Patients of each fold: all of them once, those with and those without a positive slice spread evenly."""
    order = [*rng.permutation(positive).tolist(), *rng.permutation(negative).tolist()]
    return [order[fold::folds] for fold in range(folds)]


def training_order(positive: Sequence[str], negative: Sequence[str], rng: np.random.Generator) -> list[str]:
    """All patients so that the first n hold positives as the whole does, rounded up."""
    with_, without = rng.permutation(positive).tolist(), rng.permutation(negative).tolist()
    share = len(with_) / max(1, len(with_) + len(without))
    order: list[str] = []
    for n in range(len(with_) + len(without)):
        given = len(positive) - len(with_)
        order.append(with_.pop() if math.ceil((n + 1) * share - 1e-9) > given else without.pop())
    return order


def plan(frame: pl.DataFrame, counts: Sequence[int], folds: int, repeats: int, seed: int) -> list[Job]:
    """All trainings, the same ones each time; with other numbers of patients too, those that both have are the same.

    Args:
        frame: Prepared slices with a label `any_hemorrhage`.
        counts: Numbers of patients to train on, from 1; the start without training is always there.
        folds: Of the patients.
        repeats: Draws of folds.
        seed: Of the draws.

    Raises:
        SplitError: A fold leaves too few patients to train on.
    """
    found = frame.group_by("patient_id").agg((pl.col(ANY_HEMORRHAGE) == 1).any().alias("positive")).sort("patient_id")
    positive = found.filter(pl.col("positive"))["patient_id"].to_list()
    jobs = []
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        negative = [patient for patient in found["patient_id"] if patient not in positive]
        for fold, tested in enumerate(deal(positive, negative, folds, rng)):
            with_, without = ([p for p in side if p not in tested] for side in (positive, negative))
            order = training_order(with_, without, rng)
            if max(counts, default=0) > len(order) or not with_:
                raise SplitError(
                    f"{len(order)} patients are left to train on in a fold, {len(with_)} of them with a hemorrhage",
                    where="learning curve",
                    expected=f"{max(counts, default=1)} patients or more, one of them with a hemorrhage",
                    remedy="Label more patients, ask for fewer, or take more folds.",
                )
            jobs.append(Job(repeat, fold, (), tuple(tested), START))
            jobs += [Job(repeat, fold, tuple(order[:n]), tuple(tested), s) for n in counts for s in (RANDOM, START)]
    return jobs


def estimates(frame: pl.DataFrame, jobs: Sequence[Job], scores: Scores, finding: str) -> dict[str, Estimate]:
    """AUC of every point of the curves, over pairs of slices that one network scored.

    Args:
        frame: Prepared slices, with a label `any_hemorrhage`.
        jobs: From ``plan``.
        scores: Logits of each slice by the network that its patient was not trained on with.
        finding: A key of ``WORDS``.

    Returns:
        ``<place> <patients> <start>``, ``difference <place> <patients>`` of start and random weights (paired: one draw
        of patients serves all), and ``height alone``, learned on the other patients.
    """
    known = np.flatnonzero(frame[finding].is_not_null().to_numpy())
    repeats = sorted({job.repeat for job in jobs})
    labels = np.tile(frame[finding].to_numpy()[known], len(repeats)).astype(np.int8)
    names, patient = np.unique(frame["patient_id"].to_numpy(), return_inverse=True)
    cluster, network = np.tile(patient[known], len(repeats)), np.concatenate([n[known] for n in _networks(frame, jobs)])
    height = np.tile(equal_width(frame["slice_height"].fill_null(0.5).to_numpy()[known]), len(repeats))
    places = {"all": network, "height": network * HEIGHT_BINS + height}
    parts = {"height alone": Within(rate_of_others(height, labels, cluster, HEIGHT_BINS), labels, network)}
    for count, start in sorted({key[1:] for key in scores}):
        values = np.concatenate([score_of(scores[repeat, count, start], finding)[known] for repeat in repeats])
        parts |= {f"{name} {count} {start}": Within(values, labels, where) for name, where in places.items()}

    def statistic(weights: Weights) -> dict[str, Weights]:
        return {name: part(weights) for name, part in parts.items()}

    drawn = draw(len(names), RESAMPLES, np.random.default_rng(2020))
    series = replicate(statistic, cluster.astype(np.intp), drawn)
    for name, count in itertools.product(places, sorted({key[1] for key in scores} - {0})):
        series[f"difference {name} {count}"] = series[f"{name} {count} {START}"] - series[f"{name} {count} {RANDOM}"]
    return {name: _estimate(values) for name, values in series.items()}


def _networks(frame: pl.DataFrame, jobs: Sequence[Job]) -> list[NDArray[np.int64]]:
    """For each repeat the number of the network, among those of one size and start, that scored each slice."""
    tested = {(job.repeat, job.fold): job.tested for job in jobs}
    found = {repeat: np.full(frame.height, -1) for repeat, _ in sorted(tested)}
    for number, ((repeat, _), patients) in enumerate(sorted(tested.items())):
        found[repeat][frame["patient_id"].is_in(patients).to_numpy()] = number
    return list(found.values())


def _estimate(series: Weights) -> Estimate:
    valid, tail = series[1:][np.isfinite(series[1:])], (1 - LEVEL) / 2
    low, high = np.quantile(valid, [tail, 1 - tail]) if valid.size else (np.nan, np.nan)
    return Estimate(float(series[0]), float(low), float(high))


def score_of(logits: NDArray[np.floating], finding: str) -> NDArray[np.float64]:
    """Score (slices,) of any finding or any hemorrhage from logits (slices, findings) before calibration."""
    if finding == ANY_FINDING:
        return np.asarray(logits[:, 0], np.float64)
    kinds = logits[:, [FINDING_KEYS.index(key) for key in HEMORRHAGE_KEYS]].astype(np.float64)
    return noisy_or(sigmoid(kinds))


def worth(found: Mapping[str, Estimate], counts: Sequence[int], count: int, place: str) -> str:
    """How many patients random weights need to reach the start with ``count``."""
    reached = [n for n in counts if found[f"{place} {n} {RANDOM}"].value >= found[f"{place} {count} {START}"].value]
    return str(min(reached)) if reached else f"more than {max(counts)}"


def table(found: Mapping[str, Mapping[str, Estimate]], counts: Sequence[int]) -> str:
    """All curves as Markdown."""
    lines = ["| finding | compared | patients | from random weights | from the start | difference | random needs |"]
    lines.append("|---" * 7 + "|")
    for finding, place, count in itertools.product(WORDS, ("all", "height"), (0, *counts)):
        get = found[finding]
        cells = [WORDS[finding], PLACES[place], str(count), str(get.get(f"{place} {count} {RANDOM}", "–"))]
        cells += [str(get[f"{place} {count} {START}"]), str(get.get(f"difference {place} {count}", "–"))]
        lines.append(f"| {' | '.join(cells)} | {worth(get, counts, count, place)} |")
    alone = "; ".join(f"{WORDS[finding]} {found[finding]['height alone']}" for finding in WORDS)
    return "\n".join([*lines, "", f"AUC of slice height alone, learned on the other patients: {alone}.", ""])


def plot(found: Mapping[str, Mapping[str, Estimate]], counts: Sequence[int]) -> str:
    """The curves as SVG text: one panel for each finding; shaded are the intervals over all slices."""
    with mpl.rc_context(STYLE):
        canvas = Canvas(figsize=(9.2, 4.6), layout="constrained", facecolor="white")
        panels = canvas.subplots(1, len(WORDS), sharey=True)
        for ax, (finding, words) in zip(panels, WORDS.items(), strict=True):
            _panel(ax, found[finding], counts)
            ax.set(title=words, xlabel="labeled patients trained on")
        panels[0].set_ylabel("AUC on patients not trained on")
        canvas.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        stream = io.StringIO()
        metadata = {"Date": None, "Creator": "plainscan"}
        FigureCanvasSVG(canvas).print_svg(stream, metadata=metadata)  # type: ignore[no-untyped-call]  # as in plots
    return stream.getvalue()


def _panel(ax: Axes, found: Mapping[str, Estimate], counts: Sequence[int]) -> None:
    for (place, line), (start, color) in itertools.product((("all", "-"), ("height", "--")), _COLORS.items()):
        at = [n for n in (0, *counts) if f"{place} {n} {start}" in found]
        points = [found[f"{place} {n} {start}"] for n in at]
        label = f"{STARTS[start]}, {PLACES[place]}"
        ax.plot(at, [p.value for p in points], line, color=color, marker="o", markersize=4, label=label)
        if place == "all":
            ax.fill_between(at, [p.low for p in points], [p.high for p in points], color=color, alpha=0.15, linewidth=0)
    ax.axhline(found["height alone"].value, color=GREY, linestyle=":", label="slice height alone")
    ax.set_xscale("symlog", linthresh=2, linscale=0.5)  # so that 0 has a place
    ax.set_xticks([0, *counts], [str(n) for n in (0, *counts)])
    ax.minorticks_off()


_COLORS: Final = {RANDOM: RED, START: BLUE}
