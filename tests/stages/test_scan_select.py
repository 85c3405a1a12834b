"""The two stages on generated files: tables, flow, messages, skipping, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.dicom.build import ct, save, save_series

from plainscan.config import ScanSettings, SelectSettings
from plainscan.errors import SourceError, TableError
from plainscan.stages import scan, select
from plainscan.tables import CATALOGUE, COHORT, EXCLUSIONS, REJECTS, read


def archive(folder: Path) -> Path:
    save_series(folder, 12, PixelSpacing=[7.0, 7.0])
    save_series(folder, 3, series=2, ConvolutionKernel="H70h")
    save(folder, "scout.dcm", ct(series=3, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    (folder / "readme.txt").write_text("x")
    return folder


def test_scan_then_select_leave_whole_tables_and_the_flow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, source = tmp_path / "run", archive(tmp_path / "archive")
    counts = scan.run(run, ScanSettings(source=source))
    assert counts == {"images": 16, "series": 3, "studies": 1, "rejects": 1}
    assert read(run, CATALOGUE).height == 16
    assert read(run, REJECTS)["code"].to_list() == ["not_dicom"]
    counts = select.run(run, SelectSettings())
    assert counts["slices"] == 12
    assert read(run, COHORT)["slice_index"].to_list() == list(range(12))
    assert sorted(read(run, EXCLUSIONS)["code"]) == ["bone_kernel", "localizer"]
    assert json.loads((run / "flow.json").read_text())["steps"][-1]["counts"]["images"] == 12
    assert (run / "flow.svg").read_text().startswith("<svg")
    said = capsys.readouterr().err
    assert "series 1: 12 slices, tilt +0.0 deg, spacing 5.00 to 5.00 mm" in said
    assert "1 not catalogued: not_dicom" in said
    assert "3 images of 1 series left out: bone_kernel" in said


def test_unchanged_stages_are_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, source = tmp_path / "run", archive(tmp_path / "archive")
    for _ in range(2):
        scan.run(run, ScanSettings(source=source))
        select.run(run, SelectSettings())
    said = capsys.readouterr().err
    assert "scan: unchanged, skipped" in said
    assert "select: unchanged, skipped" in said


def test_a_source_without_images_leaves_its_rejects_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("x")
    with pytest.raises(SourceError, match="no DICOM image among 1 files"):
        scan.run(tmp_path / "run", ScanSettings(source=tmp_path / "in"))
    assert read(tmp_path / "run", REJECTS).height == 1
    with pytest.raises(SourceError, match="no such file or folder"):
        scan.run(tmp_path / "run", ScanSettings(source=tmp_path / "gone"))


def test_select_without_a_catalogue_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="catalogue"):
        select.run(tmp_path, SelectSettings())
