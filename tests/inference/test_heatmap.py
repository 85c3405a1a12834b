from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.inference.tiny_bundle import head_slice

from plainscan.bundle import Calibration, Pooling
from plainscan.ct.prepare import Box, head_box
from plainscan.inference.heatmap import FULL_LOGITS, energy, extent, faded, heat, local_logits, on_slice, pooled
from plainscan.inference.overlay import blend

PLAIN = Calibration(finding="any_finding")


def one_map(seed: int, scale: float = 3.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, (1, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("pooling", ["mean", "log_mean_exp"])
def test_pooled_local_logits_are_the_logit(pooling: Pooling) -> None:
    logits = np.array([1.25], np.float32)
    assert pooled(local_logits(one_map(0), logits, pooling), pooling) == pytest.approx(1.25, abs=1e-5)


def test_log_mean_exp_follows_the_mean_odds_without_overflow() -> None:
    maps = np.array([[0.0, 1.0], [-2.0, 3.0]], np.float32)
    assert pooled(maps, "log_mean_exp") == pytest.approx(np.log(np.exp(maps).mean()), abs=1e-6)
    assert pooled(maps + 500, "log_mean_exp") == pytest.approx(np.log(np.exp(maps).mean()) + 500, rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 999),
    st.floats(-8, 8),
    st.floats(0.05, 0.95),
    st.tuples(st.floats(0.2, 3.0), st.floats(-2, 2)),
    st.sampled_from(["mean", "log_mean_exp"]),
)
def test_a_slice_above_the_operating_point_always_has_color(
    seed: int, logit: float, threshold: float, platt: tuple[float, float], pooling: Pooling
) -> None:
    slope, intercept = platt
    calibration = Calibration(finding="any_finding", slope=slope, intercept=intercept)
    probability = 1 / (1 + np.exp(-(slope * logit + intercept)))
    shown = heat(one_map(seed), np.array([logit], np.float32), calibration, threshold, pooling)
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


@pytest.mark.parametrize("stride", [8, 32])
def test_heat_lands_on_the_place_of_the_slice_it_came_from(stride: int) -> None:
    grid = np.zeros((8, 8), np.float32)
    grid[2, 5] = 1.0
    first = 0.5 / stride
    placed = on_slice(grid, Box(10, 20, 80), (120, 140), 8 * stride)
    row, column = np.unravel_index(placed.argmax(), placed.shape)
    assert placed.shape == (120, 140)
    assert abs(row + 0.5 - (10 + (2 + first) * 10)) <= 1
    assert abs(column + 0.5 - (20 + (5 + first) * 10)) <= 1
    assert not placed[:10].any()
    assert not placed[:, 100:].any()


def test_an_even_tint_has_no_visible_edge_where_the_box_ends() -> None:
    box, shape = Box(10.5, 20.2, 80), (120, 140)
    shown = faded(np.full((8, 8), 0.2, np.float32), box, shape, 256)
    step = max(np.abs(np.diff(shown, axis=0)).max(), np.abs(np.diff(shown, axis=1)).max())
    assert step <= 0.2 / 3
    assert not shown[:10].any()
    assert shown[50, 60] == pytest.approx(0.2)


def test_fading_leaves_the_head_itself_alone() -> None:
    hu = head_slice(256)
    grid = np.random.default_rng(0).uniform(0, 1, (8, 8)).astype(np.float32)
    box = head_box(hu)
    head = hu > -500
    shown, placed = faded(grid, box, hu.shape, 256), on_slice(grid, box, hu.shape, 256)
    np.testing.assert_allclose(shown[head], placed[head], atol=0.15)
    inside = head & (np.hypot(*(np.mgrid[:256, :256] - 128)) < 105)
    np.testing.assert_array_equal(shown[inside], placed[inside])


def test_weak_heat_is_no_visible_box_and_none_leaves_grey_untouched() -> None:
    air = np.full((1, 1), -1000)
    assert blend(air, np.zeros((1, 1))).max() == 0
    assert blend(air, np.full((1, 1), 0.07)).max() <= 8


def test_a_places_share_of_the_energy_is_its_share_of_the_score() -> None:
    maps = one_map(3)[0]
    share = energy(maps, "log_mean_exp") / energy(maps, "log_mean_exp").sum()
    without = maps.copy()
    without[2, 5] = -np.inf
    lost = np.exp(pooled(without, "log_mean_exp") - pooled(maps, "log_mean_exp"))
    assert share[2, 5] == pytest.approx(1 - lost, abs=1e-5)


def test_energy_of_the_mean_is_what_speaks_for_the_finding() -> None:
    maps = np.array([[-2.0, 0.0], [1.0, 3.0]], np.float32)
    assert energy(maps, "mean").tolist() == [[0, 0], [1, 3]]


def test_extent_is_the_probability_of_a_cell_over_the_highest() -> None:
    maps = np.array([[-2.0, 0.0], [1.0, 3.0]], np.float32)
    probability = 1 / (1 + np.exp(-maps))
    np.testing.assert_allclose(extent(maps, "log_mean_exp"), probability / probability.max(), rtol=1e-6)
    assert extent(maps, "mean").max() == 1
    assert not extent(-np.ones((2, 2), np.float32), "mean").any()


@pytest.mark.parametrize("highest", [-8, -14, -17, -40])
def test_the_extent_of_a_faint_finding_is_as_exact_as_that_of_a_sure_one(highest: float) -> None:
    maps = np.array([[highest, highest - 0.5, highest - 1.0]], np.float32)
    np.testing.assert_allclose(extent(maps, "log_mean_exp"), np.exp([[0, -0.5, -1.0]]), rtol=1e-3)


def test_sure_places_all_reach_far_however_sure_and_their_energy_does_not() -> None:
    maps = np.array([[20.0, 8.0], [-8.0, -8.0]], np.float32)
    assert extent(maps, "log_mean_exp")[0, 1] > 0.99
    assert energy(maps, "log_mean_exp")[0, 1] < 1e-4
