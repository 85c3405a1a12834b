"""The main job end to end, small: synthetic DICOM and reports to a judged model, then predict with it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from plainscan.config import PredictSettings
from plainscan.findings import FINDING_KEYS
from plainscan.stages import predict
from plainscan.stages.run import run

CONFIG = """
out = "{out}"

[phantom]
patients = 10
size = 256
slices = [20, 22]
finding_rate = 0.7

[scan]
[select]
[label]

[split]
train = 0.5
tune = 0.3
test = 0.2

[prepare]
size = 64

[account]

[train]
network = "resnet18"
epochs = 1

[evaluate]
resamples = 50
gallery = 2
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo")
    config = root / "demo.toml"
    config.write_text(CONFIG.format(out=root / "run"), encoding="utf-8")
    run(config)
    return root / "run"


def test_every_stage_leaves_its_artefact_and_its_record(folder: Path) -> None:
    for stage in ("phantom", "scan", "select", "label", "split", "prepare", "account", "train", "evaluate"):
        record = json.loads((folder / f"{stage}.run.json").read_text(encoding="utf-8"))
        assert record["stage"] == stage
        assert record["outputs"]
    for name in ("report.html", "metrics.json", "flow.svg", "account.html", "model/card.json", "model/model.onnx"):
        assert (folder / name).stat().st_size > 0


def test_a_second_run_does_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    run(folder.parent / "demo.toml")
    said = capsys.readouterr().err
    assert said.count("unchanged, skipped") == 9
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()} == before


def test_the_report_stands_alone_and_names_no_patient(folder: Path) -> None:
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert 'src="http' not in report
    assert 'href="http' not in report
    assert "Phantom" not in report
    assert "not a medical device" in report.lower()


def test_the_trained_bundle_scores_the_archive_it_came_from(folder: Path, tmp_path: Path) -> None:
    study = next((folder / "dicom").glob("*/*"))
    predict.run(tmp_path, PredictSettings(source=study, model=folder / "model"))
    rows = list(csv.DictReader((tmp_path / "predictions.csv").read_text(encoding="utf-8").splitlines()))
    scored = [row for row in rows if not row["not_scored"]]
    above = ("no_head", "outside_brain")  # what the topmost may show
    seen = [row for row in rows if row["not_scored"] in ("", *above)]
    assert 20 <= len(seen) <= 22
    assert len(scored) >= 18
    assert set(FINDING_KEYS[1:]) < set(rows[0])
    assert all(0 <= float(row["probability"]) <= 1 for row in scored)
    assert len(list((tmp_path / "heatmaps").glob("*.png"))) == len(scored)
