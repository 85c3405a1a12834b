"""`plainscan world`: synthetic slices for training, straight from the generator into shards with masks.

What the chain from phantom to prepare does for a cohort that should look like a hospital's archive, this stage does
for a world that should be wider than any: no DICOM between, and every study drawn from the wide ranges.

A shard holds the slices of ``PATIENTS_PER_SHARD`` patients and is a pure function of seed and number, so that shards
are made in any order, by any number of processes, and a run that was killed goes on after the last whole one.
Patients of tune and test also leave full-size masks in `truth/`, so that heat maps can be held against them.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

import plainscan
from plainscan import tables
from plainscan.config import WorldSettings
from plainscan.counted import counted
from plainscan.ct.prepare import PREPARATION, Box, head_box, prepare_slice, resample
from plainscan.findings import FINDING_KEYS
from plainscan.phantom import WORLD
from plainscan.phantom.anatomy import make_patient
from plainscan.phantom.draw import draw_chronic
from plainscan.phantom.study import Study, StudyOptions, make_study
from plainscan.stages.record import Counts, recorded, say, track
from plainscan.storage import whole_file
from plainscan.tables import MASK_STEP, SHARD_FOLDER

PATIENTS_PER_SHARD: Final = 32
STUDIES: Final = 2  # of a patient
CHRONIC_SHARE: Final = 0.3  # of the finding rate: studies with findings of earlier days
ROOM: Final = 7 / 6  # a study's side over the network's: the head fills about this share of a picture
COVERED: Final = 0.2  # a pixel of that mask belongs to a finding that fills this share of it
MAKER: Final = "SYNTH-WORLD"
_RULES: Final = f"{WORLD} {PREPARATION}"
_PLACES: Final = ("shard", "row", "box_top_px", "box_left_px", "box_side_px")


def run(folder: Path, settings: WorldSettings) -> Counts:
    """Make the shards; the result does not depend on ``settings.processes``."""
    outputs = [tables.PREPARED.path(folder), folder / SHARD_FOLDER, folder / "truth", tables.TRUTH.path(folder)]
    return recorded(
        "world", folder, settings, lambda: _work(folder, settings), inputs=[], outputs=outputs, rules=_RULES
    )


def _work(folder: Path, settings: WorldSettings) -> Counts:
    _keep_or_clear(folder, settings)
    numbers = range(-(-settings.patients // PATIENTS_PER_SHARD))
    missing = [number for number in numbers if not _rows_path(folder, number).is_file()]
    if len(missing) < len(numbers):
        say(f"world: resumed with {len(numbers) - len(missing)} of {counted(len(numbers), 'shards')}")
    for _ in track(_made(folder, settings, missing), "world", total=len(missing)):
        pass
    frames = [pl.read_parquet(_rows_path(folder, number)) for number in numbers]
    rows = pl.concat(frames)
    tables.write(tables.check(rows.select(list(tables.PREPARED.columns)), tables.PREPARED), folder, tables.PREPARED)
    truth = rows.filter(pl.col("mask").is_not_null()).select(list(tables.TRUTH.columns))
    tables.write(tables.check(truth, tables.TRUTH), folder, tables.TRUTH)
    return {
        "patients": settings.patients,
        "studies": settings.patients * STUDIES,
        "slices": rows.height,
        "slices with a finding": int(rows[FINDING_KEYS[0]].sum()),
    }


def _keep_or_clear(folder: Path, settings: WorldSettings) -> None:
    """Keep the shards of a run that was killed when it had the same settings and rules; remove any others.

    Their tables go first: until the new ones are written, no table speaks of shards that are no longer there.
    """
    asked = {"plainscan": plainscan.__version__, "rules": _RULES, **settings.model_dump(exclude={"processes"})}
    note = folder / SHARD_FOLDER / "world.json"
    if note.is_file() and note.read_text(encoding="utf-8") == json.dumps(asked):
        return
    for table in (tables.PREPARED, tables.TRUTH):
        table.path(folder).unlink(missing_ok=True)
    for name in (SHARD_FOLDER, "truth"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    with whole_file(note) as partial:
        partial.write_text(json.dumps(asked), encoding="utf-8")


def _made(folder: Path, settings: WorldSettings, numbers: list[int]) -> Iterator[int]:
    """Make shards in parallel; yields each number when it stands. Processes are spawned, as in `phantom`."""
    processes = settings.processes or len(os.sched_getaffinity(0))
    if processes == 1 or len(numbers) < 2:
        for number in numbers:
            make_shard(folder, settings, number)
            yield number
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(make_shard, folder, settings, number) for number in numbers]):
            yield done.result()


def make_shard(folder: Path, settings: WorldSettings, number: int) -> int:
    """Write one shard, its masks and, last, its rows; returns the number."""
    shard = Shard(folder, settings, number)
    first = number * PATIENTS_PER_SHARD
    for patient in range(first, min(first + PATIENTS_PER_SHARD, settings.patients)):
        for made in draw_studies(patient, settings):
            shard.add(made)
    shard.write()
    return number


@dataclass
class Shard:
    """Prepared slices on their way into one shard.

    Args:
        folder: Of the run.
        settings: Of the world.
        number: Of the shard.
        hu: Each (1, size, size), int16, HU.
        masks: As ``small_masks`` makes them.
        rows: Of the table.
    """

    folder: Path
    settings: WorldSettings
    number: int
    hu: list[NDArray[np.int16]] = field(default_factory=list)
    masks: list[NDArray[np.uint16]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of its file."""
        return f"shard-{self.number:04d}.npy"

    def add(self, made: Study) -> None:
        """Prepare a study's slices; of a patient of tune or test, write the full-size masks, too."""
        patient, size = made.truth.patient, self.settings.size
        split = _split(patient, self.settings)
        uid = f"world.{self.settings.seed}.{patient}.{made.truth.study}"
        if split != "train":
            _write_truth(self.folder / "truth" / f"{uid}.npz", made)
        for i, hu in enumerate(made.hu):
            box = head_box(hu)
            self.hu.append(prepare_slice([hu], size, box))
            self.masks.append(small_masks(made.masks[i], box, size // MASK_STEP))
            place = dict(zip(_PLACES, (self.name, len(self.rows), *box), strict=True))
            self.rows.append(_row(made, i, patient, uid, split) | place)

    def write(self) -> None:
        """Put the shard, its masks and, last, its rows in place."""
        _save(self.folder / SHARD_FOLDER / self.name, np.stack(self.hu))
        _save(self.folder / SHARD_FOLDER / tables.mask_name(self.name), np.stack(self.masks))
        schema = {**tables.PREPARED.columns, "mask": pl.String, "mask_index": pl.Int32}
        with whole_file(_rows_path(self.folder, self.number)) as partial:
            pl.DataFrame(self.rows, schema=schema, orient="row").write_parquet(partial)


def draw_studies(number: int, settings: WorldSettings) -> Iterator[Study]:
    """One patient's studies: a pure function of seed and number."""
    rng = np.random.default_rng([settings.seed, number])
    patient = make_patient(rng, number, wide=True)
    for study in range(STUDIES):
        chronic = rng.random() < CHRONIC_SHARE * settings.finding_rate
        options = StudyOptions(
            size=round(settings.size * ROOM),
            slices=(settings.slices, settings.slices),
            acute=bool(rng.random() < settings.finding_rate),
            history=tuple(draw_chronic(rng, patient)) if chronic else (),
            number=study,
            wide=True,
        )
        # Not `study`: a seed that ends in 0 gives the numbers of the one without it, which drew the patient.
        yield make_study(np.random.default_rng([settings.seed, number, study + 1]), options, patient)


def _split(patient: int, settings: WorldSettings) -> str:
    """By patient: the first are tune's, the next test's."""
    tune = round(settings.tune * settings.patients)
    if patient < tune:
        return "tune"
    return "test" if patient < tune + round(settings.test * settings.patients) else "train"


def _row(study: Study, index: int, patient: int, uid: str, split: str) -> dict[str, Any]:
    count, side, pixel = len(study.hu), study.hu.shape[1], study.geometry.pixel_mm
    heights = study.geometry.positions_mm @ study.geometry.normal()
    span = float(heights[-1] - heights[0]) or 1.0
    return {
        "patient_id": f"W{patient:06d}",
        "study_uid": uid,
        "series_uid": f"{uid}.1",
        "instance_uid": f"{uid}.1.{index}",
        "frame": 0,
        "kind": "synthetic",
        "rows": side,
        "columns": side,
        "pixel_spacing_row_mm": pixel,
        "pixel_spacing_column_mm": pixel,
        "slice_thickness_mm": float(study.geometry.thickness_mm[index]),
        "slice_index": index,
        "slice_count": count,
        "slice_position_mm": float(heights[index]),
        "slice_height": float(heights[index] - heights[0]) / span,
        "tilt_deg": study.geometry.tilt_deg,
        "patient_sex": study.truth.sex,
        "patient_age": f"{study.truth.age_years:03d}Y",
        "manufacturer": MAKER,
        "label_source": "truth",
        "split": split,
        "mask": None if split == "train" else f"truth/{uid}.npz",
        "mask_index": None if split == "train" else index,
        **_labels(study, index),
    }


def _labels(study: Study, index: int) -> dict[str, int | None]:
    """Labels of a slice; not known where a trace of a finding is on it, too small to be called one."""
    traces = int(np.bitwise_or.reduce(study.masks[index], axis=None))
    return {
        key: 1 if study.labels[index, i] else (None if traces >> i & 1 else 0) for i, key in enumerate(FINDING_KEYS)
    }


def small_masks(bits: NDArray[np.uint16], box: Box, side: int) -> NDArray[np.uint16]:
    """A slice's masks on a shard's mask grid.

    Args:
        bits: (rows, columns), bit i is finding i.
        box: The square that the network sees.
        side: Of the result.

    Returns:
        (side, side), uint16: a bit where its finding fills a fifth of the pixel or more; of a finding thinner than
        that, such as a fracture, where it fills half as much of a pixel as anywhere.
    """
    small = np.zeros((side, side), np.uint16)
    present = int(np.bitwise_or.reduce(bits, axis=None))
    for i in range(len(FINDING_KEYS)):
        if present >> i & 1:
            share = resample(((bits >> i) & 1).astype(np.float32), box, side, 0.0)
            least = max(min(COVERED, 0.5 * float(share.max())), 1e-3)
            small |= (share >= least).astype(np.uint16) << np.uint16(i)
    return small


def _rows_path(folder: Path, number: int) -> Path:
    return folder / SHARD_FOLDER / f"rows-{number:04d}.parquet"


def _save(path: Path, values: NDArray[Any]) -> None:
    with whole_file(path) as partial, partial.open("wb") as stream:
        np.save(stream, values, allow_pickle=False)


def _write_truth(path: Path, study: Study) -> None:
    with whole_file(path) as partial, partial.open("wb") as stream:
        np.savez_compressed(stream, masks=study.masks)
