"""What a bundle's card learns from tuning slices: how logits become probabilities, and where a finding begins."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.bundle import Calibration, OperatingPoint
from plainscan.counted import counted
from plainscan.errors import LabelError
from plainscan.evaluation.calibration import IDENTITY, fit_platt
from plainscan.evaluation.operating_point import choose_operating_point
from plainscan.evaluation.units import study_labels
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.inference.ahead import ahead
from plainscan.inference.context import Logits, among_neighbors
from plainscan.inference.engine import Model
from plainscan.inference.held_out import RunSlices, row_place
from plainscan.inference.kept import Keep
from plainscan.inference.predict import score, study_probability
from plainscan.stages.record import say, track
from plainscan.tables import MANIFEST, PREPARED, read


def check_classes(rows: pl.DataFrame, source: str) -> None:
    """Refuse slices of which some must have any finding and some must not.

    Args:
        rows: Of the prepared table.
        source: What they are called.

    Raises:
        LabelError: They are all alike, as far as they are labeled.
    """
    known = rows[ANY_FINDING].drop_nulls()
    if known.n_unique() < 2:
        alike = f"{known[0]} on all {counted(len(known), 'labeled slices')}" if len(known) else "not known on any slice"
        raise LabelError(
            f"{ANY_FINDING} is {alike} of {source}",
            where=PREPARED.name,
            expected="slices with and slices without",
            remedy="Label more slices (`plainscan label --slices`), or split with another seed or larger shares.",
        )


def every_slice(folder: Path, prepared: pl.DataFrame) -> pl.DataFrame:
    """All slices of a run's studies with their labels: from the manifest, which also has those that nobody could read.

    A run of `world` has none, and has prepared all that it made.

    Args:
        folder: The run folder.
        prepared: Its prepared table.
    """
    return read(folder, MANIFEST) if MANIFEST.path(folder).is_file() else prepared


def row_logits(
    model: Model, slices: RunSlices, rows: pl.DataFrame, label: str, keep: Keep | None = None
) -> NDArray[np.float32]:
    """Logits (slices, findings) of rows of the prepared table, each among its neighbors.

    Args:
        model: A loaded bundle.
        slices: Where the pixels are.
        rows: Of the prepared table.
        label: Of the progress bar.
        keep: ``kept`` with its file, where a kill is to lose little of the scoring.
    """
    listed = rows.to_dicts()

    def scored_from(done: int) -> Iterator[Logits]:
        alone = ahead(lambda hu: score(model, hu[None]).logits, map(slices.hu, listed[done:]), model.threads)
        yield from track(alone, label, len(listed) - done)

    logits = keep(scored_from) if keep else np.concatenate(list(scored_from(0)))
    return among_neighbors(logits, [row_place(row) for row in listed], model.card.context_mm)


def fit_calibration(
    logits: NDArray[np.float32], labels: NDArray[np.float32], source: str = "tune"
) -> tuple[Calibration, ...]:
    """Platt scaling, finding by finding; the identity where the slices cannot tell.

    Args:
        logits: (slices, findings).
        labels: (slices, findings): 1 present, 0 absent, NaN not known.
        source: What the card calls these slices.
    """
    result = []
    for i, finding in enumerate(FINDING_KEYS):
        known = ~np.isnan(labels[:, i])
        fitted = fit_platt(logits[known, i], labels[known, i])
        if fitted is IDENTITY:  # the logits do not rise with the label: nothing was fitted
            result.append(Calibration(finding=finding))
            continue
        slope, intercept = fitted
        result.append(Calibration(finding=finding, slope=slope, intercept=intercept, fitted_on=source))
    return tuple(result)


def choose_points(
    rows: pl.DataFrame,
    whole: pl.DataFrame,
    probability: NDArray[np.float64],
    labels: NDArray[np.float32],
    target: float,
    source: str = "tune",
) -> tuple[OperatingPoint, ...]:
    """One a finding at slice level where the slices hold both classes; and one for any finding at study level.

    Args:
        rows: The slices, of the prepared table.
        whole: From ``every_slice``: a study is ill or not as a whole, also by its slices in another split.
        probability: (slices, findings), calibrated.
        labels: (slices, findings): 1 present, 0 absent, NaN not known.
        target: Least sensitivity.
        source: What the card calls these slices.
    """
    choose = partial(_point, target=target, source=source)
    points = [choose("slice", key, probability[:, i], labels[:, i]) for i, key in enumerate(FINDING_KEYS)]
    studies = rows["study_uid"].to_numpy()
    groups = [np.flatnonzero(studies == uid) for uid in dict.fromkeys(studies)]
    known = dict(study_labels(whole).select("study_uid", ANY_FINDING).iter_rows())
    truth = np.array([known[uid] for uid in dict.fromkeys(studies)], np.float32)  # None becomes NaN
    study = np.array([study_probability(probability[g, 0]) for g in groups])
    points.append(choose("study", ANY_FINDING, study, truth))
    if points[-1] is None:
        say(f"{source} holds studies of one class only; no operating point at study level")
    return tuple(point for point in points if point is not None)


def _point(
    level: Literal["slice", "study"],
    finding: str,
    probability: NDArray[np.float64],
    labels: NDArray[np.float32],
    target: float,
    source: str,
) -> OperatingPoint | None:
    known = ~np.isnan(labels)
    choice = choose_operating_point(probability[known], labels[known], target)
    if choice is None:
        return None
    rule = f"highest specificity with sensitivity >= {target:g}"
    return OperatingPoint(level=level, finding=finding, rule=rule, chosen_on=source, **choice._asdict())


def split_counts(frame: pl.DataFrame) -> dict[str, int]:
    """How much of what some rows of the prepared table hold, for a card."""
    return {
        "patients": frame["patient_id"].n_unique(),
        "studies": frame["study_uid"].n_unique(),
        "slices": frame.height,
        ANY_FINDING: int((frame[ANY_FINDING] == 1).sum()),
        "no_finding": int((frame[ANY_FINDING] == 0).sum()),
    }
