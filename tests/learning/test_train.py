from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.learning.toy import constant_score, write_run

from plainscan.config import TrainSettings
from plainscan.errors import ConfigError
from plainscan.findings import FINDING_KEYS
from plainscan.learning import checkpoint
from plainscan.learning.augment import plain
from plainscan.learning.checkpoint import BEST_FILE, CHECKPOINT_FILE
from plainscan.learning.dataset import open_split
from plainscan.learning.distributed import Group
from plainscan.learning.network import build
from plainscan.learning.train import METRICS_FILE, State, Task, Trainer, learning_rate, make_optimizer, side
from plainscan.tables import PREPARED, mask_name, read

pytestmark = pytest.mark.slow

SETTINGS = TrainSettings(network="resnet18", epochs=2, batch=8, windows=((40.0, 80.0),), warmup=0.2)
CPU = Group(torch.device("cpu"))
STEPS = 6  # 24 slices in batches of 8, twice

CHILD = """
import os, signal, sys
from pathlib import Path
from tests.learning.test_train import CPU, make_task
from plainscan.learning.train import Trainer

trainer = Trainer(make_task(Path(sys.argv[1]), seconds=0.0), CPU)
for step in trainer.steps():
    if step == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
"""


def make_task(
    folder: Path,
    settings: TrainSettings = SETTINGS,
    seconds: float = 0.0,
    score: Callable[[State], dict[str, float]] | None = None,
    fingerprint: str = "toy",
) -> Task:
    if not PREPARED.path(folder).exists():
        write_run(folder)
    slices = open_split(folder, read(folder, PREPARED), "train")
    target = folder / "train"
    target.mkdir(exist_ok=True)
    return Task(slices, settings, target, fingerprint, score or constant_score(), seconds)


def finish(task: Task) -> State:
    trainer = Trainer(task, CPU)
    assert list(trainer.steps())[-1:] in ([STEPS], [])
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> State:
    return finish(make_task(tmp_path_factory.mktemp("whole")))


def assert_same(first: State, second: State) -> None:
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("stop", [1, 3, 5])  # in an epoch, at its end before the score is known, in the last
def test_stopped_after_any_step_it_resumes_to_the_same_bits(tmp_path: Path, uninterrupted: State, stop: int) -> None:
    steps = Trainer(make_task(tmp_path), CPU).steps()
    for step in steps:
        if step == stop:
            break
    resumed = Trainer(make_task(tmp_path), CPU)
    assert resumed.progress.step == stop
    assert_same(uninterrupted, finish(make_task(tmp_path)))


