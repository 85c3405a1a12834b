from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from plainscan.evaluation import metrics as m


def _sample(seed: int, units: int = 200, ties: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.append([0, 1], rng.random(units - 2) < 0.3).astype(int)
    score = np.clip(0.3 * labels + rng.random(units) * 0.7, 0, 1)
    return (np.round(score, 1) if ties else score), labels, rng.integers(0, 4, units)


seeds = st.integers(0, 10_000)


@pytest.mark.parametrize("ties", [False, True])
@given(seed=seeds)
@settings(deadline=None, max_examples=25)
def test_ranking_figures_agree_with_scikit_learn_under_integer_weights(seed: int, ties: bool) -> None:
    score, labels, drawn = _sample(seed, ties=ties)
    ranking, weights = m.rank(score, labels), drawn[None].astype(float)
    assert m.auc(ranking, weights)[0] == pytest.approx(oracle.roc_auc_score(labels, score, sample_weight=drawn))
    expected = oracle.average_precision_score(labels, score, sample_weight=drawn)
    assert m.average_precision(ranking, weights)[0] == pytest.approx(expected)


@given(seed=seeds)
@settings(deadline=None, max_examples=25)
def test_threshold_figures_agree_with_scikit_learn(seed: int) -> None:
    score, labels, drawn = _sample(seed)
    alarm, weights = score >= 0.5, drawn[None].astype(float)
    c = m.confusion(alarm, labels, weights)
    known = {"sample_weight": drawn, "zero_division": np.nan}
    assert m.precision(c)[0] == pytest.approx(oracle.precision_score(labels, alarm, **known))
    assert m.recall(c)[0] == pytest.approx(oracle.recall_score(labels, alarm, **known))
    assert m.f1(c)[0] == pytest.approx(oracle.f1_score(labels, alarm, **known))
    assert m.specificity(c)[0] == pytest.approx(oracle.recall_score(1 - labels, ~alarm, **known))
    assert m.accuracy(c)[0] == pytest.approx(oracle.accuracy_score(labels, alarm, sample_weight=drawn))
    assert m.mcc(c)[0] == pytest.approx(oracle.matthews_corrcoef(labels, alarm, sample_weight=drawn))
    assert m.f1(c.of_negatives())[0] == pytest.approx(oracle.f1_score(1 - labels, ~alarm, **known))


def test_probability_figures_agree_with_scikit_learn() -> None:
    p, labels, drawn = _sample(1)
    p[:2] = 0.0, 1.0
    weights = drawn[None].astype(float)
    assert m.brier(p, labels, weights)[0] == pytest.approx(oracle.brier_score_loss(labels, p, sample_weight=drawn))
    assert m.log_loss(p, labels, weights)[0] == pytest.approx(oracle.log_loss(labels, p, sample_weight=drawn))


@given(seed=seeds, power=st.floats(0.2, 5))
@settings(deadline=None, max_examples=20)
def test_auc_does_not_change_under_a_rising_transform(seed: int, power: float) -> None:
    score, labels, _ = _sample(seed, ties=True)
    one = m.once(labels.size)
    assert m.auc(m.rank(score**power, labels), one)[0] == m.auc(m.rank(score, labels), one)[0]


@given(seed=seeds)
@settings(deadline=None, max_examples=20)
def test_auc_of_the_turned_score_is_the_complement(seed: int) -> None:
    score, labels, _ = _sample(seed, ties=True)
    one = m.once(labels.size)
    assert m.auc(m.rank(-score, labels), one)[0] == pytest.approx(1 - m.auc(m.rank(score, labels), one)[0])


def test_weight_two_equals_the_unit_twice() -> None:
    score, labels, drawn = _sample(5)
    again = np.repeat(np.arange(labels.size), drawn)
    weighted = m.auc(m.rank(score, labels), drawn[None].astype(float))
    assert weighted[0] == pytest.approx(m.auc(m.rank(score[again], labels[again]), m.once(again.size))[0])


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_one_class_has_no_auc(labels: list[int]) -> None:
    assert np.isnan(m.auc(m.rank([0.1, 0.2, 0.3], labels), m.once(3))[0])


def test_no_unit_at_all_is_undefined_and_no_error() -> None:
    empty = m.rank([], [])
    assert np.isnan(m.auc(empty, m.once(0))[0])
    assert np.isnan(m.average_precision(empty, m.once(0))[0])
    assert np.isnan(m.brier([], [], m.once(0))[0])
    assert np.isnan(m.recall(m.confusion([], [], m.once(0)))[0])
