"""Rows of a slice-label table to labels of cohort slices, each row accounted for.

Rules: docs/reference/labels.md. A value is 1, 0 or empty (not known, which stays null).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import polars as pl

from plainscan.errors import LabelError
from plainscan.findings import ANY_FINDING, SPECIFIC_KEYS, find

SliceKey: TypeAlias = tuple[str, str, str, int]
Row: TypeAlias = Mapping[str, str]

_VALUES: Final = {"1": 1, "1.0": 1, "0": 0, "0.0": 0, "": None}
_KEY_COLUMNS: Final = ("instance_uid", "file", "frame")


@dataclass(frozen=True)
class SliceLabels:
    """What a slice-label table says."""

    labels: dict[SliceKey, dict[str, int | None]]
    unused_columns: tuple[str, ...]
    outside: int  # rows that name a slice of the catalogue which is not in the cohort


def read_slice_labels(
    rows: Sequence[Row], cohort: pl.DataFrame, where: str, elsewhere: Collection[str] = ()
) -> SliceLabels:
    """Labels by slice.

    Args:
        rows: Row i of the file is item i - 2; all have the same columns.
        cohort: Slice key and ``path``.
        where: The file's name, for messages.
        elsewhere: Instances and paths that are known but not in the cohort.

    Raises:
        LabelError: No row, no key or finding column, a value that is not 1, 0 or empty, an unknown or repeated slice,
            a file name that several known files share, or ``any_finding`` 0 beside a finding 1. The message names the
            row.
    """
    if not rows:
        raise LabelError("no row below the header", where=where, expected="one row per slice", code="no_labels")
    columns = list(rows[0])
    findings = _finding_columns(columns, where)
    slices = _Slices(cohort, frozenset(elsewhere))
    labels: dict[SliceKey, dict[str, int | None]] = {}
    first_row: dict[SliceKey, int] = {}
    outside = 0
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row.values()):
            continue  # a spreadsheet may leave empty rows at the end
        place = f"{where}: row {number}"
        key = slices.find(row, place)
        values = _values(row, findings, place)
        if key is None:
            outside += 1
            continue
        if key in first_row:
            raise LabelError(
                f"the slice of row {first_row[key]} again",
                where=place,
                expected="one row per slice",
                remedy="Delete one of the two.",
                code="duplicate_label",
            )
        first_row[key], labels[key] = number, values
    unused = tuple(name for name in columns if name not in findings and name.lower() not in _KEY_COLUMNS)
    return SliceLabels(labels, unused, outside)


def _finding_columns(columns: Sequence[str], where: str) -> dict[str, str]:
    """Finding key by column name."""
    findings = {name: finding.key for name in columns if (finding := find(name))}
    named = any(name.lower() in _KEY_COLUMNS[:2] for name in columns)
    if not findings or not named:  # without a header the first row may name somebody: it is not quoted
        raise LabelError(
            "no column of a finding" if named else "no column instance_uid or file",
            where=f"{where}: row 1",
            expected="instance_uid or file, and at least one finding such as any_finding",
            remedy="See docs/reference/labels.md.",
            code="label_columns",
        )
    keys = list(findings.values())
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise LabelError(f"two columns for {', '.join(twice)}", where=f"{where}: row 1", code="duplicate_column")
    return findings


def _values(row: Row, findings: Mapping[str, str], where: str) -> dict[str, int | None]:
    values: dict[str, int | None] = {}
    for name, key in findings.items():
        cell = row[name].strip()
        if cell not in _VALUES:
            raise LabelError(
                f"value {shown(cell)} in column {name}",
                where=where,
                expected="1 (present), 0 (absent) or empty (not known)",
                code="label_value",
            )
        values[key] = _VALUES[cell]
    return consistent(values, where)


def shown(cell: str) -> str:
    """A cell as a message may hold it: quoted where it is too short to be somebody's name, else by its length.

    >>> shown("2"), shown("Zhang San")
    ("'2'", 'of 9 characters')
    """
    return repr(cell) if len(cell) <= 3 and cell.isascii() else f"of {len(cell)} characters"


def consistent(values: dict[str, int | None], where: str) -> dict[str, int | None]:
    """The values with ``any_finding`` 1 where a specific finding is 1.

    Raises:
        LabelError: ``any_finding`` is 0 beside a specific finding 1.
    """
    present = [key for key in SPECIFIC_KEYS if values.get(key) == 1]
    if present and values.get(ANY_FINDING) == 0:
        raise LabelError(
            f"{ANY_FINDING} 0 beside {', '.join(present)} 1",
            where=where,
            expected=f"{ANY_FINDING} 1 or empty",
            remedy="Correct the row.",
            code="contradictory_label",
        )
    return {**values, ANY_FINDING: 1} if present else values


class _Slices:
    """Finds the cohort slice that a row names."""

    def __init__(self, cohort: pl.DataFrame, elsewhere: frozenset[str]) -> None:
        self._by_name: dict[str, list[SliceKey]] = defaultdict(list)
        self._elsewhere = elsewhere | {_file_name(name) for name in elsewhere}
        for *key, path in cohort.select("study_uid", "series_uid", "instance_uid", "frame", "path").iter_rows():
            slice_key: SliceKey = (key[0], key[1], key[2], key[3])
            for name in {key[2], path, _file_name(path)}:
                self._by_name[name].append(slice_key)
        self._instances = frozenset(cohort["instance_uid"])
        self._files: dict[str, set[str]] = defaultdict(set)  # by file name, in the cohort or not
        for name in elsewhere.union(cohort["path"]):
            self._files[_file_name(name)].add(name)

    def find(self, row: Row, where: str) -> SliceKey | None:
        """The slice's key; None for one that was left out of the cohort."""
        cells = {name.lower(): cell.strip() for name, cell in row.items()}
        name = cells.get("instance_uid") or cells.get("file", "").replace("\\", "/")
        keys = self._by_name.get(name, [])
        frame = cells.get("frame", "")
        if frame:
            keys = [key for key in keys if str(key[3]) == frame]
        files = set() if name in self._instances else self._files.get(name, set())
        if keys and len(files) > 1:  # the row may mean a file that was left out, perhaps another patient's
            raise LabelError(
                f"{len(files)} files of that name",
                where=where,
                expected="an instance_uid, or a file as a path below the source",
                remedy="Use the full path or the instance_uid.",
                code="ambiguous_file",
            )
        if len(keys) == 1:
            return keys[0]
        if not keys and name in self._elsewhere:
            return None
        raise LabelError(
            f"{len(keys)} slices of that name" if keys else "an empty or unknown slice name",
            where=where,
            expected="an instance_uid, or a file as a path below the source, that names one cohort slice",
            remedy="Add a column frame, or use the full path." if keys else "Correct or delete the row.",
            code="ambiguous_slice" if keys else "unknown_slice",
        )


def _file_name(path: str) -> str:
    return path.replace("::", "/").rsplit("/", 1)[-1]
