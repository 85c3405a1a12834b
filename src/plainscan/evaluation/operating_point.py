"""Choose a threshold on the tuning set; it is frozen from there on.

An operating point is more than its threshold: it carries the rule, and what it did on the data it was
chosen on. The caller adds where those data came from (`bundle.OperatingPoint`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

_NOISE: Final = 1e-9  # relative: scores nearer than that may change places on another machine


class Choice(NamedTuple):
    """A threshold and what "probability >= threshold" did on the data it was chosen on."""

    threshold: float
    sensitivity: float
    specificity: float
    n: int


def choose_operating_point(probability: ArrayLike, labels: ArrayLike, target_sensitivity: float) -> Choice | None:
    """The highest threshold whose sensitivity reaches the target: the best specificity with at least that.

    The threshold lies midway between the last positive that must be caught and the next lower score (0 where
    there is none), so that rounding on another machine does not turn a catch into a miss.

    Args:
        probability: (units,), [0, 1].
        labels: (units,), 0 or 1.
        target_sensitivity: (0, 1].

    Returns:
        The choice, or None where one class is absent: sensitivity or specificity does not exist there.

    >>> choose_operating_point([0.1, 0.4, 0.6, 0.9], [0, 0, 1, 1], 0.95)
    Choice(threshold=0.5, sensitivity=1.0, specificity=1.0, n=4)
    >>> choose_operating_point([0.4, 0.6], [1, 0], 0.95)
    Choice(threshold=0.2, sensitivity=1.0, specificity=0.0, n=2)
    >>> choose_operating_point([0.1, 0.4], [0, 0], 0.95) is None
    True
    """
    score, positive = np.asarray(probability, np.float64), np.asarray(labels) == 1
    caught = np.sort(score[positive])[::-1]
    if caught.size in (0, score.size):
        return None
    must_catch = max(1, int(np.ceil(target_sensitivity * caught.size - 1e-9)))
    lowest = caught[must_catch - 1]
    below = score[score < lowest * (1 - _NOISE)]
    threshold = float((lowest + below.max(initial=0.0)) / 2)
    alarm = score >= threshold
    return Choice(threshold, float(alarm[positive].mean()), float(1 - alarm[~positive].mean()), int(score.size))
