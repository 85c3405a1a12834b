"""Stage ``label``: reports and slice labels into one row of labels per cohort slice. Missing is null, never 0."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeAlias

import polars as pl

from plainscan.config import LabelSettings
from plainscan.counted import counted
from plainscan.errors import LabelError, ReportError
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.reports.label import read_report
from plainscan.reports.place import Places, read_places
from plainscan.stages.record import Counts, recorded, say, track
from plainscan.stages.report_files import read_reports
from plainscan.stages.slice_table import read_slice_table
from plainscan.tables import (
    COHORT,
    LABELS,
    REPORT_FINDINGS,
    SLICE_KEY,
    TRUTH,
    empty,
    from_rows,
    read,
    write,
)

NO_FINDING: Final = "report:no_finding"
_NEXT: Final = (
    "a report labels only the slices of a study without any. Label slices (--slices), or let `plainscan slices` "
    "propose them (docs/how-to/from-studies-to-slices.md)"
)
SliceKey: TypeAlias = tuple[str, str, str, int]
Labels: TypeAlias = dict[SliceKey, dict[str, int | None]]


def run(folder: Path, settings: LabelSettings) -> Counts:
    """Write ``labels.parquet`` and ``report_findings.parquet``.

    Slices are labeled by the slice table or the synthetic truth. A report that finds nothing labels the slices of
    its study 0 that have no label of their own; a finding in a report never labels a slice.

    Raises:
        ReportError: A report's encoding, columns or study is wrong, the message names file and row; or no report is of
            the cohort.
        LabelError: A slice label is wrong, repeated, contradictory or of an unknown slice; or there is no source.
    """
    sources = [path for path in (settings.reports, settings.slices, _truth_file(settings)) if path]
    return recorded(
        "label",
        folder,
        settings,
        lambda: _work(folder, settings),
        inputs=[COHORT.path(folder), *sources],
        outputs=[LABELS.path(folder), REPORT_FINDINGS.path(folder)],
    )


def _truth_file(settings: LabelSettings) -> Path | None:
    return TRUTH.path(settings.truth) if settings.truth else None


def _work(folder: Path, settings: LabelSettings) -> Counts:
    if (settings.slices and settings.truth) or not (settings.reports or settings.slices or settings.truth):
        raise LabelError(
            "both --slices and --truth" if settings.slices else "no source of labels",
            where="label",
            expected="--reports, --slices or --truth (RUN of `phantom`); only one of the last two",
            code="label_sources",
        )
    cohort = read(folder, COHORT)
    said = _report_findings(settings.reports, cohort) if settings.reports else empty(REPORT_FINDINGS)
    source = "truth" if settings.truth else "slices"
    own = _truth(settings.truth, cohort) if settings.truth else {}
    if settings.slices:
        own = read_slice_table(settings.slices, cohort, folder, "label")
    labels = _merge(cohort, own, source, said)
    write(said, folder, REPORT_FINDINGS)
    write(labels, folder, LABELS)
    known = labels.get_column(ANY_FINDING)
    if not (known == 1).any():
        say(f"label: no slice with a finding: {_NEXT if settings.reports else 'to train, label some that have one'}")
    return {
        "slices": len(labels),
        "any finding": int((known == 1).sum()),
        "no finding": int((known == 0).sum()),
        "not labeled": known.null_count(),
        "reports": said.get_column("study_uid").n_unique(),
        "studies where report and slices disagree": _disagreements(
            labels.filter(pl.col("label_source") == source), said
        ),
    }


def _report_findings(path: Path, cohort: pl.DataFrame) -> pl.DataFrame:
    reports = read_reports(path)
    studies = set(cohort.get_column("study_uid"))
    if not studies & reports.keys():
        raise ReportError(
            f"none of its {counted(len(reports), 'reports')} belongs to a study of the cohort",
            where=str(path),
            expected=f"study_uid as in {COHORT.path(Path()).name}",
            remedy="Check that it is the right file, and that its study_uid are those of the DICOM files.",
            code="no_report_of_the_cohort",
        )
    outside = len(reports.keys() - studies)
    if outside:
        say(f"label: {counted(outside, 'reports')} of studies that are not in the cohort; not used")
    silent = len(studies - reports.keys())
    if silent:
        say(f"label: {silent} of {counted(len(studies), 'studies')} without a report")
    known = track(sorted(studies & reports.keys()), "label")
    said = from_rows([row for study in known for row in _said(study, reports[study])], REPORT_FINDINGS)
    unclear = said.filter((pl.col("finding") == ANY_FINDING) & (pl.col("status") == "uncertain")).height
    if unclear:
        say(f"label: {counted(unclear, 'reports')} uncertain, so no label; `plainscan explain` shows by which words")
    return said


def _said(study: str, report: str) -> list[dict[str, object]]:
    """The rows of a report."""
    found = read_report(report)
    normal = all(mention.status == "absent" for mention in found.values())
    places = {} if normal else read_places(report)
    return [
        {
            "study_uid": study,
            "finding": finding,
            "status": mention.status,
            "sentence": mention.sentence,
            "start": mention.start,
            "end": mention.end,
            "sites": list(places.get(finding, Places()).sites),
            "slice_numbers": list(places.get(finding, Places()).slices),
        }
        for finding, mention in found.items()
    ]


def _truth(folder: Path, cohort: pl.DataFrame) -> Labels:
    truth = cohort.select(SLICE_KEY).join(read(folder, TRUTH), on=SLICE_KEY, how="inner")
    return _by_key(truth.select(*SLICE_KEY, *FINDING_KEYS).iter_rows())


def _by_key(rows: Iterable[tuple[object, ...]]) -> Labels:
    return {row[:4]: dict(zip(FINDING_KEYS, row[4:], strict=True)) for row in rows}  # type: ignore[misc, arg-type]


def _merge(cohort: pl.DataFrame, own: Labels, source: str, said: pl.DataFrame) -> pl.DataFrame:
    """One row per cohort slice: its own label, else 0 by a report without findings, else null."""
    none_said = set(said.filter((pl.col("finding") == ANY_FINDING) & (pl.col("status") == "absent"))["study_uid"])
    none_said -= {key[0] for key, values in own.items() if values.get(ANY_FINDING) == 1}
    rows: list[dict[str, object]] = []
    for key in cohort.select(SLICE_KEY).iter_rows():
        row = dict(zip(SLICE_KEY, key, strict=True))
        if key in own:
            row |= {**own[key], "label_source": source}
        elif key[0] in none_said:
            row |= {**dict.fromkeys(FINDING_KEYS, 0), "label_source": NO_FINDING}
        rows.append(row)
    return from_rows(rows, LABELS)


def _disagreements(labels: pl.DataFrame, said: pl.DataFrame) -> int:
    """Studies whose report and slices contradict each other; said aloud when there are any."""
    slices = labels.group_by("study_uid").agg(
        positive=(pl.col(ANY_FINDING) == 1).any(), clear=(pl.col(ANY_FINDING) == 0).all(ignore_nulls=False)
    )
    both = said.filter(pl.col("finding") == ANY_FINDING).join(slices, on="study_uid")
    missed = both.filter((pl.col("status") == "absent") & pl.col("positive")).height
    unseen = both.filter((pl.col("status") == "present") & pl.col("clear")).height
    if missed:
        say(f"label: {counted(missed, 'reports')} without finding where slices are labeled 1; the slice labels count")
    if unseen:
        say(
            f"label: {counted(unseen, 'reports')} with a finding where slices are all labeled 0; the slice labels count"
        )
    return missed + unseen
