"""Figures of a classifier, each computed for many resamples at once.

A resample of a bootstrap is a vector of weights: how often each unit (a slice or a study) was drawn.
Every function takes ``weights`` (resamples, units) and returns (resamples,); weights of 1 give the plain
figure. NaN means "not defined here", such as the AUC of one class only; callers turn it into words.

Checked against scikit-learn in ``tests/evaluation/test_metrics.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Weights: TypeAlias = NDArray[np.float64]


def share(part: Weights, whole: Weights) -> Weights:
    """Element-wise part / whole; NaN where the whole is 0."""
    result: Weights = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)
    return result


def once(units: int) -> Weights:
    """The weights of the sample itself: every unit once, (1, units)."""
    return np.ones((1, units))


class Confusion(NamedTuple):
    """Weighted counts, each (resamples,)."""

    tp: Weights
    fn: Weights
    fp: Weights
    tn: Weights

    def of_negatives(self) -> Confusion:
        """The same counts with "negative" as the class asked for."""
        return Confusion(self.tn, self.fp, self.fn, self.tp)


def confusion(alarm: ArrayLike, labels: ArrayLike, weights: Weights) -> Confusion:
    """Count a decision against the labels.

    Args:
        alarm: (units,), bool.
        labels: (units,), 0 or 1.
        weights: (resamples, units).

    >>> confusion([True, False, True], [1, 1, 0], once(3)).tp.tolist()
    [1.0]
    """
    a, y = np.asarray(alarm, np.float64), np.asarray(labels, np.float64)
    cells = np.stack([a * y, (1 - a) * y, a * (1 - y), (1 - a) * (1 - y)], axis=1)
    return Confusion(*(weights @ cells).T)


def precision(c: Confusion) -> Weights:
    """Share of alarms that are right (positive predictive value)."""
    return share(c.tp, c.tp + c.fp)


def recall(c: Confusion) -> Weights:
    """Share of positives that raise an alarm (sensitivity)."""
    return share(c.tp, c.tp + c.fn)


def specificity(c: Confusion) -> Weights:
    """Share of negatives that raise none."""
    return share(c.tn, c.tn + c.fp)


def f1(c: Confusion) -> Weights:
    """Harmonic mean of precision and recall."""
    return share(2 * c.tp, 2 * c.tp + c.fp + c.fn)


def accuracy(c: Confusion) -> Weights:
    """Share of decisions that are right."""
    return share(c.tp + c.tn, c.tp + c.tn + c.fp + c.fn)


def mcc(c: Confusion) -> Weights:
    """Matthews correlation coefficient; NaN where a class or a decision is absent."""
    spread = (c.tp + c.fp) * (c.tp + c.fn) * (c.tn + c.fp) * (c.tn + c.fn)
    return share(c.tp * c.tn - c.fp * c.fn, np.sqrt(spread))


@dataclass(frozen=True)
class Ranking:
    """Units sorted once, highest score first, so that each resample costs two running sums.

    Args:
        order: (units,), indices, highest score first.
        positive: (units,), labels 0.0 or 1.0 in that order.
        ends: (distinct scores,), place of the last unit of each group of equal scores.
    """

    order: NDArray[np.intp]
    positive: Weights
    ends: NDArray[np.intp]

    def counts(self, weights: Weights) -> tuple[Weights, Weights]:
        """Positives and negatives at or above each distinct score, each (resamples, distinct scores)."""
        drawn = weights[:, self.order]
        total = np.cumsum(drawn, axis=1)[:, self.ends]
        positives = np.cumsum(drawn * self.positive, axis=1)[:, self.ends]
        return positives, total - positives


def rank(score: ArrayLike, labels: ArrayLike) -> Ranking:
    """Sort units by score (units,) with labels (units,) of 0 or 1."""
    s = np.asarray(score, np.float64)
    order = np.argsort(-s, kind="stable")
    ordered = s[order]
    last = np.append(ordered[1:] != ordered[:-1], True) if s.size else np.zeros(0, bool)
    return Ranking(order, np.asarray(labels, np.float64)[order], np.flatnonzero(last))


def pairs(ranking: Ranking, weights: Weights) -> tuple[Weights, Weights]:
    """Pairs of one positive and one negative: those in the right order (ties count half), and all."""
    if not ranking.order.size:
        return np.zeros(len(weights)), np.zeros(len(weights))
    positives, negatives = ranking.counts(weights)
    above = np.concatenate([np.zeros((len(weights), 1)), positives[:, :-1]], axis=1)
    new = np.diff(negatives, axis=1, prepend=0.0)
    right: Weights = np.einsum("rg,rg->r", new, (positives + above) / 2)
    return right, positives[:, -1] * negatives[:, -1]


def auc(ranking: Ranking, weights: Weights) -> Weights:
    """Area under the ROC curve: the share of pairs in the right order; NaN with one class only.

    >>> auc(rank([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), once(4)).tolist()
    [0.75]
    """
    return share(*pairs(ranking, weights))


def auc_of(score: ArrayLike, labels: ArrayLike) -> float:
    """The plain AUC of scores (units,) with labels (units,) of 0 or 1, every unit once; NaN with one class only.

    >>> auc_of([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    return auc(rank(score, labels), once(np.size(score))).item()


def average_precision(ranking: Ranking, weights: Weights) -> Weights:
    """Sum over distinct scores of precision times the gain in recall; NaN without a positive."""
    if not ranking.order.size:
        return np.full(len(weights), np.nan)
    positives, negatives = ranking.counts(weights)
    gain = np.diff(positives, axis=1, prepend=0.0)
    at = np.divide(positives, positives + negatives, out=np.zeros_like(positives), where=positives > 0)
    return share(np.einsum("rg,rg->r", at, gain), positives[:, -1])


def brier(probability: ArrayLike, labels: ArrayLike, weights: Weights) -> Weights:
    """Mean squared distance of probability and label."""
    gap = (np.asarray(probability, np.float64) - np.asarray(labels, np.float64)) ** 2
    return mean(gap, weights)


def log_loss(probability: ArrayLike, labels: ArrayLike, weights: Weights) -> Weights:
    """Mean negative log likelihood, natural logarithm; probabilities clipped to [eps, 1 - eps] of float64."""
    edge = float(np.finfo(np.float64).eps)
    p = np.clip(np.asarray(probability, np.float64), edge, 1 - edge)
    positive = np.asarray(labels) == 1
    return mean(-np.log(np.where(positive, p, 1 - p)), weights)


def mean(values: ArrayLike, weights: Weights) -> Weights:
    """Weighted mean of (units,) for each resample."""
    return share(weights @ np.asarray(values, np.float64), weights.sum(axis=1))
