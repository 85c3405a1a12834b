"""The table of what a de-identified image keeps, from ``profile.toml``: PS3.15 table E.1-1 with our choices."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

from pydicom.datadict import dictionary_VR

from plainscan.errors import InternalError

ACTIONS: Final = {
    "Z": "empty",
    "D": "replaced by a pseudonym",
    "U": "a new UID, made from the old one and the key",
    "C": "cleaned: dates moved, times cut to the hour, ages over 89 made 90, texts cut down to known words",
    "K": "kept, if it holds nothing but numbers, known words or a registered UID",
}
_CODES: Final[tuple[str, ...]] = ("basic", "dates", "descriptors", "patient")


class Rule(NamedTuple):
    """What becomes of an attribute.

    Args:
        tag: As a number.
        keyword: Of the standard's dictionary.
        vr: Its value representation in the standard, the first of several; what a file says does not count.
        codes: What table E.1-1 says, by the columns that are applied; empty where it does not list the attribute.
        action: One of ``ACTIONS``.
    """

    tag: int
    keyword: str
    vr: str
    codes: dict[str, str]
    action: str


@cache
def kept() -> dict[int, Rule]:
    """Every rule by tag; an attribute without one is removed."""
    file = resources.files("plainscan.dicom") / "profile.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))["attributes"]
    return rules_of(table)


def rules_of(table: dict[str, dict[str, str]]) -> dict[int, Rule]:
    """Rules by tag, from rows by keyword.

    Raises:
        InternalError: A row has an unknown action or key.
    """
    return {rule.tag: rule for rule in (_rule(keyword, row) for keyword, row in table.items())}


def _rule(keyword: str, row: dict[str, str]) -> Rule:
    codes: dict[str, str] = {name: row[name] for name in _CODES if name in row}
    if row.get("action") not in ACTIONS or row.keys() - {"tag", "action", *codes}:
        raise InternalError(f"profile: {keyword} has an unknown action or key")
    tag = int(row["tag"].replace(",", ""), 16)
    return Rule(tag, keyword, dictionary_VR(tag).split(" ")[0], codes, row["action"])
