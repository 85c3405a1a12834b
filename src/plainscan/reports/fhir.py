"""FHIR DiagnosticReport resources (R4, R5; JSON) to report texts by Study Instance UID. Text in, text out.

The text is the plain-text attachment of ``presentedForm``, else the narrative; ``conclusion`` follows under a
heading where neither holds it. The study is the ``urn:dicom:uid`` of an ImagingStudy that the report names, holds or
comes with.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from plainscan.errors import ReportError
from plainscan.reports.encoding import decode

_DICOM_UID: Final = "urn:dicom:uid"
_WITHDRAWN: Final = frozenset({"cancelled", "entered-in-error"})
_BREAK: Final = re.compile(r"<(?:br|/p|/div|/li|/tr|/h\d)\b[^>]*>", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^>]*>")

Resource = dict[str, Any]


def read_diagnostic_reports(text: str, where: str) -> Iterator[tuple[str, str]]:
    """Study Instance UID and text of each DiagnosticReport in a resource, a Bundle, or lines of resources (NDJSON).

    Raises:
        ReportError: No JSON, no DiagnosticReport, or one without text or study. Withdrawn reports are left out.
    """
    resources = list(_resources(text, where))
    studies = {key: uid for one in resources if (uid := _uid(one)) for key in _names(one)}
    reports = [one for one in resources if one.get("resourceType") == "DiagnosticReport"]
    if not reports:
        raise ReportError("no DiagnosticReport", where=where, expected="FHIR resources in JSON", code="not_fhir")
    for number, report in enumerate(reports, start=1):
        if report.get("status") not in _WITHDRAWN:
            place = f"{where}: report {number}"
            yield _study(report, studies, place), _text(report, place)


def _resources(text: str, where: str) -> Iterator[Resource]:
    try:
        try:
            found = [json.loads(text)]
        except json.JSONDecodeError:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise ReportError("not JSON", where=where, expected="FHIR resources in JSON", code="not_fhir") from None
    for one in found:
        yield from _inside(one)


def _inside(resource: object) -> Iterator[Resource]:
    if not isinstance(resource, dict):
        return
    yield resource
    for entry in _list(resource, "entry"):
        inner = entry.get("resource")
        if isinstance(inner, dict):
            yield inner | {"fullUrl": entry.get("fullUrl")}


def _list(resource: Resource, name: str) -> list[Resource]:
    value = resource.get(name)
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, dict)]


def _names(resource: Resource) -> list[str]:
    """What a reference may call an ImagingStudy."""
    own = str(resource.get("id", ""))
    return [name for name in (f"ImagingStudy/{own}" if own else "", str(resource.get("fullUrl") or "")) if name]


def _uid(resource: Resource) -> str:
    """The Study Instance UID of an ImagingStudy, or of anything with such an identifier."""
    for one in _list(resource, "identifier"):
        if one.get("system") == _DICOM_UID:
            return str(one.get("value", "")).removeprefix("urn:oid:").strip()
    return ""


def _study(report: Resource, studies: dict[str, str], where: str) -> str:
    contained = {f"#{one.get('id')}": _uid(one) for one in _list(report, "contained")}
    for reference in (*_list(report, "imagingStudy"), *_list(report, "study")):
        name = str(reference.get("reference", ""))
        if uid := _uid(reference) or contained.get(name) or studies.get(name):
            return uid
    if uid := _uid(report):
        return uid
    raise ReportError(
        "no Study Instance UID",
        where=where,
        expected=f"an imagingStudy with an identifier of system {_DICOM_UID}",
        remedy="Write study_uid and report into a CSV instead.",
        code="no_study_uid",
    )


def _text(report: Resource, where: str) -> str:
    parts = [_attachment(form, where) for form in _list(report, "presentedForm") if _is_plain(form)]
    text = "\n".join(part for part in parts if part)
    for narrative in _list(report, "text"):
        text = text or _narrative(str(narrative.get("div", "")))
    conclusion = str(report.get("conclusion") or "").strip()
    if conclusion and conclusion not in text:
        text = f"{text}\nImpression: {conclusion}".strip()
    if not text:
        raise ReportError(
            "no text", where=where, expected="a text/plain presentedForm, text or conclusion", code="no_report_text"
        )
    return text


def _is_plain(form: Resource) -> bool:
    return str(form.get("contentType", "")).split(";")[0].strip().lower() == "text/plain" and bool(form.get("data"))


def _attachment(form: Resource, where: str) -> str:
    try:
        return decode(base64.b64decode("".join(str(form["data"]).split()), validate=True), where).strip()
    except (binascii.Error, ValueError):
        raise ReportError("a broken attachment", where=where, expected="base64", code="not_fhir") from None


def _narrative(xhtml: str) -> str:
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", xhtml))).strip()
