from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from tests.learning.toy import discs, write_run

from plainscan.errors import SplitError, TableError
from plainscan.findings import FINDING_KEYS
from plainscan.learning.dataset import Batch, Slices, _ahead, batches, epoch_order, open_split
from plainscan.tables import mask_name


@pytest.fixture
def train(tmp_path: Path) -> Slices:
    return open_split(tmp_path, write_run(tmp_path), "train")


def test_gathers_the_slices_of_its_rows_across_shards(train: Slices) -> None:
    hu, labels = discs(36, 32, seed=0)
    chosen = np.array([23, 0, 10, 9])
    batch = train.gather(chosen)
    assert np.array_equal(batch.hu, hu[chosen])
    assert batch.labels[:, 0].tolist() == labels[chosen].tolist()
    assert np.array_equal(batch.rows, chosen)


def test_a_missing_label_is_nan_and_never_zero(train: Slices) -> None:
    assert np.isnan(train.labels[:, 3]).all()
    assert not np.isnan(np.delete(train.labels, 3, axis=1)).any()
    assert train.labels.shape == (24, len(FINDING_KEYS))


def test_rows_of_another_split_keep_their_place_in_the_table(tmp_path: Path) -> None:
    tune = open_split(tmp_path, write_run(tmp_path), "tune")
    assert tune.rows.tolist() == list(range(24, 36))
    assert np.array_equal(tune.gather(np.arange(12)).hu, discs(36, 32, seed=0)[0][24:])


def write_masks(folder: Path, dtype: type = np.uint16) -> None:
    for shard in sorted((folder / "prepared").glob("shard-*.npy")):
        count = len(np.load(shard))
        first = int(shard.stem[-4:]) * 10
        marks = np.arange(first, first + count)[:, None, None]
        np.save(shard.with_name(mask_name(shard.name)), np.broadcast_to(marks, (count, 8, 8)).astype(dtype))


def test_masks_come_with_their_slices(tmp_path: Path) -> None:
    prepared = write_run(tmp_path)
    write_masks(tmp_path)
    masks = open_split(tmp_path, prepared, "train").gather(np.array([23, 0, 10])).masks
    assert masks is not None
    assert masks.dtype == np.int32
    assert masks[:, 3, 3].tolist() == [23, 0, 10]


def test_without_masks_there_are_none(train: Slices) -> None:
    assert train.gather(np.array([0])).masks is None


def test_masks_of_another_kind_are_refused(tmp_path: Path) -> None:
    prepared = write_run(tmp_path)
    write_masks(tmp_path, np.int16)
    with pytest.raises(TableError, match=r"masks-0000\.npy"):
        open_split(tmp_path, prepared, "train")


def test_masks_of_some_shards_alone_are_refused(tmp_path: Path) -> None:
    prepared = write_run(tmp_path)
    write_masks(tmp_path)
    (tmp_path / "prepared" / mask_name("shard-0001.npy")).unlink()
    with pytest.raises(TableError, match=r"masks-0001\.npy: no such file"):
        open_split(tmp_path, prepared, "train")


def rows_of(parts: Iterator[Batch]) -> list[list[int]]:
    return [part.rows.tolist() for part in parts]


def test_an_epoch_shows_each_slice_once_in_another_order_each_time(train: Slices) -> None:
    first, second = (rows_of(batches(train, 8, seed=1, epoch=e)) for e in (0, 1))
    assert sorted(chain.from_iterable(first)) == list(range(24))
    assert first != second
    assert first == rows_of(batches(train, 8, seed=1, epoch=0))


def test_an_epoch_goes_on_in_its_middle(train: Slices) -> None:
    whole = rows_of(batches(train, 4, seed=1, epoch=3))
    assert rows_of(batches(train, 4, seed=1, epoch=3, start=2)) == whole[2:]


def test_ranks_share_the_global_batch_between_them(train: Slices) -> None:
    whole = rows_of(batches(train, 8, seed=1, epoch=0))
    ranks = [rows_of(batches(train, 8, seed=1, epoch=0, rank=r, world=2)) for r in (0, 1)]
    for batch, left, right in zip(whole, *ranks, strict=True):
        assert sorted(left + right) == sorted(batch)
        assert len(left) == len(right) == 4


def test_order_does_not_depend_on_global_random_state() -> None:
    np.random.seed(1)  # noqa: NPY002  # the global state is what must not matter
    first = epoch_order(50, 3, 4)
    assert np.array_equal(first, epoch_order(50, 3, 4))


def test_an_error_while_reading_ahead_reaches_the_loop() -> None:
    def broken() -> Iterator[Batch]:
        yield Batch(np.zeros((1, 1, 1, 1), np.int16), np.zeros((1, 1), np.float32), np.zeros(1, np.int64))
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(_ahead(broken()))


def test_leaving_early_ends_the_thread(train: Slices) -> None:
    parts = batches(train, 2, seed=0, epoch=0)
    next(parts)
    parts.close()  # type: ignore[attr-defined]  # a generator
    assert not any(thread.name == "plainscan-batches" for thread in threading.enumerate())


def test_an_empty_split_is_named(tmp_path: Path) -> None:
    frame = write_run(tmp_path)
    with pytest.raises(SplitError, match="no slice in test"):
        open_split(tmp_path, frame, "test")


@pytest.mark.parametrize("damage", ["absent", "cut", "shape"])
def test_a_damaged_shard_is_named(tmp_path: Path, damage: str) -> None:
    frame = write_run(tmp_path)
    shard = tmp_path / "prepared" / "shard-0001.npy"
    if damage == "absent":
        shard.unlink()
    elif damage == "cut":
        shard.write_bytes(shard.read_bytes()[:500])
    else:
        np.save(shard, np.zeros((3, 1, 32, 32), np.int16))
    with pytest.raises(TableError, match=r"shard-0001\.npy"):
        open_split(tmp_path, frame, "train")
