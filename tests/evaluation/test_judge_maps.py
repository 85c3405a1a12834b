from __future__ import annotations

import numpy as np
import pytest

from plainscan.evaluation.bootstrap import Figure, draw
from plainscan.evaluation.judge_maps import Found, Slices, choose_thresholds, judge_maps, thresholds_entry
from plainscan.evaluation.localization import THRESHOLDS, Localization


def _one(hit: float, energy: float, iou: float, area_mm2: float | None = None, best: float = 0.3) -> Localization:
    """A map whose IoU is ``iou`` at one threshold and half of it at all others."""
    ious = np.where(np.isclose(THRESHOLDS, best), iou, iou / 2)
    return Localization(hit, 0.1, energy, 0.1, iou / 2, ious, np.sqrt(ious), area_mm2)


def _judged(found: list[Found], chosen: dict[int, int], marked: list[bool] | None = None) -> dict[str, Figure]:
    slices = Slices(found, [str(i) for i in range(len(found))], marked or [False] * len(found))
    counts = draw(len(found), 50, np.random.default_rng(0))
    figures = judge_maps(slices, chosen, {str(i): i for i in range(len(found))}, counts, 0.95)
    return {f"{figure.figure} {figure.finding}": figure for figure in figures}


def _value(figure: Figure) -> tuple[float, int, int]:
    return round(figure.value or 0, 6), figure.n, figure.clusters


def test_figures_are_means_over_the_slices_with_a_mask() -> None:
    found = _judged([{0: _one(1, 0.4, 0.2)}, {}, {0: _one(0, 0.2, 0.4)}], {0: THRESHOLDS.index(0.3)})
    assert _value(found["pointing_game any_finding"]) == (0.5, 2, 2)
    assert _value(found["energy_in_mask any_finding"]) == (0.3, 2, 2)
    assert _value(found["iou any_finding"]) == (0.15, 2, 2)
    assert _value(found["iou_tuned any_finding"]) == (0.3, 2, 2)
    assert found["dice_tuned any_finding"].value == pytest.approx(np.mean(np.sqrt([0.2, 0.4])))


def test_a_threshold_comes_from_tune_for_each_finding_by_itself() -> None:
    chosen = choose_thresholds([{0: _one(1, 0, 0.4, best=0.2), 3: _one(1, 0, 0.4, best=0.7)}, {}])
    assert thresholds_entry(chosen) == {"any_finding": 0.2, "subarachnoid_hemorrhage": 0.7}
    found = _judged([{0: _one(1, 0, 0.6, best=0.9)}], chosen)
    assert found["iou_tuned any_finding"].value == pytest.approx(0.3)  # not the best one of the judged slice


def test_without_masks_on_tune_there_is_no_tuned_figure() -> None:
    found = _judged([{0: _one(1, 0.4, 0.2)}], choose_thresholds([{}]))
    assert "iou any_finding" in found
    assert "iou_tuned any_finding" not in found


def test_sizes_are_apart_and_an_unknown_area_is_in_none() -> None:
    found = _judged([{2: _one(1, 0, 0, 49.0)}, {2: _one(0, 0, 0, 900.0)}, {2: _one(0, 0, 0)}], {})
    assert found["pointing_game subdural_hemorrhage"].n == 3
    assert found["pointing_game_of_tiny subdural_hemorrhage"].value == 1
    assert found["pointing_game_of_large subdural_hemorrhage"].value == 0
    assert "pointing_game_of_small subdural_hemorrhage" not in found


def test_marked_maps_are_judged_apart_from_the_others() -> None:
    found = _judged([{0: _one(1, 0, 0)}, {0: _one(0, 0, 0)}, {0: _one(1, 0, 0)}], {}, [False, True, False])
    assert found["pointing_game_of_reliable any_finding"].value == 1
    assert _value(found["pointing_game_of_not_reliable any_finding"]) == (0.0, 1, 1)
