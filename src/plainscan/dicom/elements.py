"""The quick way through a header: top-level elements of an ordinary little-endian file, from its first bytes.

Nine files in ten are ordinary: a preamble, a meta header, implicit or explicit little endian, the pixels within
reach. For these the elements are walked here (PS3.5 7.1, 7.5). Anything else (``walk`` returns None) goes the long
way through pydicom, which knows the odd ones.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812  # it is an exception
from typing import Final, NamedTuple

IMPLICIT: Final = b"1.2.840.10008.1.2"
NOT_WALKED: Final = (b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99")  # big endian, deflated
SYNTAX: Final = 0x00020010
UNDEFINED: Final = 0xFFFFFFFF
ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
FIRST_PIXELS: Final = 0x7FE00008
DEEPEST: Final = 16

# Value representations by the size of their length field, PS3.5 7.1.2.
_LONG: Final = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT: Final = frozenset(
    (
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO"),
        *(b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    )
)
_unpack_explicit: Final = Struct("<HH2sH").unpack_from
_unpack_implicit: Final = Struct("<HHL").unpack_from
_unpack_long: Final = Struct("<L").unpack_from


class Element(NamedTuple):
    """One element's value, as it lies in the file.

    Args:
        vr: Value representation; empty when the file does not say.
        value: Its bytes.
        little: Little endian.
    """

    vr: str
    value: bytes
    little: bool = True


class Walked(NamedTuple):
    """What was found before the pixels.

    Args:
        meta: Elements of the meta header by tag.
        elements: The wanted elements of the data set by tag.
        pixel_tag: The tag that ended it.
        pixel_length: Its declared length in bytes.
    """

    meta: dict[int, Element]
    elements: dict[int, Element]
    pixel_tag: int
    pixel_length: int


class _Odd(Exception):  # noqa: N818  # not an error: a file for the long way
    """Something that is left to pydicom."""


def walk(head: bytes, wanted: frozenset[int], odd: frozenset[int]) -> Walked | None:
    """Walk the first bytes of a file up to its pixels.

    Args:
        head: The file from its start, preamble included.
        wanted: Tags to keep.
        odd: Tags that make a file one for the long way.

    Returns:
        None when the file is not an ordinary one or its pixels are out of reach.
    """
    if head[128:132] != b"DICM":
        return None
    try:
        meta, at = _meta(head)
        syntax = meta[SYNTAX].value.rstrip(b" \0")
        if syntax in NOT_WALKED:
            return None
        explicit = syntax != IMPLICIT
        if explicit != (head[at + 4 : at + 6] in _SHORT | _LONG):
            return None
        return _walk(head, at, explicit, wanted, odd, meta)
    except (_Odd, KeyError, StructError):
        return None


def _meta(head: bytes) -> tuple[dict[int, Element], int]:
    found: dict[int, Element] = {}
    at = 132
    while head[at : at + 2] == b"\x02\x00":
        tag, vr, length, start = _explicit(head, at)
        if length == UNDEFINED:
            raise _Odd
        found[tag] = Element(vr.decode("ascii"), head[start : start + length])
        at = start + length
    return found, at


def _explicit(head: bytes, at: int) -> tuple[int, bytes, int, int]:
    group, element, vr, length = _unpack_explicit(head, at)
    if vr in _SHORT:
        return group << 16 | element, vr, length, at + 8
    if vr in _LONG:
        return group << 16 | element, vr, _unpack_long(head, at + 8)[0], at + 12
    raise _Odd


def _walk(
    head: bytes, at: int, explicit: bool, wanted: frozenset[int], odd: frozenset[int], meta: dict[int, Element]
) -> Walked:
    found: dict[int, Element] = {}
    while True:
        if explicit:
            tag, vr, length, start = _explicit(head, at)
        else:
            group, element, length = _unpack_implicit(head, at)
            tag, vr, start = group << 16 | element, b"", at + 8
        if tag >= FIRST_PIXELS:
            return Walked(meta, found, tag, length)
        if tag in odd:
            raise _Odd
        if length == UNDEFINED:
            at = _end_of_sequence(head, start, explicit and vr != b"UN", 0)
            continue
        if tag in wanted:
            found[tag] = Element(vr.decode("ascii"), head[start : start + length])
        at = start + length


def _end_of_sequence(head: bytes, at: int, explicit: bool, depth: int) -> int:
    """Where a sequence of undefined length ends."""
    if depth > DEEPEST:
        raise _Odd
    while True:
        group, element, length = _unpack_implicit(head, at)
        tag = group << 16 | element
        at += 8
        if tag == SEQUENCE_END:
            return at
        if tag != ITEM:
            raise _Odd
        at = at + length if length != UNDEFINED else _end_of_item(head, at, explicit, depth)


def _end_of_item(head: bytes, at: int, explicit: bool, depth: int) -> int:
    while True:
        group, element, length = _unpack_implicit(head, at)
        if group << 16 | element == ITEM_END:
            return at + 8
        start, vr = at + 8, b""
        if explicit:
            _, vr, length, start = _explicit(head, at)
        nested = length == UNDEFINED
        at = _end_of_sequence(head, start, explicit and vr != b"UN", depth + 1) if nested else start + length
