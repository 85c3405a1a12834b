"""The tables of a run as CSV, for whoever has a spreadsheet and no Python: ``plainscan sheets``.

It is no stage: it writes no table and no record.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from plainscan.counted import counted
from plainscan.errors import TableError
from plainscan.spreadsheet import MARKED, csv_text
from plainscan.stages.record import say
from plainscan.storage import whole_file
from plainscan.tables import TABLES, read

DIGITS: Final = 8  # of a number: enough to see on which side of a threshold a probability lies


def write_sheets(run: Path, out: Path) -> None:
    """Write each table of a run as ``out/NAME.csv``; a file of that name is replaced.

    Args:
        run: A folder with tables of plainscan.
        out: Made if it is not there.

    Raises:
        TableError: There is no table in the folder, or one is not as declared.
        StorageError: The files cannot be written.
    """
    present = [table for table in TABLES if table.path(run).is_file()]
    if not present:
        raise TableError(
            "no table in it",
            where=str(run),
            expected="a run folder",
            remedy="Name the folder that was given to a stage as RUN or --out.",
        )
    for table in present:
        frame = read(run, table)
        with whole_file(out / f"{table.name}.csv") as partial:
            partial.write_text(csv_text(frame, DIGITS), encoding=MARKED, newline="")
        say(f"{table.name}.csv: {counted(frame.height, 'rows', ',')}")
    say(f"sheets: docs/reference/tables.md says what each column means. They identify patients as the run does. {out}")
