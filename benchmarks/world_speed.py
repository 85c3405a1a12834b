"""Claim: a training slice costs less processor time straight from the generator than by way of DICOM files.

Peer: the same drawn studies, written as DICOM files, read back and prepared; in the same run, in turns. `scan`,
`select` and `split`, which a cohort of files also needs, are not counted. Seconds are the processor's, of one process:
what a core does. Linear algebra has one thread, as in the command: threads that wait for each other would count, too.
The aim beside the rate is the project's and not a limit, as cores differ.

Run: ``python benchmarks/world_speed.py [PATIENTS]``
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from plainscan import tables
from plainscan.config import WorldSettings
from plainscan.ct.prepare import head_box, prepare_slice
from plainscan.dicom import write as dicom
from plainscan.dicom.read import read_slices
from plainscan.errors import SourceError
from plainscan.phantom.study import Study
from plainscan.stages.world import STUDIES, Shard, draw_studies, small_masks
from plainscan.tables import MASK_STEP

LIMIT = 1.1  # the peer's seconds over ours
Stack: TypeAlias = NDArray[np.int16] | NDArray[np.uint16]
AIM = 100  # slices a second and core
ROUNDS = 3


@dataclass
class Seconds:
    """Of processor time, by stage; ``files`` is the peer's way from a drawn study to a shard."""

    phantom: float = 0.0
    prepare: float = 0.0
    write: float = 0.0
    files: float = 0.0

    @property
    def world(self) -> float:
        """All of ours."""
        return self.phantom + self.prepare + self.write

    @property
    def ratio(self) -> float:
        """The peer's over ours; both start from the same drawing."""
        return (self.phantom + self.files) / self.world


def write_files(folder: Path, made: Study) -> None:
    """A study as DICOM files that hold every value as drawn; file names rise with the slices."""
    habits, geometry = dicom.HABITS[0], made.geometry
    series = dicom.Series(
        uid=dicom.uid("world speed", made.truth.patient, made.truth.study),
        number=2,
        description=habits.soft[1],
        kernel=habits.soft[0],
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
        orientation=(*geometry.row_direction, *geometry.column_direction),
        positions_mm=geometry.positions_mm,
        thickness_mm=geometry.thickness_mm,
        pixel_mm=geometry.pixel_mm,
        tilt_deg=geometry.tilt_deg,
    )
    exam = dicom.Exam(dicom.uid(series.uid, "study"), dicom.uid(series.uid, "frame"), "20190107", "080000", "050Y", "1")
    person = dicom.Person("P1", "Phantom^1", "19690107", made.truth.sex)
    dicom.write_series(folder, made.hu, np.zeros(geometry.shape, np.bool_), series, exam, person, habits)


def through_files(folder: Path, made: Study, size: int) -> tuple[Stack, Stack]:
    """A study's slices on the network's grid, and their masks, by way of DICOM files.

    Returns:
        (slices, 1, size, size), int16, HU, and (slices, size / MASK_STEP, size / MASK_STEP), uint16.
    """
    write_files(folder, made)
    hu, masks = [], []
    places = [(str(folder), path.name, 0) for path in sorted(folder.iterdir())]
    for found, bits in zip(read_slices(places), made.masks, strict=True):
        if isinstance(found, SourceError):
            raise found
        box = head_box(found.hu)
        hu.append(prepare_slice([found.hu], size, box))
        masks.append(small_masks(bits, box, size // MASK_STEP))
    return np.stack(hu), np.stack(masks)


def measure(folder: Path, settings: WorldSettings) -> Seconds:
    """Every patient's studies, drawn once and brought into a shard both ways."""
    for name in (tables.SHARD_FOLDER, "truth"):
        (folder / name).mkdir(parents=True)
    spent, shard, theirs = Seconds(), Shard(folder, settings, 0), []
    for patient in range(settings.patients):
        started = time.process_time()
        studies = list(draw_studies(patient, settings))
        drawn = time.process_time()
        for made in studies:
            shard.add(made)
        prepared = time.process_time()
        places = [folder / f"dicom-{patient}-{made.truth.study}" for made in studies]
        theirs += [through_files(at, made, settings.size) for at, made in zip(places, studies, strict=True)]
        spent.phantom += drawn - started
        spent.prepare += prepared - drawn
        spent.files += time.process_time() - prepared
    started = time.process_time()
    shard.write()
    written = time.process_time()
    for name, parts in zip(("hu.npy", "masks.npy"), zip(*theirs, strict=True), strict=True):
        np.save(folder / name, np.concatenate(parts))
    spent.write = written - started
    spent.files += time.process_time() - written
    return spent


def main() -> int:
    settings = WorldSettings(patients=int(sys.argv[1]) if len(sys.argv) > 1 else 4, processes=1)
    count = settings.patients * STUDIES * settings.slices
    rounds = []
    for turn in range(ROUNDS + 1):
        with tempfile.TemporaryDirectory() as scratch, threadpool_limits(1):
            one = settings.model_copy(update={"patients": 1})
            rounds.append(measure(Path(scratch), settings if turn else one))
    best = min(rounds[1:], key=lambda spent: spent.world)  # the first made what a process makes once
    ratio = median(spent.ratio for spent in rounds[1:])
    print(f"world, {count} slices at {settings.size} pixels: {count / best.world:.1f} slices/s a core (aim {AIM})")
    for stage in ("phantom", "prepare", "write"):
        share = getattr(best, stage)
        print(f"  {stage:<8} {1000 * share / count:6.2f} ms a slice, {count / share:8.1f} slices/s")
    print(f"  by way of DICOM files instead of prepare and write: {1000 * best.files / count:.2f} ms a slice")
    print(f"ratio {ratio:.3f} (limit {LIMIT})")
    return int(ratio < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
