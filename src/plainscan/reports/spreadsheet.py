"""An .xlsx workbook to table rows: the text of its first sheet (ECMA-376, SpreadsheetML). Bytes in, rows out.

Only what a table of reports needs is read: shared and inline strings, numbers as they are written, formulas by their
last value. A number that Excel rounded (a long identifier typed without quotes) cannot be brought back, so one in
scientific notation is refused.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree

from plainscan.errors import ReportError, UserError
from plainscan.reports.encoding import keyed_rows

LARGEST: Final = 1 << 30  # bytes of one part, unpacked
OLD_WORKBOOK: Final = bytes.fromhex("d0cf11e0a1b11ae1")  # .xls, and an .xlsx with a password

_BROKEN: Final = (
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),  # the package; RuntimeError: encrypted
    *(ElementTree.ParseError, KeyError, IndexError, ValueError, StopIteration),  # its parts
)
_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_STRICT: Final = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"
_RELATION: Final = re.compile(r"\{.*/relationships\}id$")
_ESCAPED: Final = re.compile("_x([0-9A-Fa-f]{4})_")
_ROUNDED: Final = re.compile(r"-?\d(\.\d+)?[eE]\+\d+")


def sheet_rows(data: bytes, where: str, error: type[UserError] = ReportError) -> list[dict[str, str]]:
    """Rows of the first sheet by the names in its first row; row i of the sheet is item i - 2.

    Raises:
        ReportError: An old or protected workbook, one that cannot be read, a rounded number, or wrong columns.
    """
    if data.startswith(OLD_WORKBOOK):
        raise error(
            "an old (.xls) or protected workbook",
            where=where,
            expected="an .xlsx without password, or a CSV",
            remedy='Open it and save it as "Excel workbook (.xlsx)" or "CSV UTF-8".',
            code="old_workbook",
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as workbook:
            lines = list(_lines(workbook))
    except _BROKEN as reason:
        raise error("not a readable workbook", where=where, expected="an .xlsx file", code="not_xlsx") from reason
    for number, line in enumerate(lines, start=1):
        if any(_ROUNDED.fullmatch(cell) for cell in line):
            raise error(
                "a number that Excel rounded",
                where=f"{where}: row {number}",
                expected="identifiers as text",
                remedy="Format the column as text before the identifiers are pasted.",
                code="rounded_number",
            )
    width = max((i for i, cell in enumerate(lines[0], start=1) if cell.strip()), default=0) if lines else 0
    return keyed_rows([_cut(line, width) for line in lines], where, error)


def _cut(line: list[str], width: int) -> list[str]:
    """The row without empty cells beyond the header."""
    while len(line) > width and not line[-1]:
        line.pop()
    return line


def _lines(workbook: zipfile.ZipFile) -> Iterator[list[str]]:
    strings = _shared(workbook)
    sheet = _part(workbook, _first_sheet(workbook))
    expected = 1
    for row in _all(sheet, "row"):
        number = int(row.get("r", expected))
        for _ in range(number - expected):  # rows without a cell are not written
            yield []
        expected = number + 1
        cells: list[str] = []
        for cell in _all(row, "c"):
            column = _column(cell.get("r", "")) if cell.get("r") else len(cells)
            cells += [""] * (column - len(cells))
            cells.append(_text(cell, strings))
        yield cells


def _text(cell: ElementTree.Element, strings: list[str]) -> str:
    value = next(_all(cell, "v"), None)
    if cell.get("t") == "inlineStr":
        return _joined(cell)
    if value is None or value.text is None:
        return ""
    return strings[int(value.text)] if cell.get("t") == "s" else _unescaped(value.text)


def _shared(workbook: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in workbook.namelist():
        return []
    return [_joined(item) for item in _all(_part(workbook, "xl/sharedStrings.xml"), "si")]


def _joined(item: ElementTree.Element) -> str:
    """The text of all runs; phonetic guides (rPh) are not text."""
    guides = {id(text) for guide in _all(item, "rPh") for text in guide.iter()}
    return _unescaped("".join(text.text or "" for text in _all(item, "t") if id(text) not in guides))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _first_sheet(workbook: zipfile.ZipFile) -> str:
    sheet = next(_all(_part(workbook, "xl/workbook.xml"), "sheet"), None)
    if sheet is None:
        raise KeyError("sheet")
    name = next(value for key, value in sheet.attrib.items() if _RELATION.match(key))
    for relation in _part(workbook, "xl/_rels/workbook.xml.rels"):
        if relation.get("Id") == name:
            target = relation.get("Target", "")
            return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
    raise KeyError(name)


def _part(workbook: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if workbook.getinfo(name).file_size > LARGEST:
        raise ValueError(name)
    content = workbook.read(name)
    if b"<!DOCTYPE" in content[:1000]:  # no workbook has one; it could define entities that grow without end
        raise ValueError(name)
    return ElementTree.fromstring(content)


def _all(element: ElementTree.Element, tag: str) -> Iterator[ElementTree.Element]:
    yield from element.iter(_MAIN + tag)
    yield from element.iter(_STRICT + tag)


def _column(reference: str) -> int:
    """Column number from a cell's name, counted from 0.

    >>> _column("A1"), _column("AB12")
    (0, 27)
    """
    number = 0
    for letter in reference.rstrip("0123456789"):
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
