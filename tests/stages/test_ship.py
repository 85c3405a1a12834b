from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import numpy_helper
from tests.inference.tiny_bundle import BIAS, tiny_bundle, tiny_card, tiny_model
from tests.learning.toy import write_run

from plainscan import bundle
from plainscan.bundle import read_card, shipped
from plainscan.errors import BundleError, ConfigError, LeakError, SourceError
from plainscan.inference.engine import Model, load, operating_point
from plainscan.inference.held_out import RunSlices
from plainscan.inference.predict import score
from plainscan.learning.half import to_half
from plainscan.stages import ship as stage
from plainscan.stages.lineage import PATIENTS, pseudonyms
from plainscan.stages.ship import ship
from plainscan.storage import file_hash

NOTES = """
name = "ours"
figures_of = { model_sha256 = "HASH", threshold = LIMIT }
known_failures = ["Thin blood beside bone."]
[[figures]]
data = "200 single slices"
figure = "auc"
level = "slice"
finding = "hemorrhage"
value = 0.95
low = 0.91
high = 0.97
n = 200
n_positive = 100
clusters = 200
"""
RECIPE = """
out = "runs/weights"
[world]
patients = 64
[train]
network = "resnet50-fine"
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder as `world` and `train` leave it."""
    folder = tmp_path / "run"
    write_run(folder, size=64)
    write_record(folder)
    write_model(folder)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "notes.toml").write_text(notes_of(folder))
    return folder


def notes_of(run: Path) -> str:
    """Notes with a figure of what is going to be shipped."""
    half = hashlib.sha256(to_half((run / "model" / "model.onnx").read_bytes())).hexdigest()
    limit = operating_point(read_card(run / "model"), "slice").threshold
    return NOTES.replace("HASH", half).replace("LIMIT", repr(limit))


def write_record(folder: Path, **changes: Any) -> None:
    outputs = {"prepared.parquet": file_hash(folder / "prepared.parquet")}
    record = {"stage": "world", "rules": "world-1 head-square-2", "outputs": outputs, **changes}
    (folder / "world.run.json").write_text(json.dumps(record))


def write_model(folder: Path, init: Any = None) -> None:
    provenance = {
        "prepared_sha256": file_hash(folder / "prepared.parquet"),
        "settings": {"init": init},
        PATIENTS: pseudonyms(["p0", "p1"]),
        "seed": 1,
    }
    tiny_bundle(folder / "model", provenance=provenance)


def shipped_from(run: Path) -> Path:
    target = run.parent / "plainscan" / "weights"
    ship(run, run.parent / "recipe.toml", run.parent / "notes.toml", target)
    return target


def test_what_is_shipped_is_verified_and_says_where_it_comes_from(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = shipped_from(run)
    monkeypatch.setattr(bundle, "SHIPPED_FOLDER", target)
    card = load("plainscan").card
    assert shipped() == target
    assert (card.name, card.world, card.known_failures) == ("ours", "world-1", ("Thin blood beside bone.",))
    assert card.recipe == {"world": {"patients": 64}, "train": {"network": "resnet50-fine"}}
    assert card.figures[0].value == 0.95
    assert card.provenance["seed"] == 1
    assert card.provenance["trained_as"] == file_hash(run / "model" / "model.onnx")
    change = card.provenance["stored_as_float16"]
    assert (change["slices"], change["auc_change"], change["decisions_changed"]) == (12, 0, 0)
    assert 0 <= change["largest_logit_change"] < 0.01
    assert card.operating_points == read_card(run / "model").operating_points


def test_what_is_shipped_has_seen_no_patient(run: Path) -> None:
    assert read_card(shipped_from(run)).provenance[PATIENTS] == []


def test_weights_are_stored_as_float16_and_the_list_of_hashes_is_that_of_sha256sum(run: Path) -> None:
    target = shipped_from(run)
    parts = onnx.load(str(target / "model.onnx")).graph.initializer
    assert {numpy_helper.to_array(part).dtype for part in parts if part.name == "weights"} == {np.dtype(np.float16)}
    done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=target, capture_output=True, check=False)
    assert done.returncode == 0


def test_other_notes_change_the_card_and_not_the_weights(run: Path) -> None:
    target = shipped_from(run)
    model = (target / "model.onnx").read_bytes()
    (run.parent / "notes.toml").write_text(notes_of(run).replace("0.91", "0.92"))
    assert (shipped_from(run) / "model.onnx").read_bytes() == model
    assert read_card(target).figures[0].low == 0.92


