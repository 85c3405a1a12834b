"""Stage ``scan``: a folder, ZIP or file of anything into ``catalogue`` and ``rejects``; headers only."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from plainscan.config import ScanSettings
from plainscan.dicom.files import count_files
from plainscan.dicom.scan import gather, scan
from plainscan.errors import SourceError
from plainscan.stages.record import Counts, recorded, refuse_inside, say, track
from plainscan.tables import CATALOGUE, REJECTS, write


def run(folder: Path, settings: ScanSettings) -> Counts:
    """Write ``catalogue.parquet`` and ``rejects.parquet``.

    Raises:
        SourceError: There is no such source, or no DICOM image in it.
    """
    refuse_inside(folder, settings.source)
    outputs = [table.path(folder) for table in (CATALOGUE, REJECTS)]
    return recorded(
        "scan", folder, settings, lambda: _work(folder, settings), inputs=[settings.source], outputs=outputs
    )


def _work(folder: Path, settings: ScanSettings) -> Counts:
    catalogue, rejects = gather(track(scan(settings.source), "scan", total=_count(settings.source)))
    write(catalogue, folder, CATALOGUE)
    write(rejects, folder, REJECTS)
    _say_rejects(rejects)
    if catalogue.is_empty():
        raise SourceError(
            f"no DICOM image among {rejects.height} files",
            where=str(settings.source),
            expected="CT images as DICOM files, in folders or ZIPs",
            remedy=f"Read why in {REJECTS.path(folder).name}.",
            code="no_images",
        )
    return {
        "images": catalogue.height,
        "series": catalogue["series_uid"].n_unique(),
        "studies": catalogue["study_uid"].n_unique(),
        "rejects": rejects.height,
    }


def _count(source: Path) -> int | None:
    """How many files there are, for the progress bar; unknown for archives and single files."""
    return count_files(source) if source.is_dir() else None


def _say_rejects(rejects: pl.DataFrame) -> None:
    for code, count in rejects.group_by("code").len().sort("len", "code", descending=[True, False]).iter_rows():
        say(f"scan: {count} not catalogued: {code}")
