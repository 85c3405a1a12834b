"""Stage ``deidentify``: an archive and its reports into a folder that names nobody (PS3.15 Annex E).

``share/`` in the run folder is what may leave the hospital: files under pseudonymous names, ``reports.csv`` and the
table of what was done. Everything else, such as ``links.parquet``, stays with the key. Studies are done one by one
and written into a journal, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from plainscan.config import DeidentifySettings
from plainscan.dicom.deidentify import text_at
from plainscan.dicom.deidentify_face import face_planes
from plainscan.dicom.deidentify_file import PATIENT_ID, Choices, Done, Source, open_source, write_clean
from plainscan.dicom.deidentify_key import Key, make_key, moved, read_key
from plainscan.dicom.files import Archive, locate
from plainscan.dicom.scan import gather, scan
from plainscan.errors import DicomError, MissingPartError, StorageError
from plainscan.reports.identifiers import Known, clean_report, left_over
from plainscan.stages.label import read_reports
from plainscan.stages.record import Counts, recorded, refuse_inside, say, track
from plainscan.tables import DEIDENTIFIED, LINKS, from_rows, whole_file, write

RULES: Final = "ps3.15-2026-1"  # change it with any change of what is removed
SHARE: Final = "share"
JOURNAL: Final = "deidentify.journal"
SERIES_UID: Final = 0x0020000E
INSTANCE_UID: Final = 0x00080018
FRAME_OF_REFERENCE: Final = 0x00200052
STUDY_DATE: Final = 0x00080020

Row = dict[str, Any]


class Result(NamedTuple):
    """What became of a study: rows of the two tables and its cleaned report, if it has one that passed."""

    rows: list[Row]
    links: list[Row]
    report: str | None


def run(folder: Path, settings: DeidentifySettings) -> Counts:
    """Write ``share/``, with ``deidentified.parquet`` in it, and ``links.parquet``.

    Raises:
        SourceError: There is no such source, or the key file is no key.
        ReportError: A report's encoding or columns are wrong.
        StorageError: The key or the source lies where the results would, or the folder holds what is not ours.
    """
    refuse_inside(folder, settings.source)
    _refuse_key_inside(folder, settings.key)
    key = make_key(settings.key) if settings.make_key else read_key(settings.key)
    return recorded(
        "deidentify",
        folder,
        settings,
        lambda: _work(folder, settings, key),
        inputs=[path for path in (settings.source, settings.reports) if path],
        outputs=[folder / SHARE, LINKS.path(folder)],
        rules=f"{RULES} {key.name}",
    )


def _refuse_key_inside(folder: Path, key: Path) -> None:
    if key.resolve().is_relative_to(folder.resolve()):
        raise StorageError(
            "the key lies among the results",
            where=str(key),
            expected="a key outside the run folder",
            remedy="Move it: whoever has it can undo the pseudonyms.",
        )


def _work(folder: Path, settings: DeidentifySettings, key: Key) -> Counts:
    reports = read_reports(settings.reports) if settings.reports else {}
    journal = _Journal(folder, settings, key)
    catalogue, rejects = gather(track(scan(settings.source), "headers"))
    rows = [_row("dicom", code=code) for code in rejects["code"]]
    links = [{**row, "patient_id": None} for row in rejects.select("source", "path", "code").iter_rows(named=True)]
    texts: dict[str, str] = {}
    studies = catalogue.partition_by("study_uid", as_dict=True)
    for (study,), frame in track(sorted(studies.items()), "deidentify"):
        result = journal.study(str(study), frame, reports.get(str(study)), key, settings)
        rows, links = rows + result.rows, links + result.links
        if result.report is not None:
            texts[key.uid(str(study))] = result.report
    strangers = sorted(reports.keys() - {str(study) for (study,) in studies})
    rows += [_row("report", code="report_without_study") for _ in strangers]
    share = folder / SHARE
    _prune(share, {str(row["file"]) for row in rows if row["file"]})
    if settings.reports:
        _write_reports(share / "reports.csv", texts)
    write(from_rows(rows, DEIDENTIFIED).sort("kind", "file", "code", nulls_last=True), share, DEIDENTIFIED)
    write(from_rows(links, LINKS), folder, LINKS)
    refused = Counter(str(row["code"]) for row in rows if row["code"])
    for code, count in refused.most_common():
        say(f"deidentify: {count} left out: {code}")
    done = [row for row in rows if row["file"]]
    return {
        "files": sum(row["kind"] == "dicom" for row in done),
        "reports": len(texts),
        "studies": len({row["study_uid"] for row in done}),
        "patients": len({row["patient"] for row in done}),
        "defaced": sum(bool(row["face_px"]) for row in done),
        "left out": sum(refused.values()),
    }


class _Journal:
    """Finished studies, a line each; a torn last line is as if it were not there."""

    def __init__(self, folder: Path, settings: DeidentifySettings, key: Key) -> None:
        self._folder, self._path = folder, folder / JOURNAL
        relevant = settings.model_dump(mode="json", exclude={"make_key", "key", "source", "reports"})
        stamp = json.dumps([RULES, key.name, relevant], sort_keys=True)
        self._done: dict[str, Result] = {}
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.is_file() else []
        share = folder / SHARE
        if share.exists() and any(share.iterdir()) and not lines:
            raise StorageError(
                "files of another origin", where=str(share), expected="an empty folder", remedy="Choose another --out."
            )
        if lines[:1] == [stamp]:
            self._done = {mark: result for line in lines[1:] for mark, result in _parse(line)}
        else:  # another key or other choices: nothing of it may stay beside the new files
            shutil.rmtree(share, ignore_errors=True)
        with whole_file(self._path) as partial:
            kept = [json.dumps([mark, *result], ensure_ascii=False) for mark, result in self._done.items()]
            partial.write_text("\n".join([stamp, *kept]) + "\n", encoding="utf-8")

    def study(
        self, study: str, frame: pl.DataFrame, report: str | None, key: Key, settings: DeidentifySettings
    ) -> Result:
        """The study's result: from the journal when its files are those of then, else made now."""
        archives: dict[Path, Archive] = {}
        try:
            mark = _mark(frame, report, archives)
            known = self._done.get(mark)
            if known and all((self._folder / SHARE / row["file"]).is_file() for row in known.rows if _is_image(row)):
                return known
            result = _study(self._folder / SHARE, study, frame, report, key, settings, archives)
        finally:
            for archive in archives.values():
                archive.close()
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps([mark, *result], ensure_ascii=False) + "\n")
        return result


