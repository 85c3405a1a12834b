"""Are the heat maps the network's own word, and do they hold still? Measures of likeness, checks and their limits.

- Shuffled weights: the model randomization test of Adebayo et al. (NeurIPS 2018), with their cascade. A map that looks
  the same after the weights were shuffled shows the picture, not what was learned.
- Mirrored and shifted slice: the map should mirror and shift with it. A map that does not would point elsewhere had the
  patient lain a little differently.
- Energy outside the head, and a score that is not the pool of its map: evidence where there can be none.

Each is a figure with an interval; a limit in ``CHECKS`` says which value still passes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from plainscan.evaluation import metrics as m
from plainscan.evaluation.bootstrap import Counts, Figure, Group, estimate
from plainscan.findings import ANY_FINDING

HOTTEST: Final = 0.05  # share of the head's cells


@dataclass(frozen=True)
class Check:
    """One figure that says whether a bundle's maps can be trusted.

    Args:
        figure: Its name in `metrics.json` and on a card.
        limit: The last value that passes.
        least: Whether more is better; else less is.
        words: What it is, for a reader.
        why: Why the limit lies where it lies.
    """

    figure: str
    limit: float
    least: bool
    words: str
    why: str

    def passes(self, value: float) -> bool:
        """Whether a value is on the right side of the limit."""
        return value >= self.limit if self.least else value <= self.limit


CHECKS: Final = (
    Check(
        "map_shuffled_rank_correlation",
        0.5,
        False,
        "all weights shuffled: rank correlation inside the head, without its sign",
        "at 0.5 a quarter of the order of the head's places would be the picture's own",
    ),
    Check(
        "map_flip_shared_energy",
        0.7,
        True,
        "slice mirrored: share of the energy that stays in its place",
        "less than a third of what the score is made of may move; maps of shuffled weights share 0.4",
    ),
    Check(
        "map_shift_shared_energy",
        0.7,
        True,
        "slice shifted: share of the energy that stays in its place",
        "as for the mirrored slice",
    ),
    Check(
        "map_energy_outside_head",
        0.05,
        False,
        "share of the energy outside the head",
        "ten times the most that a slice called a finding had when the limit was set",
    ),
    Check(
        "map_score_gap",
        0.01,
        False,
        "what the score has beside the pool of its map, from slice to slice, in logits",
        "0.01 logits move a probability by at most a quarter of a percent",
    ),
)


def rank_correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Spearman's rank correlation of two maps of the same shape; 0 when one is constant: it has no order.

    >>> round(rank_correlation(np.array([[1, 2], [3, 4]]), np.array([[10, 20], [30, 40]])), 6)
    1.0
    """
    x, y = _ranks(a.ravel()), _ranks(b.ravel())
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / spread if spread > 0 else 0.0


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count - 1) / 2
    return np.asarray(middle[inverse], np.float64)


def shared_energy(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Share of the energy that two maps have in the same places: 1 the same map, 0 nothing in common.

    Each map's energy is brought to a sum of 1; a place shares the smaller of the two. A background without energy
    adds nothing, however large it is.

    >>> shared_energy(np.array([3.0, 1.0, 0.0]), np.array([1.0, 1.0, 0.0]))
    0.75
    """
    sums = float(a.sum(dtype=np.float64)), float(b.sum(dtype=np.float64))
    if min(sums) <= 0:
        return 0.0
    return float(np.minimum(a / sums[0], b / sums[1]).sum(dtype=np.float64))


def shared_hottest(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Share of one map's hottest twentieth that is in the other's; by chance a twentieth.

    Args:
        a: (cells,), of one map, inside the head.
        b: (cells,), of the other.
    """
    count = max(1, round(HOTTEST * a.size))
    hottest = [set(np.argsort(-values, kind="stable")[:count].tolist()) for values in (a, b)]
    return len(hottest[0] & hottest[1]) / count


def judge_checks(
    values: Mapping[str, NDArray[np.float64 | np.bool_]], cluster: NDArray[np.intp], counts: Counts, confidence: float
) -> list[Figure]:
    """Means over slices with intervals.

    Args:
        values: Figure -> (slices,); yes or no gives a share, with its exact bound at 0 and 1.
        cluster: (slices,), row of each slice's patient in the drawn counts.
        counts: From ``bootstrap.draw``.
        confidence: Such as 0.95.
    """
    group = Group(ANY_FINDING, "slice", np.ones(cluster.size, np.int8), cluster)
    shares = {name: np.ones(cluster.size, bool) for name, of_slices in values.items() if of_slices.dtype == bool}
    return estimate(
        lambda weights: {name: m.mean(of_slices, weights) for name, of_slices in values.items()},
        group,
        counts,
        confidence,
        shares,
    )


def verdicts(figures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The checks of which there is a figure, with limit, words, and whether it passed.

    Args:
        figures: Entries as in `metrics.json` or on a card; others than the checks' are passed over.

    Returns:
        In the order of ``CHECKS``, one for each value: a card may hold a figure of several sets of slices.
    """
    return [
        {
            "figure": check.figure,
            "limit": check.limit,
            "at": "least" if check.least else "most",
            "passed": check.passes(entry["value"]),
            "words": check.words,
            "why": check.why,
        }
        for check in CHECKS
        for entry in figures
        if entry["figure"] == check.figure and entry["value"] is not None
    ]
