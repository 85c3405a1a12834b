from __future__ import annotations

import numpy as np
import pytest

from plainscan.phantom.artifact import VIEWS, Flaws, faulty_views, moved, rings, view_index


def test_no_flaw_makes_no_error() -> None:
    bone = np.ones((56, 56), np.float32)
    assert Flaws().coarse_error(bone, 4.0) is None


def test_the_error_of_a_cup_grows_from_the_middle_outward() -> None:
    error = Flaws(cup_hu=4.0).coarse_error(np.zeros((56, 56), np.float32), 4.0)
    assert error is not None
    assert error[28, 28] == pytest.approx(0.0, abs=0.02)
    assert error[28, 5] == pytest.approx(4.0, abs=0.5)


def test_every_frequency_belongs_to_a_view_and_opposite_ones_to_the_same() -> None:
    views = view_index((64, 64), 1.0)
    assert views.min() == 0
    assert VIEWS - 4 < views.max() < VIEWS
    assert views[0, 10] == pytest.approx(VIEWS / 2, abs=1)  # along the rows
    assert views[10, 0] in (0, VIEWS - 1)


def test_most_views_are_right() -> None:
    wrong = faulty_views(np.random.default_rng(0), 0.1, 0.2)
    assert 0.1 < (wrong != 0).mean() < 0.3
    assert wrong[wrong != 0].std() == pytest.approx(0.1, rel=0.4)


def test_a_move_changes_phases_and_no_amplitude() -> None:
    rng = np.random.default_rng(1)
    factor = moved(rng, (64, 64), 1.0, view_index((64, 64), 1.0), 3.0)
    assert np.abs(factor) == pytest.approx(1.0, abs=1e-5)
    assert factor[0, 0] == 1
    assert np.abs(factor - 1).max() > 0.5


def test_rings_are_the_same_all_around_the_isocenter() -> None:
    image = rings(np.random.default_rng(2), (65, 65), 1.0)
    assert image.any()
    assert np.allclose(image, image.T, atol=1e-5)
    assert np.allclose(image, image[::-1, ::-1], atol=1e-5)
