"""`plainscan phantom`: a synthetic cohort as DICOM files, reports and truth."""

from __future__ import annotations

import csv
import multiprocessing
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from plainscan import tables
from plainscan.config import PhantomSettings
from plainscan.dicom import write as dicom
from plainscan.findings import FINDING_KEYS
from plainscan.phantom.anatomy import Patient, make_patient
from plainscan.phantom.draw import draw_chronic
from plainscan.phantom.extra import bone_series, localizer
from plainscan.phantom.report import write_report
from plainscan.phantom.scanner import Geometry, field_of_view
from plainscan.phantom.study import Study, StudyOptions, make_study
from plainscan.stages.record import Counts, recorded, track
from plainscan.storage import whole_file

DAY_ONE: Final = date(2019, 1, 7)
LOCALIZER_RATE: Final = 0.4
BONE_RATE: Final = 0.15
CHRONIC_SHARE: Final = 0.35  # of the finding rate: patients whose findings are in all of their studies
Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Made:
    """What one patient's task hands back: rows of the tables and counts."""

    truth: list[dict[str, Any]]
    reports: list[tuple[str, str, str]]
    studies: int
    slices: int
    positive: int


def run(folder: Path, settings: PhantomSettings, processes: int = 2) -> Counts:
    """Make the cohort; the result does not depend on ``processes``.

    Called from Python, set OPENBLAS_NUM_THREADS=1 before NumPy is loaded, as the command does: on some processors the
    last bits depend on the threads of linear algebra.
    """
    outputs = [folder / "dicom", folder / "reports.csv", folder / "truth", tables.TRUTH.path(folder)]
    return recorded("phantom", folder, settings, lambda: _work(folder, settings, processes), inputs=[], outputs=outputs)


def _work(folder: Path, settings: PhantomSettings, processes: int) -> Counts:
    for name in ("dicom", "truth"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    made = list(track(_each(folder, settings, processes), "phantom", total=settings.patients))
    with (
        whole_file(folder / "reports.csv") as partial,
        partial.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("study_uid", "report", "language"))
        writer.writerows(row for one in made for row in one.reports)
    tables.write(tables.from_rows([row for one in made for row in one.truth], tables.TRUTH), folder, tables.TRUTH)
    return {
        "patients": settings.patients,
        "studies": sum(one.studies for one in made),
        "slices": sum(one.slices for one in made),
        "slices with a finding": sum(one.positive for one in made),
    }


def _each(folder: Path, settings: PhantomSettings, processes: int) -> Iterator[Made]:
    """Patients in order, made in parallel. Processes are spawned: a forked child may inherit held locks."""
    if processes <= 1:
        yield from (make_one(folder, settings, number) for number in range(settings.patients))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        count = settings.patients
        yield from pool.map(make_one, [folder] * count, [settings] * count, range(count))


def make_one(folder: Path, settings: PhantomSettings, number: int) -> Made:
    """One patient with one to three studies."""
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, number]))
    patient = make_patient(rng, number)
    person = _person(rng, patient)
    rate = settings.finding_rate
    history = tuple(draw_chronic(rng, patient)) if rng.random() < CHRONIC_SHARE * rate else ()
    acute_rate = (1 - CHRONIC_SHARE) * rate / (1 - CHRONIC_SHARE * rate)
    made = Made([], [], 0, 0, 0)
    day = DAY_ONE + timedelta(days=int(rng.integers(0, 700)))
    for study in range(int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2]))):
        child = np.random.default_rng(np.random.SeedSequence([settings.seed, number, study + 1]))
        options = StudyOptions(settings.size, settings.slices, bool(rng.random() < acute_rate), history, study)
        made = _add(made, _Task(folder, settings, patient, person, day, child), make_study(child, options, patient))
        day += timedelta(days=int(rng.integers(3, 200)))
    return made


@dataclass(frozen=True, slots=True)
class _Task:
    folder: Path
    settings: PhantomSettings
    patient: Patient
    person: dicom.Person
    day: date
    rng: np.random.Generator


