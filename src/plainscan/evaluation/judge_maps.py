"""Localization figures with intervals: of each finding, and of each size of it on the slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from plainscan.evaluation import metrics as m
from plainscan.evaluation.bootstrap import Counts, Figure, Group, estimate
from plainscan.evaluation.localization import SIZES, THRESHOLDS, Localization, best_threshold, size_class
from plainscan.evaluation.metrics import Weights
from plainscan.findings import ANY_FINDING, FINDING_KEYS

Found = Mapping[int, Localization]  # finding index -> what its map did, of one slice


@dataclass(frozen=True)
class Slices:
    """What the maps of some slices did.

    Args:
        found: Of each slice.
        patients: Of each slice.
        marked: Whether each slice's map is marked "not reliable".
    """

    found: Sequence[Found]
    patients: Sequence[str]
    marked: Sequence[bool]


def choose_thresholds(tune: Sequence[Found]) -> dict[int, int]:
    """For each finding with a mask on a tuning slice, the place in ``THRESHOLDS`` of its best one there."""
    chosen = {}
    for index in range(len(FINDING_KEYS)):
        best = best_threshold([one[index] for one in tune if index in one])
        if best is not None:
            chosen[index] = best
    return chosen


def thresholds_entry(chosen: Mapping[int, int]) -> dict[str, float]:
    """As they stand in metrics.json: finding -> share of the map's maximum."""
    return {FINDING_KEYS[index]: THRESHOLDS[at] for index, at in chosen.items()}


def judge_maps(
    slices: Slices, chosen: Mapping[int, int], rows: Mapping[str, int], counts: Counts, confidence: float
) -> list[Figure]:
    """Figures of each finding that has a slice with a mask, over all of them and over those of each size.

    For any finding also the pointing game of slices whose map is marked "not reliable", and of the others.

    Args:
        slices: To judge.
        chosen: From ``choose_thresholds``; without one there is no `iou_tuned` and no `dice_tuned`.
        rows: From ``units.patient_rows``.
        counts: From ``bootstrap.draw``.
        confidence: Such as 0.95.
    """
    figures = []
    for index, finding in enumerate(FINDING_KEYS):
        members = [i for i, one in enumerate(slices.found) if index in one]
        parts = {"": members, **_by_size(slices, index, members)}
        if finding == ANY_FINDING:
            parts |= _by_mark(slices, members)
        for ending, part in parts.items():
            if part:
                of_part = _MeanOf([slices.found[i][index] for i in part], chosen.get(index), ending)
                cluster = np.array([rows[slices.patients[i]] for i in part], np.intp)
                group = Group(finding, "slice", np.ones(len(part), np.int8), cluster)
                hits = {f"pointing_game{ending}": np.ones(len(part), bool)}
                figures += estimate(of_part, group, counts, confidence, hits)
    return figures


def _by_size(slices: Slices, index: int, members: Sequence[int]) -> dict[str, list[int]]:
    areas = {i: area for i in members if (area := slices.found[i][index].area_mm2) is not None}
    return {f"_of_{name}": [i for i, area in areas.items() if size_class(area) == name] for name, _, _ in SIZES}


def _by_mark(slices: Slices, members: Sequence[int]) -> dict[str, list[int]]:
    return {
        "_of_not_reliable": [i for i in members if slices.marked[i]],
        "_of_reliable": [i for i in members if not slices.marked[i]],
    }


class _MeanOf:
    def __init__(self, values: Sequence[Localization], chosen: int | None, ending: str) -> None:
        columns = {
            "pointing_game": [v.hit for v in values],
            "pointing_game_by_chance": [v.hit_by_chance for v in values],
            "energy_in_mask": [v.energy for v in values],
            "energy_in_mask_by_chance": [v.energy_by_chance for v in values],
            "iou": [v.iou for v in values],
        }
        if chosen is not None:
            columns |= {
                "iou_tuned": [float(v.ious[chosen]) for v in values],
                "dice_tuned": [float(v.dices[chosen]) for v in values],
            }
        self._columns = {f"{name}{ending}": values for name, values in columns.items()}

    def __call__(self, weights: Weights) -> dict[str, Weights]:
        return {name: m.mean(column, weights) for name, column in self._columns.items()}
