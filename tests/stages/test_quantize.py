from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.inference.tiny_bundle import CELL, GAIN, tiny_bundle

from plainscan import tables
from plainscan.bundle import CARD_FILE, MODEL_FILE, SUMS_FILE, read_card, write_bundle, write_sums
from plainscan.errors import SourceError
from plainscan.inference.context import USUAL_STEP_MM, Place, among_neighbors
from plainscan.inference.engine import load
from plainscan.inference.predict import score
from plainscan.setting_types import Engine
from plainscan.stages import quantize

SIZE = 64


def prepared(folder: Path, seed: int, low: int = 0, train: int = 12, tune: int = 20) -> Path:
    """A run folder of prepared slices of noise, brighter from slice to slice; every second is labeled a finding."""
    rng, count = np.random.default_rng(seed), train + tune
    hu = np.linspace(low, 60, count)[:, None, None, None] + rng.normal(0, 8, (count, 1, SIZE, SIZE))
    shards = folder / tables.SHARD_FOLDER
    shards.mkdir(parents=True)
    np.save(shards / "shard-0000.npy", np.clip(hu, -1000, 1000).astype(np.int16))
    columns = dict(tables.PREPARED.columns)
    rows = [
        {
            **dict.fromkeys(columns),
            **{"patient_id": f"P{i // 4}", "study_uid": f"1.{i // 4}", "series_uid": f"1.{i // 4}.1"},
            **{"instance_uid": f"1.{i // 4}.1.{i}", "frame": 0, "split": "train" if i < train else "tune"},
            **{"shard": "shard-0000.npy", "row": i, "any_finding": i % 2, "slice_index": i},
        }
        for i in range(count)
    ]
    pl.DataFrame(rows, schema=columns).write_parquet(tables.PREPARED.path(folder))
    return folder


def test_ranges_and_checks_go_into_the_card_and_the_weights_stay(tmp_path: Path) -> None:
    bundle, world = tiny_bundle(tmp_path / "model"), prepared(tmp_path / "world", 0)
    real = prepared(tmp_path / "real", 1)
    weights = (bundle / MODEL_FILE).read_bytes()
    write_sums(bundle)
    quantize.quantize(bundle, world, [real])
    int8 = read_card(bundle).int8
    assert int8 is not None
    assert (bundle / MODEL_FILE).read_bytes() == weights
    assert set(int8.ranges) == {"image", "activations"}
    sets = [("tuning slices of the synthetic world", 20, 10), ("slices of 8 other patients", 32, 16)]
    assert [(check.engine, check.data, check.n, check.n_positive) for check in int8.checks] == [
        (engine, *slices) for engine in ("int8", "mixed") for slices in sets
    ]
    sums = (bundle / SUMS_FILE).read_text(encoding="ascii")
    assert {line.split()[1] for line in sums.splitlines()} == {CARD_FILE, MODEL_FILE}


def test_the_range_is_that_of_the_training_slices_alone(tmp_path: Path) -> None:
    bundle, world = tiny_bundle(tmp_path / "model"), prepared(tmp_path / "world", 0)
    int8 = quantize.quantize(bundle, world)
    hu = np.load(world / tables.SHARD_FOLDER / "shard-0000.npy")[:12].astype(np.float64)
    unit = np.clip((hu + 20) / 200, 0, 1)  # the subdural window, 80/200
    cells = unit.reshape(12, SIZE // CELL, CELL, SIZE // CELL, CELL).mean(axis=(2, 4))
    assert int8.ranges["activations"][1] == pytest.approx(GAIN * cells.max(), rel=1e-4)


@pytest.mark.parametrize("engine", ["int8", "mixed"])
def test_the_check_is_what_the_two_engines_say(tmp_path: Path, engine: Engine) -> None:
    bundle, world = tiny_bundle(tmp_path / "model"), prepared(tmp_path / "world", 0)
    (check,) = (check for check in quantize.quantize(bundle, world).checks if check.engine == engine)
    hu = np.load(world / tables.SHARD_FOLDER / "shard-0000.npy")[12:]
    plain, integers = (score(load(bundle, engine=name), hu) for name in ("fp32", engine))
    change = np.abs(integers.logits - plain.logits)[:, 0].max()
    assert change > 0
    assert check.largest_logit_change == pytest.approx(change)
    assert check.decisions_changed == np.mean((plain.probability >= 0.6)[:, 0] != (integers.probability >= 0.6)[:, 0])


def test_the_check_counts_decisions_as_they_are_made_among_neighbors(tmp_path: Path) -> None:
    bundle, world = tiny_bundle(tmp_path / "model"), prepared(tmp_path / "world", 0)
    card = read_card(bundle)
    write_bundle(bundle, (bundle / MODEL_FILE).read_bytes(), card.model_copy(update={"context_mm": 10.0}))
    check = quantize.quantize(bundle, world).checks[0]
    hu = np.load(world / tables.SHARD_FOLDER / "shard-0000.npy")[12:]
    alone = [score(load(bundle, engine=name), hu).logits for name in ("fp32", "int8")]
    places = [Place(f"1.{i // 4}.1", USUAL_STEP_MM * i) for i in range(12, 32)]
    plain, integers = (among_neighbors(logits, places, 10.0)[:, 0] for logits in alone)
    assert check.largest_logit_change == pytest.approx(np.abs(integers - plain).max())
    assert check.largest_logit_change < np.abs(alone[1] - alone[0])[:, 0].max()


def test_of_many_slices_whole_series_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of five series of four slices the first, the third and the last, so that each slice has its neighbors."""
    bundle, world = tiny_bundle(tmp_path / "model"), prepared(tmp_path / "world", 0)
    card = read_card(bundle)
    write_bundle(bundle, (bundle / MODEL_FILE).read_bytes(), card.model_copy(update={"context_mm": 10.0}))
    monkeypatch.setattr(quantize, "COMPARED", 12)
    check = quantize.quantize(bundle, world).checks[0]
    chosen = [*range(12, 16), *range(20, 24), *range(28, 32)]
    hu = np.load(world / tables.SHARD_FOLDER / "shard-0000.npy")[chosen]
    alone = [score(load(bundle, engine=name), hu).logits for name in ("fp32", "int8")]
    places = [Place(f"1.{i // 4}.1", USUAL_STEP_MM * i) for i in chosen]
    plain, integers = (among_neighbors(logits, places, 10.0)[:, 0] for logits in alone)
    assert check.n == 12
    assert check.largest_logit_change == pytest.approx(np.abs(integers - plain).max())


def test_slices_beyond_the_ranges_forbid_integers_as_the_default(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Measured on dark slices only, bright ones are clipped, and their ranking with them."""
    bundle, world = tiny_bundle(tmp_path / "model"), prepared(tmp_path / "world", 0, low=-60, train=4)
    assert quantize.main([str(bundle), str(world)]) == 1
    assert load(bundle).engine == "fp32"
    assert "Default engine: fp32" in capsys.readouterr().err


def test_a_run_without_tuning_slices_is_refused_and_the_card_stays(tmp_path: Path) -> None:
    bundle, world = tiny_bundle(tmp_path / "model"), prepared(tmp_path / "world", 0, tune=0)
    before = json.loads((bundle / CARD_FILE).read_text(encoding="utf-8"))
    with pytest.raises(SourceError, match="no tune slices"):
        quantize.quantize(bundle, world)
    assert json.loads((bundle / CARD_FILE).read_text(encoding="utf-8")) == before
