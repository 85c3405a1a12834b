"""Part of `evaluate`: what the heat maps of the judged slices do, and whether they pass their checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from plainscan.bundle import MODEL_FILE, Card
from plainscan.errors import MissingPartError
from plainscan.evaluation.bootstrap import Counts, Figure
from plainscan.evaluation.judge_maps import Slices, choose_thresholds, judge_maps, thresholds_entry
from plainscan.evaluation.localization import IOU_THRESHOLD, SIZES, TOLERANCE
from plainscan.evaluation.sanity import judge_checks, verdicts
from plainscan.findings import ANY_FINDING
from plainscan.inference.engine import Model
from plainscan.inference.held_out import RunSlices, ScoredSlice, localized
from plainscan.inference.map_checks import CASCADE, SHIFT, SHUFFLES, moved, shuffled
from plainscan.inference.reliability import WORDS
from plainscan.stages.record import track

CHECKED_SLICES: Final = 24  # each is scored again for every check
TUNE_SLICES: Final = 600  # with a finding, to choose thresholds on


@dataclass(frozen=True)
class Judging:
    """What the figures of heat maps are made of.

    Args:
        model: The bundle.
        bundle: Its folder.
        slices: Pixels and masks of the run folder.
        prepared: The prepared table.
        threshold: The slice operating point of any finding.
        rows: From ``units.patient_rows`` of the judged slices.
        counts: From ``bootstrap.draw``.
        level: Coverage of the intervals.
    """

    model: Model
    bundle: Path
    slices: RunSlices
    prepared: pl.DataFrame
    threshold: float
    rows: Mapping[str, int]
    counts: Counts
    level: float

    def clusters(self, patients: pl.Series) -> Any:
        """Row of each slice's patient in the counts."""
        return np.array([self.rows[patient] for patient in patients], np.intp)


def judge(
    judging: Judging, scored: Sequence[ScoredSlice], test: pl.DataFrame, rng: np.random.Generator
) -> tuple[list[Figure], dict[str, Any]]:
    """Figures of the heat maps, and the entries `localization` and `map_checks` of `metrics.json`.

    Args:
        judging: See there.
        scored: The judged slices.
        test: Their rows of the prepared table, in the same order.
        rng: For shuffling weights.
    """
    chosen = choose_thresholds(_on_tune(judging)) if any(one.localized for one in scored) else {}
    marked = [bool(one.not_reliable) for one in scored]
    slices = Slices([one.localized for one in scored], test["patient_id"].to_list(), marked)
    figures = judge_maps(slices, chosen, judging.rows, judging.counts, judging.level)
    checks = _seen(judging, scored, test)
    again, entry = _again(judging, test, rng)
    checks += again
    entry["checks"] = verdicts([figure.entry() for figure in checks])
    described = _described(judging.model.card) | {"thresholds": thresholds_entry(chosen)}
    return figures + checks, {"localization": described, "map_checks": entry}


def _on_tune(judging: Judging) -> list[Any]:
    tune = judging.prepared.filter((pl.col("split") == "tune") & (pl.col(ANY_FINDING) == 1)).sort("shard", "row")
    few = tune.gather_every(max(1, -(-tune.height // TUNE_SLICES)))
    return list(track(localized(judging.model, judging.slices, few), "tune maps", few.height))


def _seen(judging: Judging, scored: Sequence[ScoredSlice], test: pl.DataFrame) -> list[Figure]:
    """What scoring itself showed: where the energy lies, whether score and map agree, which maps are marked."""
    called = np.array([one.probability[0] >= judging.threshold for one in scored], bool)
    beside = np.array([one.beside for one in scored])
    codes = {code: np.array([code in one.not_reliable for one in scored], bool) for code in WORDS}
    everywhere, clusters = np.ones(len(scored), bool), judging.clusters(test["patient_id"])
    parts = {
        "map_energy_outside_head": (np.array([one.outside for one in scored]), called),
        "map_score_gap": (np.abs(beside - np.median(beside)), everywhere),
        "map_not_reliable": (np.array([bool(one.not_reliable) for one in scored], bool), everywhere),
        "map_not_reliable_outside_head": (codes["outside_head"], called),
        "map_not_reliable_flat": (codes["flat"], called),
        "map_not_reliable_contradicts_score": (codes["contradicts_score"], ~called),
    }
    figures = []
    for name, (values, part) in parts.items():
        figures += judge_checks({name: values[part]}, clusters[part], judging.counts, judging.level)
    return figures


def _again(judging: Judging, test: pl.DataFrame, rng: np.random.Generator) -> tuple[list[Figure], dict[str, Any]]:
    """The checks that score some slices again: those with a finding, where there are any."""
    with_finding = test.filter(pl.col(ANY_FINDING) == 1)
    all_ = with_finding if with_finding.height else test
    chosen = all_.gather_every(max(1, -(-all_.height // CHECKED_SLICES)))
    hu = [judging.slices.hu(row) for row in chosen.iter_rows(named=True)]
    values, reason = moved(judging.model, hu), ""
    cascade: list[float] = []
    try:
        of_shuffled, cascade = shuffled(judging.model, (judging.bundle / MODEL_FILE).read_bytes(), hu, rng)
        values |= of_shuffled
    except MissingPartError as error:
        reason = error.found
    figures = judge_checks(values, judging.clusters(chosen["patient_id"]), judging.counts, judging.level)
    steps = [{"share": share, "rank_correlation": r} for share, r in zip(CASCADE, cascade, strict=False)]
    return figures, {"shuffles": SHUFFLES, "shift": SHIFT, "cascade": steps, "reason": reason, "marks": WORDS}


def _described(card: Card) -> dict[str, Any]:
    """How the maps were read."""
    return {
        "tolerance": TOLERANCE,
        "iou_threshold": IOU_THRESHOLD,
        "grid_px": card.input_size,
        "energy": "odds" if card.pooling == "log_mean_exp" else "positive values",
        "extent": "probability of a cell" if card.pooling == "log_mean_exp" else "positive values",
        "sizes_mm2": {name: [low, None if high == float("inf") else high] for name, low, high in SIZES},
    }
