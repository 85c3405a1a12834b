"""Text out of bytes: as a character set says, or as the bytes show where that cannot be."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Final

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.valuerep import TEXT_VR_DELIMS

ONE_BYTE: Final = ("", "ISO_IR 6", "ISO_IR 100", "ISO 2022 IR 6", "ISO 2022 IR 100")  # any bytes pass as these


def decode_text(value: bytes, character_sets: list[str]) -> str:
    """Text as its character set says, or as its bytes show where that cannot be.

    Chinese scanners often write GBK or UTF-8 under ISO_IR 100 or with no character set at all.

    >>> decode_text("头颅平扫".encode("gbk"), ["ISO_IR 100"]), decode_text("Schädel".encode("latin-1"), ["ISO_IR 100"])
    ('头颅平扫', 'Schädel')
    """
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii").strip(" \0")
    declared = [name for name in character_sets if name not in ONE_BYTE]
    if any(name.endswith("58") for name in declared):
        value, declared = _ESCAPE.sub(b"", value), []  # ISO 2022 IR 58 is GB 2312 after an escape
    if declared:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                text = decode_bytes(value, convert_encodings(character_sets), TEXT_VR_DELIMS)
            if "\ufffd" not in text:
                return text.strip(" \0")
        except (LookupError, ValueError):
            pass
    guessed = guess(value, ("gb2312", "utf-8", "gb18030" if declared else "latin-1"))
    return (guessed if guessed is not None else value.decode("latin-1")).strip(" \0")


def guess(value: bytes, encodings: Sequence[str]) -> str | None:
    r"""Text of bytes that do not say their encoding: UTF-8 if that makes sense, else the first encoding that fits.

    >>> guess("头颅".encode("gbk"), ["gb18030"]), guess("头颅".encode(), ["gb18030"]), guess(b"\xff", ["gb18030"])
    ('头颅', '头颅', None)
    """
    utf8 = _decoded(value, "utf-8")
    if utf8 is not None and (_CHINESE.search(utf8) or not _RARE.search(utf8)):
        return utf8
    texts = (_decoded(value, encoding) for encoding in encodings)
    return next((text for text in texts if text is not None), None)


def _decoded(value: bytes, encoding: str) -> str | None:
    try:
        return value.decode(encoding)
    except UnicodeDecodeError:
        return None


_ESCAPE: Final = re.compile(rb"\x1b[\x20-\x2f]+[\x30-\x7e]")
_CHINESE: Final = re.compile("[\u3000-\u9fff]")
# Pairs of GB 2312 bytes are often valid UTF-8 too: 头颅平扫 would become such signs.
_RARE: Final = re.compile("[\u0080-\u00bf\u0180-\u07ff]")
