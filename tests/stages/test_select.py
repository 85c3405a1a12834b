"""The select stage on generated files: tables, flow, messages, skipping, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.stages.tiny_archive import archive

from plainscan.config import ScanSettings, SelectSettings
from plainscan.errors import TableError
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


def test_an_unchanged_catalogue_is_not_selected_from_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    select.run(run, SelectSettings())
    select.run(run, SelectSettings())
    assert "select: unchanged, skipped" in capsys.readouterr().err


def test_select_without_a_catalogue_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="catalogue"):
        select.run(tmp_path, SelectSettings())
