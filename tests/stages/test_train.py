from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from tests.learning.toy import write_run

from plainscan import bundle
from plainscan.bundle import MODEL_FILE, write_bundle, write_sums
from plainscan.config import CalibrateSettings, TrainSettings
from plainscan.errors import ConfigError, LabelError, LeakError, MissingPartError
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.inference.context import REACH_MM, among_neighbors
from plainscan.inference.engine import Model, load, operating_point
from plainscan.inference.held_out import row_place
from plainscan.inference.kept import kept
from plainscan.inference.predict import Scores, calibrated, score
from plainscan.learning.dataset import open_split
from plainscan.stages import calibrate, train, tuning
from plainscan.stages.lineage import PATIENTS, names_all, pseudonyms
from plainscan.stages.tuning import choose_points, fit_calibration
from plainscan.storage import file_hash
from plainscan.tables import MANIFEST, PREPARED, write

SETTINGS = TrainSettings(network="resnet18", epochs=4, batch=8, augment="off", learning_rate=1e-3, device="cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    write_run(folder)
    train.run(folder, SETTINGS)
    return folder


def test_it_leaves_a_bundle_that_scores_the_tuning_split_right(trained: Path) -> None:
    model = load(trained / "model")
    prepared = pl.read_parquet(trained / "prepared.parquet")
    tune = open_split(trained, prepared, "tune")
    logits = score(model, tune.gather(np.arange(len(tune))).hu).logits
    places = [row_place(row) for row in prepared.filter(pl.col("split") == "tune").iter_rows(named=True)]
    probability = calibrated(among_neighbors(logits, places, model.card.context_mm), model.card.calibration)[:, 0]
    assert probability[tune.labels[:, 0] == 1].min() > probability[tune.labels[:, 0] == 0].max()


def test_card_says_where_it_comes_from(trained: Path) -> None:
    card = load(trained / "model").card
    assert (card.input_size, card.context_mm) == (32, REACH_MM)
    assert card.windows == SETTINGS.windows
    assert card.findings == FINDING_KEYS
    assert card.provenance["splits"]["train"] == {
        "patients": 6,
        "studies": 6,
        "slices": 24,
        ANY_FINDING: 12,
        "no_finding": 12,
    }
    assert card.provenance["prepared_sha256"] == file_hash(trained / "prepared.parquet")
    assert card.provenance["seed"] == SETTINGS.seed
    assert card.provenance["best_epoch"] in range(1, 5)
    assert str(trained) not in card.model_dump_json()


def test_operating_points_are_chosen_on_tune(trained: Path) -> None:
    card = load(trained / "model").card
    point = operating_point(card, "slice")
    assert point.sensitivity >= SETTINGS.target_sensitivity
    assert point.chosen_on == "tune"
    assert point.n == 12
    assert {p.finding for p in card.operating_points if p.level == "slice"} == {ANY_FINDING, FINDING_KEYS[2]}
    assert all(p.level == "slice" for p in card.operating_points)  # every toy study has a finding


def test_another_target_moves_the_threshold_without_training_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path)
    short = SETTINGS.model_copy(update={"epochs": 1})
    train.run(tmp_path, short)
    first = operating_point(load(tmp_path / "model").card, "slice")
    weights = (tmp_path / "model/model.onnx").read_bytes()
    capsys.readouterr()
    train.run(tmp_path, short.model_copy(update={"target_sensitivity": 0.3}))
    second = operating_point(load(tmp_path / "model").card, "slice")
    assert "resumed after step 3 of 3" in capsys.readouterr().err
    assert (tmp_path / "model/model.onnx").read_bytes() == weights
    assert second.threshold > first.threshold
    assert (first.rule, second.rule) == tuple(f"highest specificity with sensitivity >= {x}" for x in (0.95, 0.3))


def test_a_training_killed_while_its_tuning_slices_are_scored_scores_the_rest_only(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path)
    turn = count(1)

    def killed(model: Model, hu: NDArray[np.int16]) -> Scores:
        if next(turn) == 8:
            raise KeyboardInterrupt
        return score(model, hu)

    monkeypatch.setattr(tuning, "score", killed)
    monkeypatch.setattr(train, "kept", partial(kept, seconds=-1.0))
    with pytest.raises(KeyboardInterrupt):
        train.run(tmp_path, SETTINGS)
    known = np.load(tmp_path / "train" / "tune_logits.npz")["logits"]
    before = next(turn)
    train.run(tmp_path, SETTINGS)
    assert next(turn) - before - 1 == 12 - len(known) < 12
    cards = [load(folder / "model").card for folder in (trained, tmp_path)]
    assert cards[0].calibration == cards[1].calibration
    assert cards[0].operating_points == cards[1].operating_points


