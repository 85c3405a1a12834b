"""Is every table made from the ones that lie beside it now? The run records know.

`split` again without `prepare`, or `label` again without `split`, leaves tables that no longer belong together.
Figures from such a folder describe an experiment that nobody made.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from plainscan.errors import TableError
from plainscan.stages.record import fingerprint, unended
from plainscan.tables import SLICE_LABELS, TABLES, TRUTH

ORDER: Final = ("images", "select", "label", "score", "slices", "split", "prepare", "leak", "train", "evaluate")
# Folders are not held against records: their fingerprint holds times, which a copy of a run changes.
_TABLES: Final = tuple(f"{table.name}.parquet" for table in TABLES if table is not TRUTH)
_OPTIONAL: Final = {"split": f"{SLICE_LABELS.name}.parquet"}  # what a stage reads where it is there
_TOGETHER: Final = "tables that belong together"
_AGAIN: Final = "Run `plainscan {stage}` again, then the stages after it."


def check_fresh(folder: Path, stage: str) -> None:
    """Refuse a run folder in which a stage before this one did not end, or read other tables than lie there now.

    A table that was made or replaced by hand passes: a record speaks only for the tables it wrote.

    Args:
        folder: The run folder.
        stage: The stage about to run.

    Raises:
        TableError: Names the stage to run again.
    """
    for earlier in ORDER[: ORDER.index(stage)]:
        for name in unended(folder, earlier):
            found = f"`{earlier}` did not end when it ran last; this is half made or of an earlier run"
            raise _stale(folder / name, found, "what a stage left that ended", earlier)
        record = _record(folder, earlier)
        if _changed(folder, record, "outputs"):
            continue
        for name in _changed(folder, record, "inputs"):
            raise _stale(folder / name, f"changed since `{earlier}` read it", _TOGETHER, earlier)
        for name in _appeared(folder, earlier, record):
            raise _stale(folder / name, f"new since `{earlier}` ran", _TOGETHER, earlier)


def _stale(where: Path, found: str, expected: str, stage: str) -> TableError:
    return TableError(found, where=str(where), expected=expected, remedy=_AGAIN.format(stage=stage), code="stale")


def _record(folder: Path, stage: str) -> dict[str, Any]:
    try:
        found = json.loads((folder / f"{stage}.run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _changed(folder: Path, record: dict[str, Any], side: str) -> list[str]:
    """Tables on one side of a record whose bytes are others now; one that is not there cannot be told."""
    known = record.get(side)
    pairs = known.items() if isinstance(known, dict) else ()
    return [
        name
        for name, digest in pairs
        if name in _TABLES and (folder / name).is_file() and fingerprint(folder / name) != digest
    ]


def _appeared(folder: Path, stage: str, record: dict[str, Any]) -> list[str]:
    """A table that a stage would read now and that was not there when it ran."""
    name, known = _OPTIONAL.get(stage), record.get("inputs")
    return [name] if name and isinstance(known, dict) and name not in known and (folder / name).is_file() else []
