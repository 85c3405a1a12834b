"""A person's table of slice labels, CSV or .xlsx, against the cohort of a run folder."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl

from plainscan.cohort.slice_labels import SliceKey, read_slice_labels
from plainscan.counted import counted
from plainscan.errors import LabelError
from plainscan.stages.record import say
from plainscan.stages.report_files import file_rows
from plainscan.tables import CATALOGUE, read


def read_slice_table(
    path: Path, cohort: pl.DataFrame, folder: Path, stage: str, passed_over: Collection[str] = ()
) -> dict[SliceKey, dict[str, int | None]]:
    """Labels by slice; columns and rows that are not used are said.

    Args:
        path: The table.
        cohort: Of the run folder.
        folder: The run folder; its catalogue tells slices that were left out from those that nobody knows.
        stage: Who says it.
        passed_over: Columns that need no mention.

    Raises:
        LabelError: It cannot be read, or see ``cohort.slice_labels``; the message names file and row.
    """
    elsewhere: set[str] = set()
    if CATALOGUE.path(folder).is_file():
        catalogue = read(folder, CATALOGUE)
        elsewhere = {name for column in ("instance_uid", "path") for name in catalogue.get_column(column) if name}
    found = read_slice_labels(file_rows(path, str(path), LabelError), cohort, str(path), elsewhere)
    unused = [name for name in found.unused_columns if name not in passed_over]
    if unused:
        say(f"{stage}: columns not used: {', '.join(unused)}")
    if found.outside:
        say(f"{stage}: {counted(found.outside, 'rows')} of slices that are not in the cohort; not used")
    return found.labels
