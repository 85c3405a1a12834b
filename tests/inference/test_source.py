"""What a source that cannot be scored is said to be."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from tests.inference.tiny_bundle import head_slice
from tests.stages.tiny_study import ROOT, write_slice

from plainscan.dicom.read import Reader
from plainscan.dicom.scan import Scanned
from plainscan.errors import SourceError
from plainscan.inference.source import Source, collect


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


def flags(found: Source) -> dict[object, tuple[str, ...]]:
    return {study.slices[0].row["study"]: study.flags for study in found.studies}


@pytest.mark.parametrize("left", [0, 600])
def test_a_file_beside_the_slices_that_cannot_be_read_makes_a_study_incomplete(tmp_path: Path, left: int) -> None:
    for study in (1, 2):
        for i in range(4):
            write_slice(tmp_path / f"s{study}" / f"{i}.dcm", head_slice(), i, study=study)
    whole = write_slice(tmp_path / "s1" / "4.dcm", head_slice(), 4)
    whole.write_bytes(whole.read_bytes()[:left])
    (tmp_path / "s2" / "letter.txt").write_text("no image")
    assert flags(collect(tmp_path)) == {f"{ROOT}.1": ("incomplete",), f"{ROOT}.2": ()}


def test_in_a_folder_of_several_studies_nobody_knows_whose_a_damaged_file_was(tmp_path: Path) -> None:
    for study in (1, 2):
        for i in range(4):
            write_slice(tmp_path / f"{study}_{i}.dcm", head_slice(), i, study=study)
    (tmp_path / "empty.dcm").touch()
    assert set(flags(collect(tmp_path)).values()) == {()}


def test_a_folder_in_an_archive_is_one_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for study in (1, 2):
            for i in range(4):
                path = write_slice(tmp_path / "made" / "x.dcm", head_slice(), i, study=study)
                archive.write(path, f"s{study}/{i}.dcm")
        archive.writestr("s2/4.dcm", b"")
    assert flags(collect(tmp_path / "a.zip")) == {f"{ROOT}.1": (), f"{ROOT}.2": ("incomplete",)}


@pytest.mark.parametrize("change", ["pixels", "header", "damage"])
def test_of_two_files_of_one_instance_those_that_differ_are_told(tmp_path: Path, change: str) -> None:
    for i in range(4):
        write_slice(tmp_path / f"{i}.dcm", head_slice(), i)
    second = write_slice(tmp_path / "copy.dcm", head_slice(brain=0.38 if change == "pixels" else 0.40), 2)
    if change == "header":
        ds = pydicom.dcmread(second)
        ds.InstitutionName = "EXPORTED AGAIN"
        ds.save_as(second)
    elif change == "damage":
        second.write_bytes(second.read_bytes()[:-99])
    (study,) = collect(tmp_path).studies
    with Reader() as reader:
        found = [item.read(reader)[1] for item in study.slices]
    assert found == [(), (), ("conflicting_copies",) if change == "pixels" else (), ()]


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
