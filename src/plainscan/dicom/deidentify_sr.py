"""A structured report into a new one that names nobody (PS3.15 E.3.4, Clean Structured Content).

The header goes the way of an image's, and so do its references to other objects; who wrote, verified and received the
report is left out. ``deidentify_sr_tree`` builds the content tree.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from plainscan.dicom.deidentify import (
    CHARACTER_SET,
    DUMMIES,
    Cleaner,
    Person,
    character_sets,
    day_of,
    deidentify,
    items_of,
    text_of,
)
from plainscan.dicom.deidentify_sr_table import report_table
from plainscan.dicom.deidentify_sr_tree import (
    CONCEPT_NAME,
    CONTENT,
    DEEPEST_ITEM,
    TEXT_VALUE,
    Tree,
    closed,
    code_of,
    refused,
)
from plainscan.reports.identifiers import SHORTEST_ID, Known
from plainscan.reports.identity_patterns import NAME, PLACE

SOP_CLASS: Final = 0x00080016
REPORT_CLASSES: Final = "1.2.840.10008.5.1.4.1.1.88."  # of structured reports, by how their UIDs start
_PERSON_NAME: Final = 0x0040A123
_ORGANIZATION: Final = 0x0040A027
_VERIFYING: Final = 0x0040A073
_STAFF: Final = (0x00401101, 0x0040A088)  # codes that stand for a person
_STAFF_IN: Final = (_VERIFYING, 0x0040A078, 0x0040A07A)  # verifying observer, author, participant
_TREE: Final = (0x0040A040, CONCEPT_NAME, 0x0040A050, 0x0040A504, CONTENT)
_FLAGS: Final = {"CompletionFlag": 0x0040A491, "VerificationFlag": 0x0040A493, "PreliminaryFlag": 0x0040A496}
_EMPTY: Final = ("Manufacturer", "PatientSex")  # type 2 in a report
_NO_ITEMS: Final = ("ReferencedPerformedProcedureStepSequence", "PerformedProcedureCodeSequence")


def report_identifiers(ds: Dataset) -> Known:
    """Names and numbers of people that stand in the tree, and those of who wrote and verified the report."""
    sets = character_sets(ds)
    names, ids = set[str](), set[str]()
    for tag in _STAFF_IN:
        for person in items_of(ds, tag):
            ids.add(text_of(person, _ORGANIZATION, sets))
            for value, _, meaning in (code_of(person, staff, sets) for staff in _STAFF):
                names.add(meaning)
                ids.add(value)
    for item, inner in _items(ds, sets, 1):
        names.add(text_of(item, _PERSON_NAME, inner))
        if report_table().concepts.get(code_of(item, CONCEPT_NAME, inner)[0]) in ("pseudonym", "remove"):
            ids.add(text_of(item, TEXT_VALUE, inner))
    return Known(frozenset(names - DUMMIES), frozenset(one for one in ids - DUMMIES if len(one) >= SHORTEST_ID))


def _items(ds: Dataset, sets: list[str], depth: int) -> Iterator[tuple[Dataset, list[str]]]:
    """Every content item with the character sets that hold in it."""
    for item in items_of(ds, CONTENT):
        inner = character_sets(item) if CHARACTER_SET in item else sets
        yield item, inner
        if depth < DEEPEST_ITEM:
            yield from _items(item, inner, depth + 1)


def deidentify_report(ds: Dataset, person: Person) -> tuple[Dataset, Counter[str]]:
    """The new report, without a meta header, and how many attributes and content items became what.

    Args:
        ds: As read, values still raw.
        person: The patient.

    Returns:
        The data set in UTF-8, and counts by action of ``deidentify_table``; ``private`` for removed private ones.

    Raises:
        DicomError: It is left out; see ``SR_LEFT_OUT``.
    """
    if text_of(ds, SOP_CLASS, []) not in report_table().classes:
        raise refused("sr_class", "(0008,0016) SOP Class UID")
    new, counts = deidentify(ds, person, report_table().header)
    counts["X"] -= sum(tag in ds for tag in _TREE)
    sets = character_sets(ds)
    birth = re.sub(r"\D", "", text_of(ds, 0x00100030, sets))
    tree = Tree(person, sets, birth, day_of(text_of(ds, 0x00080020, sets)), counts).build(ds)
    for element in tree:
        new[element.tag] = element
    _complete(ds, new, person, sets)
    return new, counts


def _complete(ds: Dataset, new: Dataset, person: Person, sets: list[str]) -> None:
    """What a report must have (PS3.3 C.17.1, C.17.2) and the table does not take over from the source."""
    new.Modality = "SR"
    for keyword, tag in _FLAGS.items():
        if tag in ds:
            setattr(new, keyword, closed(keyword, text_of(ds, tag, sets)))
    for keyword in ("SeriesNumber", "InstanceNumber"):
        if keyword not in new:
            setattr(new, keyword, 1)
    for keyword in _EMPTY:
        if keyword not in new:
            setattr(new, keyword, "")
    for keyword in _NO_ITEMS:
        setattr(new, keyword, Sequence())
    observers = items_of(ds, _VERIFYING)
    if new.get("VerificationFlag") == "VERIFIED" and observers:
        one = Cleaner(person, sets, Counter(), report_table().items).clean(observers[0], 0)
        observer = Dataset()
        observer.VerifyingObserverName, observer.VerifyingOrganization = NAME, PLACE
        observer.VerifyingObserverIdentificationCodeSequence = Sequence()
        if "VerificationDateTime" in one:
            observer.VerificationDateTime = one.VerificationDateTime
        new.VerifyingObserverSequence = Sequence([observer])
