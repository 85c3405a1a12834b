from __future__ import annotations

import numpy as np
import polars as pl

from plainscan.evaluation.bootstrap import Group, draw
from plainscan.evaluation.judge import Units
from plainscan.evaluation.localization import Localization
from plainscan.evaluation.summary import confusion_counts, judge_maps, limits, split_table, split_unit, warnings


def _manifest(rows: list[tuple[str, str, int | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"patient_id": p, "study_uid": f"{p}.1", "split": s, "any_finding": y} for p, s, y in rows],
        schema={"patient_id": pl.String, "study_uid": pl.String, "split": pl.String, "any_finding": pl.Int8},
    )


def test_each_split_is_counted_and_an_absent_one_is_zero() -> None:
    table = split_table(_manifest([("a", "train", 1), ("a", "train", None), ("b", "tune", 0)]))
    assert [row["split"] for row in table] == ["train", "tune", "test"]
    train = {"split": "train", "patients": 1, "studies": 1, "slices": 2}
    assert table[0] == {**train, "any_finding": 1, "no_finding": 0, "unlabeled": 1}
    assert table[2]["slices"] == 0


def test_a_patient_in_two_splits_means_split_by_image() -> None:
    assert split_unit(_manifest([("a", "train", 1), ("b", "test", 0)])) == "patient"
    assert split_unit(_manifest([("a", "train", 1), ("a", "test", 0)])) == "image"
    assert split_unit(_manifest([])) == "patient"


def test_the_reader_is_warned_of_what_spoils_the_figures() -> None:
    few = [{"slices": 9, "any_finding": 3, "no_finding": 6, "patients": 3}]
    assert len(warnings("image", True, few)) == 3
    many = [{"slices": 900, "any_finding": 300, "no_finding": 600, "patients": 60}]
    assert warnings("patient", False, many) == []
    assert "Split by image" in limits("image", False)[0]


def test_the_confusion_matrix_counts_whole_units() -> None:
    group = Group("any_finding", "slice", np.array([1, 1, 0, 0, 0], np.int8), np.arange(5, dtype=np.intp))
    p = np.array([0.9, 0.1, 0.8, 0.2, 0.3])
    assert confusion_counts(Units(group, p, 0.5)) == {"tp": 1, "fn": 1, "fp": 1, "tn": 2}
    assert confusion_counts(Units(group, p, None)) is None


def test_heat_map_figures_are_means_over_the_slices_with_a_mask() -> None:
    maps = [{0: Localization(1, 0.1, 0.4, 0.1, 0.2)}, {}, {0: Localization(0, 0.1, 0.2, 0.1, 0.4)}]
    figures = judge_maps(maps, ["a", "a", "b"], {"a": 0, "b": 1}, draw(2, 50, np.random.default_rng(0)), 0.95)
    values = {f.figure: (round(f.value or 0, 6), f.n, f.clusters) for f in figures}
    assert values["pointing_game"] == (0.5, 2, 2)
    assert values["energy_in_mask"] == (0.3, 2, 2)
    assert values["iou"] == (0.3, 2, 2)