def test_calibration_is_the_identity_where_tune_cannot_tell(trained: Path) -> None:
    calibration = load(trained / "model").card.calibration
    fitted = [item.finding for item in calibration if item.fitted_on == "tune"]
    assert fitted == [ANY_FINDING, FINDING_KEYS[2]]
    assert all((c.slope, c.intercept) == (1.0, 0.0) for c in calibration if c.fitted_on != "tune")


def test_metrics_are_json_lines_with_a_tuning_score_each_epoch(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "train" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if "tune_auc" in line] == [1, 2, 3, 4]


def test_a_bundle_starts_another_training(trained: Path, tmp_path: Path) -> None:
    write_run(tmp_path)
    counts = train.run(tmp_path, SETTINGS.model_copy(update={"epochs": 3, "init": trained / "model"}))
    assert counts["tune_auc"] == 1.0
    assert load(tmp_path / "model").card.provenance["settings"]["init"]["name"] == "model"


def test_the_shipped_bundle_starts_a_training_and_stands_in_its_card(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped, known = tmp_path / "plainscan" / "weights", load(trained / "model").card
    ours = known.model_copy(update={"provenance": {PATIENTS: []}, "world": "world-0"})
    write_bundle(shipped, (trained / "model" / "model.onnx").read_bytes(), ours)
    write_sums(shipped)
    monkeypatch.setattr(bundle, "SHIPPED_FOLDER", shipped)
    write_run(tmp_path / "run")
    counts = train.run(tmp_path / "run", SETTINGS.model_copy(update={"epochs": 3, "init": "plainscan"}))
    assert counts["tune_auc"] == 1.0
    card = load(tmp_path / "run" / "model").card
    assert card.provenance["settings"]["init"] == {
        "name": "plainscan", "bundle": known.name, "hash": known.model_sha256, "world": "world-0",
    }  # fmt: skip
    assert card.provenance[PATIENTS] == pseudonyms(f"p{i}" for i in range(6))
    assert str(tmp_path) not in card.model_dump_json()
    assert card.world is None


def _swapped(folder: Path) -> None:
    """Some of train's patients in tune, all others in train."""
    frame = write_run(folder)
    turned = pl.when(pl.col("patient_id").is_in(["p0", "p1"])).then(pl.lit("tune")).otherwise(pl.lit("train"))
    write(frame.with_columns(turned.alias("split")), folder, PREPARED)


def test_a_bundle_that_saw_tune_or_test_patients_starts_no_training(trained: Path, tmp_path: Path) -> None:
    _swapped(tmp_path)
    with pytest.raises(LeakError, match="trained on 2 of 2 patient identifiers of tune and test") as caught:
        train.run(tmp_path, SETTINGS.model_copy(update={"init": trained / "model"}))
    assert caught.value.exit_code == 2
    assert not (tmp_path / "train").exists()


def test_a_card_says_that_its_list_of_patients_is_not_whole_where_the_start_has_none(tmp_path: Path) -> None:
    write_run(tmp_path)
    train.run(tmp_path, SETTINGS.model_copy(update={"epochs": 1}))
    first = load(tmp_path / "model")
    assert names_all(first.card)
    silent = first.card.model_copy(update={"provenance": {}})
    write_bundle(tmp_path / "silent", (tmp_path / "model" / MODEL_FILE).read_bytes(), silent)
    train.run(tmp_path, SETTINGS.model_copy(update={"epochs": 1, "init": tmp_path / "silent"}))
    card = load(tmp_path / "model").card
    assert not names_all(card)
    assert card.provenance[PATIENTS] == pseudonyms(f"p{i}" for i in range(6))


def test_patients_of_the_first_training_stay_in_the_second_card(trained: Path, tmp_path: Path) -> None:
    frame = write_run(tmp_path)
    other = frame.with_columns(pl.col("patient_id") + "x", pl.col("study_uid") + "x")
    write(other, tmp_path, PREPARED)
    train.run(tmp_path, SETTINGS.model_copy(update={"epochs": 1, "init": trained / "model"}))
    card = load(tmp_path / "model").card
    seen = [f"p{i}" for i in range(6)]
    assert card.provenance[PATIENTS] == pseudonyms([*seen, *(f"{p}x" for p in seen)])
    assert not {*seen, "p0x"} & set(card.provenance[PATIENTS])


def test_a_gpu_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"train.device: cuda.*--device cpu"):
        train.run(tmp_path, SETTINGS.model_copy(update={"device": "cuda"}))


def test_calibrating_the_runs_own_model_on_tune_gives_what_training_gave(trained: Path) -> None:
    calibrate.run(trained, CalibrateSettings(target_sensitivity=SETTINGS.target_sensitivity))
    own, again = (load(trained / name).card for name in ("model", "calibrated"))
    for first, second in zip(
        (*own.calibration, *own.operating_points), (*again.calibration, *again.operating_points), strict=True
    ):
        assert second.model_dump(exclude={"fitted_on"}) == pytest.approx(first.model_dump(exclude={"fitted_on"}))


