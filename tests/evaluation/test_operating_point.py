from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainscan.evaluation.operating_point import choose_operating_point


@given(st.integers(0, 5000), st.sampled_from([0.5, 0.8, 0.95, 1.0]), st.booleans())
@settings(deadline=None, max_examples=60)
def test_no_other_threshold_with_enough_sensitivity_is_more_specific(seed: int, target: float, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    labels = np.append([0, 1], rng.random(40) < 0.4).astype(int)
    p = np.clip(0.25 * labels + 0.75 * rng.random(42), 0, 1)
    p = np.round(p, 1) if ties else p
    choice = choose_operating_point(p, labels, target)
    assert choice is not None
    assert choice.sensitivity >= target - 1e-9
    for threshold in np.append(p, 2.0):
        alarm = p >= threshold
        if alarm[labels == 1].mean() >= target - 1e-9:
            assert 1 - alarm[labels == 0].mean() <= choice.specificity + 1e-12


def test_it_reports_what_the_threshold_does() -> None:
    p, labels = np.array([0.1, 0.3, 0.5, 0.7, 0.9]), np.array([0, 1, 0, 1, 1])
    choice = choose_operating_point(p, labels, 0.6)
    assert choice == (pytest.approx(0.6), pytest.approx(2 / 3), 1.0, 5)


def test_twenty_positives_at_95_percent_may_miss_one() -> None:
    p = np.linspace(0, 1, 20)
    choice = choose_operating_point(np.append(p, 0.01), np.append(np.ones(20), 0), 0.95)
    assert choice is not None
    assert choice.sensitivity == 0.95


def test_the_threshold_lies_on_no_score_so_that_rounding_cannot_turn_a_catch_into_a_miss() -> None:
    nothing_below = choose_operating_point([0.3, 0.8], [1, 0], 0.95)
    assert nothing_below == (0.15, 1.0, 0.0, 2)
    p = np.array([0.1, 0.3, 0.3 + 1e-15, 0.3 - 1e-15, 0.9])
    choice = choose_operating_point(p, [0, 1, 0, 1, 1], 0.6)
    assert choice is not None
    assert np.abs(p - choice.threshold).min() > 1e-3


@pytest.mark.parametrize("labels", [[0, 0], [1, 1], []])
def test_one_class_allows_no_choice(labels: list[int]) -> None:
    assert choose_operating_point([0.1, 0.9][: len(labels)], labels, 0.95) is None
