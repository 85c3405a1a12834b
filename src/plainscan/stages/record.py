"""What every stage shares: skip when nothing changed, leave a run record, show progress.

A stage module has ``run(folder, settings) -> Counts``. Its body is wrapped by ``recorded``, which

1. compares settings and input hashes with ``<stage>.run.json`` and skips when they and the outputs agree;
2. removes the old record, so that an interrupted stage never looks whole;
3. runs the work and writes the new record: settings, input and output hashes, version, counts, wall time.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import plainscan
from plainscan.tables import file_hash, whole_file

Counts = dict[str, int | float | str]
T = TypeVar("T")

console = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """One line to the person at the terminal (stderr; standard output is for results)."""
    console.print(text, markup=False, soft_wrap=True)


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Pass items through and show a progress bar on stderr."""
    if total is None and isinstance(items, Sequence):
        total = len(items)
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=not sys.stderr.isatty()) as progress:
        yield from progress.track(items, total=total, description=label)


def fingerprint(path: Path) -> str:
    """SHA-256 of a file; of a folder, over the names, sizes and times of its files (not their bytes)."""
    if path.is_file():
        return file_hash(path)
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        status = file.stat()
        digest.update(f"{file.relative_to(path)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def recorded(
    stage: str,
    folder: Path,
    settings: BaseModel,
    work: Callable[[], Counts],
    *,
    inputs: Sequence[Path],
    outputs: Sequence[Path],
) -> Counts:
    """Run a stage's work, or skip it when nothing changed.

    Args:
        stage: Its name.
        folder: The run folder.
        settings: Its section of the configuration.
        work: Does it and returns counts.
        inputs: Files and folders it reads.
        outputs: Files and folders it leaves.

    Returns:
        The counts, from the record when skipped.
    """
    path = folder / f"{stage}.run.json"
    asked = {
        "stage": stage,
        "plainscan": plainscan.__version__,
        "settings": settings.model_dump(mode="json"),
        "inputs": {p.name: fingerprint(p) for p in inputs if p.exists()},
    }
    known = _read(path)
    if known and {key: known.get(key) for key in (*asked, "outputs")} == asked | {"outputs": _hashes(outputs)}:
        say(f"{stage}: unchanged, skipped")
        return dict(known["counts"])
    path.unlink(missing_ok=True)
    started = time.monotonic()
    counts = work()
    seconds = time.monotonic() - started
    record = {**asked, "outputs": _hashes(outputs), "counts": counts, "wall_time_s": round(seconds, 2)}
    with whole_file(path) as partial:
        partial.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"{stage}: {', '.join(f'{value} {key}' for key, value in counts.items())} ({seconds:.1f} s)")
    return counts


def _hashes(paths: Sequence[Path]) -> dict[str, str]:
    return {p.name: fingerprint(p) for p in paths if p.exists()}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
