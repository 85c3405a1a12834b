"""Where slices come from: synthetic studies, pictures with labels, DICOM series; all prepared as for the network."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from plainscan.ct.prepare import prepare_slice
from plainscan.ct.window import Window, from_picture, to_unit
from plainscan.dicom.read import read_hu
from plainscan.errors import DicomError
from plainscan.evaluation import appearance
from plainscan.findings import FINDING_KEYS, find
from plainscan.phantom.anatomy import make_patient
from plainscan.phantom.study import Study, StudyOptions, make_study
from plainscan.pictures import natural_key, read_picture

BURNT_IN = Window(40, 120)
PICTURE_PX, JPEG_QUALITY = 650, 75  # CT-ICH's pictures: their quantization tables are those of quality 75
STUDIES_PER_PATIENT = 2
BRAIN_SHARE = 0.4  # of the head inside the skull: a slice above the base
HEIGHTS_MM = (-48.0, 122.0)  # of levels 0 and 1 above the ear canal, as a hospital's scan reaches
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class View:
    """One prepared slice.

    Args:
        patient: Unique among all sources.
        level: 0 the lowest slice of its study, 1 the highest.
        hu: (size, size), float32, HU.
        findings: Keys of what is marked on it.
    """

    patient: str
    level: float
    hu: NDArray[np.float32]
    findings: frozenset[str] = NONE
    measures: dict[str, float] = field(default_factory=dict)


Views = list[View]


def prepared(hu: NDArray[np.floating | np.integer], size: int) -> NDArray[np.float32]:
    result: NDArray[np.float32] = prepare_slice([hu], size)[0].astype(np.float32)
    return result


def level_picks(count: int, picks: int) -> Iterator[tuple[int, float]]:
    """Indices of ``picks`` slices spread over a study (all of a short one), with their levels."""
    for i in np.unique(np.linspace(0, count - 1, min(picks, count)).round().astype(int)):
        yield int(i), i / max(count - 1, 1)


def as_picture(hu: NDArray[np.integer]) -> NDArray[np.float32]:
    """What is left of HU after an export as CT-ICH's: enlarged, a window burnt in, 8 bits, JPEG.

    Enlarged first: a scanner's pixels are half as large as these, and the window cuts them before they are averaged.
    """
    large = Image.fromarray(hu.astype(np.float32)).resize((PICTURE_PX, PICTURE_PX), Image.Resampling.BICUBIC)
    grey = np.rint(to_unit(np.asarray(large), BURNT_IN) * 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "JPEG", quality=JPEG_QUALITY)
    return from_picture(np.asarray(Image.open(stream)), BURNT_IN)


def height_levels(study: Study) -> list[float]:
    """Levels by height in the head, as a wide study need not reach from base to vertex."""
    geometry = study.geometry
    across = np.array(geometry.row_direction) + np.array(geometry.column_direction)
    middles = geometry.positions_mm + across * geometry.pixel_mm * (geometry.shape[0] - 1) / 2
    heights = (middles - study.scene.pose.shift_mm)[:, 2]
    return [float(share) for share in np.clip((heights - HEIGHTS_MM[0]) / (HEIGHTS_MM[1] - HEIGHTS_MM[0]), 0, 1)]


def synthetic_views(studies: int, wide: bool, seed: int, size: int, picks: int) -> tuple[Views, Views]:
    """Slices of synthetic studies, as HU and as pictures."""
    rng = np.random.default_rng([seed, wide])
    plain: Views = []
    pictures: Views = []
    patient, kind = None, "wide" if wide else "narrow"
    for number in range(studies):
        if patient is None or number % STUDIES_PER_PATIENT == 0:
            patient = make_patient(rng, number, wide=wide)
        study = make_study(rng, StudyOptions(size=size, wide=wide), patient)
        levels = height_levels(study)
        for i, _ in level_picks(len(study.hu), picks):
            findings = frozenset(key for key, on in zip(FINDING_KEYS, study.labels[i], strict=True) if on)
            view = View(f"{kind}-{number // STUDIES_PER_PATIENT}", levels[i], prepared(study.hu[i], size), findings)
            plain.append(view)
            pictures.append(replace(view, hu=prepared(as_picture(study.hu[i]), size)))
    return plain, pictures


def picture_views(folder: Path, size: int, picks: int) -> Views:
    """CT-ICH slices with what is marked on them."""
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    with (folder / "labels.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            rows[row["patient"]].append(row)
    views = []
    for patient, own in sorted(rows.items()):
        own.sort(key=lambda row: int(row["slice"]))
        for i, level in level_picks(len(own), picks):
            hu = read_picture(folder / "images" / own[i]["file"], BURNT_IN)
            marked = frozenset(found.key for name, on in own[i].items() if on == "1" and (found := find(name)))
            views.append(View(f"ctich-{patient}", level, prepared(hu, size), marked))
    return views


def dicom_views(folder: Path, size: int) -> Views:
    """Axial slices of a folder; file names are in anatomical order."""
    found = []
    for path in sorted(folder.glob("*.dcm"), key=lambda p: natural_key(p.name)):
        try:
            hu = read_hu(str(folder), path.name).hu
        except DicomError:
            continue  # dose sheets and directories are there to be refused
        if hu.shape[0] == hu.shape[1]:  # localizers are not square
            found.append(prepared(hu, size))
    return [View(folder.name, i / max(len(found) - 1, 1), hu) for i, hu in enumerate(found)]


def measured(views: Views) -> Views:
    return [replace(v, measures=appearance.features(appearance.clipped(v.hu))) for v in views]


def above_base(views: Views) -> Views:
    """Slices whose head is mostly inside a closed skull that holds brain and not the air of a phantom."""
    return [
        v
        for v in views
        if v.measures.get("inside skull of head", 0) >= BRAIN_SHARE
        and v.measures.get("brain 50 % HU", appearance.LOW_HU) > appearance.TISSUE_HU
    ]


def by_patient(views: Iterable[View]) -> dict[str, Views]:
    groups: dict[str, Views] = defaultdict(list)
    for view in views:
        groups[view.patient].append(view)
    return groups
