r"""File names as text that any table can hold, and back to the file.

A name may be bytes that are no UTF-8 (old servers write GBK), which Python keeps as lone surrogates; no table, log
or JSON can hold those. Each such byte is written ``%CD``, a percent sign that would read as such an escape ``%25``.
``::`` stands between an archive and its member, so a colon that a name has there is written ``%3A``. All other
names stay as they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from plainscan.dicom.text import guess

MEMBER: Final = "::"  # between an archive and its member
SURROGATES: Final = 0xDC00  # added to a byte that is no UTF-8, PEP 383

_CODE: Final = "25|3A|[89A-F][0-9A-F]"
_AMBIGUOUS: Final = re.compile(f"%(?={_CODE})|:(?=:|$)|[\udc80-\udcff]")
_ESCAPED: Final = re.compile(f"%({_CODE})")


def text_of(name: str) -> str:
    r"""A path as Unicode without ``::``.

    >>> text_of("gbk_\udccd\udcb7.dcm"), text_of("头颅 100%.dcm"), text_of("%CD")
    ('gbk_%CD%B7.dcm', '头颅 100%.dcm', '%25CD')
    """
    return _AMBIGUOUS.sub(lambda match: f"%{ord(match.group()) & 0xFF:02X}", name)


def path_of(text: str) -> Path:
    """The path that ``text_of`` made the text from.

    >>> path_of("a%3A:b.dcm").name
    'a::b.dcm'
    """
    return Path(_ESCAPED.sub(lambda match: _character(int(match[1], 16)), text))


def _character(byte: int) -> str:
    return chr(byte if byte < 0x80 else SURROGATES + byte)


def member_name(name: str, *, is_utf8: bool) -> str:
    """The name of a ZIP member as it was meant.

    Args:
        name: As ``zipfile`` gives it.
        is_utf8: The archive says that it is UTF-8 (bit 11 of the flags, APPNOTE.TXT 4.4.4); else ``zipfile`` has
            taken it for code page 437, but Chinese systems write GBK and others UTF-8 there.
    """
    if is_utf8 or name.isascii():
        return name
    text = guess(name.encode("cp437"), ("gb18030", "utf-8"))
    return name if text is None else text
