from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from plainscan.evaluation.localization import (
    IOU_THRESHOLD,
    SIZES,
    THRESHOLDS,
    TOLERANCE,
    Drawn,
    Localization,
    best_threshold,
    localize,
    near,
    overlaps,
    size_class,
)


def _square(top: int, left: int, side: int, size: int = 100) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[top : top + side, left : left + side] = True
    return mask


HEAD = np.ones((100, 100), bool)


def _read(heat: np.ndarray) -> Drawn:
    """A map whose positive values are both its energy and its extent."""
    warm = np.clip(heat, 0, None)
    return Drawn(heat, warm, warm / warm.max() if warm.any() else warm)


def test_a_map_that_is_the_mask_is_perfect() -> None:
    mask = _square(20, 30, 10)
    found = localize(_read(mask.astype(float)), mask, HEAD)
    assert found is not None
    assert (found.hit, found.energy, found.iou) == (1.0, 1.0, 1.0)
    assert found.energy_by_chance == 0.01


def test_a_flat_map_has_the_energy_that_chance_has() -> None:
    mask = _square(20, 30, 10)
    found = localize(_read(np.ones((100, 100))), mask, HEAD)
    assert found is not None
    assert found.energy == pytest.approx(found.energy_by_chance)
    assert found.iou == pytest.approx(0.01)


@pytest.mark.parametrize(("distance", "hit"), [(3, 1.0), (4, 0.0)])
def test_the_pointing_game_allows_three_percent_of_the_side(distance: int, hit: float) -> None:
    assert TOLERANCE == 0.03
    heat = np.zeros((100, 100))
    heat[25, 39 + distance] = 1
    found = localize(_read(heat), _square(20, 30, 10), HEAD)
    assert found is not None
    assert found.hit == hit


def test_evidence_against_the_finding_is_no_heat() -> None:
    mask = _square(20, 30, 10)
    heat = np.where(mask, 2.0, -5.0)
    found = localize(_read(heat), mask, HEAD)
    assert found is not None
    assert found.energy == 1.0


def test_a_map_without_heat_scores_nothing_and_does_not_fail() -> None:
    found = localize(_read(np.full((100, 100), -1.0)), _square(20, 30, 10), HEAD)
    assert found is not None
    assert (found.energy, found.iou) == (0.0, 0.0)


def test_chance_counts_the_head_only() -> None:
    head = _square(0, 0, 50)
    found = localize(_read(np.ones((100, 100))), _square(10, 10, 10), head)
    assert found is not None
    assert found.energy_by_chance == pytest.approx(100 / 2500)


def test_an_empty_mask_is_not_judged() -> None:
    assert localize(_read(np.ones((8, 8))), np.zeros((8, 8), bool), np.ones((8, 8), bool)) is None


def test_near_agrees_with_the_euclidean_distance() -> None:
    mask = np.random.default_rng(0).random((40, 50)) < 0.01
    for radius in (0.0, 1.0, 2.5, 4.0):
        np.testing.assert_array_equal(near(mask, radius), ndimage.distance_transform_edt(~mask) <= radius)


def test_overlaps_at_every_threshold_are_those_of_a_plain_count() -> None:
    rng = np.random.default_rng(5)
    extent, mask = np.round(rng.random((40, 40)), 2), rng.random((40, 40)) < 0.2
    ious, dices = overlaps(extent, mask)
    for at, threshold in enumerate(THRESHOLDS):
        hot = extent >= threshold
        assert ious[at] == pytest.approx((hot & mask).sum() / (hot | mask).sum())
        assert dices[at] == pytest.approx(2 * (hot & mask).sum() / (hot.sum() + mask.sum()))


def _reached(*ious: float) -> Localization:
    values = np.interp(THRESHOLDS, [0.0, 0.3, 1.0], ious)
    return Localization(1.0, 0.1, 0.5, 0.1, 0.2, values, values)


def test_the_best_threshold_is_that_of_the_mean_not_of_one_slice() -> None:
    early, late = _reached(0.0, 0.9, 0.0), _reached(0.2, 0.1, 0.5)
    assert best_threshold([early]) == THRESHOLDS.index(0.3)
    assert best_threshold([early, late, late, late]) == len(THRESHOLDS) - 1
    assert best_threshold([]) is None


def test_of_equal_thresholds_the_middle_one_is_taken() -> None:
    assert best_threshold([_reached(0.5, 0.5, 0.5)]) == THRESHOLDS.index(IOU_THRESHOLD)


def test_every_area_has_one_size() -> None:
    assert [size_class(low) for _, low, _ in SIZES] == [name for name, _, _ in SIZES]
    assert [high for _, _, high in SIZES[:-1]] == [low for _, low, _ in SIZES[1:]]
