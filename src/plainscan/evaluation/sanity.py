"""Do the heat maps depend on what the network learned?

Model randomization test of Adebayo et al. (2018), all weights at once.
A map that looks the same after all weights were shuffled shows edges of the image, not the finding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Similarity:
    """How alike trained and randomized maps are: 1 the same, 0 unrelated.

    Args:
        median: Median over slices of the absolute rank correlation.
        low: Its 5th percentile over slices.
        high: Its 95th percentile.
        n: Slices compared; those with a constant map on one side are left out.
    """

    median: float
    low: float
    high: float
    n: int


def rank_correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Spearman's rank correlation of two maps of the same shape; NaN when one is constant.

    >>> round(rank_correlation(np.array([[1, 2], [3, 4]]), np.array([[10, 20], [30, 40]])), 6)
    1.0
    """
    x, y = _ranks(a.ravel()), _ranks(b.ravel())
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / spread if spread > 0 else float("nan")


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count - 1) / 2
    return np.asarray(middle[inverse], np.float64)


def similarity(trained: NDArray[np.floating], randomized: NDArray[np.floating]) -> Similarity | None:
    """Compare maps slice by slice.

    Args:
        trained: (slices, h, w), maps of the trained network.
        randomized: (slices, h, w), of the same network with its weights shuffled.

    Returns:
        None when no slice can be compared.
    """
    found = np.array([abs(rank_correlation(a, b)) for a, b in zip(trained, randomized, strict=True)])
    found = found[np.isfinite(found)]
    if not found.size:
        return None
    low, median, high = np.quantile(found, [0.05, 0.5, 0.95])
    return Similarity(float(median), float(low), float(high), int(found.size))
