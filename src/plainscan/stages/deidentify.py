"""Stage ``deidentify``: an archive and its reports into a folder that names nobody (PS3.15 Annex E).

OUT is what may leave the hospital: files under pseudonymous names, ``reports.csv`` and ``deidentified.parquet``, the
account of what was done. What ties it to the source lies beside the key: journal, run record and ``links.parquet``.
Studies are done one by one, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from plainscan.config import DeidentifySettings
from plainscan.counted import counted, tally
from plainscan.dicom.deidentify_key import Key, make_key, read_key
from plainscan.dicom.files import Archive, count_files, locate, split_source
from plainscan.dicom.scan import gather, scan
from plainscan.errors import DicomError, SourceError, StorageError
from plainscan.reports.identifiers import Known
from plainscan.stages.deidentify_journal import Journal, Result, Row, records_of, refuse_foreign
from plainscan.stages.deidentify_reports import find_reports
from plainscan.stages.deidentify_study import Task, account_row, deidentify_study, paths_of
from plainscan.stages.record import Counts, recorded, refuse_inside, say, track
from plainscan.stages.report_files import read_known, read_reports
from plainscan.storage import whole_file
from plainscan.tables import DEIDENTIFIED, LINKS, from_rows, write

RULES: Final = "deidentify-3"  # change it with any change of what is removed
REPORTS: Final = "reports.csv"


def run(folder: Path, settings: DeidentifySettings) -> Counts:
    """Write OUT, and what must not go with it beside the key.

    Raises:
        SourceError: There is no such source, nothing in it to de-identify, all of it was left out (the account then
            says why), or the key file is no key.
        ReportError: A report's encoding or columns are wrong.
        StorageError: The key or the source lies where the results would, or OUT holds what is not ours.
    """
    sources = [path for path in (settings.source, settings.reports, settings.identifiers) if path]
    records = records_of(settings.key, folder)
    for place in (folder, records):
        refuse_inside(place, settings.source)
    _refuse_among_results(folder, sources, settings.key)
    refuse_foreign(folder, records)
    split_source(settings.source)  # a source that is not there, or holds nothing, must not leave a key behind
    if settings.source.is_dir() and not any(path.is_file() for path in settings.source.rglob("*")):
        raise _nothing(settings.source, 0)
    is_new = not settings.key.exists()
    key = _new_key(settings.key) if is_new else read_key(settings.key)
    records.mkdir(mode=0o700, parents=True, exist_ok=True)
    return recorded(
        "deidentify",
        records,
        settings,
        lambda: _work(folder, records, settings, key, is_new=is_new),
        inputs=sources,
        outputs=[folder, LINKS.path(records)],
        rules=f"{RULES} {key.name}",
    )


def _refuse_among_results(folder: Path, sources: Sequence[Path], key: Path) -> None:
    told = dict.fromkeys(sources, ("source", "What lies there may go out, or be taken away."))
    told[key] = ("key", "Keep it where only the hospital can read it: whoever has it can undo the pseudonyms.")
    for path, (what, remedy) in told.items():
        if path.resolve().is_relative_to(folder.resolve()):
            raise StorageError(
                f"the {what} would lie among the results",
                where=str(path),
                expected=f"a {what} outside OUT",
                remedy=remedy,
            )


def _new_key(path: Path) -> Key:
    key = make_key(path)
    say(f"deidentify: a new key was made: {path}. Keep it, and keep it here: a lost key cannot be made again.")
    return key


def _work(out: Path, records: Path, settings: DeidentifySettings, key: Key, *, is_new: bool) -> Counts:
    reports = read_reports(settings.reports) if settings.reports else {}
    listed = read_known(settings.identifiers) if settings.identifiers else {}
    choices = settings.model_dump(mode="json", include={"derived", "burnt_in", "deface", "thin_mm"})
    journal = Journal(records, [RULES, key.name, choices, str(out.resolve())])
    total = count_files(settings.source) if settings.source.is_dir() else None
    catalogue, rejects = gather(track(scan(settings.source), "headers", total=total))
    documents, others = find_reports(rejects)
    if catalogue.is_empty() and not documents:
        if is_new:
            settings.key.unlink()
            journal.discard()
            say("deidentify: the new key was taken away again, as it has named nothing")
        raise _nothing(settings.source, rejects.height)
    rows = [account_row(kind, code=code) for kind, _, code in others]
    links: list[Row] = [{"source": root, "path": path, "code": code} for _, (root, path), code in others]
    studies = {str(study): frame for (study,), frame in catalogue.partition_by("study_uid", as_dict=True).items()}
    texts: dict[str, str] = {}
    for study in track(sorted(studies.keys() | documents.keys()), "deidentify"):
        frame, own = studies.get(study, catalogue.clear()), tuple(documents.get(study, ()))
        task = Task(out, study, frame, reports.get(study), listed.get(study, Known()), key, settings, own)
        result = _study(journal, task)
        rows, links = rows + result.rows, links + result.links
        if result.report is not None:
            texts[key.uid(study)] = result.report
    unknown = reports.keys() - studies.keys() - documents.keys()
    rows += [account_row("report", code="report_without_study") for _ in unknown]
    _prune(out, {str(row["file"]) for row in rows if row["file"]})
    if settings.reports:
        _write_reports(out / REPORTS, texts)
    write(from_rows(rows, DEIDENTIFIED).sort("kind", "file", "code", nulls_last=True), out, DEIDENTIFIED)
    write(from_rows([{**dict.fromkeys(LINKS.columns), **link} for link in links], LINKS), records, LINKS)
    counts = _counts(rows, records)
    if not any(row["file"] for row in rows):
        raise _none_written(settings.source, rows)
    return counts


def _none_written(source: Path, rows: Sequence[Row]) -> SourceError:
    """All was left out: whoever reads the exit code alone must not take an empty folder for a copy."""
    return SourceError(
        f"nothing was written: {tally(str(row['code']) for row in rows)}",
        where=str(source),
        expected="at least one image or report that may go out",
        remedy="docs/reference/exclusions.md says what each code means.",
        code="nothing_written",
    )


def _nothing(source: Path, refused: int) -> SourceError:
    return SourceError(
        f"no DICOM image or report among {counted(refused, 'files')}",
        where=str(source),
        expected="CT images as DICOM files, in folders or ZIPs",
        remedy="Is it the right folder, and connected? What an earlier run wrote is as it was.",
        code="no_images",
    )


def _counts(rows: Sequence[Row], records: Path) -> Counts:
    refused = Counter(str(row["code"]) for row in rows if row["code"])
    for code, count in refused.most_common():
        say(f"deidentify: {count} left out: {code}")
    if refused:
        say(f"deidentify: which ones: {LINKS.path(records)}")
    done = [row for row in rows if row["file"] and row["kind"] == "dicom"]
    faces = {face: {row["series_uid"] for row in done if row["face"] == face} for face in ("removed", "thick", "kept")}
    if faces["thick"]:
        say(f"deidentify: {len(faces['thick'])} series with slices too far apart to show a face; nothing was cut off")
    return {
        "files": len(done),
        "structured reports": sum(row["kind"] == "sr" and bool(row["file"]) for row in rows),
        "reports": sum(row["kind"] == "report" and bool(row["file"]) for row in rows),
        "studies": len({row["study_uid"] for row in done}),
        "patients": len({row["patient"] for row in done}),
        "series without a face now": len(faces["removed"]),
        "left out": sum(refused.values()),
    }


def _study(journal: Journal, task: Task) -> Result:
    """The study's result: from the journal when its files are those of then, else made now."""
    archives: dict[Path, Archive] = {}
    try:
        mark = _mark(task, archives)
        known = journal.find(mark)
        files = [row for row in known.rows if row["kind"] != "report" and row["file"]] if known else []
        if known and all((task.out / row["file"]).is_file() for row in files):
            return known
        result = deidentify_study(task, archives)
    finally:
        for archive in archives.values():
            archive.close()
    journal.add(mark, result)
    return result


def _mark(task: Task, archives: dict[Path, Archive]) -> str:
    """What a study was made from: its files with sizes and times, its reports, what is known beside the headers."""
    digest = hashlib.sha256(f"{task.study}\n{task.report}\n".encode("utf-8", "surrogatepass"))
    digest.update(repr([sorted(part) for part in (task.listed.names, task.listed.ids, task.listed.days)]).encode())
    for source, path in (*paths_of(task.frame), *task.documents):
        try:
            status = locate(source, path, archives).where.stat()
            digest.update(f"\n{path}\0{status.st_size}\0{status.st_mtime_ns}".encode())
        except DicomError as error:
            digest.update(f"\n{path}\0{error.code}".encode())
    return digest.hexdigest()


def _write_reports(path: Path, texts: dict[str, str]) -> None:
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("study_uid", "report"))
        writer.writerows(sorted(texts.items()))


def _prune(out: Path, files: set[str]) -> None:
    """Take away what no row names, such as a study that has left the source, and what a killed run left half."""
    for path in sorted((out / "dicom").rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(out).as_posix() not in files:
            path.unlink()
