"""The table of what becomes of each attribute, from ``profile.toml``; PS3.15 table E.1-1 with our choices."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

from pydicom.datadict import dictionary_VR

from plainscan.errors import InternalError

ACTIONS: Final = {
    "X": "removed",
    "Z": "empty",
    "D": "replaced by a pseudonym",
    "U": "a new UID, made from the old one and the key",
    "C": "cleaned: dates moved, times cut to the hour, ages over 89 made 90, texts cut down to known words",
    "K": "kept, if it holds nothing but numbers, known words or a registered UID",
}


class Rule(NamedTuple):
    """What becomes of an attribute.

    Args:
        tag: As a number.
        keyword: Of the standard's dictionary.
        vr: Its value representation in the standard; what a file says does not count.
        basic: Code of the Basic Profile; empty where the standard does not list it.
        options: Codes under the options that are applied, such as ``dates C``.
        action: One of ``ACTIONS``.
    """

    tag: int
    keyword: str
    vr: str
    basic: str
    options: str
    action: str


@cache
def rules() -> dict[int, Rule]:
    """Every rule by tag; an attribute without one is removed."""
    file = resources.files("plainscan.dicom") / "profile.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))["attributes"]
    return {rule.tag: rule for rule in (_rule(keyword, row) for keyword, row in table.items())}


@cache
def kept() -> dict[int, Rule]:
    """The rules of what is not removed."""
    return {tag: rule for tag, rule in rules().items() if rule.action != "X"}


def _rule(keyword: str, row: dict[str, str]) -> Rule:
    action = row.get("action", "X")
    if action not in ACTIONS or row.keys() - {"tag", "basic", "dates", "descriptors", "action"}:
        raise InternalError(f"profile.toml: {keyword} has an unknown action or key")
    tag = int(row["tag"].replace(",", ""), 16)
    options = ", ".join(f"{name} {row[name]}" for name in ("dates", "descriptors") if name in row)
    vr = dictionary_VR(tag) if action != "X" else ""
    return Rule(tag, keyword, vr, row.get("basic", ""), options, action)