def test_kill_9_resumes_to_the_same_bits(tmp_path: Path, uninterrupted: State) -> None:
    write_run(tmp_path)
    command = [sys.executable, "-c", CHILD, str(tmp_path), "4"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert Trainer(make_task(tmp_path), CPU).progress.step == 4
    assert_same(uninterrupted, finish(make_task(tmp_path)))


def test_without_a_recent_checkpoint_it_repeats_to_the_same_bits(tmp_path: Path, uninterrupted: State) -> None:
    steps = Trainer(make_task(tmp_path, seconds=1e9), CPU).steps()
    for _ in range(5):
        next(steps)
    assert Trainer(make_task(tmp_path), CPU).progress.step == 3  # the end of the first epoch
    assert_same(uninterrupted, finish(make_task(tmp_path)))


def test_killed_while_it_scores_it_repeats_no_step_and_writes_each_score_once(
    tmp_path: Path, uninterrupted: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, tensors: State, progress: checkpoint.Progress) -> None:
        if path.name == BEST_FILE:
            raise RuntimeError("killed")
        save(path, tensors, progress)

    save = checkpoint.save
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(checkpoint, "save", killed)
        list(Trainer(make_task(tmp_path, seconds=1e9), CPU).steps())
    assert Trainer(make_task(tmp_path), CPU).progress.step == 3
    assert_same(uninterrupted, finish(make_task(tmp_path)))
    lines = [json.loads(line) for line in (tmp_path / "train" / METRICS_FILE).read_text().splitlines()]
    assert [line["epoch"] for line in lines if "tune_auc" in line] == [1, 2]


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    finish(make_task(tmp_path))
    assert list(Trainer(make_task(tmp_path), CPU).steps()) == []


def test_other_data_or_settings_start_afresh(tmp_path: Path) -> None:
    finish(make_task(tmp_path))
    assert Trainer(make_task(tmp_path, fingerprint="other"), CPU).progress.step == 0


def test_metrics_of_a_resumed_run_hold_each_step_once_and_in_order(tmp_path: Path) -> None:
    steps = Trainer(make_task(tmp_path, seconds=1e9), CPU).steps()
    for _ in range(5):
        next(steps)
    finish(make_task(tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "train" / METRICS_FILE).read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4, 5, 6]
    assert [line["epoch"] for line in lines if "tune_auc" in line] == [1, 2]
    assert {"step", "epoch", "loss", "learning_rate", "images_per_second"} <= lines[0].keys()


@pytest.mark.parametrize(("scores", "best"), [((0.9, 0.8), 1), ((0.8, 0.9), 2), ((float("nan"), float("nan")), 2)])
def test_the_epoch_with_the_best_tuning_score_is_kept(tmp_path: Path, scores: tuple[float, ...], best: int) -> None:
    seen: list[State] = []

    def score(state: State) -> dict[str, float]:
        seen.append({name: value.clone() for name, value in state.items()})
        return {"tune_auc": scores[len(seen) - 1]}

    trainer = Trainer(make_task(tmp_path, score=score), CPU)
    assert len(list(trainer.steps())) == STEPS
    assert trainer.progress.best_epoch == best
    assert_same(seen[best - 1], trainer.best())
    assert {p.name for p in (tmp_path / "train").iterdir()} >= {BEST_FILE, CHECKPOINT_FILE, METRICS_FILE}
    assert checkpoint.load(tmp_path / "train" / CHECKPOINT_FILE) is not None


def test_discs_are_learned(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 6, "augment": "off"})
    trainer = Trainer(make_task(tmp_path, settings), CPU)
    list(trainer.steps())
    lines = [json.loads(line) for line in (tmp_path / "train" / METRICS_FILE).read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert np.mean(losses[-3:]) < 0.5 * np.mean(losses[:3])


def test_warm_up_then_cosine_to_zero() -> None:
    settings = TrainSettings(learning_rate=0.1, warmup=0.1)
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert np.isclose(rates[0], 0.01)
    assert np.isclose(max(rates), 0.1)
    assert np.all(np.diff(rates[10:]) < 0)
    assert rates[-1] < 1e-4


def test_norms_and_biases_are_never_decayed(tmp_path: Path) -> None:
    trainer = Trainer(make_task(tmp_path), CPU)
    decayed, kept = make_optimizer(trainer.model, SETTINGS).param_groups
    assert decayed["weight_decay"] == SETTINGS.weight_decay
    assert kept["weight_decay"] == 0
    assert {p.ndim for p in decayed["params"]} == {4}
    assert len(decayed["params"]) + len(kept["params"]) == len(list(trainer.model.parameters()))


def write_disc_masks(folder: Path) -> None:
    """Where the toy's discs are, on a quarter of its grid, as finding 0 and 2."""
    for path in (folder / "prepared").glob("shard-*.npy"):
        hu = torch.from_numpy(np.load(path).astype(np.float32))
        bright = torch.nn.functional.avg_pool2d(hu, 5, 1, 2)[:, 0] > 50
        small = torch.nn.functional.max_pool2d(bright[:, None].float(), 4)[:, 0].bool().numpy()
        np.save(path.with_name(mask_name(path.name)), np.where(small, 0b101, 0).astype(np.uint16))


@pytest.mark.parametrize("augment", ["off", "usual"])
def test_masks_teach_a_fine_network_whatever_is_augmented(tmp_path: Path, augment: str) -> None:
    write_run(tmp_path, size=64)
    write_disc_masks(tmp_path)
    settings = SETTINGS.model_copy(update={"network": "resnet18-fine", "augment": augment})
    trainer = Trainer(make_task(tmp_path, settings), CPU)
    batch = trainer.task.slices.gather(np.arange(2))
    masks = trainer._input(batch, 0)[1]
    assert masks is not None
    assert batch.masks is not None
    grid, bits = masks.shape[-1], torch.from_numpy(batch.masks)
    assert masks.shape == (2, len(FINDING_KEYS), grid, grid)
    if augment == "off":  # where they lie, cell by cell
        cells = torch.nn.functional.max_pool2d((bits[:, None] & 1).float(), 2, 2, padding=1)[..., :grid, :grid]
        torch.testing.assert_close(masks[:, :1], cells, atol=1e-3, rtol=0)


def test_a_fine_network_learns_from_masks_where_the_finding_is(tmp_path: Path) -> None:
    size = 64
    write_run(tmp_path, size=size)
    write_disc_masks(tmp_path)
    settings = SETTINGS.model_copy(
        update={"network": "resnet18-fine", "epochs": 16, "start_size": 32, "learning_rate": 2e-3}
    )
    trainer = Trainer(make_task(tmp_path, settings, seconds=60.0), CPU)
    assert [side(epoch, settings, size) for epoch in (0, 15)] == [32, size]
    for _ in trainer.steps():
        pass
    batch = trainer.task.slices.gather(np.arange(1, 24, 2))  # those with a disc
    with torch.no_grad():
        _, maps = trainer.model.eval()(plain(torch.from_numpy(batch.hu), trainer.windows))
    assert batch.masks is not None
    hits = []
    for found, mask in zip(maps[:, 0], batch.masks, strict=True):
        row, column = np.unravel_index(int(found.argmax()), found.shape)
        near = mask[max(0, 2 * row - 2) : 2 * row + 2, max(0, 2 * column - 2) : 2 * column + 2]
        hits.append(bool((near & 1).any()))
    assert np.mean(hits) >= 0.75  # a disc with its rim covers a tenth of the picture


def test_frozen_stages_end_as_they_began_statistics_and_all_and_the_others_learn(tmp_path: Path) -> None:
    start = build(SETTINGS.network, 1, len(FINDING_KEYS), seed=5).state_dict()
    save_file({name: value.contiguous() for name, value in start.items()}, tmp_path / "start.safetensors")
    settings = SETTINGS.model_copy(update={"init": tmp_path / "start.safetensors", "frozen": 2})
    after = finish(make_task(tmp_path, settings))
    changed = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, start[name])}
    assert changed == {"layer3", "layer4", "fc"}


