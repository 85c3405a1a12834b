"""Stage ``scan``: a folder, ZIP or file of anything into ``catalogue`` and ``rejects``; headers only."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from plainscan.config import ScanSettings
from plainscan.counted import counted
from plainscan.dicom.files import count_files, medium
from plainscan.dicom.scan import scan_files
from plainscan.errors import SourceError
from plainscan.stages.record import Counts, recorded, refuse_inside, say, track
from plainscan.stages.scan_parts import Parts
from plainscan.tables import CATALOGUE, REJECTS


def run(folder: Path, settings: ScanSettings) -> Counts:
    """Write ``catalogue.parquet`` and ``rejects.parquet``.

    Raises:
        SourceError: There is no such source, or no DICOM image in it.
    """
    source = medium(settings.source)
    refuse_inside(folder, source)
    if source.is_dir():  # the names alone of a large share take minutes, before there is a number to show
        say(f"scan: looking for files in {settings.source}")
    outputs = [table.path(folder) for table in (CATALOGUE, REJECTS)]
    return recorded("scan", folder, settings, lambda: _work(folder, source), inputs=[source], outputs=outputs)


def _work(folder: Path, source: Path) -> Counts:
    total = _count(source)
    if not total:  # a share that is not connected, perhaps: what is known of it stays
        raise _no_images(source, 0, "Is it the right folder, and connected?")
    parts = Parts(folder, source)
    if parts.files:
        say(f"scan: going on behind {counted(parts.files, 'files')} looked at before")
    for _ in track(parts.fill(lambda: scan_files(source)), "scan", total=total):
        pass
    parts.finish()
    catalogue, rejects = (pl.scan_parquet(table.path(folder)) for table in (CATALOGUE, REJECTS))
    _say_rejects(rejects)
    uids = pl.col("series_uid", "study_uid").n_unique()
    images, series, studies = catalogue.select(pl.len(), uids).collect(engine="streaming").row(0)
    refused = rejects.select(pl.len()).collect().item()
    if not images:
        raise _no_images(source, refused, f"Read why in {REJECTS.path(folder).name}.")
    return {"images": images, "series": series, "studies": studies, "rejects": refused}


def _no_images(source: Path, refused: int, remedy: str) -> SourceError:
    return SourceError(
        f"no DICOM image among {counted(refused, 'files')}",
        where=str(source),
        expected="CT images as DICOM files, in folders or ZIPs",
        remedy=remedy,
        code="no_images",
    )


def _count(source: Path) -> int:
    """How many files there are."""
    return count_files(source) if source.is_dir() else 1


def _say_rejects(rejects: pl.LazyFrame) -> None:
    counts = rejects.group_by("code").len().sort("len", "code", descending=[True, False]).collect(engine="streaming")
    for code, count in counts.iter_rows():
        say(f"scan: {count} not catalogued: {code}")
