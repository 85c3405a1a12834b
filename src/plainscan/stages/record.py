"""What every stage shares: skip when nothing changed, leave a run record, show progress.

A stage module has ``run(folder, settings) -> Counts``. Its body is wrapped by ``recorded``, which

1. makes the folder and locks it, so that two commands never write to one run folder at once;
2. compares settings and input hashes with ``<stage>.run.json`` and skips when they and the outputs agree;
3. puts the mark ``<stage>.begun.json`` in the record's place, so that an interrupted stage never looks whole;
4. runs the work and writes the new record: settings, input and output hashes, version, counts, wall time.

A stage that fails before it touches what it makes, as on a typo in its input, leaves the old record in force.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import plainscan
from plainscan.counted import counted
from plainscan.errors import StorageError, printable, storage_error
from plainscan.storage import file_hash, whole_file

Counts = dict[str, int | float | str | list[str]]  # a list is for the record, not for the terminal
T = TypeVar("T")

QUIET_S: Final = 30.0  # without a terminal: often enough to see that it lives, too seldom to fill a log

console = Console(stderr=True, highlight=False)
_bars: Final[list[Progress]] = []  # those on the screen


def say(text: str) -> None:
    """One line to the person at the terminal (stderr; standard output is for results)."""
    console.print(printable(text), markup=False, soft_wrap=True)


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Pass items through and show a progress bar on stderr; it goes when the items or the stage end.

    Where stderr is no terminal, such as a log file, a line every ``QUIET_S`` seconds says how far it is.
    """
    if total is None and isinstance(items, Sequence):
        total = len(items)
    if not console.is_terminal:
        yield from _said(items, label, total)
        return
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        _bars.append(progress)
        try:
            yield from progress.track(items, total=total, description=label)
        finally:
            _bars.remove(progress)


def _said(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    last = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - last >= QUIET_S:
            say(f"{label}: {done}" + (f" of {total}" if total is not None else ""))
            last = time.monotonic()
        yield item


def fingerprint(path: Path) -> str:
    """SHA-256 of a file; of a folder, over the names, sizes and times of its files (not their bytes)."""
    if path.is_file():
        return file_hash(path)
    digest = hashlib.sha256()
    for file in _said(_files(path), f"files seen in {path.name}", None):
        status = file.stat()
        name = os.fsencode(file.relative_to(path))  # a name need not be UTF-8
        digest.update(name + f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    """The files in a folder, in order; a folder at a time, as a share may hold millions of files."""
    for parent, folders, names in os.walk(path):
        folders.sort()
        yield from (file for file in (Path(parent, name) for name in sorted(names)) if file.is_file())


def refuse_inside(folder: Path, source: Path) -> None:
    """Refuse a run folder that is its source or lies in it: a source is never written to.

    Raises:
        StorageError: It is or does, symbolic links followed.
    """
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise StorageError(
            "the results would lie inside the source",
            where=str(folder),
            expected="a folder outside the source",
            remedy="Choose another --out.",
        )


def recorded(
    stage: str,
    folder: Path,
    settings: BaseModel,
    work: Callable[[], Counts],
    *,
    inputs: Sequence[Path],
    outputs: Sequence[Path],
    rules: str = "",
) -> Counts:
    """Run a stage's work, or skip it when nothing changed.

    Args:
        stage: Its name.
        folder: The run folder.
        settings: Its section of the configuration.
        work: Does it and returns counts.
        inputs: Files and folders it reads.
        outputs: Files and folders it leaves.
        rules: Name of the rules that it works by, where these may change while the settings stay.

    Returns:
        The counts, from the record when skipped.

    Raises:
        StorageError: The folder cannot be made or written, the disk is full, or another command is at work in it.
    """
    with _locked(folder):
        try:
            asked = {
                "stage": stage,
                "plainscan": plainscan.__version__,
                "rules": rules,
                "settings": settings.model_dump(mode="json"),
                "inputs": _hashes(inputs),
            }
            return _recorded(folder / f"{stage}.run.json", asked, work, outputs)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise storage_error(error, folder) from error
            raise
        finally:
            for bar in _bars:  # an error holds on to the frames that it passed, and they to the bars that they watched
                bar.stop()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a run folder for one command; one that was made for a command that failed at once goes again."""
    known = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise storage_error(error, folder) from error
    try:
        _lock(handle, folder)
        yield
    except BaseException:
        if not known:
            with suppress(OSError):  # not empty: something was made
                folder.rmdir()
        raise
    finally:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)  # also for child processes that still hold a copy
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StorageError(
            "another plainscan command is at work in it",
            where=str(folder),
            expected="one command at a time",
            remedy="Wait for it to end, or choose another folder.",
            code="busy",
        ) from error
    except OSError:
        return  # a network disk without locks: nothing to hold


def _recorded(path: Path, asked: dict[str, Any], work: Callable[[], Counts], outputs: Sequence[Path]) -> Counts:
    stage = asked["stage"]
    known, before = _read(path), _hashes(outputs)
    if known and {key: known.get(key) for key in (*asked, "outputs")} == asked | {"outputs": before}:
        say(f"{stage}: unchanged, skipped")
        return dict(known["counts"])
    started = time.monotonic()
    with _begun(path, stage, outputs, before):
        counts = work()
        seconds = time.monotonic() - started
        record = {**asked, "outputs": _hashes(outputs), "counts": counts, "wall_time_s": round(seconds, 2)}
        _write(path, record)
    said = [counted(value, key) for key, value in counts.items() if not isinstance(value, list)]
    say(f"{stage}: {', '.join(said)} ({seconds:.1f} s)")
    return counts


@contextmanager
def _begun(path: Path, stage: str, outputs: Sequence[Path], before: dict[str, str]) -> Iterator[None]:
    """Put a mark in the record's place while a stage works; it stays when the stage does not end.

    A stage that fails and has touched no output leaves record and mark as they were: the old record still speaks for
    the tables that lie there. One that is stopped does not, as nobody asked for what an earlier run made.
    """
    mark, old = _mark(path.parent, stage), path.read_bytes() if path.is_file() else None
    unended_before = old is None and mark.exists()
    _write(mark, {"stage": stage, "plainscan": plainscan.__version__, "makes": [output.name for output in outputs]})
    path.unlink(missing_ok=True)
    try:
        yield
    except Exception:
        with suppress(OSError):  # the mark stays
            if not unended_before and _hashes(outputs) == before:
                _put_back(path, old)
                mark.unlink()
        raise
    mark.unlink()


def _put_back(path: Path, old: bytes | None) -> None:
    if old is None:
        path.unlink(missing_ok=True)
        return
    with whole_file(path) as partial:
        partial.write_bytes(old)


def _mark(folder: Path, stage: str) -> Path:
    return folder / f"{stage}.begun.json"


def unended(folder: Path, stage: str) -> list[str]:
    """What lies in a run folder of a stage that began there and did not end, by name."""
    if (folder / f"{stage}.run.json").is_file():
        return []
    makes = (_read(_mark(folder, stage)) or {}).get("makes")
    return [name for name in makes if (folder / str(name)).exists()] if isinstance(makes, list) else []


def _write(path: Path, record: dict[str, Any]) -> None:
    with whole_file(path) as partial:
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def _hashes(paths: Sequence[Path]) -> dict[str, str]:
    """By name; several of one name, such as a source and a bundle that are both called `model`, stand side by side."""
    found: dict[str, list[str]] = {}
    for path in paths:
        if path.exists():
            found.setdefault(path.name, []).append(fingerprint(path))
    return {name: " ".join(hashes) for name, hashes in found.items()}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