def test_half_of_the_start_is_kept_where_that_is_asked_for_without_training_anew(tmp_path: Path) -> None:
    start = build(SETTINGS.network, 1, len(FINDING_KEYS), seed=5).state_dict()
    save_file({name: value.contiguous() for name, value in start.items()}, tmp_path / "start.safetensors")
    settings = SETTINGS.model_copy(update={"init": tmp_path / "start.safetensors"})
    trained = finish(make_task(tmp_path, settings))
    trainer = Trainer(make_task(tmp_path, settings.model_copy(update={"keep_init": 0.5})), CPU)
    assert list(trainer.steps()) == []
    for name, value in trainer.best().items():
        expected = (trained[name] + start[name]) / 2 if value.is_floating_point() else trained[name]
        torch.testing.assert_close(value, expected)


def test_nothing_can_be_kept_of_a_start_with_another_head(tmp_path: Path) -> None:
    start = build(SETTINGS.network, 1, 3, seed=5).state_dict()
    save_file({name: value.contiguous() for name, value in start.items()}, tmp_path / "start.safetensors")
    settings = SETTINGS.model_copy(update={"init": tmp_path / "start.safetensors", "keep_init": 0.5})
    with pytest.raises(ConfigError, match="whose head is another"):
        Trainer(make_task(tmp_path, settings), CPU)