def _person(rng: np.random.Generator, patient: Patient) -> dicom.Person:
    born = DAY_ONE - timedelta(days=int(patient.age_years * 365.25 + rng.integers(0, 365)))
    name = f"P{patient.number + 1:04d}"
    return dicom.Person(name, f"Phantom^{patient.number + 1:04d}", born.strftime("%Y%m%d"), patient.sex)


def _add(made: Made, task: _Task, study: Study) -> Made:
    habits = dicom.HABITS[int(task.rng.integers(len(dicom.HABITS)))]
    exam = _exam(task, study)
    place = task.folder / "dicom" / task.person.patient_id / f"S{study.truth.study + 1}"
    series = _series(study.geometry, dicom.uid(exam.study_uid, "soft"), 2, habits.soft)
    outside = ~field_of_view(study.geometry)
    uids = dicom.write_series(place / "2", study.hu, outside, series, exam, task.person, habits)
    _extras(task, study, place, exam, habits)
    _write_masks(task.folder / "truth" / f"{exam.study_uid}.npz", study, uids)
    language = _language(task)
    report = write_report(study.truth, language, task.rng)
    truth = [
        {
            "study_uid": exam.study_uid,
            "series_uid": series.uid,
            "instance_uid": uids[i],
            "frame": 0,
            "mask": f"truth/{exam.study_uid}.npz",
            "mask_index": i,
            **dict(zip(FINDING_KEYS, map(int, labels), strict=True)),
        }
        for i, labels in enumerate(study.labels)
    ]
    return Made(
        made.truth + truth,
        [*made.reports, (exam.study_uid, report, language)],
        made.studies + 1,
        made.slices + len(uids),
        made.positive + int(study.labels[:, 0].sum()),
    )


def _exam(task: _Task, study: Study) -> dicom.Exam:
    number = study.truth.study + 1
    study_uid = dicom.uid("plainscan phantom", task.settings.seed, task.patient.number, number)
    seconds = int(task.rng.integers(7 * 3600, 22 * 3600))
    clock = f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
    return dicom.Exam(
        study_uid,
        dicom.uid(study_uid, "frame"),
        task.day.strftime("%Y%m%d"),
        clock,
        f"{study.truth.age_years:03d}Y",
        f"{task.person.patient_id}{number}",
    )


def _series(geometry: Geometry, uid: str, number: int, names: tuple[str, str]) -> dicom.Series:
    return dicom.Series(
        uid,
        number,
        names[1],
        names[0],
        ("ORIGINAL", "PRIMARY", "AXIAL"),
        (*geometry.row_direction, *geometry.column_direction),
        geometry.positions_mm,
        geometry.thickness_mm,
        geometry.pixel_mm,
        geometry.tilt_deg,
    )


def _extras(task: _Task, study: Study, place: Path, exam: dicom.Exam, habits: dicom.Habits) -> None:
    """Sometimes a localizer, sometimes a bone series: what an archive holds beside the series wanted."""
    if task.rng.random() < LOCALIZER_RATE:
        image, positions, pixel = localizer(study)
        series = dicom.Series(
            dicom.uid(exam.study_uid, "localizer"),
            1,
            "SCOUT",
            "",
            ("ORIGINAL", "PRIMARY", "LOCALIZER"),
            (0.0, 1.0, 0.0, 0.0, 0.0, -1.0),
            positions,
            np.array([1.0]),
            pixel,
            0.0,
        )
        dicom.write_series(place / "1", image, np.zeros(image.shape[1:], np.bool_), series, exam, task.person, habits)
    if task.rng.random() < BONE_RATE:
        hu, geometry = bone_series(task.rng, study)
        series = _series(geometry, dicom.uid(exam.study_uid, "bone"), 3, habits.bone)
        dicom.write_series(place / "3", hu, ~field_of_view(geometry), series, exam, task.person, habits)


def _language(task: _Task) -> Language:
    if task.settings.language == "mixed":
        return "zh" if task.rng.random() < 0.6 else "en"
    return task.settings.language


def _write_masks(path: Path, study: Study, uids: Sequence[str]) -> None:
    with whole_file(path) as partial, partial.open("wb") as stream:
        np.savez_compressed(stream, masks=study.masks, instance_uids=np.array(uids))
