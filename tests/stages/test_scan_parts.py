"""Scans that are stopped in the middle: what was looked at is kept, and the tables come out the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from tests.dicom.build import ct, save
from tests.stages.tiny_archive import archive

from plainscan.config import ScanSettings
from plainscan.dicom import scan as headers
from plainscan.dicom.files import Entry
from plainscan.dicom.header import Header, read_header
from plainscan.errors import StorageError
from plainscan.stages import scan, scan_parts
from plainscan.tables import CATALOGUE, REJECTS, read


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """17 files in nested folders and a ZIP of the same 17."""
    shutil.make_archive(str(tmp_path / "packed"), "zip", archive(tmp_path / "archive"))
    shutil.move(tmp_path / "packed.zip", tmp_path / "archive" / "z.zip")
    return tmp_path / "archive"


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Paths of the files whose header was read; a part holds two rows."""
    paths: list[str] = []

    def note(entry: Entry) -> Header:
        paths.append(entry.path)
        return read_header(entry)

    monkeypatch.setattr(headers, "read_header", note)
    monkeypatch.setattr(scan_parts, "ROWS", 2)
    return paths  # type: ignore[return-value]


def stop_after(count: int, run: Path, source: Path, looked: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        put = scan_parts.Parts._put

        def stop(self: scan_parts.Parts, *values: object) -> None:
            if len(looked) > count:
                raise KeyboardInterrupt
            put(self, *values)  # type: ignore[arg-type]

        patch.setattr(scan_parts.Parts, "_put", stop)
        with pytest.raises(KeyboardInterrupt):
            scan.run(run, ScanSettings(source=source))


def tables(run: Path) -> list[pl.DataFrame]:
    return [read(run, table) for table in (CATALOGUE, REJECTS)]


def test_a_scan_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(
    tmp_path: Path, source: Path, looked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    counts = scan.run(tmp_path / "whole", ScanSettings(source=source))
    assert counts["images"] == 32
    expected = list(looked)
    looked.clear()
    stop_after(9, tmp_path / "run", source, looked)
    before = len(looked)
    assert not CATALOGUE.path(tmp_path / "run").exists()
    assert scan.run(tmp_path / "run", ScanSettings(source=source)) == counts
    assert "going on behind 8 files" in capsys.readouterr().err
    assert looked[before:] == expected[8:]
    for ours, theirs in zip(tables(tmp_path / "run"), tables(tmp_path / "whole"), strict=True):
        assert ours.equals(theirs)
    assert not (tmp_path / "run" / scan_parts.FOLDER).exists()


def test_persons_keep_their_numbers_when_a_scan_goes_on(tmp_path: Path, looked: list[str]) -> None:
    for i in range(12):
        header = {"PatientName": "ABC"[i % 3] + "^LI", "PatientBirthDate": "19610203", "AccessionNumber": f"A{i // 2}"}
        save(tmp_path / "source", f"{i:02}.dcm", ct(study=i + 1, **header))
    stop_after(7, tmp_path / "run", tmp_path / "source", looked)
    scan.run(tmp_path / "run", ScanSettings(source=tmp_path / "source"))
    catalogue = read(tmp_path / "run", CATALOGUE)
    assert catalogue["person"].to_list() == [1, 2, 3] * 4
    assert catalogue["accession"].to_list() == [1 + i // 2 for i in range(12)]


@pytest.mark.parametrize("change", ["more", "fewer", "source", "version", "mark"])
def test_a_scan_starts_anew_when_what_led_to_its_parts_has_changed(
    change: str, tmp_path: Path, source: Path, looked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    stop_after(9, run, source, looked)
    first = sorted(path for path in source.rglob("*") if path.is_file())[0]
    if change == "more":
        shutil.copy(first, source / "000")
    elif change == "fewer":
        first.unlink()
    elif change == "source":
        source = source.rename(tmp_path / "elsewhere")
    elif change == "version":
        monkeypatch.setattr("plainscan.__version__", "0.0.0")
    else:
        sorted((run / scan_parts.FOLDER).glob("*.json"))[-1].write_text("{")
    looked.clear()
    scan.run(run, ScanSettings(source=source))
    assert len(looked) == len(set(looked)) == {"more": 35, "fewer": 33}.get(change, 34)
    scan.run(tmp_path / "whole", ScanSettings(source=source))
    for ours, theirs in zip(tables(run), tables(tmp_path / "whole"), strict=True):
        assert ours.equals(theirs)


def test_a_full_disk_keeps_the_parts_that_were_whole(
    tmp_path: Path, source: Path, looked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        if path.name.startswith("000003"):
            raise StorageError("No space left on device", where=path.name)
        keep(path, data)

    keep = scan_parts._keep
    with monkeypatch.context() as patch:
        patch.setattr(scan_parts, "_keep", full)
        with pytest.raises(StorageError):
            scan.run(tmp_path / "run", ScanSettings(source=source))
    looked.clear()
    assert scan.run(tmp_path / "run", ScanSettings(source=source))["images"] == 32
    assert len(looked) == 34 - 6


def test_a_scan_holds_one_part_in_memory_not_all_rows(
    tmp_path: Path, source: Path, looked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    most: list[int] = []
    frame = headers.Gatherer.frame
    monkeypatch.setattr(headers.Gatherer, "frame", lambda self: (most.append(self.height), frame(self))[1])
    (source / "z.zip").unlink()
    scan.run(tmp_path / "run", ScanSettings(source=source))
    assert max(most) <= 2
