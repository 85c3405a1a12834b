"""What a transfer remembers between two runs: one line of JSON for each thing that happened.

A study stands here under the hash of its UID, so the journal holds no identifier. It only saves questions to the
PACS: which instances have come is told by the disk. A line that a crash cut off is skipped.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any, Final, NamedTuple

NAME: Final = "fetch.journal.jsonl"


class Whole(NamedTuple):
    """A study that was complete.

    Args:
        instances: How many were asked for and came.
        told: How many the PACS then counted, in all series; empty when it did not say.
    """

    instances: int
    told: str


class Journal:
    """The journal of a run folder; may be written by several threads.

    Args:
        folder: The run folder.
        query: Name of what was asked for; studies found by another query are another's.
    """

    def __init__(self, folder: Path, query: str) -> None:
        self._path, self._query = folder / NAME, query
        self._lock = threading.Lock()
        self._found: dict[str, None] = {}
        self._whole: dict[str, Whole] = {}
        for line in self._lines():
            self._learn(line)

    def _lines(self) -> list[dict[str, Any]]:
        if not self._path.is_file():
            return []
        lines = []
        for text in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and isinstance(line.get("study"), str):
                lines.append(line)
        return lines

    def _learn(self, line: dict[str, Any]) -> None:
        if line.get("query") != self._query:
            return
        self._found[line["study"]] = None
        if line.get("state") == "complete":
            self._whole[line["study"]] = Whole(int(line.get("instances", 0)), str(line.get("told", "")))
        elif "state" in line:
            self._whole.pop(line["study"], None)

    @property
    def found(self) -> list[str]:
        """Folders of the studies that this query found before."""
        return list(self._found)

    def whole(self, folder: str) -> Whole | None:
        """What was known of a study when it was complete; None for one that was not."""
        return self._whole.get(folder)

    def note(self, *folders: str, **what: str | int) -> None:
        """Write a line for each folder, so that they are on the disk when this returns.

        Raises:
            OSError: The disk is full or cannot be written.
        """
        lines: list[dict[str, Any]] = [{"study": folder, "query": self._query, **what} for folder in folders]
        with self._lock, self._path.open("ab+") as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a crash, or a full disk, cut the last line off
                    file.write(b"\n")
            file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
            for line in lines:
                self._learn(line)
