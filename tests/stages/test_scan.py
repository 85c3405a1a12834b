"""The scan stage on generated files: tables, messages, skipping, refusals."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.stages.tiny_archive import archive

from plainscan.config import ScanSettings
from plainscan.errors import SourceError, StorageError
from plainscan.stages import scan
from plainscan.tables import CATALOGUE, REJECTS, read


def test_scan_leaves_a_catalogue_and_counted_rejects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    counts = scan.run(run, ScanSettings(source=archive(tmp_path / "archive")))
    assert counts == {"images": 16, "series": 3, "studies": 1, "rejects": 1}
    assert read(run, CATALOGUE).height == 16
    assert read(run, REJECTS)["code"].to_list() == ["not_dicom"]
    assert "1 not catalogued: not_dicom" in capsys.readouterr().err


def test_a_sign_of_life_comes_before_the_names_of_the_source_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = archive(tmp_path / "archive")
    told: list[str] = []
    monkeypatch.setattr(scan, "recorded", lambda *_, **__: told.append(capsys.readouterr().err))
    scan.run(tmp_path / "run", ScanSettings(source=source))
    assert told == [f"scan: looking for files in {source}\n"]


def test_an_unchanged_source_is_not_scanned_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ScanSettings(source=archive(tmp_path / "archive"))
    scan.run(tmp_path / "run", settings)
    scan.run(tmp_path / "run", settings)
    assert "scan: unchanged, skipped" in capsys.readouterr().err


def test_a_source_without_images_leaves_its_rejects_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("x")
    with pytest.raises(SourceError, match="no DICOM image among 1 file"):
        scan.run(tmp_path / "run", ScanSettings(source=tmp_path / "in"))
    assert read(tmp_path / "run", REJECTS).height == 1
    with pytest.raises(SourceError, match="no such file or folder"):
        scan.run(tmp_path / "run", ScanSettings(source=tmp_path / "gone"))


def test_an_archive_that_has_gone_away_leaves_its_catalogue(tmp_path: Path) -> None:
    run, source = tmp_path / "run", archive(tmp_path / "archive")
    scan.run(run, ScanSettings(source=source))
    shutil.rmtree(source)
    source.mkdir()  # a share that is not connected
    with pytest.raises(SourceError, match=r"among 0 files; .* Is it the right folder, and connected\?"):
        scan.run(run, ScanSettings(source=source))
    assert read(run, CATALOGUE).height == 16


def test_a_dicomdir_stands_for_the_folder_around_it(tmp_path: Path) -> None:
    medium = archive(tmp_path / "medium")
    (medium / "DICOMDIR").write_bytes(b"")
    counts = scan.run(tmp_path / "run", ScanSettings(source=medium / "DICOMDIR"))
    assert counts == {"images": 16, "series": 3, "studies": 1, "rejects": 2}
    with pytest.raises(StorageError, match="inside the source"):
        scan.run(medium / "run", ScanSettings(source=medium / "DICOMDIR"))
    (medium / "more.txt").write_text("x")
    assert scan.run(tmp_path / "run", ScanSettings(source=medium / "DICOMDIR"))["rejects"] == 3
