from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize
from sklearn.linear_model import LogisticRegression

from plainscan.evaluation.calibration import IDENTITY, calibration_error, fit_platt, reliability, sigmoid
from plainscan.evaluation.metrics import once


def _logits(seed: int = 0, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 2, n)
    return logits, (rng.random(n) < sigmoid(0.5 * logits + 0.7)).astype(int)


def test_known_slope_and_intercept_are_found_again() -> None:
    slope, intercept = fit_platt(*_logits())
    assert slope == pytest.approx(0.5, abs=0.05)
    assert intercept == pytest.approx(0.7, abs=0.1)


def test_agrees_with_logistic_regression_on_many_units() -> None:
    logits, labels = _logits()
    slope, intercept = fit_platt(logits, labels)
    oracle = LogisticRegression(C=np.inf, tol=1e-8).fit(logits[:, None], labels)
    assert slope == pytest.approx(oracle.coef_[0, 0], abs=2e-3)  # targets are smoothed, so not equal
    assert intercept == pytest.approx(oracle.intercept_[0], abs=2e-3)


def test_is_the_minimum_of_platts_own_loss() -> None:
    logits, labels = _logits(3, 60)
    up, down = (labels.sum() + 1) / (labels.sum() + 2), 1 / ((1 - labels).sum() + 2)
    target = np.where(labels == 1, up, down)

    def loss(beta: np.ndarray) -> float:
        z = beta[0] * logits + beta[1]
        return float(np.sum(np.logaddexp(0, z) - target * z))

    best = optimize.minimize(loss, [1.0, 0.0], method="BFGS").x
    np.testing.assert_allclose(fit_platt(logits, labels), best, atol=1e-4)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_gives_the_identity(label: int) -> None:
    assert fit_platt([-3.0, 1.0, 4.0], [label] * 3) is IDENTITY


def test_no_unit_gives_the_identity() -> None:
    assert fit_platt([], []) is IDENTITY


@pytest.mark.parametrize("spread", [0.0, 1e-10])
@pytest.mark.parametrize("logit", [0.0, 0.1, -4.2, 1e6])
def test_logits_that_are_equal_up_to_rounding_give_the_identity(logit: float, spread: float) -> None:
    scale = spread * max(1.0, abs(logit))
    assert fit_platt([logit, logit, logit + scale, logit + scale], [0, 0, 1, 1]) is IDENTITY


def test_logits_of_a_small_spread_are_fitted() -> None:
    assert fit_platt([0.1, 0.1 + 1e-6, 0.1 + 2e-6, 0.1 + 3e-6], [0, 0, 1, 1]) is not IDENTITY


def test_logits_that_fall_with_the_label_are_not_turned_round() -> None:
    assert fit_platt([3.0, 2.0, -2.0, -3.0], [0, 0, 1, 1]) is IDENTITY


def test_perfect_separation_stays_finite() -> None:
    slope, intercept = fit_platt([-900.0, -800.0, 800.0, 900.0], [0, 0, 1, 1])
    assert 0 < slope < 1
    assert np.isfinite(intercept)


def test_constant_logits_do_not_break_it() -> None:
    assert np.isfinite(fit_platt([2.0, 2.0, 2.0], [0, 1, 0])).all()


def test_calibration_error_of_a_worked_example() -> None:
    p, y = np.array([0.05, 0.05, 0.95, 0.95]), np.array([0, 0, 1, 0])
    assert calibration_error(p, y, once(4))[0] == pytest.approx((2 * 0.05 + 2 * 0.45) / 4)


def test_reliability_keeps_empty_bins_empty() -> None:
    found = reliability([0.05, 0.95, 1.0], [0, 1, 0])
    assert found.n.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert np.isnan(found.positive_rate[1:9]).all()
    assert found.positive_rate[9] == 0.5
