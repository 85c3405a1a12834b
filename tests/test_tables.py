import contextlib
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from plainscan import tables
from plainscan.errors import StorageError, TableError
from plainscan.findings import FINDING_KEYS


def label_row(instance: str, **values: int | None) -> dict[str, object]:
    return {"study_uid": "1", "series_uid": "2", "instance_uid": instance, "frame": 0, "label_source": "csv", **values}


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    frame = tables.from_rows([label_row("a", any_finding=1), label_row("b", any_finding=0)], tables.LABELS)
    tables.write(frame, tmp_path, tables.LABELS)
    assert tables.read(tmp_path, tables.LABELS).equals(frame)


def test_a_label_that_is_not_given_is_null_and_never_0() -> None:
    frame = tables.from_rows([label_row("a", any_finding=1)], tables.LABELS)
    assert frame.select(FINDING_KEYS[1:]).row(0) == (None,) * 14


def test_columns_are_put_in_the_declared_order_and_strangers_dropped() -> None:
    frame = tables.from_rows([label_row("a")], tables.LABELS)
    shuffled = frame.select(reversed(frame.columns)).with_columns(extra=pl.lit(1))
    assert tables.check(shuffled, tables.LABELS).columns == list(tables.LABELS.columns)


def test_a_missing_column_is_named() -> None:
    frame = tables.from_rows([label_row("a")], tables.LABELS).drop("mass")
    with pytest.raises(TableError, match="labels: no column mass"):
        tables.check(frame, tables.LABELS)


def test_a_wrong_type_is_named() -> None:
    frame = tables.from_rows([label_row("a")], tables.LABELS).with_columns(mass=pl.lit("yes"))
    with pytest.raises(TableError, match=r"labels\.mass: String; expected Int8"):
        tables.check(frame, tables.LABELS)


def test_two_rows_with_one_key_are_refused() -> None:
    with pytest.raises(TableError, match="2 rows share a key"):
        tables.from_rows([label_row("a"), label_row("a")], tables.LABELS)


def test_the_remedy_names_each_command_by_itself(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="Run `plainscan label` or `plainscan images` first"):
        tables.read(tmp_path, tables.LABELS)
    with pytest.raises(TableError, match="Run `plainscan split` first"):
        tables.read(tmp_path, tables.MANIFEST)
    (tmp_path / "labels.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(TableError, match="Delete it and run `plainscan label` or `plainscan images` again"):
        tables.read(tmp_path, tables.LABELS)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"labels\.parquet: no such table"):
        tables.read(tmp_path, tables.LABELS)
    (tmp_path / "labels.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(TableError, match="not a readable Parquet file"):
        tables.read(tmp_path, tables.LABELS)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which only Linux has")
def test_a_table_that_does_not_fit_on_the_disk_is_a_storage_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / ".labels.parquet.partial").symlink_to("/dev/full")
    frame = tables.from_rows([label_row("a", any_finding=1)], tables.LABELS)
    with pytest.raises(StorageError, match=r"labels\.parquet: No space left") as caught:
        tables.write(frame, tmp_path, tables.LABELS)
    assert str(tmp_path) in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_table_that_does_not_fit_on_a_small_disk_leaves_the_old_one(small_disk: Path) -> None:
    frame = tables.from_rows([label_row("a", any_finding=1)], tables.LABELS)
    tables.write(frame, small_disk, tables.LABELS)
    with (small_disk / "filler").open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))
    rows = [label_row(hashlib.sha256(bytes([i // 256, i % 256])).hexdigest()) for i in range(3000)]
    with pytest.raises(StorageError, match=r"labels\.parquet: No space left"):
        tables.write(tables.from_rows(rows, tables.LABELS), small_disk, tables.LABELS)
    assert tables.read(small_disk, tables.LABELS).equals(frame)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB, where one may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_missing_table_names_its_folder(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=str(tmp_path / "nonexist" / "labels.parquet")):
        tables.read(tmp_path / "nonexist", tables.LABELS)
