"""Stage ``split``: cohort and labels into the manifest, each slice in train, tune or test."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from plainscan.cohort.leak import leaked_patients, verify
from plainscan.cohort.quota import keep_quota
from plainscan.cohort.split import split_slices
from plainscan.config import SplitSettings
from plainscan.counted import counted
from plainscan.errors import SourceError, SplitError
from plainscan.findings import ANY_FINDING
from plainscan.stages.chain import check_fresh
from plainscan.stages.joined import read_joins
from plainscan.stages.record import Counts, recorded, say
from plainscan.tables import COHORT, LABELS, MANIFEST, SLICE_KEY, SLICE_LABELS, SPLITS, Table, read, write

_BY_IMAGE: Final = (
    "split by image: {shared} of {patients} with slices in more than one split. Neighboring slices of a "
    "patient look alike, so the network is tested on what it has seen and every figure comes out too high "
    "(Yagis et al., Sci Rep 2021;11:22544: 29 to 55 points of accuracy). Use it only to show that effect."
)


def run(folder: Path, settings: SplitSettings) -> Counts:
    """Write ``manifest.parquet``: every cohort slice with its labels and its split.

    Slices whose ``any_finding`` is not known stay in; training masks their loss, evaluation leaves them out.

    Raises:
        SplitError: A split would be empty, a quota cannot be filled, or a patient has no identifier.
        LeakError: A patient is in two splits.
        SourceError: The file of joined identifiers is not as it should be, or of other patients.
        TableError: A table is missing or stale.
    """
    check_fresh(folder, "split")
    return recorded(
        "split",
        folder,
        settings,
        lambda: _work(folder, settings),
        inputs=[
            *(COHORT.path(folder), labels_table(folder).path(folder)),
            *([] if settings.joined is None else [settings.joined]),
        ],
        outputs=[MANIFEST.path(folder)],
    )


def labels_table(folder: Path) -> Table:
    """The last word on labels: what `slices` made of them, where it ran."""
    return SLICE_LABELS if SLICE_LABELS.path(folder).is_file() else LABELS


def read_labels(folder: Path) -> pl.DataFrame:
    """The labels that a split takes, with the columns of `labels` alone.

    Raises:
        TableError: The table is missing or not as declared.
    """
    return read(folder, labels_table(folder)).select(list(LABELS.columns))


def _work(folder: Path, settings: SplitSettings) -> Counts:
    cohort = read(folder, COHORT)
    labeled = cohort.join(read_labels(folder), on=SLICE_KEY, how="left", maintain_order="left")
    if labeled.get_column(ANY_FINDING).null_count() == len(labeled):
        raise SplitError(
            f"none of {counted(len(labeled), 'slices')} has a known {ANY_FINDING}",
            where="labels.parquet",
            expected="labels",
            remedy="Run `plainscan label` with --slices, --reports or --truth.",
            code="no_labels",
        )
    if settings.joined is not None:
        labeled = _joined(labeled, settings.joined)
    kept = keep_quota(labeled, settings.no_finding, settings.any_finding, settings.seed)
    shares = {"train": settings.train, "tune": settings.tune, "test": settings.test}
    manifest = split_slices(kept, shares, settings.unit, settings.seed)
    verify(manifest, settings.unit)
    write(manifest, folder, MANIFEST)
    for line in summary(manifest):
        say(line)
    if settings.unit == "image":
        patients = manifest.get_column("patient_id").n_unique()
        say(_BY_IMAGE.format(shared=leaked_patients(manifest), patients=counted(patients, "patients")))
    return {"slices": len(manifest), **{name: int((manifest["split"] == name).sum()) for name in SPLITS}}


def _joined(labeled: pl.DataFrame, path: Path) -> pl.DataFrame:
    """One identifier for all that belong to one person: from here on they are one patient, in every interval too."""
    joins = read_joins(path)
    before = labeled["patient_id"].n_unique()
    one = labeled.with_columns(pl.col("patient_id").replace(joins))
    absent = len(joins.keys() - set(labeled["patient_id"]))
    if joins and absent == len(joins):
        raise SourceError(
            f"none of its {counted(absent, 'patient identifiers')} is in the cohort",
            where=str(path),
            expected="identifiers of this run's patients",
            remedy="Is it the joins.csv of another run?",
        )
    say(f"split: {counted(before, 'patient identifiers')} of {counted(one['patient_id'].n_unique(), 'patients')}")
    if absent:
        hint = "a spreadsheet drops leading zeros"
        say(f"split: {absent} of {counted(len(joins), 'identifiers')} in {path.name} not in the cohort; {hint}")
    return one


def summary(manifest: pl.DataFrame) -> list[str]:
    """A small table: patients, studies, slices, unlabeled slices and prevalence per split."""
    lines = [f"{'split':<6}{'patients':>9}{'studies':>9}{'slices':>8}{'unlabeled':>11}{'any finding':>13}"]
    for name in SPLITS:
        part = manifest.filter(pl.col("split") == name)
        patients, studies = part["patient_id"].n_unique(), part["study_uid"].n_unique()
        share = part.get_column(ANY_FINDING).mean()
        prevalence = f"{share:.1%}" if isinstance(share, float) else "-"
        unlabeled = part[ANY_FINDING].null_count()
        lines.append(f"{name:<6}{patients:>9}{studies:>9}{len(part):>8}{unlabeled:>11}{prevalence:>13}")
    return lines
