from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainscan.bundle import Calibration
from plainscan.ct.prepare import Box
from plainscan.inference.heatmap import FULL_LOGITS, grad_cam, heat, local_logits, on_slice

PLAIN = Calibration(finding="any_finding")


def one_map(seed: int, scale: float = 3.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, (1, 8, 8)).astype(np.float32)


def test_grad_cam_is_the_positive_part() -> None:
    assert grad_cam(np.array([-1.0, 0.0, 2.5], np.float32)).tolist() == [0.0, 0.0, 2.5]


def test_mean_of_the_local_logits_is_the_logit() -> None:
    logits = np.array([1.25], np.float32)
    assert local_logits(one_map(0), logits).mean() == pytest.approx(1.25, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.floats(-8, 8), st.floats(0.05, 0.95), st.floats(0.2, 3.0), st.floats(-2, 2))
def test_a_slice_above_the_operating_point_always_has_color(
    seed: int, logit: float, threshold: float, slope: float, intercept: float
) -> None:
    calibration = Calibration(finding="any_finding", slope=slope, intercept=intercept)
    probability = 1 / (1 + np.exp(-(slope * logit + intercept)))
    shown = heat(one_map(seed), np.array([logit], np.float32), calibration, threshold)
    assert shown.min() >= 0
    assert shown.max() <= 1
    if probability > threshold + 1e-3:
        assert shown.max() > 0


def test_a_slice_without_evidence_stays_grey() -> None:
    assert not heat(one_map(1, scale=0.5), np.array([-5.0], np.float32), PLAIN, 0.5).any()


def test_the_scale_is_the_same_for_every_picture() -> None:
    flat = np.zeros((2, 4, 4), np.float32)
    shown = heat(flat, np.array([2.0, 4.0], np.float32), PLAIN, 0.5)
    np.testing.assert_allclose(shown[:, 0, 0], [2 / FULL_LOGITS, 4 / FULL_LOGITS], rtol=1e-6)


@pytest.mark.parametrize(("threshold", "value"), [(0.0, 1.0), (1.0, 0.0)])
def test_thresholds_at_the_ends_do_not_divide_by_zero(threshold: float, value: float) -> None:
    assert (heat(one_map(2), np.zeros(1, np.float32), PLAIN, threshold) == value).all()


def test_heat_lands_on_the_place_of_the_slice_it_came_from() -> None:
    grid = np.zeros((8, 8), np.float32)
    grid[2, 5] = 1.0
    placed = on_slice(grid, Box(10, 20, 80), (120, 140))
    row, column = np.unravel_index(placed.argmax(), placed.shape)
    assert placed.shape == (120, 140)
    assert abs(row - (10 + 2.5 * 10)) <= 1
    assert abs(column - (20 + 5.5 * 10)) <= 1
    assert not placed[:10].any()
    assert not placed[:, 100:].any()
