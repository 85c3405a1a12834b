"""The tables of a run as CSV, for whoever has a spreadsheet and no Python: ``plainscan sheets``.

It is no stage: it writes no table, and its record holds no more than which files are its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from plainscan.counted import counted
from plainscan.errors import StorageError, TableError
from plainscan.spreadsheet import MARKED, csv_text
from plainscan.stages.record import say
from plainscan.storage import file_hash, whole_file
from plainscan.tables import TABLES, Table, read

DIGITS: Final = 8  # of a number: enough to see on which side of a threshold a probability lies
RECORD: Final = "sheets.run.json"


def write_sheets(run: Path, out: Path) -> None:
    """Write each table of a run as ``out/NAME.csv``; one that it wrote before is replaced.

    Args:
        run: A folder with tables of plainscan.
        out: Made if it is not there.

    Raises:
        TableError: There is no table in the folder, or one is not as declared.
        StorageError: A file of that name is somebody's own, then none is written; or the files cannot be written.
    """
    present = [table for table in TABLES if table.path(run).is_file()]
    if not present:
        raise TableError(
            "no table in it",
            where=str(run),
            expected="a run folder",
            remedy="Name the folder that was given to a stage as RUN or --out.",
        )
    ours = _ours(out)
    _refuse_others(run, out, present, ours)
    for table in present:
        frame, path = read(run, table), out / f"{table.name}.csv"
        with whole_file(path) as partial:
            partial.write_text(csv_text(frame, DIGITS), encoding=MARKED, newline="")
        ours[path.name] = file_hash(path)
        with whole_file(out / RECORD) as partial:
            partial.write_text(json.dumps({"outputs": ours}, indent=2) + "\n", encoding="utf-8")
        say(f"{table.name}.csv: {counted(frame.height, 'rows', ',')}")
    say(f"sheets: docs/reference/tables.md says what each column means. They identify patients as the run does. {out}")


def _ours(out: Path) -> dict[str, str]:
    """Hash by name of the files that it wrote to a folder before."""
    try:
        known = json.loads((out / RECORD).read_text(encoding="utf-8"))["outputs"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return known if isinstance(known, dict) else {}


def _refuse_others(run: Path, out: Path, present: Sequence[Table], ours: dict[str, str]) -> None:
    """Stop before a file is lost: one that somebody wrote, or filled in; one that would stay the same may pass."""
    for table in present:
        path = out / f"{table.name}.csv"
        if not path.is_file() or file_hash(path) == ours.get(path.name):
            continue
        if path.read_bytes() != csv_text(read(run, table), DIGITS).encode(MARKED):
            raise StorageError(
                "not written by `sheets`, or changed since; the table would replace it",
                where=str(path),
                expected="a folder without files of these names",
                remedy="Choose another --out, or move the file.",
            )
