"""Reports from files: a table, texts, HL7 v2, FHIR or DICOM, one by one or in a folder. Text by study.

A file name may hold an accession number: inside a folder, messages count files and do not name them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from plainscan.dicom.report import read_report_object
from plainscan.errors import ReportError, UserError
from plainscan.reports.encoding import decode, table_rows
from plainscan.reports.fhir import read_diagnostic_reports
from plainscan.reports.hl7 import read_oru
from plainscan.reports.identifiers import Known
from plainscan.reports.spreadsheet import OLD_WORKBOOK, sheet_rows

WORKBOOKS: Final = (".xlsx", ".xlsm", ".xls")
KINDS: Final = (".txt", ".csv", *WORKBOOKS, ".hl7", ".json", ".ndjson", ".dcm")


def read_reports(path: Path) -> dict[str, str]:
    """Report text by study.

    From a table with ``study_uid`` and ``report`` (CSV, .xlsx), HL7 v2 ORU (.hl7), FHIR DiagnosticReport (.json,
    .ndjson), DICOM SR or encapsulated text (.dcm), or a folder of such files and of ``<study_uid>.txt``.

    Raises:
        ReportError: Not readable, wrong encoding or columns, or a study twice; the message names file and row.
    """
    reports: dict[str, str] = {}
    for study, text, where in _folder(path) if path.is_dir() else _file(path, str(path)):
        if not study or study in reports:
            raise ReportError(
                "a study that an earlier row has" if study else "no study_uid",
                where=where,
                expected="one report per study",
                remedy="Join the texts or delete one." if study else "",
                code="duplicate_report" if study else "no_study_uid",
            )
        reports[study] = text
    return reports


def _folder(path: Path) -> Iterator[tuple[str, str, str]]:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in KINDS)
    if not files:
        raise ReportError(
            "no report",
            where=str(path),
            expected=f"<study_uid>.txt files, or {', '.join(KINDS[1:])}",
            code="no_reports",
        )
    for number, file in enumerate(files, start=1):
        yield from _file(file, f"{path}: file {number} by name")


def _file(path: Path, where: str) -> Iterator[tuple[str, str, str]]:
    """Study, text and place of each report in a file."""
    kind = path.suffix.lower()
    if kind == ".dcm":
        study, text = read_report_object(path, where)
        yield study, text, where
        return
    if kind == ".txt":
        yield path.stem, decode(file_bytes(path), where), where
    elif kind in (".hl7", ".json", ".ndjson"):
        read = read_oru if kind == ".hl7" else read_diagnostic_reports
        for number, (study, text) in enumerate(read(decode(file_bytes(path), where), where), start=1):
            yield study, text, f"{where}: report {number}"
    else:
        yield from _rows(file_rows(path, where), where)


def _rows(rows: list[dict[str, str]], where: str) -> Iterator[tuple[str, str, str]]:
    for number, row in enumerate(rows, start=2):
        missing = [name for name in ("study_uid", "report") if name not in row]
        if missing:  # without a header the first row is somebody's report: it is not quoted
            raise ReportError(
                f"no column {' and no column '.join(missing)}",
                where=f"{where}: row 1",
                expected="study_uid, report",
                code="report_columns",
            )
        if any(row.values()):
            yield row["study_uid"].strip(), row["report"], f"{where}: row {number}"


def read_known(path: Path) -> dict[str, Known]:
    """What a table lists of the people in each study: any column beside ``study_uid``.

    A value with a digit in it is a number or a date, another one a name.

    Raises:
        ReportError: Not readable, or no column ``study_uid``; the message names no value.
    """
    where = str(path)
    found: dict[str, Known] = {}
    for row in file_rows(path, where):
        if "study_uid" not in row:
            raise ReportError("no such column", where=where, expected="study_uid", code="report_columns")
        study = row["study_uid"].strip()
        values = {value.strip() for name, value in row.items() if name != "study_uid"} - {""}
        ids = {value for value in values if re.search(r"\d", value)}
        found[study] = found.get(study, Known()) | Known(frozenset(values - ids), frozenset(ids))
    return found


def file_rows(path: Path, where: str, error: type[UserError] = ReportError) -> list[dict[str, str]]:
    """Rows of a CSV or of a workbook's first sheet by the names in its first row; row i of the file is item i - 2.

    Args:
        path: The file.
        where: Its name, for messages.
        error: What to raise.

    Raises:
        ReportError: It cannot be read, or is no table.
    """
    data = file_bytes(path, error)
    if path.suffix.lower() in WORKBOOKS or data.startswith(OLD_WORKBOOK):
        return sheet_rows(data, where, error)
    return table_rows(decode(data, where, error), where, error)


def file_bytes(path: Path, error: type[UserError] = ReportError) -> bytes:
    """What a file holds.

    Raises:
        ReportError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as reason:
        raise error(
            reason.strerror or "unreadable", where=str(path), expected="a readable file", code="unreadable"
        ) from reason
