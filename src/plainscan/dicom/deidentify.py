"""A data set into a new one that holds nothing but what the table lets through (PS3.15 Annex E).

Nothing is copied and then cleaned: a new data set is built from the attributes that the table names, each value
taken apart and written anew by the rules of its VR in the standard, whatever the file says it is.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.valuerep import format_number_as_ds

import plainscan
from plainscan.dicom.deidentify_key import Key, moved
from plainscan.dicom.deidentify_table import Rule, kept
from plainscan.dicom.text import decode_text
from plainscan.reports.dates import Day
from plainscan.reports.descriptor import clean_descriptor, is_known
from plainscan.reports.identifiers import SHORTEST_ID, Known, name_parts
from plainscan.reports.identity_patterns import NAME, OLDEST, PLACE

DEEPEST: Final = 8
MOST_VALUES: Final = 64
REGISTERED: Final = "1.2.840.10008."  # UIDs of the standard name nobody
CHARACTER_SET: Final = 0x00080005
DUMMIES: Final = frozenset(("", NAME, PLACE))  # what stands for people and places names nobody
_BINARY: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FD": "d", "FL": "f", "AT": "HH"}
_DECIMAL: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?")
_INTEGER: Final = re.compile(r"[-+]?\d{1,6}")  # more digits may be a date or an identifier; no CT number needs them
_DATE: Final = re.compile(r"(\d{4})[.]?(\d{2})[.]?(\d{2})")
_HOUR: Final = re.compile(r"([01]\d|2[0-3])(:?[0-5]\d.*)?")
_ENCODINGS: Final = ("utf-8", "gb18030", "big5", "latin-1")  # that names are in, whatever a file says
_AGE: Final = re.compile(r"(\d{3})([DWMY])")

# Where else than in names the identity of a person or a place stands; what stands here must be nowhere else.
_IDENTIFYING: Final = frozenset(
    (
        *(0x00100020, 0x00101000, 0x00101001, 0x00101005, 0x00101060, 0x00101090, 0x00101040, 0x00102154, 0x00102155),
        *(0x00100021, 0x00100030, 0x00080050, 0x00200010, 0x00380010, 0x00402016, 0x00402017, 0x00401001),
        *(0x00080080, 0x00080081, 0x00081010, 0x00081040, 0x00080094, 0x00080092, 0x00181000),
    )
)


_DAYS: Final = (0x00080020, 0x00100030)  # of the study, of birth


@dataclass(frozen=True, slots=True)
class Person:
    """Who the patient is, and what he becomes.

    Args:
        key: Of the hospital.
        identity: What the pseudonym is made from: the Patient ID; without one, the Study Instance UID.
        known: Identifiers of the file; a value that holds one is dropped.
    """

    key: Key
    identity: str
    known: Known = field(default_factory=Known)

    @property
    def pseudonym(self) -> str:
        """Patient ID and name in the new data set."""
        return self.key.patient(self.identity)

    @property
    def days(self) -> int:
        """By how many the dates move."""
        return self.key.days(self.identity)


def identifiers(ds: Dataset) -> Known:
    """Names and numbers of people and places that a header holds, in sequences too."""
    names: set[str] = set()
    ids: set[str] = set()
    days = {day for tag in _DAYS if (day := day_of(text_of(ds, tag, [])))}
    sets = character_sets(ds)
    for item in _everywhere(ds, 0):
        for tag in item.keys():  # noqa: SIM118  # iterating a Dataset would convert its values
            number = int(tag)
            is_name = dictionary_has_tag(number) and dictionary_VR(number) == "PN"
            if is_name or number in _IDENTIFYING:
                values = {part.strip() for text in _readings(item, number, sets) for part in text.split("\\")}
                (names if is_name else ids).update(values - DUMMIES)
    return Known(frozenset(names), frozenset(ids), frozenset(days))


def deidentify(ds: Dataset, person: Person, more: Mapping[int, Rule] | None = None) -> tuple[Dataset, Counter[str]]:
    """The new data set, without pixels and without a meta header, and how many attributes became what.

    Args:
        ds: As read, values still raw.
        person: The patient.
        more: Rules beside those of images.

    Returns:
        The data set in UTF-8, and counts by action of ``deidentify_table``; ``private`` for removed private ones.
    """
    counts: Counter[str] = Counter()
    new = Cleaner(person, character_sets(ds), counts, {**kept(), **(more or {})}).clean(ds, 0)
    new.SpecificCharacterSet = "ISO_IR 192"
    new.PatientName = new.PatientID = person.pseudonym
    for rule in kept().values():
        if rule.action == "Z":
            new.add_new(rule.tag, rule.vr, "")
    if "StudyDate" not in new:
        new.StudyDate = ""
    if "StudyTime" not in new:
        new.StudyTime = ""
    return new, counts


def sign(ds: Dataset, *, defaced: bool, masked: bool, structured: bool = False) -> None:
    """Say in the data set what was done to it: PS3.3 C.7.1.1 and C.12.1.1, codes of PS3.16 CID 7050."""
    codes = [
        ("113100", "Basic Application Confidentiality Profile"),
        ("113105", "Clean Descriptors Option"),
        ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
        ("113108", "Retain Patient Characteristics Option"),
    ]
    if structured:
        codes.insert(1, ("113104", "Clean Structured Content Option"))
    if masked:
        codes.insert(1, ("113101", "Clean Pixel Data Option"))
        ds.BurnedInAnnotation = "NO"
    if defaced:
        codes.insert(1, ("113102", "Clean Recognizable Visual Features Option"))
        ds.RecognizableVisualFeatures = "NO"
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = [f"plainscan {plainscan.__version__}", "PS3.15 Basic Profile and options as coded"]
    ds.DeidentificationMethodCodeSequence = Sequence([_code(*code) for code in codes])
    ds.LongitudinalTemporalInformationModified = "MODIFIED"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


class Cleaner:
    """Builds data sets by a table.

    Args:
        person: The patient.
        sets: Character sets of the data set.
        counts: Where attributes are counted by what became of them.
        table: Rules by tag.
        most: So many values of an attribute are read.
    """

    def __init__(
        self,
        person: Person,
        sets: list[str],
        counts: Counter[str],
        table: Mapping[int, Rule],
        most: int = MOST_VALUES,
    ) -> None:
        self._person, self._sets, self._counts = person, sets, counts
        self._table, self._most = table, most
        self._days = person.days
        self._parts = name_parts(person.known)
        self._ids = {one.casefold() for one in person.known.ids}

    def clean(self, ds: Dataset, depth: int) -> Dataset:
        """The new data set; ``depth`` is that of the sequence it stands in."""
        new = Dataset()
        for tag in list(ds.keys()):
            rule = self._table.get(int(tag))
            if rule is None or rule.action in "ZD" or depth > DEEPEST:
                self._counts["private" if tag.is_private else "X" if rule is None else rule.action] += 1
                continue
            value = self._value(ds, rule, depth)
            self._counts[rule.action if value is not None else "X"] += 1
            if value is not None:
                new[rule.tag] = DataElement(rule.tag, rule.vr, value, validation_mode=IGNORE)
        return new

    def _value(self, ds: Dataset, rule: Rule, depth: int) -> Any:
        """The new value, or None to leave the attribute out."""
        if rule.vr == "SQ":
            items = [self.clean(item, depth + 1) for item in items_of(ds, rule.tag)]
            return Sequence(items) if items else None
        if rule.vr in _BINARY:
            return _numbers(ds, rule, self._most)
        parts = [part.strip(" \0") for part in text_of(ds, rule.tag, self._sets).split("\\")][: self._most]
        values = [value for part in parts if (value := self._one(rule, part)) is not None]
        if rule.vr in ("DS", "IS") and len(values) < len(parts):  # a vector with a gap is no vector
            return None
        return None if not values or values == [""] else values if len(values) > 1 else values[0]

    def is_known(self, text: str) -> bool:
        """Whether a value is an identifier of the study: not a number that only holds the same digits."""
        whole = text.casefold()
        return len(whole) >= SHORTEST_ID and whole in self._ids

    def _one(self, rule: Rule, text: str) -> str | None:
        if rule.action == "U":
            return self._person.key.uid(text) if text else None
        if rule.vr in ("DA", "DT"):
            return self._day(text, hour=rule.vr == "DT")
        if rule.vr == "TM":
            match = _HOUR.fullmatch(text)
            return f"{match[1]}0000" if match else None
        if rule.vr == "AS":
            return coarse_age(text)
        if self.is_known(text):
            return None
        if rule.action == "C":
            return clean_descriptor(text, self._parts)[: 16 if rule.vr in ("CS", "SH") else 64].strip() or None
        return _kept(rule, text)

    def _day(self, text: str, *, hour: bool) -> str | None:
        match = _DATE.match(text) if hour else _DATE.fullmatch(text)
        day = day_of(match.group()) if match else None
        new = moved(day, self._days) if day else None
        if match is None or new is None:
            return None
        rest = _HOUR.match(text[match.end() :]) if hour else None
        return "{:04d}{:02d}{:02d}".format(*new) + (f"{rest[1]}0000" if rest else "")


def _kept(rule: Rule, text: str) -> str | None:
    """A value that is kept, when it is what it should be."""
    if rule.vr == "DS":
        if not _DECIMAL.fullmatch(text):
            return None
        return text if len(text) <= 16 else format_number_as_ds(float(text))
    if rule.vr == "IS":
        return text if _INTEGER.fullmatch(text) else None
    if rule.vr == "UI":
        return text if text.startswith(REGISTERED) and re.fullmatch(r"[\d.]{1,64}", text) else None
    code = text.upper()
    return code if len(code) <= 16 and code.isascii() and is_known(code) else None


def coarse_age(text: str) -> str | None:
    """Years from 2 to 89, months below; over 89 is 90 (45 CFR 164.514(b)(2)(i)(C)).

    >>> coarse_age("093Y"), coarse_age("067Y"), coarse_age("018D"), coarse_age("A")
    ('090Y', '067Y', '000M', None)
    """
    match = _AGE.fullmatch(text)
    if not match:
        return None
    months = {"D": 12 / 365.25, "W": 84 / 365.25, "M": 1.0, "Y": 12.0}[match[2]] * int(match[1])
    if months < 24:
        return f"{int(months):03d}M"
    years = int(months / 12 + 1e-9)
    return f"{OLDEST + 1 if years > OLDEST else years:03d}Y"


def day_of(text: str) -> Day | None:
    """A date as DICOM writes it, also with the dots of its first versions; None for anything else.

    >>> day_of("20260105"), day_of("2026.01.05"), day_of("5 Jan")
    ((2026, 1, 5), (2026, 1, 5), None)
    """
    match = _DATE.fullmatch(text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def _everywhere(ds: Dataset, depth: int) -> Iterator[Dataset]:
    yield ds
    if depth < DEEPEST:
        for tag in list(ds.keys()):
            if not tag.is_private:
                for item in items_of(ds, int(tag)):
                    yield from _everywhere(item, depth + 1)


def items_of(ds: Dataset, tag: int) -> list[Dataset]:
    """Items of a sequence; none where the value is none, or cannot be parsed."""
    element: Any = ds.get_item(tag)
    if isinstance(element, RawDataElement) and element.VR != "SQ":
        is_listed = dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ"
        if element.VR not in ("UN", None) or not is_listed:
            return []
    try:
        value = ds[tag].value
    except Exception:  # hostile bytes fail in many ways; such an attribute is removed
        return []
    return list(value) if isinstance(value, Sequence) else []


def character_sets(ds: Dataset) -> list[str]:
    """Values of Specific Character Set."""
    element = ds.get_item(CHARACTER_SET)
    value = getattr(element, "value", None) or ""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return [part.strip(" \0") for part in (value.split("\\") if isinstance(value, str) else map(str, value))]


def text_at(ds: Dataset, tag: int) -> str:
    """The text of an attribute as its character set says; empty where there is none."""
    return text_of(ds, tag, character_sets(ds))


def text_of(ds: Dataset, tag: int, sets: list[str]) -> str:
    """The text of an attribute in character sets that are given; empty where there is none."""
    element = ds.get_item(tag)
    value = getattr(element, "value", None)
    if value is None or isinstance(value, Sequence):
        return ""
    return decode_text(value, sets) if isinstance(value, bytes) else str(value).strip(" \0")


def _readings(ds: Dataset, tag: int, sets: list[str]) -> Iterator[str]:
    """The text, and what it may be where the character set lies: all bytes of 王喆 in GB18030 are Latin letters too."""
    yield text_of(ds, tag, sets)
    value = getattr(ds.get_item(tag), "value", None)
    if isinstance(value, bytes) and not value.isascii():
        for encoding in _ENCODINGS:
            with suppress(UnicodeDecodeError):
                yield value.decode(encoding).strip(" \0")


def _numbers(ds: Dataset, rule: Rule, most: int) -> list[Any] | Any | None:
    """Binary numbers from raw bytes, or None where they do not come out even."""
    element: Any = ds.get_item(rule.tag)
    if not isinstance(element, RawDataElement) or not element.value:
        return None
    code = _BINARY[rule.vr]
    form = struct.Struct(("<" if element.is_little_endian else ">") + code)
    if len(element.value) % form.size or len(element.value) > most * form.size:
        return None
    values = [one[0] if len(one) == 1 else one[0] << 16 | one[1] for one in form.iter_unpack(element.value)]
    return values if len(values) > 1 else values[0]
