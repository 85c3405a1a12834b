"""Are the probabilities probabilities? Platt scaling, reliability bins, expected calibration error."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plainscan.evaluation.metrics import Weights, share
from plainscan.evaluation.strata import equal_width

_STEPS: Final = 100
_TOLERANCE: Final = 1e-10
_RIDGE: Final = 1e-9
_ALIKE: Final = 1e-9  # of the largest logit: a narrower spread is rounding


class Platt(NamedTuple):
    """probability = sigmoid(slope * logit + intercept)."""

    slope: float
    intercept: float

    def __call__(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probabilities of logits of any shape."""
        return sigmoid(self.slope * np.asarray(logits, np.float64) + self.intercept)


IDENTITY: Final = Platt(1.0, 0.0)


def sigmoid(logits: ArrayLike) -> NDArray[np.float64]:
    """The logistic function of any shape, float64, without overflow, and exact where it is nearly 0.

    >>> sigmoid([-1000.0, 0.0, 1000.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    x = np.asarray(logits, np.float64)
    small = np.exp(-np.abs(x))
    result: NDArray[np.float64] = np.where(x >= 0, 1.0, small) / (1.0 + small)
    return result


def fit_platt(logits: ArrayLike, labels: ArrayLike) -> Platt:
    """Platt scaling with smoothed targets (Platt 1999), by damped Newton steps (Lin, Lin, Weng 2007).

    Args:
        logits: (units,).
        labels: (units,), 0 or 1.

    Returns:
        Slope and intercept. `IDENTITY` where nothing can be learned: one class is absent, the logits are alike
        up to rounding, or they do not rise with the label (a slope of 0 or less would turn the ranking round).

    >>> fit_platt([0.3, 2.0], [1, 1]) is IDENTITY
    True
    """
    x, positive = np.asarray(logits, np.float64), np.asarray(labels) == 1
    count = int(positive.sum())
    if count in (0, x.size) or np.ptp(x) <= _ALIKE * max(1.0, float(np.abs(x).max())):
        return IDENTITY
    target = np.where(positive, (count + 1) / (count + 2), 1 / (x.size - count + 2))
    center, spread = float(x.mean()), float(x.std())
    design = np.stack([(x - center) / spread, np.ones_like(x)], axis=1)
    scaled_slope, scaled_intercept = _newton(design, target, np.array([1.0, np.log(count / (x.size - count))]))
    slope = float(scaled_slope / spread)
    return Platt(slope, float(scaled_intercept - slope * center)) if slope > 0 else IDENTITY


def _loss(design: NDArray[np.float64], target: NDArray[np.float64], beta: NDArray[np.float64]) -> float:
    z = design @ beta
    return float(np.sum(np.logaddexp(0.0, z) - target * z))


def _newton(design: NDArray[np.float64], target: NDArray[np.float64], beta: NDArray[np.float64]) -> NDArray[np.float64]:
    loss = _loss(design, target, beta)
    for _ in range(_STEPS):
        p = sigmoid(design @ beta)
        gradient = design.T @ (p - target)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + _RIDGE * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while (trial := _loss(design, target, beta - size * step)) > loss and size > _TOLERANCE:
            size /= 2
        beta = beta - size * step
        if loss - trial <= _TOLERANCE * max(1.0, loss):
            break
        loss = trial
    return beta


class Reliability(NamedTuple):
    """Reliability bins of equal width; each array (bins,). An empty bin has n 0 and NaN means."""

    edges: NDArray[np.float64]  # (bins + 1,)
    mean_probability: NDArray[np.float64]
    positive_rate: NDArray[np.float64]
    n: NDArray[np.int64]


def reliability(probability: ArrayLike, labels: ArrayLike, bins: int = 10) -> Reliability:
    """Mean predicted probability and observed rate in equal-width bins."""
    p, y = np.asarray(probability, np.float64), np.asarray(labels, np.float64)
    where = equal_width(p, bins)
    n = np.bincount(where, minlength=bins)
    known = np.where(n > 0, n, np.nan)
    rate = np.bincount(where, y, bins) / known
    return Reliability(np.linspace(0, 1, bins + 1), np.bincount(where, p, bins) / known, rate, n)


def calibration_error(probability: ArrayLike, labels: ArrayLike, weights: Weights, bins: int = 10) -> Weights:
    """Expected calibration error (Naeini 2015): mean over units of |predicted - observed| of their bin.

    Args:
        probability: (units,), [0, 1].
        labels: (units,), 0 or 1.
        weights: (resamples, units).
        bins: Equal-width bins.

    Returns:
        (resamples,).
    """
    p, y = np.asarray(probability, np.float64), np.asarray(labels, np.float64)
    member = np.eye(bins)[equal_width(p, bins)]
    gap: Weights = np.abs((weights * (p - y)) @ member).sum(axis=1)
    return share(gap, weights.sum(axis=1))