def _is_image(row: Row) -> bool:
    return bool(row["file"]) and row["kind"] == "dicom"


def _parse(line: str) -> Iterator[tuple[str, Result]]:
    try:
        mark, rows, links, report = json.loads(line)
    except ValueError:
        return
    yield str(mark), Result(rows, links, report)


def _mark(frame: pl.DataFrame, report: str | None, archives: dict[Path, Archive]) -> str:
    """What a study was made from: its files with sizes and times, and its report."""
    digest = hashlib.sha256((report or "").encode("utf-8", "surrogatepass"))
    for source, path in _paths(frame):
        try:
            status = locate(source, path, archives).where.stat()
            digest.update(f"\n{path}\0{status.st_size}\0{status.st_mtime_ns}".encode())
        except DicomError as error:
            digest.update(f"\n{path}\0{error.code}".encode())
    return digest.hexdigest()


def _paths(frame: pl.DataFrame) -> list[tuple[str, str]]:
    return sorted(frame.select("source", "path").unique().iter_rows())


def _study(
    share: Path,
    study: str,
    frame: pl.DataFrame,
    report: str | None,
    key: Key,
    settings: DeidentifySettings,
    archives: dict[Path, Archive],
) -> Result:
    rows: list[Row] = []
    links: list[Row] = []
    sources: list[Source] = []
    for place in _paths(frame):
        try:
            sources.append(open_source(locate(*place, archives)))
        except DicomError as error:
            rows.append(_row("dicom", code=error.code, study_uid=key.uid(study)))
            links.append(_link(place, study, error.code))
    known = Known(ids=frozenset((study,)))
    for source in sources:
        known |= source.known
    planes = _planes(frame, sources, settings)
    choices = Choices(settings.derived, settings.burnt_in, settings.deface)
    seen: set[str] = set()
    root = str(frame["source"][0])
    for source in sources:
        row = _file(share, source, key, known, choices, planes, seen)
        rows.append(row)
        own = {"patient_id": text_at(source.header, PATIENT_ID), "patient": row["patient"], "file": row["file"]}
        links.append({**_link((root, source.entry.path), study, row["code"]), **own})
    text = None
    if report is not None:
        row, text = _report(study, report, sources, known, key)
        rows.append(row)
    return Result(rows, links, text)


