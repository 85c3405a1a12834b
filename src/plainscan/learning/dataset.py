"""Prepared shards as batches: memory-mapped, shuffled by a pure function, read ahead by one thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Full, Queue
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.errors import SplitError, TableError
from plainscan.tables import MASK_STEP, SHARD_FOLDER, label_values, mask_name

AGAIN: Final = "Run the stage that made the shards again: `prepare` or `world`."
AHEAD: Final = 3  # batches read before they are asked for
PATIENCE_S: Final = 0.1


class Batch(NamedTuple):
    """Slices of one step.

    Args:
        hu: (slices, planes, size, size), int16, HU.
        labels: (slices, findings), float32: 1 present, 0 absent, NaN not known.
        rows: (slices,), int64: each slice's row in the prepared table.
        masks: (slices, size / 4, size / 4), int32: bit i is finding i; None where no masks are known.
    """

    hu: NDArray[np.int16]
    labels: NDArray[np.float32]
    rows: NDArray[np.int64]
    masks: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Slices:
    """Slices of one split in the prepared shards.

    Args:
        shards: Memory maps, each (slices, planes, size, size), int16, HU.
        shard: (slices,): which of them.
        row: (slices,): which row of it.
        labels: (slices, findings), float32: 1, 0, NaN.
        rows: (slices,), int64: row in the prepared table, the slice's identity for random numbers.
        masks: For each shard its masks, (slices, size / 4, size / 4), uint16; empty where no masks are known.
    """

    shards: tuple[NDArray[np.int16], ...]
    shard: NDArray[np.int64]
    row: NDArray[np.int64]
    labels: NDArray[np.float32]
    rows: NDArray[np.int64]
    masks: tuple[NDArray[np.uint16], ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Planes and side in pixels."""
        return self.shards[0].shape[1], self.shards[0].shape[2]

    def gather(self, chosen: NDArray[np.int64]) -> Batch:
        """Copy slices out of the shards, in the order asked for."""
        hu = np.empty((len(chosen), *self.shards[0].shape[1:]), np.int16)
        for i, at in enumerate(chosen):
            hu[i] = self.shards[self.shard[at]][self.row[at]]
        masks = np.stack([self.masks[self.shard[at]][self.row[at]] for at in chosen]) if self.masks else None
        return Batch(hu, self.labels[chosen], self.rows[chosen], None if masks is None else masks.astype(np.int32))


def open_split(folder: Path, prepared: pl.DataFrame, split: str) -> Slices:
    """One split of a run folder.

    Args:
        folder: The run folder; shards lie in ``prepared/``.
        prepared: The prepared table, all of it.
        split: ``train``, ``tune`` or ``test``.

    Raises:
        SplitError: The split holds no slice.
        TableError: A shard is missing or is not what the table says; or only some shards have masks.
    """
    frame = prepared.with_row_index("position").filter(pl.col("split") == split)
    if frame.is_empty():
        raise SplitError(f"no slice in {split}", where="prepared.parquet", remedy="Run `split` with a larger share.")
    names = frame["shard"].unique().sort().to_list()
    last = dict(frame.group_by("shard").agg(pl.col("row").max()).iter_rows())
    shards = tuple(_open(folder / SHARD_FOLDER / name, last[name]) for name in names)
    if len({shard.shape[1:] for shard in shards}) != 1:
        raise TableError("shards of different size", where=SHARD_FOLDER, remedy=AGAIN)
    paths = [folder / SHARD_FOLDER / name for name in names]
    masked = any(path.with_name(mask_name(path.name)).is_file() for path in paths)
    number = {name: i for i, name in enumerate(names)}
    return Slices(
        shards=shards,
        shard=np.array([number[name] for name in frame["shard"]], np.int64),
        row=frame["row"].to_numpy().astype(np.int64),
        labels=label_values(frame),
        rows=frame["position"].to_numpy().astype(np.int64),
        masks=tuple(map(_open_masks, paths, shards)) if masked else (),
    )


def _open(path: Path, last: int) -> NDArray[np.int16]:
    """A shard with a row ``last``; it may hold more, of series that `prepare` left out when it had seen all of them."""
    try:
        shard: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise TableError("not a readable shard", where=path.name, expected="a .npy file", remedy=AGAIN) from error
    if shard.dtype != np.int16 or shard.ndim != 4 or shard.shape[0] <= last:
        raise TableError(
            f"{shard.dtype} {shard.shape}",
            where=path.name,
            expected=f"int16 (slices, planes, size, size), at least {last + 1} slices",
            remedy=AGAIN,
        )
    return shard


def _open_masks(path: Path, shard: NDArray[np.int16]) -> NDArray[np.uint16]:
    """The masks of the shard at ``path``."""
    path, (slices, _, rows, columns) = path.with_name(mask_name(path.name)), shard.shape
    if not path.is_file():
        raise TableError("no such file", where=path.name, expected="masks, as of other shards", remedy=AGAIN)
    expected = (slices, rows // MASK_STEP, columns // MASK_STEP)
    try:
        masks: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise TableError("not readable masks", where=path.name, expected="a .npy file", remedy=AGAIN) from error
    if masks.dtype != np.uint16 or masks.shape != expected:
        raise TableError(f"{masks.dtype} {masks.shape}", where=path.name, expected=f"uint16 {expected}", remedy=AGAIN)
    return masks


def epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of ``count`` slices: a pure function of its arguments.

    >>> sorted(epoch_order(5, seed=1, epoch=0).tolist())
    [0, 1, 2, 3, 4]
    """
    return np.random.default_rng([seed, epoch]).permutation(count)


def steps_per_epoch(count: int, batch: int) -> int:
    """Whole batches in an epoch; one smaller batch when there are fewer slices than that.

    >>> steps_per_epoch(100, 32), steps_per_epoch(10, 32)
    (3, 1)
    """
    return max(1, count // batch)


def batches(
    slices: Slices, batch: int, seed: int, epoch: int, start: int = 0, rank: int = 0, world: int = 1
) -> Iterator[Batch]:
    """Batches of an epoch from step ``start`` on, read ahead by a thread.

    The global batch does not depend on the number of ranks: each takes every ``world``-th slice of it. What does
    not fill a batch waits for another epoch.
    """
    order = epoch_order(len(slices), seed, epoch)
    steps = range(start, steps_per_epoch(len(slices), batch))
    chosen = (order[step * batch : (step + 1) * batch][rank::world] for step in steps)
    return _ahead(slices.gather(part) for part in chosen)


def _ahead(source: Iterator[Batch]) -> Iterator[Batch]:
    queue: Queue[Batch | BaseException | None] = Queue(AHEAD)
    stop = threading.Event()

    def put(item: Batch | BaseException | None) -> None:
        while not stop.is_set():
            with suppress(Full):
                queue.put(item, timeout=PATIENCE_S)
                return

    def read() -> None:
        try:
            for item in source:
                put(item)
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:  # handed over and raised where the batch was asked for
            put(error)

    thread = threading.Thread(target=read, name="plainscan-batches", daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
