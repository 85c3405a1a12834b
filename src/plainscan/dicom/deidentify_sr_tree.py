"""The content tree of a structured report, built anew item by item, by value type (PS3.3 C.17.3, PS3.15 E.3.4).

A value type, a relation or a shape that is not known stops it: the report is then left out as a whole. An item whose
value cannot be read, or that only says who somebody is, goes with everything below it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from plainscan.dicom.deidentify import CHARACTER_SET, Cleaner, Person, character_sets, coarse_age, items_of, text_of
from plainscan.dicom.deidentify_key import moved
from plainscan.dicom.deidentify_sr_table import is_public, report_table
from plainscan.dicom.report import SECTIONS
from plainscan.errors import DicomError
from plainscan.reports.dates import Day
from plainscan.reports.descriptor import clean_descriptor
from plainscan.reports.identifiers import clean_report, left_over, name_parts
from plainscan.reports.identity_patterns import NAME, OLDEST

SR_LEFT_OUT: Final = {
    "sr_class": "a structured report of another kind than Basic Text, Enhanced and Comprehensive SR",
    "sr_value_type": "a content item of a value type that is not let through, such as WAVEFORM",
    "sr_content": "a content tree that is not built as the standard says, or deeper than 32 items",
}
VALUE_TYPE: Final = 0x0040A040
RELATIONSHIP: Final = 0x0040A010
CONCEPT_NAME: Final = 0x0040A043
CONCEPT_CODE: Final = 0x0040A168
CONTENT: Final = 0x0040A730
TEXT_VALUE: Final = 0x0040A160
MEASURED: Final = 0x0040A300
NUMERIC_VALUE: Final = 0x0040A30A
UNITS: Final = 0x004008EA
TEMPLATE: Final = 0x0040A504
REFERENCED_ITEM: Final = 0x0040DB73
CODE_VALUES: Final = (0x00080100, 0x00080119, 0x00080120)  # short, long, URN
SCHEME: Final = 0x00080102
MEANING: Final = 0x00080104
DEEPEST_ITEM: Final = 32
OWN_SCHEME: Final = "99PLAINSCAN"
_MOST_VALUES: Final = 10_000
_NUMBER: Final = re.compile(r"[-+]?(\d{1,6}(\.\d*)?|\.\d+)([eE][-+]?\d{1,2})?")  # more may be a phone or a date
_BIRTH: Final = re.compile(r"birth|\bborn\b|\bDOB\b|出生|生日", re.IGNORECASE)


class Part(NamedTuple):
    """A content item on its way.

    Args:
        item: As read.
        sets: Character sets that hold in it.
        plain: Its dates, UIDs and references, cleaned by the table.
        label: What its name means, cleaned.
        fate: What the table says of its name; empty for most.
    """

    item: Dataset
    sets: list[str]
    plain: Dataset
    label: str
    fate: str


def refused(code: str, where: str) -> DicomError:
    """The error of a report that is left out."""
    return DicomError(SR_LEFT_OUT[code], where=where, remedy="The file is left out.", code=code)


def closed(keyword: str, text: str) -> str:
    """One of the words that an attribute may hold; the first of them for any other."""
    words = report_table().closed[keyword]
    return text if text in words else words[0]


def code_of(item: Dataset, tag: int, sets: list[str]) -> tuple[str, str, str]:
    """Value, scheme and meaning of a coded entry; empty where there is none."""
    for code in items_of(item, tag)[:1]:
        value = next((text for place in CODE_VALUES if (text := text_of(code, place, sets))), "")
        return value, text_of(code, SCHEME, sets), text_of(code, MEANING, sets)
    return "", "", ""


class Tree:
    """Builds the tree of one report.

    Args:
        person: The patient, with everything that is known of the people of the study.
        sets: Character sets of the report.
        birth: The patient's birth date as the header has it, digits alone.
        study: Date of the study, for dates without a year.
        counts: Where items are counted by what became of them.
    """

    def __init__(self, person: Person, sets: list[str], birth: str, study: Day | None, counts: Counter[str]) -> None:
        self._person, self._sets, self._birth, self._study, self._counts = person, sets, birth, study, counts
        self._cleaner = Cleaner(person, sets, Counter(), report_table().items, _MOST_VALUES)
        self._parts = name_parts(person.known)
        self._cleaned: dict[str, str] = {}
        self._old: dict[int, tuple[int, ...]] = {}  # place in the source by identity of a new item
        self._links: list[tuple[Dataset, tuple[int, ...]]] = []  # items that stand for another one, and its old place
        self._makers: dict[str, Callable[[Part, Dataset], str]] = {
            "CONTAINER": self._container,
            "TEXT": self._text,
            "CODE": self._code,
            "NUM": self._number,
            "PNAME": self._name,
            "DATE": lambda part, new: self._day(part, new, "Date"),
            "DATETIME": lambda part, new: self._day(part, new, "DateTime"),
            "TIME": lambda part, new: self._plain(part, new, "Time", "C"),
            "UIDREF": lambda part, new: self._plain(part, new, "UID", "U"),
            "IMAGE": lambda part, new: self._plain(part, new, "ReferencedSOPSequence", "U"),
            "COMPOSITE": lambda part, new: self._plain(part, new, "ReferencedSOPSequence", "U"),
            "SCOORD": self._coordinates,
        }

    def build(self, ds: Dataset) -> Dataset:
        """The attributes of the root item, its tree below it.

        Raises:
            DicomError: Something is in it that is not let through, or was not found to be cleaned.
        """
        new = self._item(ds, self._sets, (1,))
        if new is None or new.ValueType != "CONTAINER":
            raise refused("sr_content", "the root of the content tree")
        places = dict(self._places(new, (1,)))
        for link, target in self._links:
            if target not in places:
                raise refused("sr_content", "(0040,DB73) Referenced Content Item Identifier")
            link.ReferencedContentItemIdentifier = list(places[target])
        return new

    def _places(self, item: Dataset, place: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Old and new place of an item and of all below it."""
        found = [(self._old[id(item)], place)] if id(item) in self._old else []
        for number, child in enumerate(item.get("ContentSequence", ()), start=1):
            found += self._places(child, (*place, number))
        return found

    def _item(self, item: Dataset, sets: list[str], place: tuple[int, ...]) -> Dataset | None:
        """The new item with everything below it; None where it goes."""
        if len(place) > DEEPEST_ITEM:
            raise refused("sr_content", "(0040,A730) Content Sequence")
        sets = character_sets(item) if CHARACTER_SET in item else sets
        kind = text_of(item, VALUE_TYPE, sets)
        if kind not in self._makers:
            raise refused("sr_value_type", "(0040,A040) Value Type")
        fate = report_table().concepts.get(code_of(item, CONCEPT_NAME, sets)[0], "")
        new = Dataset()
        new.ValueType = kind
        name = self._coded(item, CONCEPT_NAME, sets)
        if name:
            new.ConceptNameCodeSequence = name
        part = Part(item, sets, self._cleaner.clean(item, 0), name[0].CodeMeaning if name else "", fate)
        action = "X" if fate == "remove" else self._makers[kind](part, new)
        self._counts[action] += 1
        if action == "X":
            return None
        for keyword in ("ObservationDateTime", "ObservationUID"):
            if keyword in part.plain:
                new[keyword] = part.plain[keyword]
        children = self._children(item, sets, place)
        if children:
            new.ContentSequence = Sequence(children)
        self._old[id(new)] = place
        return new

    def _children(self, item: Dataset, sets: list[str], place: tuple[int, ...]) -> list[Dataset]:
        children: list[Dataset] = []
        for number, child in enumerate(items_of(item, CONTENT), start=1):
            relation = text_of(child, RELATIONSHIP, sets)
            if relation not in report_table().closed["RelationshipType"]:
                raise refused("sr_content", "(0040,A010) Relationship Type")
            new = self._link(child) if REFERENCED_ITEM in child else self._item(child, sets, (*place, number))
            if new is not None:
                new.RelationshipType = relation
                children.append(new)
        return children

    def _link(self, item: Dataset) -> Dataset:
        """An item that stands for another one (C.17.3.2.5); where that lies now is known at the end."""
        target = self._cleaner.clean(item, 0).get("ReferencedContentItemIdentifier")
        if target is None:
            raise refused("sr_content", "(0040,DB73) Referenced Content Item Identifier")
        new = Dataset()
        self._links.append((new, tuple(target) if not isinstance(target, int) else (target,)))
        return new

    def _container(self, part: Part, new: Dataset) -> str:
        new.ContinuityOfContent = closed("ContinuityOfContent", text_of(part.item, 0x0040A050, part.sets))
        for template in items_of(part.item, TEMPLATE)[:1]:
            number = text_of(template, 0x0040DB00, part.sets)
            if text_of(template, 0x00080105, part.sets) == "DCMR" and re.fullmatch(r"\d{1,5}", number):
                kept = Dataset()
                kept.MappingResource, kept.TemplateIdentifier = "DCMR", number
                new.ContentTemplateSequence = Sequence([kept])
        return "K"

    def _text(self, part: Part, new: Dataset) -> str:
        text = text_of(part.item, TEXT_VALUE, part.sets)
        if part.fate == "pseudonym":
            new.TextValue = self._person.pseudonym
            return "D"
        if part.fate == "age":
            return "X"
        new.TextValue = clean_descriptor(text, self._parts) if part.fate == "words" else self._clean(text, part.label)
        return "C" if new.TextValue or not text else "X"

    def _name(self, part: Part, new: Dataset) -> str:
        new.PersonName = self._person.pseudonym if part.fate == "pseudonym" else NAME
        return "D"

    def _code(self, part: Part, new: Dataset) -> str:
        code = self._coded(part.item, CONCEPT_CODE, part.sets, part.label)
        if not code or part.fate in ("pseudonym", "age"):
            return "X"
        new.ConceptCodeSequence = code
        return "C"

    def _number(self, part: Part, new: Dataset) -> str:
        new.MeasuredValueSequence = Sequence()
        for measured in items_of(part.item, MEASURED)[:1]:
            text = text_of(measured, NUMERIC_VALUE, part.sets)
            unit = code_of(measured, UNITS, part.sets)[0]
            number = _coarse(text, unit, is_age=part.fate == "age")
            code = self._coded(measured, UNITS, part.sets)
            if number is None or not code or self._cleaner.is_known(text):
                continue
            if number[1] != unit:
                code[0].CodeValue, code[0].CodeMeaning = number[1], "month" if number[1] == "mo" else "year"
            one = Dataset()
            one.NumericValue, one.MeasurementUnitsCodeSequence = number[0], code
            new.MeasuredValueSequence.append(one)
        return "K"

    def _day(self, part: Part, new: Dataset, keyword: str) -> str:
        digits = re.sub(r"\D", "", text_of(part.item, 0x0040A121 if keyword == "Date" else 0x0040A120, part.sets))
        if _BIRTH.search(part.label) or (self._birth and digits.startswith(self._birth)):
            return "X"
        return self._plain(part, new, keyword, "C")

    def _plain(self, part: Part, new: Dataset, keyword: str, action: str) -> str:
        """A value that the table has cleaned already."""
        if keyword not in part.plain:
            return "X"
        new[keyword] = part.plain[keyword]
        return action

    def _coordinates(self, part: Part, new: Dataset) -> str:
        """Places in an image; a text that was written as numbers is no such place."""
        values = part.plain.get("GraphicData", ())
        if not len(values) or not all(value == 0 or 1e-3 <= abs(value) <= 1e5 for value in values):
            raise refused("sr_content", "(0070,0022) Graphic Data")
        new.GraphicType = closed("GraphicType", text_of(part.item, 0x00700023, part.sets))
        return self._plain(part, new, "GraphicData", "K")

    def _coded(self, item: Dataset, tag: int, sets: list[str], label: str = "") -> Sequence | None:
        """A coded entry: public codes stay, a department's own gets one from the key; meanings are cleaned as texts."""
        value, scheme, meaning = code_of(item, tag, sets)
        if not value:
            return None
        new = Dataset()
        if is_public(value, scheme) and not self._cleaner.is_known(value):
            setattr(new, "CodeValue" if len(value) <= 16 else "LongCodeValue", value)
            new.CodingSchemeDesignator = scheme
        else:  # label reads headings by their codes, whatever the scheme
            new.CodeValue = value if value in SECTIONS else self._person.key.code(f"{scheme}\0{value}")
            new.CodingSchemeDesignator = OWN_SCHEME
        new.CodeMeaning = self._clean(meaning, label)[:64]
        return Sequence([new])

    def _clean(self, text: str, label: str) -> str:
        """A text cleaned as reports are. What it is called counts: a name after ``报告医师`` is one.

        Raises:
            DicomError: An identifier of the study is still in it.
        """
        head = f"{label}: " if label else ""
        if head + text not in self._cleaned:
            found = self._report(head + text)
            found = found[len(head) :] if found.startswith(head) else self._report(text)
            if left_over(found, self._person.known):
                raise DicomError("an identifier in a cleaned text", where="(0040,A730)", code="identifier_left")
            self._cleaned[head + text] = found
        return self._cleaned[head + text]

    def _report(self, text: str) -> str:
        return clean_report(text, self._person.known, lambda day: moved(day, self._person.days), self._study)


def _coarse(text: str, unit: str, *, is_age: bool) -> tuple[str, str] | None:
    """A measured number and its unit as they are; an age as a header has it; years over 89 are 90.

    Returns:
        None where it may be something else, such as a phone or a date.

    >>> _coarse("12.5", "mm", is_age=False), _coarse("13912345678", "1", is_age=False)
    (('12.5', 'mm'), None)
    >>> _coarse("93", "a", is_age=True), _coarse("18", "d", is_age=True), _coarse("93", "kg", is_age=True)
    (('90', 'a'), ('0', 'mo'), None)
    """
    if not _NUMBER.fullmatch(text) or len(text) > 16:
        return None
    value, letter = float(text), report_table().ages.get(unit)
    if not is_age:
        return (str(OLDEST + 1), unit) if unit == "a" and value > OLDEST else (text, unit)
    age = coarse_age(f"{int(value):03d}{letter}") if letter and 0 <= value < 1000 else None
    return (str(int(age[:3])), "mo" if age[3] == "M" else "a") if age else None
