from __future__ import annotations

import numpy as np
import pytest

from plainscan.evaluation import domain


def test_the_measure_that_differs_comes_first() -> None:
    rng = np.random.default_rng(0)
    real, synthetic = rng.normal(size=(60, 2)), rng.normal(size=(80, 2))
    synthetic[:, 1] += 3
    first, second = domain.differences(["same", "higher"], real, synthetic)
    assert (first.name, second.name) == ("higher", "same")
    assert first.auc > 0.95
    assert first.uncovered > 0.5
    assert abs(second.auc - 0.5) < 0.1
    assert second.uncovered < 0.15


def test_a_wider_synthetic_world_covers_the_real_one() -> None:
    rng = np.random.default_rng(1)
    found = domain.differences(["x"], rng.normal(size=(100, 1)), rng.normal(scale=3, size=(200, 1)))
    assert found[0].uncovered == 0


def test_a_missing_measure_is_left_out() -> None:
    real = np.full((10, 1), np.nan)
    assert domain.differences(["x"], real, np.zeros((10, 1))) == []


def test_equal_worlds_cannot_be_told_apart_and_different_ones_can() -> None:
    rng = np.random.default_rng(2)
    real, same = rng.normal(size=(200, 3)), rng.normal(size=(200, 3))
    names = [f"r{i // 10}" for i in range(200)], [f"s{i // 10}" for i in range(200)]
    equal = domain.separation(real, names[0], same, names[1])
    assert equal.slice_auc == pytest.approx(0.5, abs=0.12)
    far = domain.separation(real, names[0], same + 4, names[1])
    assert far.slice_auc > 0.98
    assert far.patient_auc == 1
    assert far.patients == (20, 20)
