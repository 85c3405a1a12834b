"""From scored test slices to everything `metrics.json` says of them. Pure: frames in, dictionaries out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.evaluation import metrics as m
from plainscan.evaluation import strata
from plainscan.evaluation.bootstrap import FEW, Counts, Figure
from plainscan.evaluation.hemorrhage import ANY_HEMORRHAGE, JUDGED_KEYS, with_label, with_score
from plainscan.evaluation.judge import OF_PROBABILITY, Units, judge, judge_place
from plainscan.evaluation.units import Elsewhere, against_clean, patient_rows, slice_units, studies, study_units
from plainscan.findings import ANY_FINDING, FINDING_KEYS, HEMORRHAGE_KEYS

SPLITS: Final = ("train", "tune", "test")
FEW_PATIENTS: Final = 30
SYNTHETIC_MAKER: Final = "SYNTH-"  # how the phantom's manufacturers begin
AGAINST_CLEAN: Final = "against_clean_"  # before the figures of the hemorrhages against slices with no finding
SPREAD_STUDIES: Final = "not estimable: split by image, the slices of a study lie in several splits"


@dataclass(frozen=True)
class Frozen:
    """What the bundle fixed before the test split was opened.

    Args:
        aggregate: A study's probability from its slices'.
        thresholds: (level, finding) -> threshold; a pair that is absent has no figures at a threshold.
        calibrated: Findings whose probability was fitted on tune.
    """

    aggregate: Callable[[NDArray[np.float64]], float]
    thresholds: Mapping[tuple[str, str], float]
    calibrated: frozenset[str] = frozenset(FINDING_KEYS)


@dataclass(frozen=True)
class Judged:
    """Figures of all findings, and the units behind those of any finding, for the plots."""

    figures: list[Figure]
    slices: Units
    studies: Units
    positive_patients: dict[str, int]


def judge_all(
    frame: pl.DataFrame,
    elsewhere: Elsewhere,
    whole: pl.DataFrame,
    frozen: Frozen,
    counts: Counts,
    confidence: float,
) -> Judged:
    """Every finding, and any hemorrhage, at slice and study level.

    The latter is not estimable where studies are spread over splits.

    Args:
        frame: Predictions to judge, `tables.PREDICTIONS`.
        elsewhere: Train and tune, for scores of place alone.
        whole: All slices of these studies, scored or not: a study's labels come from all of them.
        frozen: Of the bundle.
        counts: From ``bootstrap.draw``, one column per patient of ``frame``.
        confidence: Such as 0.95.
    """
    cohort = _Cohort.of(frame, elsewhere, whole, frozen)
    kept = {finding: cohort.units(finding) for finding in JUDGED_KEYS}
    figures, patients = [], {}
    for finding, (at_slice, at_study) in kept.items():
        figures += _figures(finding, judge(at_slice, counts, confidence))
        figures += cohort.said(_figures(finding, judge(at_study, counts, confidence)))
        patients[finding] = int(np.unique(at_slice.group.cluster[at_slice.group.labels == 1]).size)
    for kind in (ANY_HEMORRHAGE, *HEMORRHAGE_KEYS):
        at_slice, at_study = cohort.against_clean(kind)
        figures += judge_place(at_slice, counts, confidence, AGAINST_CLEAN)
        figures += cohort.said(judge_place(at_study, counts, confidence, AGAINST_CLEAN))
    return Judged(figures, *kept[ANY_FINDING], patients)


def _figures(finding: str, judged: list[Figure]) -> list[Figure]:
    """Without those of a probability for any hemorrhage, whose score is none."""
    return [f for f in judged if finding != ANY_HEMORRHAGE or f.figure not in OF_PROBABILITY]


@dataclass(frozen=True)
class _Cohort:
    """The slices and studies to judge, each with labels and scores of any hemorrhage too."""

    slices: pl.DataFrame
    studies: pl.DataFrame
    whole: bool  # no patient's slices lie in several splits
    elsewhere: Elsewhere
    frozen: Frozen

    @classmethod
    def of(cls, frame: pl.DataFrame, elsewhere: Elsewhere, whole: pl.DataFrame, frozen: Frozen) -> _Cohort:
        others, ours = elsewhere.frame.select("patient_id", "split"), frame.select("patient_id", split=pl.lit("test"))
        slices = with_score(with_label(frame))
        found = studies(slices, frozen.aggregate, with_label(whole))
        together = split_unit(pl.concat([others, ours])) == "patient"
        labeled = replace(elsewhere, frame=with_label(elsewhere.frame))
        return cls(slices, found if together else found.clear(), together, labeled, frozen)

    def units(self, finding: str) -> tuple[Units, Units]:
        """Slices and studies of one finding."""
        rows, thresholds = patient_rows(self.slices), self.frozen.thresholds
        known = finding in self.frozen.calibrated or finding == ANY_HEMORRHAGE
        at = [thresholds.get((level, finding)) for level in ("slice", "study")]
        return (
            slice_units(self.slices, finding, rows, self.elsewhere, at[0], known),
            study_units(self.studies, finding, rows, at[1], known),
        )

    def against_clean(self, kind: str) -> tuple[Units, Units]:
        """Slices and studies with one kind of hemorrhage and clean ones, by the score of any: was the blood seen?"""
        score, rows = pl.col(f"probability_{ANY_HEMORRHAGE}").alias(f"probability_{kind}"), patient_rows(self.slices)
        slices, whole = (against_clean(frame, kind).with_columns(score) for frame in (self.slices, self.studies))
        return slice_units(slices, kind, rows, self.elsewhere, None), study_units(whole, kind, rows, None)

    def said(self, of_studies: list[Figure]) -> list[Figure]:
        """Figures of studies, with the reason where there can be none."""
        return of_studies if self.whole else [replace(figure, note=SPREAD_STUDIES) for figure in of_studies]


def confusion_counts(units: Units) -> dict[str, int] | None:
    """TP, FN, FP, TN at the threshold; None without a threshold or a unit."""
    if units.threshold is None or not units.group.labels.size:
        return None
    found = m.confusion(units.probability >= units.threshold, units.group.labels, m.once(units.group.labels.size))
    return {name: int(cell[0]) for name, cell in found._asdict().items()}


def split_table(manifest: pl.DataFrame) -> list[dict[str, int | str]]:
    """Patients, studies, slices and labels of each split; a split without a slice has zeros."""
    label = pl.col(ANY_FINDING)
    found = manifest.group_by("split").agg(
        pl.col("patient_id").n_unique().alias("patients"),
        pl.col("study_uid").n_unique().alias("studies"),
        pl.len().alias("slices"),
        (label == 1).sum().alias("any_finding"),
        (label == 0).sum().alias("no_finding"),
        label.is_null().sum().alias("unlabeled"),
    )
    known = {row["split"]: row for row in found.iter_rows(named=True)}
    zeros = {name: 0 for name in found.columns if name != "split"}
    return [known.get(split, {"split": split, **zeros}) for split in SPLITS]


def split_unit(manifest: pl.DataFrame) -> str:
    """Say "patient" when no patient is in two splits, else "image"."""
    spread = manifest.group_by("patient_id").agg(pl.col("split").n_unique())["split"].max()
    return "patient" if spread is None or spread == 1 else "image"


def is_synthetic(manifest: pl.DataFrame) -> bool:
    """Whether a slice says that the phantom made it."""
    return bool(manifest["manufacturer"].str.starts_with(SYNTHETIC_MAKER).any())


def patients_by_class(frame: pl.DataFrame) -> tuple[int, int]:
    """Patients with at least one slice with any finding, and with at least one without."""
    with_, without = (frame.filter(pl.col(ANY_FINDING) == label)["patient_id"].n_unique() for label in (1, 0))
    return with_, without


def warnings(unit: str, synthetic: bool, splits: Sequence[Mapping[str, Any]], by_class: tuple[int, int]) -> list[str]:
    """What a reader must know before the first figure.

    Args:
        unit: ``patient`` or ``image``.
        synthetic: The phantom made the slices.
        splits: From ``split_table``; the last one is test.
        by_class: From ``patients_by_class``, of test.
    """
    found = []
    if unit == "image":
        found.append(
            "This run was split by image: slices of the same patients are in train and in test. Its figures are "
            "inflated and say nothing about a new patient. It is here to show that effect."
        )
    if synthetic:
        found.append(
            "These images and reports are synthetic. The figures show that the method works from end to end, "
            "not how it does on patients."
        )
    if not all(by_class):
        found.append("The test labels hold one class only: no figure that compares the classes is estimable.")
    return found + _few_patients(int(splits[-1]["patients"]), by_class)


def _few_patients(patients: int, by_class: tuple[int, int]) -> list[str]:
    rarer, side = min(zip(by_class, ("with a finding", "without one"), strict=True))
    holds = f"The test split holds {patients} patient{'' if patients == 1 else 's'}"
    if rarer == 1:
        return [f"{holds}, and its slices {side} are of one patient: no interval can be given for most figures."]
    if 1 < rarer < FEW:
        return [f"{holds}, {rarer} of them with slices {side}: the intervals marked † are much too narrow."]
    if patients < FEW_PATIENTS:
        return [f"{holds}. With fewer than about {FEW_PATIENTS}, intervals by resampling patients are too narrow."]
    return []


def limits(unit: str, synthetic: bool, external: bool = False) -> list[str]:
    """What the figures do not say.

    Args:
        unit: ``patient`` or ``image``.
        synthetic: The phantom made the slices.
        external: The bundle was trained elsewhere.
    """
    source = "synthetic studies" if synthetic else "the cohort of this run"
    part = "The labeled slices" if external else "One test split"
    found = [
        f"{part} of {source}; no other hospital, scanner or protocol was tried.",
        "The reference standard is the labels of this run. “No finding” means that no finding of this project's "
        "list was marked on the slice, not that nothing is there.",
        "Intervals hold the chance in who the test patients were, not the chance in training or in the split.",
        "Fifteen findings are judged side by side without correction: the best of them is partly luck.",
        "Precision depends on how common findings are in this test split, and will differ in practice.",
        "A heat map shows where evidence was found, not what it is, nor where a lesion ends.",
    ]
    if unit == "image":
        found.insert(0, "Split by image: see the warning above.")
    return found


def strata_words(others: str) -> dict[str, str]:
    """How slices are put together by place.

    Args:
        others: The slices that the brain-area bins come from, such as "train and tune".
    """
    return {
        "height": f"{strata.HEIGHT_BINS} bins of equal width from the lowest slice (0) to the vertex (1); each pair of "
        "a slice with a finding and one without, both in one bin, counts once",
        "brain_area": f"share of the picture between 15 and 60 HU, {strata.AREA_BINS} bins that hold equally many "
        f"slices of {others}",
    }
