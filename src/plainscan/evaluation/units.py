"""From the table of test predictions to units that can be judged: slices, and studies made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.evaluation import strata
from plainscan.evaluation.bootstrap import Group
from plainscan.evaluation.hemorrhage import JUDGED_KEYS
from plainscan.evaluation.judge import Units
from plainscan.findings import ANY_FINDING, SPECIFIC_KEYS


@dataclass(frozen=True)
class Elsewhere:
    """What other slices say about place alone: learned there, applied to the slices that are judged.

    Args:
        frame: Train and tune slices, with `slice_height`, `brain_share` (null where not measured) and labels. Without
            a row, as where a bundle from outside is judged, each patient's place is learned on the other patients.
        area_edges: Inner edges of the brain-area bins: deciles of the measured train and tune slices.
    """

    frame: pl.DataFrame
    area_edges: NDArray[np.float64]

    @classmethod
    def of(cls, frame: pl.DataFrame, judged: pl.DataFrame | None = None) -> Elsewhere:
        """Learn the brain-area bins; from the judged slices where there are no others."""
        known = judged if frame.is_empty() and judged is not None else frame
        return cls(frame, strata.quantile_edges(known["brain_share"].drop_nulls().to_numpy()))


def patient_rows(frame: pl.DataFrame) -> dict[str, int]:
    """Column of each patient in the bootstrap's counts, by sorted identifier."""
    return {patient: i for i, patient in enumerate(sorted(frame["patient_id"].unique()))}


def slice_units(
    frame: pl.DataFrame,
    finding: str,
    rows: Mapping[str, int],
    elsewhere: Elsewhere,
    threshold: float | None,
    calibrated: bool = True,
) -> Units:
    """Slices with a label for ``finding``, with their place."""
    known = frame.filter(pl.col(finding).is_not_null())
    height, area = known["slice_height"].to_numpy(), known["brain_share"].to_numpy()
    height_bin, area_bin = strata.equal_width(height), strata.cut(area, elsewhere.area_edges)
    group = _group(known, finding, "slice", rows)
    return Units(
        group,
        known[f"probability_{finding}"].to_numpy(),
        threshold,
        {
            "height": height,
            "learned_height": _learned(elsewhere, group, "slice_height", height_bin),
            "brain_area": area,
            "learned_brain_area": _learned(elsewhere, group, "brain_share", area_bin),
        },
        {"height": height_bin, "brain_area": area_bin},
        calibrated,
    )


def _learned(elsewhere: Elsewhere, group: Group, column: str, bins: NDArray[np.int64]) -> NDArray[np.float64]:
    finding, count = group.finding, strata.HEIGHT_BINS if column == "slice_height" else strata.AREA_BINS
    if elsewhere.frame.is_empty():
        return strata.rate_of_others(bins, group.labels, group.cluster, count)
    frame = elsewhere.frame.filter(pl.col(finding).is_not_null() & pl.col(column).is_not_null())
    values, labels = frame[column].to_numpy(), frame[finding].to_numpy()
    if column == "slice_height":
        return strata.learned_rate(strata.equal_width(values), labels, bins, count)
    return strata.learned_rate(strata.cut(values, elsewhere.area_edges), labels, bins, count)


def study_labels(slices: pl.DataFrame) -> pl.DataFrame:
    """One row per study, in the order of its first slice: `study_uid` and its labels.

    A study has the finding when one of its slices has. It has it not when all its slices are labeled and
    none has; otherwise its label is missing.
    """
    labels = [
        pl.when((pl.col(key).max() == 1) | (pl.col(key).null_count() == 0)).then(pl.col(key).max()).alias(key)
        for key in JUDGED_KEYS
        if key in slices.columns
    ]
    return slices.group_by("study_uid", maintain_order=True).agg(labels)


def studies(
    frame: pl.DataFrame, aggregate: Callable[[NDArray[np.float64]], float], whole: pl.DataFrame | None = None
) -> pl.DataFrame:
    """One row per study: its probabilities by ``aggregate`` of its slices', and its labels.

    Args:
        frame: Scored slices.
        aggregate: A study's probability from its slices'.
        whole: All slices of these studies, scored or not: a study's labels come from all of them.
    """
    rows = [_study(part, aggregate) for part in frame.partition_by("study_uid", maintain_order=True)]
    labels = study_labels(frame if whole is None else whole)
    names = ["study_uid", "patient_id", *_scores(frame)]
    scored = pl.DataFrame(rows, schema={name: frame.schema[name] for name in names})
    return scored.join(labels, on="study_uid", how="left", maintain_order="left")


def _study(slices: pl.DataFrame, aggregate: Callable[[NDArray[np.float64]], float]) -> dict[str, object]:
    row: dict[str, object] = {name: slices[name][0] for name in ("study_uid", "patient_id")}
    for name in _scores(slices):
        row[name] = aggregate(slices[name].to_numpy())
    return row


def _scores(frame: pl.DataFrame) -> list[str]:
    return [name for key in JUDGED_KEYS if (name := f"probability_{key}") in frame.columns]


def against_clean(frame: pl.DataFrame, finding: str) -> pl.DataFrame:
    """Slices or studies with ``finding``, and clean ones: labeled to hold no finding at all.

    A slice with another finding is neither: whether the network should raise an alarm there is another question.
    """
    nothing = pl.all_horizontal(pl.col(key).fill_null(0) == 0 for key in SPECIFIC_KEYS)
    return frame.filter((pl.col(finding) == 1) | ((pl.col(ANY_FINDING) == 0) & (pl.col(finding) == 0) & nothing))


def study_units(
    frame: pl.DataFrame, finding: str, rows: Mapping[str, int], threshold: float | None, calibrated: bool = True
) -> Units:
    """Studies with a label for ``finding``; ``frame`` is from ``studies``."""
    known, column = frame.filter(pl.col(finding).is_not_null()), f"probability_{finding}"
    return Units(_group(known, finding, "study", rows), known[column].to_numpy(), threshold, calibrated=calibrated)


def _group(known: pl.DataFrame, finding: str, level: str, rows: Mapping[str, int]) -> Group:
    cluster = np.array([rows[patient] for patient in known["patient_id"]], np.intp)
    return Group(finding, level, known[finding].to_numpy().astype(np.int8), cluster)
