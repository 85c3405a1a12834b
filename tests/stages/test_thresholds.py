from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.evaluation import tiny

from plainscan import tables
from plainscan.bundle import MODEL_FILE, SUMS_FILE, Card, Int8, Int8Check, read_card, write_bundle, write_sums
from plainscan.config import CalibrateSettings
from plainscan.errors import BundleError, ConfigError, LeakError, SourceError
from plainscan.inference.int8 import measured_tensors
from plainscan.stages import calibrate
from plainscan.stages.lineage import PATIENTS, TUNED_ON
from plainscan.stages.thresholds import ship_thresholds
from plainscan.storage import file_hash

NOTES = 'name = "ours-2"\nknown_failures = ["Thin blood."]\n'


def shipped(folder: Path, seed: int = 1, **changes: Any) -> Path:
    model = tiny.network(np.random.default_rng(seed))
    card = tiny.card(model, provenance={PATIENTS: [], "seed": 7})
    write_bundle(folder, model, card.model_copy(update={"world": "world-1", **changes}))
    write_sums(folder)
    return folder


def record(run: Path) -> None:
    outputs = {"prepared.parquet": file_hash(tables.PREPARED.path(run))}
    (run / "world.run.json").write_text(json.dumps({"rules": "world-9 head-square-2", "outputs": outputs}))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder as `world` and `calibrate` leave it, beside the bundle that is shipped."""
    folder = tiny.run_folder(tmp_path / "run")
    record(folder)
    calibrate.run(folder, CalibrateSettings(model=shipped(tmp_path / "weights"), target_sensitivity=0.85))
    (tmp_path / "notes.toml").write_text(NOTES)
    return folder


def put(run: Path, *others: Path) -> Card:
    ship_thresholds(run, run.parent / "notes.toml", others, run.parent / "weights")
    return read_card(run.parent / "weights")


def test_the_shipped_weights_get_the_thresholds_of_the_run_and_the_notes(run: Path) -> None:
    target = run.parent / "weights"
    model, before = (target / MODEL_FILE).read_bytes(), read_card(target)
    card, made = put(run), read_card(run / "calibrated")
    assert (target / MODEL_FILE).read_bytes() == model
    assert (card.calibration, card.operating_points) == (made.calibration, made.operating_points)
    assert card.operating_points != before.operating_points
    assert (card.name, card.known_failures, card.world) == ("ours-2", ("Thin blood.",), "world-1")
    assert file_hash(target / "card.json") in (target / SUMS_FILE).read_text(encoding="ascii")


def test_the_card_says_that_synthetic_patients_alone_chose_them(run: Path) -> None:
    known = put(run).provenance
    assert known[TUNED_ON] == known[PATIENTS] == []
    assert known["seed"] == 7
    assert (known["calibrated"]["world"], known["calibrated"]["target_sensitivity"]) == ("world-9", 0.85)


def test_a_bundle_that_is_shipped_once_more_still_says_what_it_was_before(run: Path) -> None:
    first = put(run)
    calibrate.run(run, CalibrateSettings(model=run.parent / "weights", target_sensitivity=0.8))
    again = put(run)
    assert first.provenance["calibrated"]["bundle"] not in ("ours-2", "")
    assert again.provenance["calibrated"]["bundle"] == first.provenance["calibrated"]["bundle"]
    assert again.provenance["calibrated"]["target_sensitivity"] == 0.8


def test_integers_are_checked_on_the_other_runs_as_well(run: Path, tmp_path: Path) -> None:
    ranges = {
        name: (0.0, 1.0 if name == "image" else 40.0)
        for name in measured_tensors(tiny.network(np.random.default_rng(1)))
    }
    old = Int8Check(data="old", n=1, n_positive=0, auc_fall=0.0, decisions_changed=0.0, largest_logit_change=0.0)
    shipped(tmp_path / "weights", int8=Int8(ranges=ranges, measured_on="old", checks=(old,)))
    calibrate.run(run, CalibrateSettings(model=tmp_path / "weights", target_sensitivity=0.8))
    int8 = put(run, tiny.run_folder(tmp_path / "other", patients=6)).int8
    assert int8 is not None
    assert [(check.engine, check.data, check.n) for check in int8.checks] == [
        (engine, data, n)
        for data, n in (("tuning slices of the synthetic world", 80), ("slices of 6 other patients", 48))
        for engine in ("int8", "mixed")
    ]


def test_thresholds_of_other_weights_are_refused(run: Path, tmp_path: Path) -> None:
    shipped(tmp_path / "weights", seed=2)
    with pytest.raises(BundleError, match="calibrated"):
        put(run)


def test_thresholds_of_anything_but_the_synthetic_world_are_refused(run: Path) -> None:
    (run / "world.run.json").unlink()
    with pytest.raises(SourceError, match="not made by `plainscan world`"):
        put(run)


def test_thresholds_of_other_slices_than_lie_there_now_are_refused(run: Path) -> None:
    frame = tables.read(run, tables.PREPARED)
    tables.write(frame.head(frame.height - 1), run, tables.PREPARED)
    record(run)
    with pytest.raises(LeakError, match=r"calibrated on other slices.*`plainscan calibrate` again"):
        put(run)


def test_notes_that_lack_something_are_refused_and_nothing_changes(run: Path) -> None:
    before = (run.parent / "weights" / "card.json").read_bytes()
    (run.parent / "notes.toml").write_text('name = "ours-2"\n')
    with pytest.raises(ConfigError, match="--known-failures: Field required"):
        put(run)
    assert (run.parent / "weights" / "card.json").read_bytes() == before
