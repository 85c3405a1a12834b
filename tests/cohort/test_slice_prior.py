"""Usual heights, numbers and scores put together: exact on curves worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from plainscan.cohort.slice_prior import FEATURES, features, heights, parse, probability, sigmoid, usual
from plainscan.findings import SPECIFIC_KEYS

HEIGHT = np.array([0.0, 0.5, 1.0])
BY_HAND = parse(
    {
        "all": {"focal": [0.2, 0.2], "any_finding": [0.1, 0.5]},
        "finding": {"mass": [0.2, 0.6], "atrophy": [0.9, 0.9]},
        "site": {"thalamus": [0.2, 0.5]},
        "weights": {"constant": 0.0, "score": 1.0, "usual_height": 1.0, "named": 3.0, "not_named": -1.0},
    }
)


def test_a_finding_without_site_has_its_own_curve_and_several_add_up_as_if_independent() -> None:
    assert usual({"mass": []}, HEIGHT, BY_HAND) == pytest.approx([0.2, 0.4, 0.6])
    both = usual({"mass": [], "atrophy": []}, HEIGHT, BY_HAND)
    assert both == pytest.approx([1 - 0.8 * 0.1, 1 - 0.6 * 0.1, 1 - 0.4 * 0.1])


def test_a_site_moves_the_odds_of_a_focal_finding_only() -> None:
    odds = (0.6 / 0.4) * (0.5 / 0.5) / (0.2 / 0.8)
    assert usual({"mass": ["thalamus"]}, HEIGHT, BY_HAND)[-1] == pytest.approx(odds / (1 + odds))
    assert usual({"atrophy": ["thalamus"]}, HEIGHT, BY_HAND) == pytest.approx([0.9, 0.9, 0.9])


def test_a_site_that_was_never_seen_makes_all_heights_the_same() -> None:
    assert usual({"mass": ["cerebellum", "thalamus"]}, HEIGHT, BY_HAND) == pytest.approx([0.2, 0.2, 0.2])


def test_a_report_that_names_no_finding_of_the_list_has_the_curve_of_all() -> None:
    assert usual({}, HEIGHT, BY_HAND) == pytest.approx([0.1, 0.3, 0.5])


def test_score_height_and_numbers_add_their_log_odds() -> None:
    score, height = np.array([0.8, 0.8, np.nan]), np.array([0.5, 0.5, 0.9])
    rows = features(score, height, np.array([True, False, False]), complete=True)
    assert rows.shape == (3, len(FEATURES))
    expected = sigmoid(np.log([4.0, 4.0, 9.0]) + np.array([3.0, -1.0, -1.0]))
    assert probability(rows, BY_HAND) == pytest.approx(expected)
    incomplete = features(score, height, np.array([True, False, False]), complete=False)
    assert incomplete[1:, FEATURES.index("not_named")].tolist() == [0.0, 0.0]


def test_the_heights_that_come_with_plainscan_know_every_finding_and_lie_between_0_and_1() -> None:
    known = heights()
    assert set(known.finding) == set(SPECIFIC_KEYS)
    for curve in (*known.finding.values(), *known.site.values(), known.focal, known.any_finding):
        assert curve.shape == known.grid.shape == (11,)
        assert ((curve >= 0) & (curve <= 1)).all()
    assert known.weights["score"] > 0 < known.weights["usual_height"]
    assert known.weights["named"] > 0 > known.weights["not_named"]
    assert known.grid[np.argmax(known.site["centrum_semiovale"])] > known.grid[np.argmax(known.site["basal_cisterns"])]
