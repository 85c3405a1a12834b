"""The journal of ``deidentify``: what became of each finished study, so that an interrupted run goes on.

It holds identifiers, and therefore lies beside the key, never among the results.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from plainscan.errors import StorageError
from plainscan.storage import whole_file

JOURNAL: Final = "journal.jsonl"
Row = dict[str, Any]


class Result(NamedTuple):
    """What became of a study: rows of the two tables and its cleaned report, if it has one that passed."""

    rows: list[Row]
    links: list[Row]
    report: str | None


def records_of(key: Path, out: Path) -> Path:
    """The folder beside the key that holds what must not go out with the results."""
    return key.with_name(f"{key.name}.records") / out.resolve().name


def refuse_foreign(out: Path, records: Path) -> None:
    """Refuse a folder of results that holds anything which this key's journal does not know of.

    Raises:
        StorageError: It does.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())) and not (records / JOURNAL).is_file():
        raise StorageError(
            "files of another origin, or made with another key",
            where=str(out),
            expected="an empty folder, or what the same command left there",
            remedy="Choose another OUT.",
        )


class Journal:
    """Finished studies, a line each; a torn last line is as if it were not there.

    Args:
        records: The folder beside the key.
        stamp: Everything the results depend on but the source: key, rules, settings, place.
    """

    def __init__(self, records: Path, stamp: list[Any]) -> None:
        self._path = records / JOURNAL
        first = json.dumps(stamp, sort_keys=True)
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.is_file() else [first]
        if lines[:1] != [first]:
            raise StorageError(
                "results of other settings, another version or another place",
                where=str(self._path),
                expected="what the same command left there",
                remedy="Choose another OUT; the two would not fit together.",
            )
        self._done = {mark: result for line in lines[1:] for mark, result in _parse(line)}
        kept = [json.dumps([mark, *result], ensure_ascii=False) for mark, result in self._done.items()]
        with whole_file(self._path) as partial:
            partial.touch(mode=0o600)
            partial.write_text("\n".join([first, *kept]) + "\n", encoding="utf-8", errors="surrogateescape")

    def find(self, mark: str) -> Result | None:
        """The result of a study that was made from the same files, if there is one."""
        return self._done.get(mark)

    def add(self, mark: str, result: Result) -> None:
        """Write a finished study down."""
        with self._path.open("a", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(json.dumps([mark, *result], ensure_ascii=False) + "\n")

    def discard(self) -> None:
        """Take it away again, with the key that it belongs to."""
        self._path.unlink()


def _parse(line: str) -> Iterator[tuple[str, Result]]:
    try:
        mark, rows, links, report = json.loads(line)
    except ValueError:
        return
    yield str(mark), Result(rows, links, report)
