"""The select stage on generated files: tables, flow, messages, skipping, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.dicom.build import save_series
from tests.stages.tiny_archive import archive

from plainscan.config import ScanSettings, SelectSettings
from plainscan.errors import SourceError, TableError
from plainscan.stages import scan, select
from plainscan.tables import COHORT, EXCLUSIONS, read


@pytest.fixture
def run(tmp_path: Path) -> Path:
    scan.run(tmp_path / "run", ScanSettings(source=archive(tmp_path / "archive")))
    return tmp_path / "run"


def test_select_leaves_cohort_exclusions_and_flow(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = select.run(run, SelectSettings())
    assert counts["slices"] == 12
    assert read(run, COHORT)["slice_index"].to_list() == list(range(12))
    assert sorted(read(run, EXCLUSIONS)["code"]) == ["bone_kernel", "localizer"]
    assert json.loads((run / "flow.json").read_text())["steps"][-1]["counts"]["images"] == 12
    assert (run / "flow.svg").read_text().startswith("<svg")
    said = capsys.readouterr().err
    assert "series 1: 12 slices, tilt +0.0 deg, spacing 5.00 to 5.00 mm" in said
    assert "3 images of 1 series left out: bone_kernel" in said


def test_a_series_without_a_number_is_not_called_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_series(tmp_path / "in", 12, SeriesNumber=None, PixelSpacing=[7.0, 7.0])
    scan.run(tmp_path, ScanSettings(source=tmp_path / "in"))
    select.run(tmp_path, SelectSettings())
    said = capsys.readouterr().err
    assert "select: series without a number: 12 slices" in said
    assert "None" not in said


def test_an_unchanged_catalogue_is_not_selected_from_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    select.run(run, SelectSettings())
    select.run(run, SelectSettings())
    assert "select: unchanged, skipped" in capsys.readouterr().err


def test_what_is_kept_or_left_out_against_expectation_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in"
    save_series(source / "few", 3, spacing=40.0, PixelSpacing=[7.0, 7.0])
    save_series(source / "a", 12, study=2, PixelSpacing=[7.0, 7.0])
    save_series(source / "b", 9, study=2, series=2, PatientID="P9", PixelSpacing=[7.0, 7.0])
    scan.run(tmp_path, ScanSettings(source=source))
    select.run(tmp_path, SelectSettings())
    said = capsys.readouterr().err
    assert "1 series kept with fewer than 8 slices" in said
    assert "1 study left out whole: their images name more than one patient (several_patients)" in said
    assert "P9" not in said
    assert read(tmp_path, COHORT).height == 3


def test_an_empty_catalogue_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(SourceError):
        scan.run(tmp_path, ScanSettings(source=tmp_path / "a.txt"))
    with pytest.raises(SourceError, match="scan a source that holds CT"):
        select.run(tmp_path, SelectSettings())
    assert not COHORT.path(tmp_path).exists()


def test_select_without_a_catalogue_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="catalogue"):
        select.run(tmp_path, SelectSettings())