@pytest.mark.parametrize("measured", ["weights", "threshold"])
def test_figures_of_other_weights_or_another_threshold_stay_out_of_the_card(
    run: Path, measured: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped_from(run)
    assert "goes without" not in capsys.readouterr().err
    notes = run.parent / "notes.toml"
    pattern = r'"[0-9a-f]{64}"' if measured == "weights" else r"threshold = [0-9.]+"
    other = re.sub(pattern, '"0"' if measured == "weights" else "threshold = 0.987", notes.read_text())
    notes.write_text(other)
    assert read_card(shipped_from(run)).figures == ()
    assert "other weights or another threshold, so the card goes without" in capsys.readouterr().err


def test_a_run_on_anything_but_the_synthetic_world_is_not_shipped(run: Path) -> None:
    write_record(run, outputs={"prepared.parquet": "0" * 64})
    with pytest.raises(SourceError, match="not made by `plainscan world`"):
        shipped_from(run)
    (run / "world.run.json").unlink()
    with pytest.raises(SourceError, match="what is shipped has seen no patient"):
        shipped_from(run)
    assert not (run.parent / "plainscan").exists()


def test_a_start_from_weights_of_unknown_origin_is_not_shipped(run: Path) -> None:
    write_model(run, init={"name": "imagenet.pth", "hash": "0"})
    with pytest.raises(SourceError, match=r"started from imagenet\.pth"):
        shipped_from(run)
    write_model(run, init={"name": "plainscan", "hash": "0", "world": "world-0"})
    shipped_from(run)


def test_a_bundle_of_another_run_is_not_shipped(run: Path) -> None:
    write_run(run.parent / "other", size=64, train=20)
    (run.parent / "other" / "prepared.parquet").replace(run / "prepared.parquet")
    write_record(run)
    with pytest.raises(LeakError, match="trained on another split"):
        shipped_from(run)


def test_what_another_bias_changes_is_measured(run: Path) -> None:
    """Of one more than before: every logit by exactly that, no rank, and the decisions it carries over."""
    before = load(run / "model")
    model = tiny_model(size=64, bias=BIAS + 1)
    after = Model(model, tiny_card(model, size=64))
    rows = pl.read_parquet(run / "prepared.parquet").filter(pl.col("split") == "tune")
    found = stage.measured(before, after, RunSlices(run), rows)
    assert found["largest_logit_change"] == pytest.approx(1, abs=1e-5)
    assert found["auc_change"] == 0
    old, new = (score(m, np.stack([RunSlices(run).hu(row) for row in rows.to_dicts()])) for m in (before, after))
    limit = before.card.operating_points[0].threshold
    moved = (old.probability[:, 0] >= limit) != (new.probability[:, 0] >= limit)
    assert found["decisions_changed"] == moved.mean()


def test_a_label_that_is_not_known_takes_no_part_in_the_auc(run: Path) -> None:
    rows = pl.read_parquet(run / "prepared.parquet").filter(pl.col("split") == "tune")
    hidden = pl.when(pl.int_range(pl.len()) == 0).then(None).otherwise(pl.col("any_finding")).alias("any_finding")
    before = load(run / "model")
    model = tiny_model(size=64, bias=BIAS + 1)
    after = Model(model, tiny_card(model, size=64))
    found = stage.measured(before, after, RunSlices(run), rows.with_columns(hidden))
    assert found["auc_change"] == 0
    assert found["slices"] == rows.height


@pytest.mark.parametrize("name", ["auc_change", "decisions_changed"])
def test_what_could_not_be_measured_is_refused(name: str) -> None:
    fine = {"auc_change": 0.0, "decisions_changed": 0.0}
    stage._refuse_visible(fine, "ours")
    with pytest.raises(BundleError, match="rounding changed"):
        stage._refuse_visible(fine | {name: float("nan")}, "ours")


@pytest.mark.parametrize("limit", ["AUC_CHANGE", "DECISIONS_CHANGED"])
def test_a_rounding_that_shows_is_refused(run: Path, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, limit, -1.0)
    with pytest.raises(BundleError, match="rounding changed"):
        shipped_from(run)


def test_a_bundle_that_is_too_large_is_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "LARGEST", 100)
    with pytest.raises(BundleError, match="bytes; expected at most 100"):
        shipped_from(run)


@pytest.mark.parametrize(("before", "after"), [("name", "nme"), ("figure =", "figur ="), ("0.95", "inf")])
def test_notes_that_lack_something_are_refused_by_the_key(run: Path, before: str, after: str) -> None:
    (run.parent / "notes.toml").write_text(notes_of(run).replace(before, after, 1))
    with pytest.raises(ConfigError, match=r"name|figure|value"):
        shipped_from(run)