def _planes(frame: pl.DataFrame, sources: list[Source], settings: DeidentifySettings) -> dict[str, Any]:
    if not settings.deface:
        return {}
    references = {text_at(s.header, SERIES_UID): text_at(s.header, FRAME_OF_REFERENCE) for s in sources}
    is_localizer = pl.col("image_type").fill_null("").str.to_uppercase().str.contains("LOCALIZER")
    rows = frame.filter(~is_localizer & (pl.col("modality").fill_null("CT") == "CT")).to_dicts()
    return dict(face_planes(rows, references, settings.thin_mm))


def _file(
    share: Path,
    source: Source,
    key: Key,
    known: Known,
    choices: Choices,
    planes: dict[str, Any],
    seen: set[str],
) -> Row:
    uids = [text_at(source.header, tag) for tag in (0x0020000D, SERIES_UID, INSTANCE_UID)]
    study, series, instance = map(key.uid, uids)
    patient = key.patient(source.identity)
    named = {"patient": patient, "study_uid": study, "series_uid": series, "instance_uid": instance}
    file = f"dicom/{patient}/{study}/{series}/{instance}.dcm"
    try:
        if instance in seen:
            raise DicomError("a file again", code="duplicate")
        seen.add(instance)
        if planes.get(uids[1], True) is None:
            raise DicomError("no plane", code="no_face_plane")
        done = write_clean(source, key, known, choices, planes.get(uids[1]), share / file)
    except (DicomError, MissingPartError) as error:
        return _row("dicom", code=error.code, **named)
    return _row("dicom", file=file, done=done, **named)


def _report(study: str, report: str, sources: list[Source], known: Known, key: Key) -> tuple[Row, str | None]:
    """A study's report: its row, and its text where nothing was left in it."""
    named = {"study_uid": key.uid(study)}
    if not sources:
        return _row("report", code="report_without_study", **named), None
    first = sources[0]
    days, day = key.days(first.identity), text_at(first.header, STUDY_DATE)
    year = int(day[:4]) if day[:4].isdecimal() and day.isascii() and len(day) >= 8 else None
    text = clean_report(report, known, lambda when: moved(when, days), year)
    named["patient"] = key.patient(first.identity)
    if left_over(text, known):
        return _row("report", code="identifier_left", **named), None
    return _row("report", file="reports.csv", **named), text


def _row(kind: str, *, code: str | None = None, file: str | None = None, done: Done | None = None, **named: str) -> Row:
    counts = done._asdict() if done else {}
    columns = dict.fromkeys(DEIDENTIFIED.columns)
    return {**columns, "kind": kind, "code": code, "file": file, **named, **counts}


def _link(place: tuple[str, str], study: str, code: str | None) -> Row:
    return {**dict.fromkeys(LINKS.columns), "source": place[0], "path": place[1], "study_uid": study, "code": code}


def _write_reports(path: Path, texts: dict[str, str]) -> None:
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("study_uid", "report"))
        writer.writerows(sorted(texts.items()))


def _prune(share: Path, files: set[str]) -> None:
    """Take away what no row names, such as a study that has left the source, and what a killed run left half."""
    share.mkdir(parents=True, exist_ok=True)
    for path in sorted(share.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(share).as_posix() not in files:
            path.unlink()
