"""Bytes to text and table rows: UTF-8, UTF-16 or GB18030, told apart strictly. Bytes in, text out; opens no file.

GB18030 gives a meaning to nearly any bytes, Latin-1 text included, and so does UTF-16 without a byte order mark. So
their result is believed only where it looks like Chinese: nearly all of its characters beyond ASCII are in GB 2312,
the common part.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from typing import Final

from plainscan.errors import ReportError, UserError

_COMMON_SHARE: Final = 0.9
_DAMAGED: Final = "\ufffd"  # an earlier conversion put it where it lost a character
_SEPARATOR: Final = re.compile(r'\s*"?sep=([,;\t|])"?[ ,;\t|]*\r?\n', re.IGNORECASE)  # Excel's own, before the header
_REMEDY: Final = "Save it as UTF-8 and run again; where characters are lost already, export it anew."


def decode(data: bytes, where: str, error: type[UserError] = ReportError) -> str:
    """The text of a file.

    Args:
        data: Its bytes, with or without a byte order mark.
        where: Its name, for the message.
        error: What to raise.

    Raises:
        ReportError: Neither UTF-8 nor believable UTF-16 or GB18030; the message names the row.

    >>> decode("未见异常".encode("gb18030"), "r.txt")
    '未见异常'
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _marked_utf16(data, where, error)
    if (wide := _unmarked_utf16(data)) is not None:
        return wide
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        return _gb18030(data, reason.start, where, error)
    return _undamaged(text, where, error)


def _undamaged(text: str, where: str, error: type[UserError]) -> str:
    for sign, name in ((_DAMAGED, "a replacement character (U+FFFD)"), ("\0", "a zero byte")):
        if sign in text:
            raise _refused(name, text[: text.index(sign)], where, error)
    return text


def _marked_utf16(data: bytes, where: str, error: type[UserError]) -> str:
    try:
        text = data.decode("utf-16")
    except UnicodeDecodeError as reason:
        raise _refused("broken UTF-16", data[: reason.start].decode("utf-16", "replace"), where, error) from None
    return _undamaged(text, where, error)


def _unmarked_utf16(data: bytes) -> str | None:
    """The text, where bytes are believable as UTF-16 of one byte order: line ends and digits leave zero bytes."""
    if not data or len(data) % 2 or b"\0" not in data:
        return None
    order = "le" if data[1::2].count(0) >= data[::2].count(0) else "be"
    try:
        text = data.decode(f"utf-16-{order}")
    except UnicodeDecodeError:
        return None
    believable = "\0" not in text and _DAMAGED not in text and _common_share(text) >= _COMMON_SHARE
    return text if believable else None


def _gb18030(data: bytes, first_foreign: int, where: str, error: type[UserError]) -> str:
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError as reason:
        place = max(reason.start, first_foreign)
        raise _refused("bytes of another encoding", data[:place].decode("gb18030", "replace"), where, error) from None
    if "\0" in text or _common_share(text) < _COMMON_SHARE:
        raise _refused("bytes of another encoding", data[:first_foreign].decode("utf-8", "replace"), where, error)
    return text


def _common_share(text: str) -> float:
    """Share of the characters beyond ASCII that are in GB 2312."""
    beyond = [character for character in text if character > "\x7f"]
    common = sum(bool(character.encode("gb2312", "ignore")) for character in beyond)
    return common / max(len(beyond), 1)


def _refused(found: str, before: str, where: str, error: type[UserError]) -> UserError:
    row = max(sum(1 for _ in csv.reader(io.StringIO(before + "x", newline=""))), 1)
    return error(
        found, where=f"{where}: row {row}", expected="UTF-8, UTF-16 or GB18030", remedy=_REMEDY, code="unknown_encoding"
    )


def table_rows(text: str, where: str, error: type[UserError] = ReportError) -> list[dict[str, str]]:
    r"""Rows of a CSV as dictionaries by column in lower case; row i of the file, as spreadsheets count, is item i - 2.

    Where the first line has no comma, cells may be separated by semicolons or tabs, as some spreadsheets save them; a
    line such as "sep=;" before it names the separator and is no row.

    Raises:
        ReportError: Empty, two columns of one name, a row with too many cells, or broken quoting.

    >>> table_rows("a;b\n1,5;2\n", "t.csv")
    [{'a': '1,5', 'b': '2'}]
    """
    named = _SEPARATOR.match(text)
    text = text[named.end() :] if named else text
    first = text.lstrip("\r\n").split("\n", 1)[0]
    separator = named[1] if named else next((sign for sign in ",;\t" if sign in first), ",")
    lines: list[list[str]] = []
    try:
        lines.extend(csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator))
    except csv.Error as reason:  # the rows before it are there: it is the row in which the open quote stands
        raise error(
            str(reason),
            where=f"{where}: row {len(lines) + 1}",
            expected="text in closed double quotes, a quote inside it written twice",
            code="not_csv",
        ) from None
    return keyed_rows(lines, where, error)


def keyed_rows(lines: list[list[str]], where: str, error: type[UserError] = ReportError) -> list[dict[str, str]]:
    """Rows as dictionaries by the names in the first, in lower case; empty cells where a row is short.

    Raises:
        ReportError: No row, two columns of one name, or a row with too many cells.
    """
    if not lines:
        raise error("an empty file", where=where, expected="a header and rows", code="empty_file")
    header = [name.strip().lower() for name in lines[0]]
    twice = [str(number) for number, name in enumerate(header, start=1) if header.count(name) > 1]
    if twice:  # by number: without a header the first row names somebody
        same = f"columns {', '.join(twice)} with a name that another one has"
        raise error(same, where=f"{where}: row 1", code="duplicate_column")
    for number, line in enumerate(lines[1:], start=2):
        if len(line) > len(header):
            raise error(
                f"{len(line)} cells",
                where=f"{where}: row {number}",
                expected=f"{len(header)}, as the header has",
                remedy="Put text that holds a comma in double quotes.",
                code="too_many_cells",
            )
    return [{**dict.fromkeys(header, ""), **dict(zip(header, line, strict=False))} for line in lines[1:]]
