"""A world of bright discs: small, quick, learnable; shared by the tests of learning and of its stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.findings import FINDING_KEYS
from plainscan.inference.context import REACH_MM
from plainscan.tables import PREPARED, from_rows, write


def discs(slices: int, size: int, seed: int) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    """HU (slices, 1, size, size), int16: grey heads, every second with a bright disc; and which have one."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size - 0.5
    labels = (np.arange(slices) % 2).astype(np.int8)
    hu = np.where(np.hypot(y, x) < 0.42, 30.0, -1000.0) + rng.normal(0, 4, (slices, 1, size, size))
    for i in np.flatnonzero(labels):
        cy, cx = rng.uniform(-0.2, 0.2, 2)
        hu[i, 0][np.hypot(y - cy, x - cx) < 0.12] += 40
    return hu.round().astype(np.int16), labels


def write_run(folder: Path, size: int = 32, train: int = 24, tune: int = 12, shard: int = 10) -> pl.DataFrame:
    """A run folder as `prepare` leaves it: one study of four slices a patient."""
    hu, labels = discs(train + tune, size, seed=0)
    (folder / "prepared").mkdir(parents=True)
    rows: list[dict[str, object]] = []
    for i, label in enumerate(labels.tolist()):
        known = dict.fromkeys(FINDING_KEYS, 0) | {"any_finding": label, FINDING_KEYS[2]: label, FINDING_KEYS[3]: None}
        place = {"shard": f"shard-{i // shard:04d}.npy", "row": i % shard, "slice_index": i % 4, "frame": 0}
        place["slice_position_mm"] = REACH_MM * (i % 4)  # too far apart to hear each other: labels alternate
        who = {
            "patient_id": f"p{i // 4}",
            "study_uid": f"s{i // 4}",
            "series_uid": f"e{i // 4}",
            "instance_uid": f"i{i}",
        }
        rows.append({**who, **place, **known, "split": "train" if i < train else "tune"})
    for number, start in enumerate(range(0, len(hu), shard)):
        np.save(folder / "prepared" / f"shard-{number:04d}.npy", hu[start : start + shard])
    frame = from_rows(rows, PREPARED)
    write(frame, folder, PREPARED)
    return frame


def constant_score(value: float = 0.5) -> Callable[[object], dict[str, float]]:
    """A tuning score that costs nothing."""
    return lambda _state: {"tune_auc": value}
