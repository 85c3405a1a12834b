from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image

from plainscan.config import PrepareSettings
from plainscan.ct.prepare import head_box, planes_around, prepare_slice
from plainscan.ct.window import Window
from plainscan.errors import SourceError
from plainscan.findings import FINDING_KEYS
from plainscan.pictures import read_picture
from plainscan.stages import prepare
from plainscan.tables import COHORT, MANIFEST, PREPARED, from_rows, read, write

WINDOW = (40.0, 120.0)
SIZE = 64


def write_cohort(folder: Path, studies: int = 3, slices: int = 4) -> pl.DataFrame:
    """Pictures of a grey square that grows from slice to slice; the table's rows are in no order."""
    (folder / "pictures").mkdir()
    rows: list[dict[str, object]] = []
    for study in range(studies):
        for i in range(slices):
            name = f"{study}_{i}.png"
            pixels = np.zeros((80, 80), np.uint8)
            pixels[10 : 50 + 2 * i, 20 : 60 + study] = 100 + 10 * i
            Image.fromarray(pixels).save(folder / "pictures" / name)
            key = {"study_uid": f"s{study}", "series_uid": f"e{study}", "instance_uid": f"i{study}.{i}", "frame": 0}
            where = {"source": str(folder / "pictures"), "path": name, "kind": "picture"}
            window = {"window_center_hu": WINDOW[0], "window_width_hu": WINDOW[1]}
            rows.append({"patient_id": f"p{study}", "slice_index": i, "slice_count": slices, **key, **where, **window})
    rows = rows[::-1]
    write(from_rows(rows, COHORT), folder, COHORT)
    labels = dict.fromkeys(FINDING_KEYS, 0)
    manifest = from_rows([{**row, **labels, "split": "train"} for row in rows], MANIFEST)
    write(manifest, folder, MANIFEST)
    return manifest


def shard_row(folder: Path, row: dict[str, object]) -> NDArray[np.int16]:
    shard: NDArray[np.int16] = np.load(folder / "prepared" / str(row["shard"]), mmap_mode="r")[row["row"]]
    return shard


def hu_of(folder: Path, study: int, index: int) -> NDArray[np.float32]:
    return read_picture(folder / "pictures" / f"{study}_{index}.png", Window(*WINDOW))


def test_every_slice_lands_in_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "SHARD_SLICES", 5)
    write_cohort(tmp_path)
    counts = prepare.run(tmp_path, PrepareSettings(size=SIZE))
    assert counts == {"slices": 12, "shards": 3, "excluded": 0}
    frame = read(tmp_path, PREPARED)
    assert frame.height == 12
    for row in frame.iter_rows(named=True):
        hu = hu_of(tmp_path, int(row["study_uid"][1:]), row["slice_index"])
        assert np.array_equal(shard_row(tmp_path, row), prepare_slice([hu], SIZE))
        assert (row["box_top_px"], row["box_left_px"], row["box_side_px"]) == tuple(head_box(hu))
    shapes = [np.load(path, mmap_mode="r").shape for path in sorted((tmp_path / "prepared").iterdir())]
    assert shapes == [(5, 1, SIZE, SIZE), (5, 1, SIZE, SIZE), (2, 1, SIZE, SIZE)]


def test_neighbors_come_from_the_series_also_when_the_manifest_lacks_them(tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path, studies=1)
    write(manifest.filter(pl.col("slice_index") == 1), tmp_path, MANIFEST)
    prepare.run(tmp_path, PrepareSettings(size=SIZE, neighbors=2))
    (row,) = read(tmp_path, PREPARED).iter_rows(named=True)
    planes = planes_around([hu_of(tmp_path, 0, i) for i in range(4)], 1, 2)
    assert np.array_equal(planes[0], planes[1])  # the lowest slice stands in for the one below it
    assert np.array_equal(shard_row(tmp_path, row), prepare_slice(planes, SIZE))


@pytest.mark.parametrize("neighbors", [0, 1])
def test_pieces_of_a_long_series_make_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, neighbors: int
) -> None:
    write_cohort(tmp_path, studies=1, slices=7)
    results = []
    for size in (100, 3):
        monkeypatch.setattr(prepare, "PIECE_SLICES", size)
        (tmp_path / "prepare.run.json").unlink(missing_ok=True)
        prepare.run(tmp_path, PrepareSettings(size=SIZE, neighbors=neighbors))
        results.append((tmp_path / "prepared" / "shard-0000.npy").read_bytes())
    assert results[0] == results[1]


def test_processes_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cohort(tmp_path)
    digests = []
    for few in (100, 0):
        monkeypatch.setattr(prepare, "FEW", few)
        (tmp_path / "prepare.run.json").unlink(missing_ok=True)
        prepare.run(tmp_path, PrepareSettings(size=SIZE))
        digests.append(hashlib.sha256((tmp_path / "prepared" / "shard-0000.npy").read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def test_an_unreadable_slice_is_left_out_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cohort(tmp_path, studies=1)
    (tmp_path / "pictures" / "0_2.png").write_bytes(b"not a picture")
    counts = prepare.run(tmp_path, PrepareSettings(size=SIZE, neighbors=1))
    assert counts["excluded"] == 1
    assert counts["excluded_by_code"] == ["unreadable_picture 1"]
    assert counts["excluded_slices"] == ["i0.2#0 unreadable_picture"]
    said = capsys.readouterr().err
    assert said.count("unreadable_picture") == 1
    assert "i0.2#0" not in said
    frame = read(tmp_path, PREPARED)
    assert sorted(frame["slice_index"]) == [0, 1, 3]
    row = frame.row(by_predicate=pl.col("slice_index") == 3, named=True)
    alone = hu_of(tmp_path, 0, 3)
    assert np.array_equal(shard_row(tmp_path, row), prepare_slice([alone] * 3, SIZE))


def test_nothing_readable_is_an_error_and_leaves_no_table(tmp_path: Path) -> None:
    write_cohort(tmp_path, studies=1)
    for path in (tmp_path / "pictures").iterdir():
        path.unlink()
    with pytest.raises(SourceError, match="no slice is left"):
        prepare.run(tmp_path, PrepareSettings(size=SIZE))
    assert not PREPARED.path(tmp_path).exists()


def test_leftover_shards_are_removed(tmp_path: Path) -> None:
    write_cohort(tmp_path, studies=1)
    (tmp_path / "prepared").mkdir()
    for name in ("shard-0007.npy", ".shard-0001.npy.partial"):
        (tmp_path / "prepared" / name).write_bytes(b"old")
    prepare.run(tmp_path, PrepareSettings(size=SIZE))
    assert [path.name for path in (tmp_path / "prepared").iterdir()] == ["shard-0000.npy"]


def test_an_interrupted_shard_is_not_left_behind(tmp_path: Path) -> None:
    def interrupted() -> None:
        with prepare.Shards(tmp_path) as shards:
            shards.append(np.zeros((1, 8, 8), np.int16))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_unchanged_is_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cohort(tmp_path, studies=1)
    first = prepare.run(tmp_path, PrepareSettings(size=SIZE))
    assert prepare.run(tmp_path, PrepareSettings(size=SIZE)) == first
    assert "unchanged" in capsys.readouterr().err
