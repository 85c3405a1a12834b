"""The curve of reading against error, and the planting of wrong labels, on numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.disagree import figures
from benchmarks.slices import error_at, interval


def test_what_a_person_reads_is_right_and_the_rest_is_decided_at_one_half() -> None:
    p, label = np.array([0.9, 0.55, 0.45, 0.1, 0.8]), np.array([1.0, 0.0, 1.0, 0.0, 0.0])
    assert error_at(p, label, 0.0).tolist() == [0, 1, 1, 0, 1]
    assert error_at(p, label, 0.4).tolist() == [0, 0, 0, 0, 1]
    assert error_at(p, label, 1.0).sum() == 0


def test_the_interval_resamples_patients_not_slices() -> None:
    wrong, patient = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 1])
    value, low, high = interval(wrong, patient, np.random.default_rng(0))
    assert (value, low, high) == (0.5, 0.0, 1.0)


def test_a_perfect_score_puts_the_planted_labels_first() -> None:
    label = np.array([0.0, 1.0] * 50)
    score, wrong = np.where(label == 1, 0.9, 0.1), np.zeros(100, np.bool_)
    wrong[[3, 10, 40, 71, 98]] = True
    found = figures(score, label, wrong)
    assert found["precision of the first 5"] == found["recall in the first 5 %"] == 1.0
    assert found["precision of the first 10"] == pytest.approx(0.5)
