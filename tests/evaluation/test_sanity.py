from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from plainscan.evaluation.bootstrap import draw
from plainscan.evaluation.sanity import (
    CHECKS,
    Check,
    judge_checks,
    rank_correlation,
    shared_energy,
    shared_hottest,
    verdicts,
)


def test_agrees_with_scipy_with_ties() -> None:
    rng = np.random.default_rng(0)
    a, b = np.round(rng.random((8, 8)), 1), np.round(rng.random((8, 8)), 1)
    assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a.ravel(), b.ravel()).statistic)


def test_a_map_without_contrast_has_no_order_to_share() -> None:
    assert rank_correlation(np.ones((4, 4)), np.random.default_rng(0).random((4, 4))) == 0.0


def test_a_background_makes_unrelated_maps_alike_in_rank_but_not_in_energy() -> None:
    rng, head = np.random.default_rng(1), np.zeros((24, 24), bool)
    head[6:18, 6:18] = True
    a, b = (np.where(head, rng.normal(0, 2, head.shape), -8 + rng.normal(0, 0.1, head.shape)) for _ in range(2))
    assert rank_correlation(a, b) > 0.4
    assert abs(rank_correlation(a[head], b[head])) < 0.2
    assert shared_energy(np.exp(a), np.exp(b)) < 0.5


def test_shared_energy_is_one_for_the_same_map_and_zero_for_disjoint_ones() -> None:
    a = np.zeros((6, 6))
    a[1, 1] = 3.0
    assert shared_energy(a, 5 * a) == pytest.approx(1.0)
    assert shared_energy(a, np.roll(a, 1, axis=0)) == 0.0
    assert shared_energy(a, np.zeros((6, 6))) == 0.0


def test_hottest_places_are_shared_as_often_as_chance_has_it_by_unrelated_maps() -> None:
    rng = np.random.default_rng(2)
    values = rng.random(200)
    assert shared_hottest(values, values) == 1.0
    assert np.mean([shared_hottest(rng.random(200), rng.random(200)) for _ in range(400)]) == pytest.approx(
        0.05, abs=0.01
    )


def test_checks_are_means_over_slices_with_intervals_by_patient() -> None:
    values = {"map_score_gap": np.array([0.0, 0.02, 0.04]), "map_not_reliable": np.zeros(3, bool)}
    counts = draw(2, 200, np.random.default_rng(0))
    gap, marked = judge_checks(values, np.array([0, 0, 1]), counts, 0.95)
    assert (gap.figure, gap.n, gap.clusters, gap.value) == ("map_score_gap", 3, 2, pytest.approx(0.02))
    assert gap.low == pytest.approx(0.01)
    assert marked.value == 0.0
    assert "exact bound for 2 patients" in marked.note


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.figure)
def test_a_check_fails_beyond_its_limit_only(check: Check) -> None:
    for beyond in (-0.001, 0.0, 0.001):
        entry = {"figure": check.figure, "value": check.limit + beyond}
        expected = beyond == 0.0 or (beyond > 0) is check.least
        assert verdicts([entry])[0]["passed"] is expected


def test_what_was_not_measured_has_no_verdict() -> None:
    assert verdicts([{"figure": "auc", "value": 0.1}, {"figure": CHECKS[0].figure, "value": None}]) == []
