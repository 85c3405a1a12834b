from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.learning.toy import write_run

from benchmarks import learning_curve
from plainscan.bundle import Calibration, Card, write_bundle
from plainscan.findings import FINDING_KEYS
from plainscan.stages.lineage import PATIENTS, pseudonyms

SIZE = 32


def _start(folder: Path, **provenance: Any) -> Path:
    """A bundle of the smallest network, as it is before any training."""
    from plainscan.learning.export import to_onnx
    from plainscan.learning.network import build

    model = to_onnx("resnet18", build("resnet18", 1, len(FINDING_KEYS), 0).state_dict(), SIZE)
    card = Card(
        name="start",
        plainscan="0",
        network="resnet18",
        input_size=SIZE,
        windows=((40.0, 80.0),),
        neighbors=0,
        findings=FINDING_KEYS,
        calibration=tuple(Calibration(finding=key) for key in FINDING_KEYS),
        operating_points=(),
        provenance=provenance,
        model_sha256=hashlib.sha256(model).hexdigest(),
    )
    write_bundle(folder, model, card)
    return folder


def _measure(run: Path, bundle: Path, *more: str) -> int:
    quick = ["--patients", "1", "--folds", "2", "--steps", "1", "--batch", "4"]
    return learning_curve.main([str(run), "--init", str(bundle), *quick, *more])


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curve")
    write_run(folder / "run", SIZE)
    bundle, figure = _start(folder / "start"), folder / "docs" / "curve.svg"
    assert _measure(folder / "run", bundle, "--figure", str(figure)) == 0
    return folder


def _results(measured: Path) -> Path:
    (out,) = (measured / "run" / "learning-curve").iterdir()
    return out


def test_a_curve_is_a_table_and_a_figure(measured: Path) -> None:
    out = _results(measured)
    assert "| any hemorrhage | same height | 1 |" in (out / "table.md").read_text()
    assert (measured / "docs" / "curve.svg").read_bytes() == (out / "figure.svg").read_bytes()
    assert len(list(out.glob("*.npy"))) == 6
    assert not (out / "training").exists()


def test_zero_patients_are_the_start_alone(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (_results(measured) / "table.md").read_text()
    assert _measure(measured / "run", measured / "start", "--patients", "0", "1") == 0
    assert "6 results, 0 of them to make" in capsys.readouterr().out
    assert (_results(measured) / "table.md").read_text() == before


@pytest.mark.slow
def test_a_training_that_is_there_is_not_made_again(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = _results(measured) / "repeat0-fold1-patients01-start.npy"
    kept, others = np.load(gone), {p: p.stat().st_mtime_ns for p in gone.parent.glob("*.npy") if p != gone}
    gone.unlink()
    assert _measure(measured / "run", measured / "start") == 0
    said = capsys.readouterr().out
    assert "6 results, 1 of them to make, 1 by training" in said
    assert "min left" in said
    assert np.array_equal(np.load(gone), kept)
    assert {p: p.stat().st_mtime_ns for p in others} == others


def test_without_training_the_start_scores_as_its_bundle_does(measured: Path) -> None:
    from plainscan.inference.engine import load
    from plainscan.inference.predict import score

    hu = np.concatenate([np.load(path) for path in sorted((measured / "run" / "prepared").iterdir())])
    expected = score(load(measured / "start"), hu).logits
    found = [np.load(_results(measured) / f"repeat0-fold{fold}-patients00-start.npy") for fold in (0, 1)]
    assert np.array_equal(np.sort(np.concatenate(found)[:, 0]), np.sort(expected[:, 0]))


def test_every_step_has_its_slices_and_each_is_shown_equally_often(tmp_path: Path) -> None:
    write_run(tmp_path / "run", SIZE)
    options = {"run": tmp_path / "run", "init": str(_start(tmp_path / "start")), "out": None, "seed": 0, "folds": 2}
    options |= {"steps": 5, "batch": 4, "rates": [1e-3, 1e-4], "augment": "off"}
    bench = learning_curve.open_bench(learning_curve.argparse.Namespace(**options))
    members = np.arange(8, 16)
    drawn = bench.drawn(bench.slices(), members, bench.settings["random"])
    assert len(drawn) == 20
    assert len(np.unique(drawn.rows)) == 20  # each time its own augmentation
    at = drawn.shard * 10 + drawn.row
    assert set(at.tolist()) == set(members.tolist())
    assert np.bincount(at)[8:].max() - np.bincount(at)[8:].min() <= 1


def test_a_start_that_has_seen_the_patients_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = write_run(tmp_path / "run", SIZE)
    bundle = _start(
        tmp_path / "start", **{PATIENTS: pseudonyms(frame.select(pl.col("patient_id").first()).to_series())}
    )
    assert _measure(tmp_path / "run", bundle) == 2
    assert "this bundle was trained on" in capsys.readouterr().err


def test_without_a_run_nothing_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert learning_curve.main([]) == 0
    assert "nothing measured" in capsys.readouterr().out
