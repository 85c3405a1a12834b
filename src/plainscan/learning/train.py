"""The training loop: resumable to the bit, alone or under `torchrun`.

Everything random is a pure function of (seed, epoch, slice row) and everything else that a step changes is in the
checkpoint, so that a run killed at any moment ends with the weights of one that was not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from plainscan.config import TrainSettings
from plainscan.ct.window import Window
from plainscan.errors import ConfigError, InternalError
from plainscan.learning import checkpoint
from plainscan.learning.augment import RANGES, View, augmented, moved_masks, plain, resized
from plainscan.learning.checkpoint import BEST_FILE, CHECKPOINT_FILE, Progress
from plainscan.learning.dataset import Batch, Slices, batches, steps_per_epoch
from plainscan.learning.distributed import Group, pick_precision
from plainscan.learning.loss import mask_loss, masked_loss, overlap_loss, positive_weights
from plainscan.learning.network import DESIGNS, ResNet, build, frozen_parts
from plainscan.learning.weights import drawn_back, has_head_of, load_into, read_weights
from plainscan.storage import SAVE_SECONDS, whole_file

State = dict[str, Tensor]
Score = Callable[[State], dict[str, float]]
METRICS_FILE: Final = "metrics.jsonl"
CHOSEN_BY: Final = "tune_auc"  # the figure of `Score` that decides which epoch is kept
LINES_PER_EPOCH: Final = 4


@dataclass(frozen=True)
class Task:
    """What to train, on what, where.

    Args:
        slices: The training split.
        settings: The `train` section.
        folder: Where checkpoint, best weights and metrics lie.
        fingerprint: Of data and settings: a checkpoint with another one is not resumed.
        score: From a state dict to figures on the tuning split, among them ``tune_auc``; called on rank 0 after
            each epoch.
        checkpoint_seconds: Longest time between two checkpoints; there is one before and after each epoch's scoring
            anyway.
    """

    slices: Slices
    settings: TrainSettings
    folder: Path
    fingerprint: str
    score: Score
    checkpoint_seconds: float = SAVE_SECONDS


class Trainer:
    """One training. ``steps()`` does the work; iterate over it to the end, then take ``best()``."""

    def __init__(self, task: Task, group: Group) -> None:
        self.task, self.group, self.settings = task, group, task.settings
        self.windows = tuple(Window(*pair) for pair in task.settings.windows)
        self.model = _network(task).to(group.device)
        self.start = _start(self.model, task.settings)
        self.frozen = frozen_parts(self.model, task.settings.frozen)
        for part in self.frozen:
            part.requires_grad_(False)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        self.optimizer = make_optimizer(self.model, task.settings)
        self.per_epoch = steps_per_epoch(len(task.slices), task.settings.batch)
        self.total = self.per_epoch * task.settings.epochs
        self.progress = Progress(task.fingerprint)
        self._resume()
        self.parallel = group.wrap(self.model)
        self.precision = pick_precision(task.settings.precision, group.device)
        self.weights = torch.from_numpy(positive_weights(task.slices.labels)).to(group.device)
        self.log = Log(task.folder, group.rank, self.progress)
        self._saved = time.monotonic()

    def steps(self) -> Iterator[int]:
        """Train; yields the number of steps done after each."""
        with _repeatable():
            for epoch in range(self.progress.scored, self.settings.epochs):
                yield from self._epoch(epoch)
                self._save()  # scoring may take minutes, too
                self._score(epoch)
            self.log.close()

    def best(self) -> State:
        """Weights of the epoch with the best tuning score, with `keep_init` of the start in them; rank 0 only."""
        found = checkpoint.load(self.task.folder / BEST_FILE)
        if found is None:
            raise InternalError(f"no {BEST_FILE} after training")
        return drawn_back(found[0], self.start, self.settings.keep_init) if self.start else found[0]

    def _epoch(self, epoch: int) -> Iterator[int]:
        self.parallel.train()
        for part in self.frozen:
            part.eval()  # their batch norms keep the statistics that their weights were trained with
        start, rank, world = self.progress.step - epoch * self.per_epoch, self.group.rank, self.group.world
        settings, every = self.settings, max(1, self.per_epoch // LINES_PER_EPOCH)
        clock, images, losses = time.monotonic(), 0, []
        for batch in batches(self.task.slices, settings.batch, settings.seed, epoch, start, rank, world):
            losses.append(self._step(batch, epoch))
            images += len(batch.rows) * world
            step = self.progress.step
            if step % every == 0:
                loss, seconds = torch.stack(losses).mean().item(), time.monotonic() - clock
                rate = learning_rate(step - 1, self.total, settings)
                self._write(epoch, loss=loss, learning_rate=rate, images_per_second=round(images / seconds, 2))
                clock, images, losses = time.monotonic(), 0, []
            if time.monotonic() - self._saved > self.task.checkpoint_seconds:
                self._save()
            yield step

    def _step(self, batch: Batch, epoch: int) -> Tensor:
        step, settings = self.progress.step, self.settings
        for part in self.optimizer.param_groups:
            part["lr"] = learning_rate(step, self.total, settings)
        image, masks = self._input(batch, epoch)
        with torch.autocast(self.group.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            logits, maps = self.parallel(image)
        average = self.group.average
        loss = masked_loss(logits, torch.from_numpy(batch.labels).to(logits.device), self.weights, average)
        if masks is not None:
            outlines = mask_loss(maps, masks, self.weights) + overlap_loss(maps, masks, average)
            loss = loss + settings.mask_weight * outlines
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()
        self.progress = replace(self.progress, step=step + 1)
        return loss.detach()

    def _input(self, batch: Batch, epoch: int) -> tuple[Tensor, Tensor | None]:
        """Network input (slices, channels, side, side), and the masks on the cells of a fine map, if there are any."""
        settings, device = self.settings, self.group.device
        hu = torch.from_numpy(batch.hu).to(device, non_blocking=True)
        size = side(epoch, settings, hu.shape[-1])
        view = View(batch.rows, settings.seed, epoch, RANGES[settings.augment], size)
        as_it_is = settings.augment == "off"
        image = plain(resized(hu.float(), size), self.windows) if as_it_is else augmented(hu, self.windows, view)
        return image.contiguous(memory_format=torch.channels_last), self._masks(batch, view)

    def _masks(self, batch: Batch, view: View) -> Tensor | None:
        if batch.masks is None or not DESIGNS[self.settings.network].fine:
            return None
        bits = torch.from_numpy(batch.masks).to(self.group.device, non_blocking=True)
        return moved_masks(bits, len(self.windows), batch.labels.shape[1], view)

    def _score(self, epoch: int) -> None:
        if self.group.rank > 0:
            return
        state = {name: value.detach().cpu() for name, value in self.model.state_dict().items()}
        figures = self.task.score(state)
        self._write(epoch, **figures)
        value = figures[CHOSEN_BY]
        if not value < self.progress.best_score:  # also where the score is not a number: then the last epoch is kept
            self.progress = replace(self.progress, best_epoch=epoch + 1, best_score=value)
            checkpoint.save(self.task.folder / BEST_FILE, state, self.progress)
        self.progress = replace(self.progress, scored=epoch + 1)
        self._save()

    def _save(self) -> None:
        self._saved = time.monotonic()
        if self.group.rank == 0:
            tensors = checkpoint.training_state(self.model, self.optimizer)
            checkpoint.save(self.task.folder / CHECKPOINT_FILE, tensors, self.progress)

    def _resume(self) -> None:
        found = checkpoint.load(self.task.folder / CHECKPOINT_FILE)
        if found is not None and found[1].fingerprint == self.task.fingerprint:
            checkpoint.restore(self.model, self.optimizer, found[0])
            self.progress = found[1]
        if self.group.agree(self.progress.step) != self.progress.step:
            raise InternalError(f"rank {self.group.rank} found another checkpoint than rank 0")

    def _write(self, epoch: int, **figures: float) -> None:
        self.log.write(self.progress.step, epoch + 1, figures)


def side(epoch: int, settings: TrainSettings, full: int) -> int:
    """Side of the network input in an epoch: it grows evenly, in steps of 32 pixels, to the full one in the last.

    Most of what a network learns does not need every pixel, and small pictures are several times as quick.

    >>> [side(epoch, TrainSettings(epochs=5, start_size=96), 192) for epoch in range(5)]
    [96, 96, 128, 160, 192]
    """
    if not settings.start_size:
        return full
    grown = epoch / max(1, settings.epochs - 1) * (full - settings.start_size)
    return full if epoch >= settings.epochs - 1 else 32 * int((settings.start_size + grown) / 32)


def learning_rate(step: int, total: int, settings: TrainSettings) -> float:
    """Linear warm-up, then half a cosine to 0 (Loshchilov and Hutter 2017).

    >>> settings = TrainSettings(learning_rate=1.0, warmup=0.2)
    >>> [round(learning_rate(step, 10, settings), 2) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.04]
    """
    warm = round(settings.warmup * total)
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    return settings.learning_rate * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm))) / 2


def make_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019); weight decay on convolutions alone."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


def _network(task: Task) -> ResNet:
    settings, (planes, _) = task.settings, task.slices.shape
    channels, findings = planes * len(settings.windows), task.slices.labels.shape[1]
    model = build(settings.network, channels, findings, settings.seed)
    if settings.init is not None:
        load_into(model, settings.init)
    return model


def _start(model: ResNet, settings: TrainSettings) -> State:
    """What a network is before it is trained; nothing where none of it will be kept.

    Raises:
        ConfigError: Some is to be kept, and its head starts anew.
    """
    if settings.init is None or not settings.keep_init:
        return {}
    state = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    if not has_head_of(read_weights(settings.init), state):
        raise ConfigError(
            f"{settings.keep_init:g} of weights whose head is another",
            where="train.keep_init",
            expected="an init with the head of train.network",
            remedy="Set keep_init to 0, or train.network to the network of init.",
        )
    return state


@contextmanager
def _repeatable() -> Iterator[None]:
    """The same GPU kernels in every run; the setting is restored afterwards."""
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


class Log:
    """`metrics.jsonl`, and TensorBoard when it is installed; rank 0 writes.

    Lines of steps, and scores of epochs, beyond ``progress`` are left out: a resumed run writes them again.
    """

    def __init__(self, folder: Path, rank: int, progress: Progress) -> None:
        self.path = folder / METRICS_FILE
        self.writer: Any = None
        self.active = rank == 0
        if not self.active:
            return
        lines = self.path.read_text(encoding="utf-8").splitlines() if progress.step and self.path.is_file() else []
        with whole_file(self.path) as partial:
            kept = [line for line in lines if line.endswith("}") and _stands(json.loads(line), progress)]
            partial.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        self.writer = _tensorboard(folder, progress.step)

    def write(self, step: int, epoch: int, figures: dict[str, float]) -> None:
        """Append a line."""
        if not self.active:
            return
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, "epoch": epoch, **figures}) + "\n")
        for name, value in figures.items() if self.writer else ():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush TensorBoard's file."""
        if self.writer:
            self.writer.close()


def _stands(line: dict[str, float], progress: Progress) -> bool:
    """Whether what a line tells lies behind a training that stands at ``progress``."""
    return line["step"] <= progress.step and (CHOSEN_BY not in line or line["epoch"] <= progress.scored)


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=step)
