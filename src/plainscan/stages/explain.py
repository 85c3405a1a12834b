"""A page that shows why reports read as they do: ``plainscan explain``.

It is no stage: it writes no table and no record.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from plainscan.counted import counted
from plainscan.errors import StorageError
from plainscan.reports.page import explain
from plainscan.stages.record import say
from plainscan.stages.report_files import KINDS, read_reports
from plainscan.storage import whole_file

MOST: Final = 500  # reports on one page: a browser still opens it


def write_page(source: Path, out: Path) -> None:
    """Write the page for the first reports of a source, in the order of their studies.

    Args:
        source: Anything that ``label --reports`` reads.
        out: The page; a file that is there is replaced.

    Raises:
        ReportError: The source cannot be read.
        StorageError: The page would take the place of a report, or cannot be written.
    """
    if _holds(source, out):
        raise StorageError(
            "the page would replace the reports",
            where=str(out),
            expected="another file than those that it is made from",
            remedy="Choose another --out, such as why.html.",
        )
    reports = read_reports(source)
    shown = dict(sorted(reports.items())[:MOST])
    left = len(reports) - len(shown)
    note = f"{counted(len(shown), 'reports')}{f'; {left} more not shown' if left else ''}."
    with whole_file(out) as place:
        place.write_text(explain(shown, note), encoding="utf-8")
    say(f"explain: {note} {out}")


def _holds(source: Path, out: Path) -> bool:
    """Whether a file of reports is at ``out``, links followed."""
    at = out.resolve()
    return at == source.resolve() or (at.parent == source.resolve() and at.suffix.lower() in KINDS)
