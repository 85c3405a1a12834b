"""How much of a slice AUC is only where the slice is: lesions live at certain heights.

Two questions, answered beside every slice AUC:

- what does slice height alone reach, with no look at the image? (`learned_rate` is the strongest fair
  version: the share of positives at that height, learned on the other splits)
- what is left when only slices at the same height are compared? (`auc_within`)

The same for brain area on the slice, which says even more about the place than height does.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plainscan.evaluation.metrics import Weights, pairs, rank, share

HEIGHT_BINS: Final = 10
AREA_BINS: Final = 10
_PRIOR: Final = 2.0  # units added to each bin at the overall rate, so that a thin bin does not say 0 or 1


def equal_width(values: ArrayLike, bins: int = HEIGHT_BINS) -> NDArray[np.int64]:
    """Bin of each value on [0, 1], equal widths; 1 lies in the last.

    >>> equal_width([0.0, 0.05, 0.95, 1.0]).tolist()
    [0, 0, 9, 9]
    """
    return np.clip((np.asarray(values, np.float64) * bins).astype(np.int64), 0, bins - 1)


def quantile_edges(values: ArrayLike, bins: int = AREA_BINS) -> NDArray[np.float64]:
    """Inner edges (bins - 1,) of bins that hold equally many of these values."""
    v = np.asarray(values, np.float64)
    return np.quantile(v, np.linspace(0, 1, bins + 1)[1:-1]) if v.size else np.zeros(bins - 1)


def cut(values: ArrayLike, edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bin of each value between inner edges; a value on an edge lies above it.

    >>> cut([0.1, 0.5, 0.9], np.array([0.5])).tolist()
    [0, 1, 1]
    """
    return np.searchsorted(edges, np.asarray(values, np.float64), side="right").astype(np.int64)


def learned_rate(known_bins: ArrayLike, known_labels: ArrayLike, bins: ArrayLike, count: int) -> NDArray[np.float64]:
    """Score units by nothing but their bin: the share of positives in that bin among *other* units.

    Args:
        known_bins: (known,), bin of each unit of the train and tune split.
        known_labels: (known,), their labels, 0 or 1.
        bins: (units,), bins of the units to score.
        count: Number of bins.

    Returns:
        (units,), [0, 1]; 0.5 everywhere when nothing is known.

    >>> learned_rate([0, 0, 1, 1], [0, 0, 1, 1], [0, 1], 2).tolist()
    [0.25, 0.75]
    """
    where, labels = np.asarray(known_bins, np.int64), np.asarray(known_labels, np.float64)
    overall = labels.mean() if labels.size else 0.5
    positives = np.bincount(where, labels, count) + _PRIOR * overall
    rate = positives / (np.bincount(where, minlength=count) + _PRIOR)
    return np.asarray(rate[np.asarray(bins, np.int64)], np.float64)


def rate_of_others(bins: ArrayLike, labels: ArrayLike, cluster: ArrayLike, count: int) -> NDArray[np.float64]:
    """As ``learned_rate``, where no other units are at hand: each patient's rates are learned on the other patients.

    Given relative to those patients' overall rate: without the positives of one patient that rate is lower, and by
    itself would put all slices of a patient with many of them below those of others.

    Args:
        bins: (units,), bin of each unit.
        labels: (units,), 0 or 1.
        cluster: (units,), integer, the unit's patient.
        count: Number of bins.

    Returns:
        (units,), 1 is as often as anywhere; 1 everywhere with one patient, or without a positive.

    >>> rate_of_others([0, 1, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], 2).round(2).tolist()
    [0.67, 1.33, 0.67, 1.33]
    """
    where, y = np.asarray(bins, np.int64), np.asarray(labels, np.float64)
    if not y.size:
        return np.zeros(0)
    patients, patient = np.unique(np.asarray(cluster), return_inverse=True)
    place, cells = patient * count + where, patients.size * count
    own_n = np.bincount(place, minlength=cells).reshape(-1, count)
    own_positives = np.bincount(place, y, cells).reshape(-1, count)
    n, positives = own_n.sum(0) - own_n, own_positives.sum(0) - own_positives
    total = n.sum(1, keepdims=True)
    overall = np.divide(positives.sum(1, keepdims=True), total, out=np.zeros(total.shape), where=total > 0)
    rate = (positives + _PRIOR * overall) / (n + _PRIOR)
    relative = np.divide(rate, overall, out=np.ones(rate.shape), where=overall > 0)
    # Rates that are equal must tie, and not be ranked by how their quotients were rounded.
    return np.asarray(relative[patient, where], np.float64).round(12)


class Within:
    """AUC over pairs inside the same stratum only, every pair counted once.

    A stratum weighs as much as it has pairs of a positive and a negative; with one stratum this is the AUC.

    Args:
        score: (units,).
        labels: (units,), 0 or 1.
        stratum: (units,), integer.

    >>> from plainscan.evaluation.metrics import once
    >>> Within([0.1, 0.2, 0.8, 0.9], [0, 1, 0, 1], [0, 0, 1, 1])(once(4)).tolist()
    [1.0]
    """

    def __init__(self, score: ArrayLike, labels: ArrayLike, stratum: ArrayLike) -> None:
        s, y, where = np.asarray(score, np.float64), np.asarray(labels), np.asarray(stratum)
        self._parts = []
        for value in np.unique(where):
            members = np.flatnonzero(where == value)
            if 0 < y[members].sum() < members.size:
                self._parts.append((members, rank(s[members], y[members])))

    def __call__(self, weights: Weights) -> Weights:
        """(resamples,); NaN where no stratum holds both classes."""
        right, total = np.zeros(len(weights)), np.zeros(len(weights))
        for members, ranking in self._parts:
            part_right, part_total = pairs(ranking, weights[:, members])
            right, total = right + part_right, total + part_total
        return share(right, total)