def test_logits_that_do_not_rise_with_the_label_are_not_called_calibrated() -> None:
    labels = np.full((40, len(FINDING_KEYS)), np.nan, np.float32)
    labels[:, 0], labels[:, 1] = np.arange(40) % 2, np.arange(40) % 2
    logits = np.zeros((40, len(FINDING_KEYS)), np.float32)
    logits[:, 0], logits[:, 1] = np.arange(40) % 2, -(np.arange(40) % 2)
    labels[:, 3], logits[:, 3] = labels[:, 0], 0.1  # all alike
    found = fit_calibration(logits, labels)
    assert [item.fitted_on for item in found[:4]] == ["tune", "none", "none", "none"]
    assert (found[1].slope, found[1].intercept) == (1.0, 0.0)


def test_a_study_is_ill_when_a_slice_in_another_split_is() -> None:
    rows = [("ill", "train", 1), ("ill", "tune", 0), ("well", "tune", 0), ("open", "tune", 0), ("open", "train", None)]
    blank = dict.fromkeys(FINDING_KEYS, 0)
    frame = pl.DataFrame(
        [{"study_uid": uid, "split": split, **blank, ANY_FINDING: label} for uid, split, label in rows],
        schema={"study_uid": pl.String, "split": pl.String, **dict.fromkeys(FINDING_KEYS, pl.Int8)},
    )
    probability = np.full((3, len(FINDING_KEYS)), 0.5)
    probability[:, 0] = [0.9, 0.1, 0.2]
    labels = np.zeros((3, len(FINDING_KEYS)), np.float32)
    (point,) = choose_points(frame.filter(pl.col("split") == "tune"), frame, probability, labels, 0.95)
    assert (point.level, point.threshold, point.n) == ("study", 0.5, 2)


def test_a_study_is_ill_by_a_slice_too_that_could_not_be_read(tmp_path: Path) -> None:
    frame = write_run(tmp_path)
    well = pl.when(pl.col("study_uid") == "s6").then(0).otherwise(pl.col(ANY_FINDING)).cast(pl.Int8).alias(ANY_FINDING)
    write(frame.with_columns(well), tmp_path, PREPARED)
    write(frame.select(list(MANIFEST.columns)), tmp_path, MANIFEST)
    train.run(tmp_path, SETTINGS.model_copy(update={"epochs": 1}))
    assert {point.level for point in load(tmp_path / "model").card.operating_points} == {"slice"}


def test_a_first_side_larger_than_the_slices_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path)
    with pytest.raises(ConfigError, match=r"train\.start_size: 64 pixels, but slices are prepared at 32"):
        train.run(tmp_path, SETTINGS.model_copy(update={"start_size": 64, "epochs": 1}))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("split", ["train", "tune"])
def test_a_split_of_one_class_is_refused(tmp_path: Path, split: str) -> None:
    frame = write_run(tmp_path)
    one = pl.when(pl.col("split") == split).then(0).otherwise(pl.col(ANY_FINDING)).cast(pl.Int8).alias(ANY_FINDING)
    write(frame.with_columns(one), tmp_path, PREPARED)
    with pytest.raises(LabelError, match=rf"any_finding is 0 on all \d+ labeled slices of {split}\b"):
        train.run(tmp_path, SETTINGS)


def test_without_torch_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(MissingPartError, match=r"torch not installed.*plainscan\[train\]"):
        train.run(tmp_path, SETTINGS)


LAUNCHED = """
import sys
from pathlib import Path
import torch
from plainscan.learning.distributed import Group
from plainscan.stages import train
from tests.stages.test_train import SETTINGS
average = Group.average
def checked(group, counts):
    every = [torch.zeros_like(counts) for _ in range(group.world)]
    torch.distributed.all_gather(every, counts)
    found = average(group, counts)
    torch.testing.assert_close(found, torch.stack(every).mean(0))
    with Path(sys.argv[1], f"averaged-{group.rank}").open("a") as stream:
        print(group.world, file=stream)
    return found
Group.average = checked
train.run(Path(sys.argv[1]), SETTINGS.model_copy(update={"epochs": int(sys.argv[2])}))
"""


def launch(folder: Path, epochs: int) -> str:
    script = folder / "launched.py"
    script.write_text(LAUNCHED)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}"}
    arguments = [str(folder), str(epochs)]
    done = subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_torchrun_on_two_processes_leaves_one_bundle_and_then_skips(tmp_path: Path) -> None:
    write_run(tmp_path)
    launch(tmp_path, epochs=1)
    assert [(tmp_path / f"averaged-{rank}").read_text() for rank in (0, 1)] == ["2\n" * 3] * 2  # at each step
    lines = [json.loads(line) for line in (tmp_path / "train" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3]
    assert load(tmp_path / "model").card.provenance["splits"]["train"]["slices"] == 24
    assert launch(tmp_path, epochs=1).count("unchanged, skipped") == 1
