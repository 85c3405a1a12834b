"""Small tables that a person writes about leaks: which patients are one, which pairs may stay apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from plainscan.cohort.twins import groups
from plainscan.errors import SourceError
from plainscan.reports.encoding import decode, table_rows
from plainscan.stages.chain import check_fresh
from plainscan.tables import MANIFEST, SLICE_KEY, read

JOINS: Final = ("patient_id", "same_as")
ACCEPTED: Final = ("pair", "who", "why")


class Accepted(NamedTuple):
    """Who lets a pair stay on two sides of the split, and why."""

    who: str
    why: str


def read_joins(path: Path) -> dict[str, str]:
    """Patient identifier -> the identifier that stands for all of its group.

    Raises:
        SourceError: It is no CSV with these columns, or a field is empty; no identifier is in the message.
    """
    return groups((row["patient_id"], row["same_as"]) for row in _rows(path, JOINS))


def as_joined(folder: Path, cohort: pl.DataFrame) -> pl.DataFrame:
    """The cohort with the patients that `split --joined` made of its identifiers, where the run folder has a split.

    Args:
        folder: The run folder.
        cohort: Its table.

    Raises:
        TableError: There are joins, and the cohort or the labels have changed since.
    """
    if not MANIFEST.path(folder).is_file():
        return cohort
    split = read(folder, MANIFEST).select(*SLICE_KEY, pl.col("patient_id").alias("one"))
    both = cohort.join(split, on=SLICE_KEY).select("patient_id", "one").unique()
    joins = groups(both.filter(pl.col("patient_id") != pl.col("one")).iter_rows())
    if joins:
        check_fresh(folder, "prepare")
    return cohort.with_columns(pl.col("patient_id").replace(joins))


def read_accepted(path: Path) -> dict[str, Accepted]:
    """Pair -> who accepts it, and why.

    Raises:
        SourceError: It is no CSV with these columns, nobody signs a pair or says why, or a pair stands there twice.
    """
    rows = _rows(path, ACCEPTED)
    for pair, count in Counter(row["pair"] for row in rows).items():
        if count > 1:
            raise SourceError(f"{pair} twice", where=str(path), expected="one line a pair")
    return {row["pair"]: Accepted(row["who"], row["why"]) for row in rows}


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    expected = f"a CSV with the columns {', '.join(columns)}"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError("cannot be read", where=str(path), expected=expected) from error
    text = f"{decode(data, str(path), SourceError).rstrip()}\n\n"  # an empty row, so that the first is there to ask
    found = table_rows(text, str(path), SourceError)
    missing = [name for name in columns if name not in found[0]]
    if missing:
        raise SourceError(f"no column {', '.join(missing)}", where=str(path), expected=expected)
    rows = []
    for number, cells in enumerate(found, start=2):
        row = {name: cells[name].strip() for name in columns}
        empty = [name for name in columns if not row[name]]
        if len(empty) < len(columns):  # a row of nothing is one that a spreadsheet left
            if empty:
                raise SourceError(
                    f"empty {', '.join(empty)}", where=f"{path}: row {number}", expected="every field filled"
                )
            rows.append(row)
    return rows
