"""Stage ``select``: ``catalogue`` into ``cohort`` and ``exclusions``, with the flow diagram; opens no pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import polars as pl

from plainscan.cohort.flow import flow
from plainscan.cohort.flow_picture import draw
from plainscan.cohort.select import select
from plainscan.config import SelectSettings
from plainscan.counted import counted
from plainscan.dicom.scan import REJECT_CODES
from plainscan.errors import SourceError
from plainscan.stages.record import Counts, recorded, say
from plainscan.storage import whole_file
from plainscan.tables import CATALOGUE, COHORT, EXCLUSIONS, REJECTS, read, write

FLOW_PICTURE: Final = "flow.svg"
FLOW_DATA: Final = "flow.json"
MOST_LINES: Final = 10
RULES: Final = "select-2"  # change it with any change that moves what is chosen, a reason or a remark


def run(folder: Path, settings: SelectSettings) -> Counts:
    """Write ``cohort.parquet``, ``exclusions.parquet``, ``flow.svg`` and ``flow.json``.

    Raises:
        SourceError: The catalogue is empty.
        TableError: There is no catalogue.
    """
    tables = [COHORT.path(folder), EXCLUSIONS.path(folder)]
    return recorded(
        "select",
        folder,
        settings,
        lambda: _work(folder, settings),
        inputs=[CATALOGUE.path(folder), REJECTS.path(folder)],
        outputs=[*tables, folder / FLOW_PICTURE, folder / FLOW_DATA],
        rules=RULES,
    )


def _work(folder: Path, settings: SelectSettings) -> Counts:
    catalogue = read(folder, CATALOGUE)
    if catalogue.is_empty():
        raise SourceError(
            "no image in it",
            where=CATALOGUE.path(folder).name,
            expected="at least one image to select from",
            remedy=f"Read in {REJECTS.path(folder).name} why scan catalogued none, and scan a source that holds CT.",
            code="no_images",
        )
    rejects = read(folder, REJECTS) if REJECTS.path(folder).is_file() else None
    cohort, exclusions = select(catalogue, settings, rejects)
    write(cohort, folder, COHORT)
    write(exclusions, folder, EXCLUSIONS)
    found = flow(catalogue, cohort, exclusions, rejects, REJECT_CODES)
    with whole_file(folder / FLOW_PICTURE) as partial:
        partial.write_text(draw(found), encoding="utf-8")
    with whole_file(folder / FLOW_DATA) as partial:
        partial.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _say_series(catalogue, cohort)
    _say_few(cohort, settings.minimum_slices)
    _say_exclusions(exclusions)
    lost = exclusions.filter(pl.col("level") == "study").height
    return {
        "patients": cohort["patient_id"].n_unique(),
        "studies": cohort["study_uid"].n_unique(),
        "slices": cohort.height,
        "studies without a suitable series": lost,
    }


def _say_series(catalogue: pl.DataFrame, cohort: pl.DataFrame) -> None:
    """One line a chosen series, by its number: descriptions may hold names and are not shown."""
    numbers = dict(catalogue.select("series_uid", "series_number").unique("series_uid").iter_rows())
    groups = cohort.group_by("study_uid", "series_uid", maintain_order=True)
    for count, ((_, series), group) in enumerate(groups, 1):
        if count > MOST_LINES:
            say(f"select: ... and {cohort['series_uid'].n_unique() - MOST_LINES} more series")
            return
        row = group.row(0, named=True)
        spacing = group["slice_position_mm"].diff().drop_nulls().to_list()
        between = f"spacing {min(spacing):.2f} to {max(spacing):.2f} mm" if spacing else "one slice"
        flags = f"; {', '.join(row['flags'])}" if row["flags"] else ""
        number = numbers.get(series)
        named = "series without a number" if number is None else f"series {number}"
        slices = counted(group.height, "slices")
        say(f"select: {named}: {slices}, tilt {row['tilt_deg']:+.1f} deg, {between}{flags}")


def _say_few(cohort: pl.DataFrame, minimum_slices: int) -> None:
    count = cohort.filter(pl.col("flags").list.contains("few_slices"))["series_uid"].n_unique()
    if count:
        say(f"select: {count} series kept with fewer than {minimum_slices} slices: most are missing (few_slices)")


def _say_exclusions(exclusions: pl.DataFrame) -> None:
    mixed = exclusions.filter(pl.col("level") == "study", pl.col("code") == "several_patients").height
    if mixed:
        studies = counted(mixed, "studies")
        say(f"select: {studies} left out whole: their images name more than one patient (several_patients)")
    images = exclusions.filter(pl.col("level") != "study")
    groups = images.group_by("code").agg(pl.col("slices").sum(), pl.col("series_uid").n_unique())
    for code, slices, series in groups.sort("slices", "code", descending=[True, False]).iter_rows():
        say(f"select: {counted(slices, 'images')} of {series} series left out: {code}")
