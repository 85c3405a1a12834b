from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainscan.evaluation import metrics as m
from plainscan.evaluation.metrics import auc, once, rank
from plainscan.evaluation.strata import Within, cut, equal_width, learned_rate, quantile_edges, rate_of_others


def _units(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.round(rng.random(40), 1), (rng.random(40) < 0.4).astype(int), rng.integers(0, 4, 40)


@given(st.integers(0, 5000))
@settings(deadline=None, max_examples=20)
def test_one_stratum_equals_the_auc(seed: int) -> None:
    score, labels, _ = _units(seed)
    one = m.once(40)
    within = Within(score, labels, np.zeros(40, int))(one)
    np.testing.assert_allclose(within, m.auc(m.rank(score, labels), one))


@given(st.integers(0, 5000))
@settings(deadline=None, max_examples=20)
def test_it_is_the_share_of_right_pairs_inside_strata_by_hand(seed: int) -> None:
    score, labels, stratum = _units(seed)
    right, total = 0.0, 0
    for i, j in itertools.product(np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)):
        if stratum[i] == stratum[j]:
            right += (score[i] > score[j]) + 0.5 * (score[i] == score[j])
            total += 1
    assert Within(score, labels, stratum)(m.once(40))[0] == pytest.approx(right / total)


def test_a_score_of_place_alone_is_worth_nothing_within_place() -> None:
    rng = np.random.default_rng(0)
    where = rng.integers(0, 10, 4000)
    labels = (rng.random(4000) < where / 10).astype(int)
    score = where / 10
    assert m.auc(m.rank(score, labels), m.once(4000))[0] > 0.75
    assert Within(score, labels, where)(m.once(4000))[0] == 0.5


def test_no_stratum_with_both_classes_is_undefined() -> None:
    assert np.isnan(Within([0.1, 0.9], [0, 1], [0, 1])(m.once(2))[0])


def test_learned_rate_never_looks_at_the_units_it_scores() -> None:
    known = learned_rate([0, 0, 0, 1], [1, 1, 1, 0], [1, 0, 2], 3)
    assert known[1] > known[2] > known[0]
    assert known[2] == pytest.approx(0.75)  # an unseen bin gets the overall rate


def test_learned_rate_without_anything_known_is_a_coin() -> None:
    assert learned_rate([], [], [0, 1], 2).tolist() == [0.5, 0.5]


def test_bins_hold_their_edges() -> None:
    assert equal_width([0, 0.1, 1.0]).tolist() == [0, 1, 9]
    edges = quantile_edges(np.arange(100), 4)
    assert np.bincount(cut(np.arange(100), edges)).tolist() == [25, 25, 25, 25]


def test_the_place_learned_on_other_patients_ignores_ones_own_labels() -> None:
    bins, cluster = np.array([0, 1, 0, 1, 0, 1]), np.array([0, 0, 1, 1, 2, 2])
    one, other = (rate_of_others(bins, labels, cluster, 2) for labels in ([1, 0, 0, 1, 0, 1], [0, 1, 0, 1, 0, 1]))
    assert np.allclose(one[:2], other[:2])
    assert not np.allclose(one[2:], other[2:])


def test_the_place_learned_on_other_patients_is_found_where_it_matters_and_is_chance_where_not() -> None:
    rng = np.random.default_rng(0)
    bins, cluster = rng.integers(0, 10, 4000), np.repeat(np.arange(100), 40)
    by_place = rng.random(4000) < bins / 20
    # by patient alone: without the correction for the overall rate, this would come out far below 0.5
    by_patient = rng.random(4000) < np.where(cluster < 30, 0.5, 0.0)
    for labels, low, high in ((by_place, 0.7, 0.85), (by_patient, 0.42, 0.58)):
        value = auc(rank(rate_of_others(bins, labels, cluster, 10), labels), once(4000)).item()
        assert low < value < high


def test_the_place_of_one_patient_cannot_be_learned_on_others() -> None:
    assert rate_of_others([0, 1], [0, 1], [0, 0], 2).tolist() == [1.0, 1.0]
    assert rate_of_others([], [], [], 2).shape == (0,)


@pytest.mark.parametrize("positives", [12, 22, 52, 82])
def test_slices_that_all_lie_in_one_bin_are_not_told_apart_by_it(positives: int) -> None:
    labels = np.arange(200) < positives
    assert set(rate_of_others(np.zeros(200, int), labels, np.arange(200), 10)) == {1.0}
