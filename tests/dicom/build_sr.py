"""Structured reports for tests: a tree of content items, whole enough that dciodvfy finds no fault in it."""

from __future__ import annotations

from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from tests.dicom.build import CT_IMAGE, ROOT

BASIC_TEXT, ENHANCED, COMPREHENSIVE = (f"1.2.840.10008.5.1.4.1.1.88.{number}" for number in (11, 22, 33))
DOCUMENT_SERIES: Final = 90
Code = tuple[str, str, str]  # value, scheme, meaning
FINDINGS: Final = ("121070", "DCM", "Findings")
FINDING: Final = ("121071", "DCM", "Finding")
IMPRESSION: Final = ("121072", "DCM", "Impressions")
REPORT: Final = ("18748-4", "LN", "Diagnostic imaging report")
OBSERVER: Final = ("121008", "DCM", "Person Observer Name")


def coded(code: Code) -> Items:
    """A code sequence of one item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return Items([item])


def content(kind: str, concept: Code | None, *children: Dataset, relation: str = "CONTAINS", **values: Any) -> Dataset:
    """A content item."""
    item = Dataset()
    item.RelationshipType, item.ValueType = relation, kind
    if concept:
        item.ConceptNameCodeSequence = coded(concept)
    if kind == "CONTAINER":
        item.ContinuityOfContent = "SEPARATE"
    for name, value in values.items():
        setattr(item, name, value)
    if children:
        item.ContentSequence = Items(list(children))
    return item


def text(concept: Code, value: str, *children: Dataset, **more: Any) -> Dataset:
    """A TEXT item."""
    return content("TEXT", concept, *children, TextValue=value, **more)


def number(concept: Code, value: str, unit: Code, **more: Any) -> Dataset:
    """A NUM item."""
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = value, coded(unit)
    return content("NUM", concept, MeasuredValueSequence=Items([measured]), **more)


def image(instance: str, *children: Dataset, kind: str = "IMAGE", sop_class: str = CT_IMAGE, **more: Any) -> Dataset:
    """A reference to an instance of the study."""
    return content(kind, None, *children, ReferencedSOPSequence=Items([reference(instance, sop_class)]), **more)


def reference(instance: str, sop_class: str = CT_IMAGE) -> Dataset:
    """Item of a Referenced SOP Sequence."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def evidence(study: str, series: str, instances: list[str]) -> Items:
    """Current Requested Procedure Evidence, Predecessor Documents and the like."""
    inner, outer = Dataset(), Dataset()
    inner.SeriesInstanceUID, inner.ReferencedSOPSequence = series, Items([reference(one) for one in instances])
    outer.StudyInstanceUID, outer.ReferencedSeriesSequence = study, Items([inner])
    return Items([outer])


def sr(*children: Dataset, study: int = 1, **tags: Any) -> Dataset:
    """A structured report of a study of ``build.ct``. A tag given as None is left out."""
    ds = Dataset()
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": ENHANCED,
        "SOPInstanceUID": f"{ROOT}{study}.{DOCUMENT_SERIES}.1",
        "StudyDate": "20200301",
        "ContentDate": "20200301",
        "StudyTime": "101112",
        "ContentTime": "111213",
        "AccessionNumber": "",
        "Modality": "SR",
        "Manufacturer": "SIEMENS",
        "ReferringPhysicianName": "",
        "ReferencedPerformedProcedureStepSequence": Items(),
        "PatientName": "",
        "PatientID": f"P{study}",
        "PatientBirthDate": "",
        "PatientSex": "F",
        "StudyInstanceUID": f"{ROOT}{study}",
        "SeriesInstanceUID": f"{ROOT}{study}.{DOCUMENT_SERIES}",
        "StudyID": "",
        "SeriesNumber": DOCUMENT_SERIES,
        "InstanceNumber": 1,
        "ValueType": "CONTAINER",
        "ConceptNameCodeSequence": coded(REPORT),
        "ContinuityOfContent": "SEPARATE",
        "PerformedProcedureCodeSequence": Items(),
        "CompletionFlag": "COMPLETE",
        "VerificationFlag": "UNVERIFIED",
        "ContentSequence": Items(list(children)) if children else None,
    }
    values.update(tags)
    for name, value in values.items():
        if value is not None:
            setattr(ds, name, value)
    return ds
