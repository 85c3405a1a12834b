from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from plainscan.evaluation.sanity import rank_correlation, similarity


def test_agrees_with_scipy_with_ties() -> None:
    rng = np.random.default_rng(0)
    a, b = np.round(rng.random((8, 8)), 1), np.round(rng.random((8, 8)), 1)
    assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a.ravel(), b.ravel()).statistic)


def test_same_maps_are_alike_and_unrelated_maps_are_not() -> None:
    rng = np.random.default_rng(1)
    maps = rng.random((30, 16, 16))
    same, other = similarity(maps, maps), similarity(maps, rng.random((30, 16, 16)))
    assert same is not None
    assert other is not None
    assert same.median == pytest.approx(1.0)
    assert other.median < 0.1


def test_constant_maps_are_left_out() -> None:
    maps = np.random.default_rng(2).random((3, 4, 4))
    flat = maps.copy()
    flat[0] = 0
    found = similarity(maps, flat)
    assert found is not None
    assert found.n == 2
    assert similarity(maps, np.zeros_like(maps)) is None
