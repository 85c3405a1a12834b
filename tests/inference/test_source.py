"""What a source that cannot be scored is said to be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plainscan.dicom.scan import Scanned
from plainscan.errors import SourceError
from plainscan.inference.source import collect


def test_a_folder_that_may_not_be_listed_is_not_called_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = os.scandir

    def scandir(folder: Any) -> Any:
        if Path(folder) == tmp_path:  # root may read everything: the refusal of the system is made here
            raise PermissionError(13, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    found = collect(tmp_path)
    assert found.studies == []
    assert [row["not_scored"] for row in found.left_out] == ["unreadable_folder"]


def test_every_file_that_is_looked_at_can_be_watched(tmp_path: Path) -> None:
    for name in ("a.txt", "b/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no image")
    watched: list[Scanned] = []

    def watch(scanned: Iterable[Scanned]) -> Iterator[Scanned]:
        for one in scanned:
            watched.append(one)
            yield one

    found = collect(tmp_path, watch=watch)
    assert len(watched) == len(found.left_out) == 2


def test_pictures_behind_a_folder_that_is_not_gone_into_are_rows_not_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "in"
    for name in ("a.png", "shut/b.png", "open/c.png", ".trash/d.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (tmp_path / "far").mkdir()
    (root / "link").symlink_to(tmp_path / "far")
    real: Callable[..., Any] = os.scandir

    def scandir(folder: Any) -> Any:
        if Path(folder) == root / "shut":  # root may read everything: the refusal of the system is made here
            raise PermissionError(13, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    found = collect(root, (40, 80))
    assert [study.slices[0].row["file"] for study in found.studies] == ["a.png", "open/c.png"]
    left_out = {row["file"]: row["not_scored"] for row in found.left_out}
    assert left_out == {"shut": "unreadable_folder", "link": "link_to_folder"}


def test_an_empty_folder_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    with pytest.raises(SourceError, match="an empty folder"):
        collect(tmp_path)
