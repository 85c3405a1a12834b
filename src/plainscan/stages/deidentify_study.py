"""One study of ``deidentify``: its files and its reports, each written without identity or left out with a code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from plainscan.config import DeidentifySettings
from plainscan.ct.deface import Plane
from plainscan.dicom.deidentify import day_of, text_at
from plainscan.dicom.deidentify_face import face_planes
from plainscan.dicom.deidentify_file import (
    PATIENT_ID,
    Choices,
    Done,
    Source,
    open_report,
    open_source,
    write_clean,
    write_report,
)
from plainscan.dicom.deidentify_key import Key, moved
from plainscan.dicom.files import Archive, locate
from plainscan.errors import DicomError, MissingPartError
from plainscan.reports.identifiers import Known, clean_report, left_over
from plainscan.stages.deidentify_journal import Result, Row
from plainscan.tables import DEIDENTIFIED

STUDY_UID, SERIES_UID, INSTANCE_UID = 0x0020000D, 0x0020000E, 0x00080018
FRAME_OF_REFERENCE = 0x00200052
STUDY_DATE = 0x00080020
Place = tuple[str, str]  # source and path


class Task(NamedTuple):
    """What is asked for one study.

    Args:
        out: The folder of results.
        study: Its Study Instance UID.
        frame: Its rows of the catalogue.
        report: Its report.
        listed: Identifiers of it that a table lists.
        key: Of the hospital.
        settings: Of the stage.
        documents: Source and path of each of its structured reports, in order.
    """

    out: Path
    study: str
    frame: pl.DataFrame
    report: str | None
    listed: Known
    key: Key
    settings: DeidentifySettings
    documents: tuple[Place, ...] = ()


class Faces(NamedTuple):
    """The planes that cut faces off, by series; a series that is not in it shows none, or is to keep it."""

    planes: dict[str, Plane | None]
    otherwise: str  # what the account says of a series that is not in it: thick or kept


def deidentify_study(task: Task, archives: dict[Path, Archive]) -> Result:
    """Write the study's files and clean its report.

    Args:
        task: The study.
        archives: Open archives by file; one that is needed is added, for the caller to close.
    """
    rows: list[Row] = []
    links: list[Row] = []
    found = _opened(task, archives, rows, links)
    sources = _of_one_patient([source for _, source, _ in found])
    known = task.listed | Known(ids=frozenset((task.study,)))
    for source in sources:
        known |= source.known
    images = [source for source, (kind, _, _) in zip(sources, found, strict=True) if kind == "dicom"]
    faces = _faces(task, images)
    seen: set[str] = set()
    for source, (kind, _, root) in zip(sources, found, strict=True):
        row = _file(task, source, known, faces if kind == "dicom" else None, seen, has_images=bool(images))
        rows.append(row)
        own = {"patient_id": text_at(source.header, PATIENT_ID), "patient": row["patient"], "file": row["file"]}
        links.append({**_link((root, source.entry.path), task.study, row["code"]), **own})
    text = None
    if task.report is not None:
        row, text = _report(task, task.report, images, known)
        rows.append(row)
    return Result(rows, links, text)


def _opened(
    task: Task, archives: dict[Path, Archive], rows: list[Row], links: list[Row]
) -> list[tuple[str, Source, str]]:
    """Kind, file and source of each file that can be read, images first; a row and a link for each that cannot."""
    found: list[tuple[str, Source, str]] = []
    kinds = (("dicom", paths_of(task.frame), open_source), ("sr", task.documents, open_report))
    for kind, places, opened in kinds:
        for place in places:
            try:
                found.append((kind, opened(locate(*place, archives)), place[0]))
            except DicomError as error:
                rows.append(account_row(kind, code=error.code, named={"study_uid": task.key.uid(task.study)}))
                links.append(_link(place, task.study, error.code))
    return found


def _of_one_patient(sources: list[Source]) -> list[Source]:
    """Files without a Patient ID go to the patient whom other files of the study name, with his shift of dates."""
    named = next((source.identity for source in sources if text_at(source.header, PATIENT_ID)), None)
    if named is None:
        return sources
    return [s if text_at(s.header, PATIENT_ID) else replace(s, identity=named) for s in sources]


def paths_of(frame: pl.DataFrame) -> list[Place]:
    """Source and path of each file of a study, in order."""
    return sorted(frame.select("source", "path").unique().iter_rows())


def _faces(task: Task, sources: list[Source]) -> Faces:
    if not task.settings.deface or not sources:
        return Faces({}, "kept")
    references = {text_at(s.header, SERIES_UID): text_at(s.header, FRAME_OF_REFERENCE) for s in sources}
    is_localizer = pl.col("image_type").fill_null("").str.to_uppercase().str.contains("LOCALIZER")
    rows = task.frame.filter(~is_localizer & (pl.col("modality").fill_null("CT") == "CT")).to_dicts()
    return Faces(dict(face_planes(rows, references, task.settings.thin_mm)), "thick")


def _file(task: Task, source: Source, known: Known, faces: Faces | None, seen: set[str], *, has_images: bool) -> Row:
    """Write an image, or a structured report where there are no faces to cut; its row."""
    kind = "dicom" if faces else "sr"
    uids = [text_at(source.header, tag) for tag in (STUDY_UID, SERIES_UID, INSTANCE_UID)]
    study, series, instance = map(task.key.uid, uids)
    patient = task.key.patient(source.identity)
    named = {"patient": patient, "study_uid": study, "series_uid": series, "instance_uid": instance}
    file = f"dicom/{patient}/{study}/{series}/{instance}.dcm"
    try:
        if instance in seen:
            raise DicomError("a file again", code="duplicate")
        if faces:
            done, face = _image(task, source, known, faces, task.out / file)
            named["face"] = face
        elif has_images:
            done = write_report(source, task.key, known, task.out / file)
        else:
            raise DicomError("no image of its study", code="report_without_study")
    except (DicomError, MissingPartError) as error:
        return account_row(kind, code=error.code, named=named)
    seen.add(instance)  # only now: a damaged copy must not keep a good one back
    return account_row(kind, done=done, named={**named, "file": file})


def _image(task: Task, source: Source, known: Known, faces: Faces, path: Path) -> tuple[Done, str]:
    """Write an image; what was done to it, and to the face."""
    series = text_at(source.header, SERIES_UID)
    plane = faces.planes.get(series)
    if plane is None and series in faces.planes:
        raise DicomError("no plane", code="no_face_plane")
    choices = Choices(task.settings.derived, task.settings.burnt_in, task.settings.deface)
    done = write_clean(source, task.key, known, choices, plane, path)
    return done, "removed" if plane is not None else faces.otherwise


def _report(task: Task, report: str, sources: list[Source], known: Known) -> tuple[Row, str | None]:
    """A study's report: its row, and its text where nothing was left in it."""
    named = {"study_uid": task.key.uid(task.study)}
    if not sources:
        return account_row("report", code="report_without_study", named=named), None
    first = sources[0]
    days = task.key.days(first.identity)
    text = clean_report(report, known, lambda when: moved(when, days), day_of(text_at(first.header, STUDY_DATE)))
    named["patient"] = task.key.patient(first.identity)
    if left_over(text, known):
        return account_row("report", code="identifier_left", named=named), None
    return account_row("report", named={**named, "file": "reports.csv"}), text


def account_row(
    kind: str, *, code: str | None = None, done: Done | None = None, named: dict[str, str] | None = None
) -> Row:
    """A row of ``deidentified``: pseudonyms and counts, nothing else."""
    counts: dict[str, Any] = done._asdict() if done else {}
    return {**dict.fromkeys(DEIDENTIFIED.columns), "kind": kind, "code": code, **(named or {}), **counts}


def _link(place: Place, study: str, code: str | None) -> Row:
    return {"source": place[0], "path": place[1], "study_uid": study, "code": code}
