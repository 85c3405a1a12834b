"""A scan that was not ended: its rows lie in the run folder, part by part, until all files were looked at.

A part holds the rows of the next files in the order of the walk. Its mark, written last, says how many files were
looked at by then and which names led there: if they still do, a scan that starts again goes on behind the last mark.
Memory holds one part, or the rows of one archive.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import polars as pl

import plainscan
from plainscan.dicom.scan import Gatherer, Scanned
from plainscan.dicom.who import Numbers
from plainscan.storage import whole_file
from plainscan.tables import CATALOGUE, REJECTS, empty, write

FOLDER: Final = "scan.parts"
ROWS: Final = 20_000
WHO: Final = "who"  # digests that numbers stand for, until the scan is whole; then they are dropped with the parts

Files = Iterator[tuple[str, Iterator[Scanned]]]


class Parts:
    """The parts of one scan.

    Args:
        folder: The run folder.
        source: What is scanned; parts of another source, or of another version, are dropped.
    """

    def __init__(self, folder: Path, source: Path) -> None:
        self._run, self._folder = folder, folder / FOLDER
        self._whose = f"{plainscan.__version__} {source.absolute()}"
        self._number, self.files, self._names = self._last_mark()
        self._numbers = Numbers()
        for number in range(self._number):
            self._numbers.recall(json.loads(self._path(number, WHO).read_text(encoding="ascii")))

    def _path(self, number: int, kind: str) -> Path:
        return self._folder / f"{number:06}.{kind}"

    def _last_mark(self) -> tuple[int, int, str]:
        marks = sorted(self._folder.glob("*.json"))
        try:
            mark = json.loads(marks[-1].read_text(encoding="utf-8", errors="surrogateescape"))
            if mark["whose"] == self._whose:
                return len(marks), int(mark["files"]), str(mark["names"])
        except (OSError, ValueError, LookupError, TypeError):
            pass
        shutil.rmtree(self._folder, ignore_errors=True)
        return 0, 0, ""

    def fill(self, files: Callable[[], Files]) -> Iterator[str]:
        """Look at the files that no part holds; each path as it is passed, also of those that were looked at before."""
        found, names = files(), hashlib.sha256()
        for _, (path, _) in zip(range(self.files), found, strict=False):
            names.update(_line(path))
            yield path
        if self.files and names.hexdigest() != self._names:  # files have come or gone
            shutil.rmtree(self._folder)
            self._number = self.files = 0
            self._numbers = Numbers()
            found, names = files(), hashlib.sha256()
        tables = Gatherer(CATALOGUE), Gatherer(REJECTS)
        for path, scanned in found:
            for rows, reject in scanned:
                self._numbers.replace(rows)
                tables[0].add(rows)
                tables[1].add([reject] if reject else [])
            names.update(_line(path))
            self.files += 1
            if sum(table.height for table in tables) >= ROWS:
                self._put(tables, names.hexdigest())
                tables = Gatherer(CATALOGUE), Gatherer(REJECTS)
            yield path
        self._put(tables, names.hexdigest())

    def _put(self, tables: tuple[Gatherer, Gatherer], names: str) -> None:
        for name, gathered in zip(("catalogue", "rejects"), tables, strict=True):
            data = io.BytesIO()
            gathered.frame().write_parquet(data)
            _keep(self._path(self._number, name), data.getvalue())
        _keep(self._path(self._number, WHO), json.dumps(self._numbers.news()).encode())
        mark = {"whose": self._whose, "files": self.files, "names": names}
        _keep(self._path(self._number, "json"), json.dumps(mark).encode())
        self._number += 1

    def finish(self) -> None:
        """Put both tables in place, whole, and drop the parts.

        Raises:
            StorageError: The disk is full.
        """
        for table in (CATALOGUE, REJECTS):
            parts = [self._path(number, table.name) for number in range(self._number)]
            if not parts:
                write(empty(table), self._run, table)
                continue
            with whole_file(table.path(self._run)) as partial, partial.open("wb") as stream:
                pl.scan_parquet(parts).sink_parquet(stream, row_group_size=ROWS)
        shutil.rmtree(self._folder, ignore_errors=True)


def _line(path: str) -> bytes:
    return path.encode("utf-8", "surrogatepass") + b"\0"


def _keep(path: Path, data: bytes) -> None:
    """On the disk when this returns: a mark must not outlive a part in a power cut."""
    with whole_file(path) as partial, partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
