"""Report text out of DICOM: structured reports (PS3.3 A.35), and encapsulated documents (A.45) that are plain text."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from plainscan.errors import ReportError
from plainscan.reports.encoding import decode

ENCAPSULATED: Final = ("1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.104.2")  # PDF, CDA
_DEEPEST: Final = 32
# Concept names of CID 7001 and CID 7002 that are headings here, by code value.
SECTIONS: Final = {
    **dict.fromkeys(("121070", "121071", "59776-5", "18782-3"), "Findings"),
    **dict.fromkeys(("121072", "121073", "121076", "121077", "19005-8"), "Impression"),
    **dict.fromkeys(("121060", "11329-0"), "History"),
    **dict.fromkeys(("121062", "121109", "18785-6"), "Indication"),
    **dict.fromkeys(("121064", "121065", "55111-9"), "Technique"),
    **dict.fromkeys(("121068", "18834-2"), "Comparison"),
    **dict.fromkeys(("121074", "121075", "18783-1"), "Recommendation"),
}


def read_report_object(path: Path, where: str) -> tuple[str, str]:
    """Study Instance UID and text of a structured report or an encapsulated text.

    Args:
        path: The file.
        where: Its name, for the message.

    Raises:
        ReportError: No DICOM, no report, an encapsulated document that is no plain text, no text, or no study.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that are not quite legal; what is used is checked here
        try:
            ds = pydicom.dcmread(path)
            study, text = str(ds.get("StudyInstanceUID", "")), _text(ds, where)
        except (InvalidDicomError, OSError, EOFError, ValueError, KeyError, AttributeError, TypeError) as reason:
            raise ReportError("unreadable", where=where, expected="a DICOM file", code="not_dicom") from reason
    if not text.strip():
        raise ReportError("no text", where=where, expected="text in the content tree", code="no_report_text")
    if not study:
        raise ReportError("no Study Instance UID", where=where, expected="it in (0020,000D)", code="no_study_uid")
    return study, text


def _text(ds: Dataset, where: str) -> str:
    if "EncapsulatedDocument" in ds:
        kind = str(ds.get("MIMETypeOfEncapsulatedDocument", ""))
        if kind.lower().split(";")[0].strip() != "text/plain":
            raise ReportError(
                "an encapsulated document that is no plain text",
                where=where,
                expected="text/plain in (0042,0012)",
                remedy="Export the reports as text or CSV.",
                code="encapsulated",
            )
        return decode(bytes(ds.EncapsulatedDocument).rstrip(b"\0"), where)
    if "ContentSequence" not in ds:
        raise ReportError("no report", where=where, expected="a structured report", code="no_report_object")
    return "\n".join(_lines(ds, 0))


def _lines(ds: Dataset, depth: int) -> Iterator[str]:
    """The text items in order; a heading where the concept name is one."""
    for item in ds.get("ContentSequence", ()):
        code = _concept(item, "CodeValue")
        heading = SECTIONS.get(code)
        if item.get("ValueType") == "TEXT":
            value = str(item.get("TextValue", "")).strip()
            yield f"{heading}:\n{value}" if heading else value
        elif item.get("ValueType") == "CONTAINER" and (heading or _concept(item, "CodeMeaning")):
            yield f"{heading or _concept(item, 'CodeMeaning')}:"
        if depth < _DEEPEST:
            yield from _lines(item, depth + 1)


def _concept(item: Dataset, keyword: str) -> str:
    names = item.get("ConceptNameCodeSequence", ())
    return str(names[0].get(keyword, "")) if names else ""
