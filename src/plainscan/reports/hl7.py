"""HL7 version 2 result messages (ORU) to report texts: the text of OBX segments, by Study Instance UID.

The study is named by ZDS-1 (IHE Radiology, ORM), IPC-3 (OMI), or an OBX with code 113014 or 110180 of DICOM (PS3.16).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from plainscan.errors import ReportError

_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)+")
_TEXT_TYPES: Final = frozenset({"TX", "FT", "ST"})
_STUDY_CODES: Final = frozenset({"113014", "110180"})
_WITHDRAWN: Final = frozenset({"D", "W", "X"})  # deleted, wrong, cannot be obtained (table 0085)
_FRAMING: Final = str.maketrans({"\x0b": "\r", "\x1c": "\r", "\n": "\r"})
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")


def read_oru(text: str, where: str) -> Iterator[tuple[str, str]]:
    r"""Study Instance UID and report of each result message.

    Args:
        text: One or more messages, with or without the framing of MLLP.
        where: The file's name, for the message.

    Raises:
        ReportError: No message, a message that is no ORU, one without text, or one that names no study.

    >>> message = "MSH|^~\\&|||||||ORU^R01\rZDS|1.2.3^^Application^DICOM\rOBX|1|TX|&IMP||No mass.\r"
    >>> list(read_oru(message, "r.hl7"))
    [('1.2.3', 'Impression:\nNo mass.')]
    """
    messages = re.split(r"(?:^|\r)(?=MSH)", text.translate(_FRAMING))
    read = 0
    for number, message in enumerate((m for m in messages if m.strip("\r \ufeff")), start=1):
        yield _message(message.strip("\r \ufeff"), f"{where}: message {number}")
        read = number
    if not read:
        raise ReportError("no message", where=where, expected="MSH segments", code="not_hl7")


def _message(message: str, where: str) -> tuple[str, str]:
    segments = [line for line in message.split("\r") if line]
    if not segments[0].startswith("MSH") or len(segments[0]) < 8:
        raise ReportError("no MSH segment", where=where, expected="a message of HL7 version 2", code="not_hl7")
    field, component, repeat, escape, subcomponent = list(segments[0][3:8])
    kind = (segments[0].split(field) + [""] * 9)[8].split(component)[0]
    if kind != "ORU":
        raise ReportError("a message of another type", where=where, expected="ORU in MSH-9", code="not_oru")
    signs = {"F": field, "S": component, "R": repeat, "E": escape, "T": subcomponent}
    study, lines, heading = "", list[str](), ""
    for segment in segments:
        parts = segment.split(field)
        study = study or _study(parts, component)
        if parts[0] == "OBX" and (found := _observation(parts)) and not _names_study(parts, component):
            code, value = found
            title = _heading(code, signs["T"], component)
            if title != heading:
                lines.append(title)
                heading = title
            lines += [_unescaped(line, signs) for line in value.split(repeat)]
    if not study:
        raise ReportError(
            "no Study Instance UID",
            where=where,
            expected="it in ZDS-1, IPC-3 or an OBX of code 113014",
            remedy="Write study_uid and report into a CSV instead.",
            code="no_study_uid",
        )
    if not any(line.strip() for line in lines):
        raise ReportError("no text", where=where, expected="OBX segments of type TX, FT or ST", code="no_report_text")
    return study, "\n".join(line for line in lines if line)


def _observation(parts: list[str]) -> tuple[str, str] | None:
    """OBX-3 and OBX-5 of an observation that is text and stands."""
    padded = parts + [""] * 12
    if padded[2] not in _TEXT_TYPES or padded[11] in _WITHDRAWN:
        return None
    return padded[3], padded[5]


def _names_study(parts: list[str], component: str) -> bool:
    return parts[0] == "OBX" and len(parts) > 5 and parts[3].split(component)[0] in _STUDY_CODES


def _study(parts: list[str], component: str) -> str:
    place = {"ZDS": 1, "IPC": 3}.get(parts[0], 5 if _names_study(parts, component) else 0)
    value = parts[place].split(component)[0].strip() if 0 < place < len(parts) else ""
    return value if _UID.fullmatch(value) else ""


def _heading(code: str, subcomponent: str, component: str) -> str:
    """A heading where the observation's code says which part of the report it is (suffixes of HL7 2.x, 7.2.4)."""
    suffix = code.split(component)[0].rpartition(subcomponent)[2].upper()
    return {"IMP": "Impression:", "GDT": "Findings:", "REC": "Recommendation:"}.get(suffix, "")


def _unescaped(text: str, signs: dict[str, str]) -> str:
    mark = re.escape(signs["E"])

    def plain(found: re.Match[str]) -> str:
        code = found[1]
        if code in signs:
            return signs[code]
        if code.startswith("X") and _HEX.fullmatch(code[1:]):
            return bytes.fromhex(code[1:]).decode("utf-8", "replace").replace("\r", "\n")
        return "\n" if code.startswith((".br", ".sp", ".ce")) else ""

    return re.sub(rf"{mark}([^{mark}]*){mark}", plain, text)
