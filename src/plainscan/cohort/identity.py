"""One patient identifier, written in two ways: what a keyboard, a form or a PACS changes, and a person would not."""

from __future__ import annotations

import unicodedata
from typing import Final

_INVISIBLE: Final = ("Cc", "Cf")  # control and format characters: the NUL that pads a value, zero-width spaces


def plain(identifier: str) -> str | None:
    """An identifier without what does not tell patients apart: letter case, blanks, full and half width (NFKC).

    Returns:
        None where nothing is left to compare: no letter, and no digit but zeros.

    >>> plain(" Ｍr-００7 ") == plain("MR-007"), plain("MR-7") == plain("MR-007"), plain(" 0 ")
    (True, False, None)
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", identifier).casefold())
    text = "".join(c for c in folded if not c.isspace() and unicodedata.category(c) not in _INVISIBLE)
    return text if any(c.isalnum() and c != "0" for c in text) else None


def without_zeros(text: str) -> str | None:
    """A plain identifier of digits alone without its leading zeros, None for any other.

    A PACS fills numbers up to a length, a spreadsheet cuts them; neither touches zeros behind a letter. Two number
    ranges of one hospital may differ in nothing else, so equal ones are a hint and no more.

    >>> without_zeros("00170"), without_zeros("170"), without_zeros("a0017"), without_zeros("000")
    ('170', '170', None, None)
    """
    return (text.lstrip("0") or None) if text.isascii() and text.isdigit() else None
