"""The tables of what a de-identified structured report keeps, from ``profile_sr.toml``."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

from plainscan.dicom.deidentify_table import Rule, rules_of

_DIHEDRAL: Final = (  # multiplication in the dihedral group of order 10, a row for each left factor (Verhoeff 1969)
    *("0123456789", "1234067895", "2340178956", "3401289567", "4012395678"),
    *("5987604321", "6598710432", "7659821043", "8765932104", "9876543210"),
)
_SHUFFLE: Final = (
    *("0123456789", "1576283094", "5803796142", "8916043527"),
    *("9453126870", "4286573901", "2793806415", "7046913258"),
)
_CONCEPT: Final = ("00", "10")  # second and third digit from the right of a SNOMED CT identifier of a concept


class ReportTable(NamedTuple):
    """The whole file.

    Args:
        header: Rules of the header beside those of images, by tag.
        items: Rules of content items, by tag.
        classes: SOP classes that are let through.
        closed: Words that an attribute may hold, by keyword; the first stands for any other.
        concepts: What becomes of a content item, by the code of its name: pseudonym, remove, age or words.
        schemes: What codes look like, by scheme.
        ages: Letters of VR AS by the units of ages.
    """

    header: dict[int, Rule]
    items: dict[int, Rule]
    classes: frozenset[str]
    closed: dict[str, list[str]]
    concepts: dict[str, str]
    schemes: dict[str, re.Pattern[str]]
    ages: dict[str, str]


@cache
def report_table() -> ReportTable:
    """The tables as they are in the package."""
    file = resources.files("plainscan.dicom") / "profile_sr.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    return ReportTable(
        rules_of(table["header"]),
        rules_of(table["items"]),
        frozenset(table["classes"]),
        table["closed"],
        {code: fate for fate, codes in table["concepts"].items() for code in codes},
        {scheme: re.compile(pattern) for scheme, pattern in table["schemes"].items()},
        table["ages"],
    )


def is_public(value: str, scheme: str) -> bool:
    """Whether a code is one of a public scheme, by its shape: SNOMED CT's has a check digit too.

    >>> is_public("121070", "DCM"), is_public("410668003", "SCT"), is_public("410668004", "SCT"), is_public("1", "99X")
    (True, True, False, False)
    """
    pattern = report_table().schemes.get(scheme)
    if pattern is None or not pattern.fullmatch(value):
        return False
    return scheme != "SCT" or (value[-3:-1] in _CONCEPT and _check(value) == 0)


def _check(digits: str) -> int:
    """Verhoeff's check sum; 0 where the last digit is right."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total = int(_DIHEDRAL[total][int(_SHUFFLE[place % 8][int(digit)])])
    return total
