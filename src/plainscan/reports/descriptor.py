"""Short technical text cut down to words that are known to name nobody (PS3.15 E.3.5, Clean Descriptors).

A list of what may stay is safe where a list of what must go is not: a name can be any word. The words are data
in ``words.toml``.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

# Groups of digits that may be a date, a phone or an identifier; and a day beside MAR, which is metal artifact
# reduction elsewhere.
_NUMBERS: Final = re.compile(
    r"\d+(?:[\W_]\d+){2,}|(?<!\d)(?:19|20)\d\d[-/. _]\d+|\d+[-/. _](?:19|20)\d\d(?!\d)"
    r"|\d+\s?[年月日号床岁]|床\s?\d+"
)
_MARCH: Final = re.compile(r"(?<!\d)\d{1,2}[-/. ]?MAR\b|\bMAR[-/. ]?\d{1,2}(?!\d)", re.IGNORECASE)
_SPLIT: Final = re.compile(r"[^\W_]+(?:\.\d+[A-Za-z]*)?|[\W_]+")
_CHINESE: Final = re.compile("[\u3000-\u9fff\uf900-\ufaff]")
_JOINTS: Final = frozenset(" -_/+.,()=:*|<>&^\\")
_SPACE: Final = re.compile(r" {2,}")
_ALONE: Final = re.compile(r"(?:^|(?<=\s))[-+.,=:*|&]+(?=\s|$)")


class Words(NamedTuple):
    """What may stay: upper-case words, Chinese words longest first, and patterns of numbers and kernels."""

    words: frozenset[str]
    chinese: tuple[str, ...]
    pattern: re.Pattern[str]


@cache
def known_words() -> Words:
    """The words of ``words.toml``."""
    file = resources.files("plainscan.reports") / "words.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    chinese = tuple(sorted(table["chinese"], key=len, reverse=True))
    pattern = re.compile("|".join(f"(?:{one})" for one in table["patterns"]))
    return Words(frozenset(table["words"].split()), chinese, pattern)


def clean_descriptor(text: str, names: frozenset[str] = frozenset()) -> str:
    """The known words of a description, in their order; what is not known is gone without a trace.

    Args:
        text: The description.
        names: Lower-case words of people's names: gone, even where they are known words.

    >>> (
    ...     clean_descriptor("HEAD 5.0 H31s ZHANG SAN 13800138000"),
    ...     clean_descriptor("头颅平扫 张三"),
    ...     clean_descriptor("Li"),
    ... )
    ('HEAD 5.0 H31s', '头颅平扫', '')
    """
    text = _MARCH.sub(" ", _NUMBERS.sub(" ", text))
    kept = "".join(_piece(match.group(), names) for match in _SPLIT.finditer(text))
    return _SPACE.sub(" ", _ALONE.sub(" ", kept)).strip(" _/.,(=:*|<>&^\\")


def is_known(text: str) -> bool:
    """Whether a code, such as a value of Image Type, is made of known words alone.

    >>> is_known("CT_SOM5 SPI"), is_known("AXIAL"), is_known("ZHANG SAN")
    (True, True, False)
    """
    return clean_descriptor(text) == text.strip()


def _piece(piece: str, names: frozenset[str]) -> str:
    if _CHINESE.search(piece):
        return "".join(_chinese(piece, names))
    if not piece[0].isalnum():
        joint = "".join(sign for sign in piece if sign in _JOINTS)
        return joint[:3] or " "
    word = piece.upper()
    known = known_words()
    if word.casefold() in names:
        return " "
    return piece if word in known.words or (piece.isascii() and known.pattern.fullmatch(word)) else " "


def _chinese(piece: str, names: frozenset[str]) -> list[str]:
    for name in names:
        if len(name) > 1 and _CHINESE.search(name):
            piece = piece.replace(name, " ")
    kept: list[str] = []
    at = 0
    while at < len(piece):
        if not _CHINESE.match(piece[at]):
            latin = re.match(r"[^\u3000-\u9fff\uf900-\ufaff]+", piece[at:])
            word = latin.group() if latin else piece[at]
            kept.append(clean_descriptor(word, names))
            at += len(word)
            continue
        word = next((one for one in known_words().chinese if piece.startswith(one, at)), "")
        kept.append(word)
        at += len(word) or 1
    return kept
