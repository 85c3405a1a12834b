from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import world_speed
from plainscan.config import WorldSettings
from plainscan.stages import world
from plainscan.tables import mask_name

SETTINGS = WorldSettings(patients=1, slices=2, size=64, finding_rate=1.0, processes=1, seed=5)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, world_speed.Seconds]:
    folder = tmp_path_factory.mktemp("speed")
    return folder, world_speed.measure(folder, SETTINGS)


def test_both_ways_end_in_the_same_slices_and_masks(measured: tuple[Path, world_speed.Seconds]) -> None:
    folder, _ = measured
    for ours, theirs in (("shard-0000.npy", "hu.npy"), (mask_name("shard-0000.npy"), "masks.npy")):
        expected = np.load(folder / "prepared" / ours)
        assert len(expected) == 4
        assert np.array_equal(expected, np.load(folder / theirs))


def test_the_shard_timed_is_the_one_that_world_makes(
    measured: tuple[Path, world_speed.Seconds], tmp_path: Path
) -> None:
    world.run(tmp_path, SETTINGS)
    name = "prepared/shard-0000.npy"
    assert (tmp_path / name).read_bytes() == (measured[0] / name).read_bytes()


def test_every_stage_is_timed_and_the_ratio_counts_drawing_on_both_sides(
    measured: tuple[Path, world_speed.Seconds],
) -> None:
    spent = measured[1]
    assert min(spent.phantom, spent.prepare, spent.write, spent.files) > 0
    assert world_speed.Seconds(phantom=6, prepare=2, write=2, files=6).ratio == 1.2
