from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from plainscan.config import WorldSettings
from plainscan.ct.prepare import Box
from plainscan.findings import FINDING_KEYS, index
from plainscan.inference.held_out import RunSlices, mask_of
from plainscan.learning.dataset import open_split
from plainscan.phantom.anatomy import Patient, make_patient
from plainscan.phantom.study import Study, StudyOptions, make_study
from plainscan.stages import world
from plainscan.tables import PREPARED, TRUTH, mask_name, read

SETTINGS = WorldSettings(patients=3, slices=3, size=64, finding_rate=1.0, tune=0.34, test=0.34, processes=1, seed=5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    world.run(folder, SETTINGS)
    return folder


def test_every_slice_has_a_row_a_picture_and_a_mask(made: Path) -> None:
    frame = read(made, PREPARED)
    assert frame.height == 3 * world.STUDIES * 3
    shard = np.load(made / "prepared" / "shard-0000.npy")
    masks = np.load(made / "prepared" / mask_name("shard-0000.npy"))
    assert (shard.shape, shard.dtype.name) == ((18, 1, 64, 64), "int16")
    assert (masks.shape, masks.dtype.name) == ((18, 16, 16), "uint16")
    assert frame["row"].to_list() == list(range(18))


def test_a_patient_is_in_one_split_and_each_split_has_one(made: Path) -> None:
    splits = read(made, PREPARED).group_by("patient_id").agg(pl.col("split").unique())["split"].to_list()
    assert sorted(splits) == [["test"], ["train"], ["tune"]]


def test_a_slice_that_is_labeled_has_the_finding_on_its_mask(made: Path) -> None:
    frame = read(made, PREPARED)
    masks = np.load(made / "prepared" / mask_name("shard-0000.npy"))
    assert frame["any_finding"].sum() > 0
    for row in frame.iter_rows(named=True):
        for key in FINDING_KEYS:
            if row[key] == 1:
                assert (masks[row["row"]] >> index(key) & 1).any(), (row["instance_uid"], key)


def test_a_trace_too_small_to_be_called_a_finding_is_neither_present_nor_absent(made: Path) -> None:
    frame = read(made, PREPARED)
    masks = np.load(made / "prepared" / mask_name("shard-0000.npy"))
    for row in frame.iter_rows(named=True):
        traces = int(np.bitwise_or.reduce(masks[row["row"]], axis=None))
        assert all(row[key] != 0 for i, key in enumerate(FINDING_KEYS) if traces >> i & 1)


def test_masks_of_held_out_slices_lie_where_the_small_ones_do(made: Path) -> None:
    rows = [row for row in read(made, PREPARED).iter_rows(named=True) if row["split"] != "train"]
    slices, small = RunSlices(made), np.load(made / "prepared" / mask_name("shard-0000.npy"))
    for row in rows:
        bits = slices.bits(row)
        assert bits is not None
        large = mask_of(bits, 0, row, 64).reshape(16, 4, 16, 4).mean((1, 3))
        assert not (large > 0.6)[small[row["row"]] == 0].any()
    assert read(made, TRUTH).height == len(rows)


def test_the_training_split_opens_with_its_masks(made: Path) -> None:
    frame = read(made, PREPARED)
    batch = open_split(made, frame, "train").gather(np.arange(6))
    at = frame.filter(pl.col("split") == "train")["row"].to_numpy()
    assert np.array_equal(batch.hu, np.load(made / "prepared" / "shard-0000.npy")[at])
    assert batch.masks is not None
    assert np.array_equal(batch.masks, np.load(made / "prepared" / mask_name("shard-0000.npy"))[at])
    assert batch.masks.any()


def test_the_number_of_processes_changes_no_byte_and_a_killed_run_goes_on(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "PATIENTS_PER_SHARD", 1)
    settings = SETTINGS.model_copy(update={"patients": 2})
    world._keep_or_clear(tmp_path, settings)
    world.make_shard(tmp_path, settings, 1)
    before = (tmp_path / "prepared" / "shard-0001.npy").stat().st_mtime_ns
    world.run(tmp_path, settings)
    assert (tmp_path / "prepared" / "shard-0001.npy").stat().st_mtime_ns == before
    whole = np.load(made / "prepared" / "shard-0000.npy")
    parts = [np.load(tmp_path / "prepared" / f"shard-000{i}.npy") for i in range(2)]
    assert np.array_equal(np.concatenate(parts), whole[:12])


def test_shards_of_other_settings_do_not_stay(tmp_path: Path) -> None:
    world._keep_or_clear(tmp_path, SETTINGS)
    (tmp_path / "prepared" / "rows-0000.parquet").touch()
    world._keep_or_clear(tmp_path, SETTINGS.model_copy(update={"seed": 6}))
    assert not (tmp_path / "prepared" / "rows-0000.parquet").exists()


def test_a_table_of_other_shards_does_not_stay_beside_those_of_a_run_that_was_killed(tmp_path: Path) -> None:
    for table in (PREPARED, TRUTH):
        table.path(tmp_path).touch()
    world._keep_or_clear(tmp_path, SETTINGS)
    assert not PREPARED.path(tmp_path).exists()
    assert not TRUTH.path(tmp_path).exists()


def test_a_patient_and_each_of_their_studies_are_drawn_from_numbers_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else who somebody is says what ails them: a network learns that from the size of the head."""
    streams = []

    def patient(rng: np.random.Generator, number: int, wide: bool) -> Patient:
        streams.append(deepcopy(rng.bit_generator).random_raw())
        return make_patient(rng, number, wide=wide)

    def study(rng: np.random.Generator, options: StudyOptions, patient: Patient) -> Study:
        streams.append(rng.bit_generator.random_raw())
        return make_study(rng, options, patient)

    monkeypatch.setattr(world, "make_patient", patient)
    monkeypatch.setattr(world, "make_study", study)
    for number in range(2):
        list(world.draw_studies(number, SETTINGS))
    assert len(streams) == 2 * (1 + world.STUDIES)
    assert len(set(streams)) == len(streams)


def test_a_thin_mask_stays_on_the_small_grid() -> None:
    bits = np.zeros((64, 64), np.uint16)
    bits[:, 10] = 1 << 2 | 1
    small = world.small_masks(bits, Box(0, 0, 64), 16)
    assert (small[:, 2] == 0b101).all()
    assert not small[:, 3:].any()
