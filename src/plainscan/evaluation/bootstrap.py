"""Intervals that know slices of one patient are alike: resample patients, not slices.

One draw serves all figures: ``draw`` makes the patients' counts once, and every figure of a resample
uses the same ones, so differences between figures can be formed resample by resample.

Percentile intervals (Efron, Tibshirani 1993, chapter 13); whole patients drawn with replacement (Field,
Welsh 2007, "randomized cluster bootstrap"). Where a share is exactly 0 or 1 every resample agrees and the
percentile interval has no width; there the exact binomial bound for that many *patients* is given instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.counted import counted
from plainscan.evaluation.metrics import Weights

Counts = NDArray[np.uint16]
Statistic = Callable[[Weights], Mapping[str, Weights]]
FEW: Final = 5  # patients with, or without, the finding: below that an interval is too narrow, and says so
TOO_NARROW: Final = "the interval is too narrow"
_ROUNDING: Final = 1e-9  # sums of the same numbers in another order differ by less
_CELLS: Final = 250_000  # weights held at once: two megabytes, so that they stay in the cache


@dataclass(frozen=True)
class Figure:
    """One number, where it comes from, and how far to trust it.

    Args:
        figure: What it is, such as ``auc``.
        finding: A key of `findings.FINDINGS`, or ``no_finding`` for the other class.
        level: ``slice`` or ``study``.
        value: None where it is not estimable; ``note`` says why.
        low: Lower end of the interval, or None.
        high: Upper end, or None.
        n: Units it was computed on.
        n_positive: Those with the finding.
        clusters: Patients they come from.
        valid_resamples: Resamples in which it was defined; the others are left out of the interval.
        note: Empty, or what a reader must know.
    """

    figure: str
    finding: str
    level: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    n_positive: int
    clusters: int
    valid_resamples: int
    note: str = ""

    def entry(self) -> dict[str, str | float | int | None]:
        """As it stands in metrics.json."""
        return asdict(self)


@dataclass(frozen=True)
class Group:
    """The units that a set of figures is computed on.

    Args:
        finding: Its key.
        level: ``slice`` or ``study``.
        labels: (units,), 0 or 1.
        cluster: (units,), row of each unit's patient in the drawn counts.
    """

    finding: str
    level: str
    labels: NDArray[np.int8]
    cluster: NDArray[np.intp]


def draw(clusters: int, resamples: int, rng: np.random.Generator) -> Counts:
    """How often each patient is drawn in each resample.

    Returns:
        (resamples + 1, clusters), uint16; the first row is the sample itself: everyone once.

    >>> draw(3, 2, np.random.default_rng(0)).sum(axis=1).tolist()
    [3, 3, 3]
    """
    drawn = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples) if clusters else None
    first = np.ones((1, clusters), np.uint16)
    return first if drawn is None else np.concatenate([first, drawn.astype(np.uint16)])


def replicate(statistic: Statistic, cluster: NDArray[np.intp], counts: Counts) -> dict[str, Weights]:
    """Compute named figures for every resample.

    Args:
        statistic: From weights (resamples, units) to name -> (resamples,), NaN where not defined.
        cluster: (units,), column of ``counts`` for each unit.
        counts: From ``draw``.

    Returns:
        Name -> (resamples + 1,), the sample's own value first.
    """
    step = max(1, _CELLS // max(1, cluster.size))
    parts = [
        statistic(counts[start : start + step, cluster].astype(np.float64)) for start in range(0, len(counts), step)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def estimate(
    statistic: Statistic,
    group: Group,
    counts: Counts,
    confidence: float = 0.95,
    shares: Mapping[str, NDArray[np.bool_]] | None = None,
) -> list[Figure]:
    """Figures with percentile intervals.

    Args:
        statistic: See ``replicate``.
        group: What it is computed on.
        counts: From ``draw``.
        confidence: Such as 0.95.
        shares: For figures that are a share of some units: which (units,), for the exact bound at 0 and 1.
    """
    if not group.labels.size:
        return [_figure(name, group, None, note="no labeled unit") for name in statistic(np.ones((1, 0)))]
    values = replicate(statistic, group.cluster, counts)
    figures = []
    for name, series in values.items():
        members = (shares or {}).get(name)
        patients = _rarer(group) if members is None else np.unique(group.cluster[members]).size
        figures.append(_summarize(name, group, series, confidence, patients, is_share=members is not None))
    return figures


def _rarer(group: Group) -> int:
    """Patients with, or patients without, whichever are fewer; all of them where there is one class only."""
    sides = [np.unique(group.cluster[group.labels == label]).size for label in (0, 1)]
    return min(sides) or max(sides)


def _summarize(name: str, group: Group, series: Weights, confidence: float, patients: int, *, is_share: bool) -> Figure:
    value, resampled = float(series[0]), series[1:]
    valid = resampled[np.isfinite(resampled)]
    if not np.isfinite(value):
        return _figure(name, group, None, note=_why(group))
    if is_share and value in (0.0, 1.0):
        bound = ((1 - confidence) / 2) ** (1 / patients)
        ends = (bound, 1.0) if value == 1.0 else (0.0, 1 - bound)
        return _figure(name, group, value, ends, valid.size, f"exact bound for {counted(patients, 'patients')}")
    if patients < 2 or valid.size < 2 or np.ptp(valid) <= _ROUNDING * np.abs(valid).max():
        return _figure(name, group, value, valid=valid.size, note=_no_interval(patients, valid.size))
    tail = (1 - confidence) / 2
    low, high = np.quantile(valid, [tail, 1 - tail])
    left_out = resampled.size - valid.size
    notes = [f"{counted(patients, 'patients')} only: {TOO_NARROW}"] if patients < FEW else []
    notes += [f"{left_out} of {resampled.size} resamples left out: not defined there"] if left_out else []
    if not low - _ROUNDING <= value <= high + _ROUNDING:
        notes.append(f"resampling alone {'raises' if value < low else 'lowers'} it: the value is outside its interval")
    return _figure(name, group, value, (float(low), float(high)), valid.size, "; ".join(notes))


def _no_interval(patients: int, valid: int) -> str:
    if patients < 2:
        return "no interval: it rests on one patient"
    return "no interval: every resample gave the same value" if valid else "no interval: no valid resample"


def _why(group: Group) -> str:
    positives = int(group.labels.sum())
    if positives == 0:
        return f"not estimable: none of {counted(group.labels.size, 'labels')} is positive"
    if positives == group.labels.size:
        return f"not estimable: each of {counted(positives, 'labels')} is positive"
    return "not estimable: its denominator is 0"


def _figure(
    name: str,
    group: Group,
    value: float | None,
    ends: tuple[float, float] | None = None,
    valid: int = 0,
    note: str = "",
) -> Figure:
    low, high = ends or (None, None)
    clusters = int(np.unique(group.cluster).size)
    return Figure(
        figure=name,
        finding=group.finding,
        level=group.level,
        value=value,
        low=low,
        high=high,
        n=int(group.labels.size),
        n_positive=int(group.labels.sum()),
        clusters=clusters,
        valid_resamples=int(valid),
        note=note,
    )
