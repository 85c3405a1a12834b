from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.evaluation import tiny

from plainscan import tables
from plainscan.evaluation.bootstrap import draw
from plainscan.evaluation.sanity import CHECKS
from plainscan.evaluation.units import patient_rows
from plainscan.inference.engine import load
from plainscan.inference.held_out import RunSlices, score_slices
from plainscan.stages.evaluate_maps import Judging, judge

Judged = tuple[dict[str, object], dict[str, object]]


def _judge(folder: Path, prepared: pl.DataFrame) -> Judged:
    test = prepared.filter(pl.col("split") == "test").sort("shard", "row")
    rows = patient_rows(test)
    counts = draw(len(rows), 60, np.random.default_rng(0))
    judging = Judging(load(folder / "model"), folder / "model", RunSlices(folder), prepared, 0.05, rows, counts, 0.95)
    scored = list(score_slices(judging.model, judging.slices, test, 0.05))
    figures, said = judge(judging, scored, test, np.random.default_rng(1))
    return {f.figure: f for f in figures if f.finding == "any_finding"}, said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.run_folder(tmp_path_factory.mktemp("maps") / "r")


@pytest.fixture(scope="module")
def judged(folder: Path) -> Judged:
    return _judge(folder, tables.read(folder, tables.PREPARED))


def test_every_check_has_a_figure_with_its_n_and_a_verdict(judged: Judged) -> None:
    figures, said = judged
    assert [check["figure"] for check in said["map_checks"]["checks"]] == [check.figure for check in CHECKS]
    for check in CHECKS:
        assert figures[check.figure].n > 0
        assert figures[check.figure].value is not None


def test_score_and_map_agree_in_an_exact_graph(judged: Judged) -> None:
    assert judged[0]["map_score_gap"].value == pytest.approx(0.0, abs=1e-5)


def test_marks_are_shares_of_the_slices_that_they_can_befall(judged: Judged) -> None:
    figures, _ = judged
    of_called, of_free = figures["map_not_reliable_flat"].n, figures["map_not_reliable_contradicts_score"].n
    assert of_called + of_free == figures["map_not_reliable"].n


def test_without_a_size_of_pixels_no_size_of_findings_is_given(judged: Judged) -> None:
    assert not [name for name in judged[0] if name.endswith(("_of_tiny", "_of_small", "_of_medium", "_of_large"))]


def test_with_it_the_sizes_add_up(folder: Path) -> None:
    spacing = [pl.lit(2.0).alias(f"pixel_spacing_{axis}_mm") for axis in ("row", "column")]
    figures, _ = _judge(folder, tables.read(folder, tables.PREPARED).with_columns(spacing))
    parts = [figures[name].n for name in figures if name.startswith("iou_tuned_of_") and "reliable" not in name]
    assert len(parts) > 1
    assert sum(parts) == figures["iou_tuned"].n


def test_without_tune_slices_no_threshold_is_taken_from_those_judged(folder: Path) -> None:
    prepared = tables.read(folder, tables.PREPARED).filter(pl.col("split") != "tune")
    figures, said = _judge(folder, prepared)
    assert said["localization"]["thresholds"] == {}
    assert "iou_tuned" not in figures
    assert "iou" in figures
