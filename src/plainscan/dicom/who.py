"""Who and which order, without keeping either: a number in place of a name, a birth date or an accession number.

Equal text gets an equal number, in the order of first sight; the text itself is forgotten. So a catalogue can say that
two patient identifiers belong to one name and birth date, and nobody can read the name out of it, as they could from a
hash, by trying names.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Final

from plainscan.dicom.header import Value

NUMBERED: Final = ("person", "accession")  # columns of the catalogue
SHORTEST_NAME: Final = 2  # letters or signs; a Chinese name may have two
_BIRTH: Final = re.compile(r"\d{8}")
_PARTS: Final = re.compile(r"[\W_]+")


def person_key(name: Value, birth: Value) -> bytes | None:
    """A digest of a name and a birth date, for comparing within one scan; None where one of them is missing.

    Case, full width, punctuation and the order of the name's parts do not count; of the three ways to write a name
    (PS3.5 6.2.1.2) the first that is filled counts.

    >>> person_key("ZHANG^San", "19700101") == person_key("San Zhang=张^三", "19700101")
    True
    >>> person_key("ZHANG^San", "19700102") == person_key("ZHANG^San", "19700101"), person_key("", "19700101")
    (False, None)
    """
    if not isinstance(name, str) or not isinstance(birth, str) or not _BIRTH.fullmatch(birth):
        return None
    groups = (_PARTS.split(unicodedata.normalize("NFKC", group).casefold()) for group in name.split("="))
    parts = next((found for group in groups if (found := sorted(filter(None, group)))), [])
    if sum(map(len, parts)) < SHORTEST_NAME:
        return None
    return _digest(f"{' '.join(parts)}|{birth}")


def accession_key(number: Value) -> bytes | None:
    """A digest of (0008,0050) Accession Number; None where it is empty or nothing but zeros.

    >>> accession_key(" A17 ") == accession_key("a17"), accession_key("000")
    (True, None)
    """
    text = number.strip().casefold() if isinstance(number, str) else ""
    return _digest(text) if text.strip("0") else None


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Numbers:
    """Puts numbers in place of the digests in rows of the catalogue: from 1 on, the same for the same digest."""

    def __init__(self) -> None:
        self._known: dict[str, dict[bytes, int]] = {name: {} for name in NUMBERED}
        self._new: list[tuple[str, str]] = []

    def replace(self, rows: Iterable[dict[str, Any]]) -> None:
        """Change rows as they are."""
        for row in rows:
            row.update({name: self._of(name, row[name]) for name in NUMBERED})

    def _of(self, name: str, digest: object) -> int | None:
        if not isinstance(digest, bytes):
            return None
        known = self._known[name]
        if digest not in known:
            known[digest] = len(known) + 1
            self._new.append((name, digest.hex()))
        return known[digest]

    def news(self) -> list[tuple[str, str]]:
        """Column and digest of the numbers handed out since this was asked last, in their order."""
        new, self._new = self._new, []
        return new

    def recall(self, news: Iterable[Sequence[str]]) -> None:
        """Hand out again what ``news`` told, so that a scan can go on."""
        for name, digest in news:
            self._of(name, bytes.fromhex(digest))
        self._new.clear()
