"""Claim: reading prepared slices does not slow training: at least 0.95 of a loader that hands out random tensors.

Both loaders feed the same training step (ResNet-18, 128 px, batch 32, bf16) in one run, in turns; the peer's
batches lie ready in memory. The shards are read in random order through the memory map.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import torch

from plainscan.config import TrainSettings
from plainscan.ct.window import Window
from plainscan.findings import FINDING_KEYS
from plainscan.learning.augment import plain
from plainscan.learning.dataset import Batch, Slices, batches
from plainscan.learning.loss import masked_loss
from plainscan.learning.network import build

LIMIT = 0.95
WINDOWS = [Window(*pair) for pair in TrainSettings().windows]
SIZE, BATCH, SHARDS, SHARD_SLICES = 128, 32, 3, 1024
ROUNDS, STEPS = 4, 5


def write_shards(folder: Path, rng: np.random.Generator) -> Slices:
    maps = []
    for number in range(SHARDS):
        path = folder / f"shard-{number:04d}.npy"
        np.save(path, rng.integers(-1000, 2000, (SHARD_SLICES, 1, SIZE, SIZE), np.int16))
        maps.append(np.load(path, mmap_mode="r"))
    rows = np.arange(SHARDS * SHARD_SLICES)
    labels = rng.integers(0, 2, (len(rows), len(FINDING_KEYS))).astype(np.float32)
    return Slices(tuple(maps), rows // SHARD_SLICES, rows % SHARD_SLICES, labels, rows)


def random_batches(rng: np.random.Generator) -> Iterator[Batch]:
    hu = rng.integers(-1000, 2000, (BATCH, 1, SIZE, SIZE), np.int16)
    labels = rng.integers(0, 2, (BATCH, len(FINDING_KEYS))).astype(np.float32)
    while True:
        yield Batch(hu, labels, np.arange(BATCH))


class Stepper:
    """One training step after another."""

    def __init__(self) -> None:
        self.model = build("resnet18", len(WINDOWS), len(FINDING_KEYS), seed=0)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        self.optimizer = torch.optim.AdamW(self.model.parameters(), fused=True)
        self.weights = torch.ones(len(FINDING_KEYS))

    def step(self, batch: Batch) -> None:
        """Forward, backward, update."""
        image = plain(torch.from_numpy(batch.hu), WINDOWS).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits, _ = self.model(image)
        loss = masked_loss(logits, torch.from_numpy(batch.labels), self.weights)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()

    def seconds(self, source: Iterator[Batch], steps: int) -> list[float]:
        """Of each step, getting its batch included."""
        times = []
        for _ in range(steps):
            started = time.perf_counter()
            self.step(next(source))
            times.append(time.perf_counter() - started)
        return times


def main() -> int:
    rng, stepper = np.random.default_rng(0), Stepper()
    loaded: list[float] = []
    peer: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        slices = write_shards(Path(scratch), rng)
        stepper.seconds(random_batches(rng), 2)
        for turn in range(ROUNDS):
            source = batches(slices, BATCH, seed=0, epoch=turn)
            order = [(loaded, source), (peer, random_batches(rng))]
            for times, loader in order if turn % 2 else reversed(order):
                times.extend(stepper.seconds(loader, STEPS))
            source.close()  # type: ignore[attr-defined]  # a generator
    ratio = median(peer) / median(loaded)
    print(
        f"training: {BATCH / median(loaded):.1f} slices/s from shards, {BATCH / median(peer):.1f} from random tensors"
    )
    print(f"ratio {ratio:.3f} (limit {LIMIT})")
    return int(ratio < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
