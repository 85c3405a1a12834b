"""A folder, ZIP or file of anything into catalogue rows and counted rejects: headers only, never a crash.

Each file ends in exactly one place: one catalogue row per instance or frame, or one row in ``rejects``
with a code of ``REJECT_CODES``. Rows are gathered into frames of ``CHUNK`` at a time, so that memory
holds columns, not Python objects, and no pixels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from plainscan.dicom.files import Entry, Refused, check_answers, split_source, walk_files
from plainscan.dicom.frames import frame_values
from plainscan.dicom.header import DICOMDIR_CLASS, Header, Value, read_header
from plainscan.dicom.names import text_of
from plainscan.dicom.who import Numbers, accession_key, person_key
from plainscan.errors import DicomError
from plainscan.tables import CATALOGUE, REJECTS, Table, check, empty

CHUNK: Final = 2000
Row = dict[str, object]

REJECT_CODES: Final = {
    "not_dicom": "not DICOM",
    "empty_file": "empty file",
    "truncated_header": "ends before the pixels",
    "dicomdir": "a DICOMDIR, which only names other files",
    "no_pixel_data": "DICOM but no image: a structured report, a plan",
    "no_uid": "no study, series or instance UID",
    "bad_uid": "a UID that is not one",
    "too_many_frames": "an absurd number of frames",
    "unreadable": "cannot be opened or parsed",
    "unreadable_folder": "a folder that may not be listed; nothing in it was looked at",
    "link_to_folder": "a link to a folder, which is not followed",
    "not_a_file": "a pipe, socket or device",
    "bad_zip": "a ZIP without a readable directory",
    "zip_bomb": "a ZIP, or a member of one, that would inflate beyond all reason",
    "zip_encrypted": "a ZIP member that needs a password",
    "duplicate_member": "a ZIP member whose name an earlier member has",
    "nested_zip": "a ZIP in a ZIP, which is not opened",
}

_OF_THE_DISK: Final = ("unreadable", "unreadable_folder", "bad_zip")  # the file's fault, or that of what holds it

_UIDS: Final = {
    "study_uid": "(0020,000D) Study Instance UID",
    "series_uid": "(0020,000E) Series Instance UID",
    "instance_uid": "(0008,0018) SOP Instance UID",
}
# Letters are let through: public sets have UIDs such as ID_6431af929. Dots may not lead, nor slashes occur.
_UID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_PASSED: Final = [name for name in CATALOGUE.columns if name not in ("source", "path", "frame", "kind", "file_bytes")]
_INT32: Final = [name for name, dtype in CATALOGUE.columns.items() if dtype == pl.Int32]


class Scanned(NamedTuple):
    """What became of one file.

    Args:
        rows: Its catalogue rows; empty when it was rejected.
        reject: Its row in rejects; None when it was catalogued.
    """

    rows: list[Row]
    reject: Row | None


def scan(source: Path) -> Iterator[Scanned]:
    """Look at every file of a source, in a fixed order.

    Args:
        source: A folder, a ZIP or a single file.

    Raises:
        SourceError: There is no such file or folder, or it has gone away since.
        StorageError: Its disk or share does not answer any more.
    """
    for _, scanned in scan_files(source):
        yield from scanned


def scan_files(source: Path) -> Iterator[tuple[str, Iterator[Scanned]]]:
    """Every file's path, in a fixed order, and what becomes of it and its members, once that is asked for.

    Raises:
        SourceError: There is no such file or folder, or it has gone away since.
        StorageError: Its disk or share does not answer any more.
    """
    folder = split_source(source)[0]
    root = text_of(str(folder))
    for path, entries in walk_files(source):
        yield path, (_watched(entry, folder, root) for entry in entries)


def _watched(entry: Entry | Refused, folder: Path, root: str) -> Scanned:
    """As ``scan_entry``; a share that drops out would else turn each further file into a reject."""
    found = scan_entry(entry, root)
    if found.reject and found.reject["code"] in _OF_THE_DISK:
        check_answers(folder)
    return found


def scan_entry(entry: Entry | Refused, root: str) -> Scanned:
    """Catalogue rows or a reject for one file."""
    if isinstance(entry, Refused):
        return _reject(entry, root, entry.code, entry.detail)
    try:
        header = read_header(entry)
        _check(header)
        return Scanned(_rows(entry, header, root), None)
    except DicomError as error:
        where = "" if error.where in ("", entry.path) else f"{error.where}: "
        return _reject(entry, root, error.code, f"{where}{error.found}")


def _reject(entry: Entry | Refused, root: str, code: str, detail: str) -> Scanned:
    row: Row = {"source": root, "path": entry.path, "code": code, "detail": detail, "file_bytes": entry.size}
    return Scanned([], row)


def _check(header: Header) -> None:
    values = header.values
    if header.media_class == DICOMDIR_CLASS:
        raise DicomError("a DICOMDIR; the files it names are scanned themselves", code="dicomdir")
    if not header.pixel_tag:
        image = values["rows"] is not None or str(values["sop_class_uid"]).startswith("1.2.840.10008.5.1.4.1.1.2")
        if image or not header.complete:
            raise DicomError("ends before the pixels", code="truncated_header")
        raise DicomError("no (7FE0,0010) Pixel Data", code="no_pixel_data")
    for name, tag in _UIDS.items():
        uid = values[name]
        if not isinstance(uid, str):
            raise DicomError("missing or empty", where=tag, code="no_uid")
        if not _UID.fullmatch(uid) or ".." in uid:
            raise DicomError("not a UID", where=tag, code="bad_uid")


def _rows(entry: Entry, header: Header, root: str) -> list[Row]:
    file: Row = {
        "source": root,
        "path": entry.path,
        "kind": "dicom",
        "file_bytes": entry.size,
        "transfer_syntax_uid": header.transfer_syntax or None,
    }
    return [{**_columns(values), **file, "frame": index} for index, values in enumerate(frame_values(header))]


def _columns(values: dict[str, Value]) -> Row:
    row: Row = {name: values.get(name) for name in _PASSED}
    for name in _INT32:
        number = row.get(name)
        if isinstance(number, int) and not -(2**31) <= number < 2**31:
            row[name] = None
    spacing, position, orientation = (_list(values[name]) for name in ("pixel_spacing", "position", "orientation"))
    if len(spacing) == 2:
        row["pixel_spacing_row_mm"], row["pixel_spacing_column_mm"] = spacing
    if len(position) == 3:
        row["position_x_mm"], row["position_y_mm"], row["position_z_mm"] = position
    row["orientation"] = orientation if len(orientation) == 6 else None
    row["number_of_frames"] = values["number_of_frames"] or 1
    row["person"] = person_key(values["patient_name"], values["birth_date"])
    row["accession"] = accession_key(values["accession_number"])
    return row


def _list(value: Value) -> list[float]:
    return value if isinstance(value, list) else []


def gather(scanned: Iterable[Scanned]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Catalogue and rejects from everything that was looked at, ``CHUNK`` rows at a time."""
    kept, refused = Gatherer(CATALOGUE), Gatherer(REJECTS)
    numbers = Numbers()
    for rows, reject in scanned:
        numbers.replace(rows)
        kept.add(rows)
        refused.add([reject] if reject else [])
    return kept.frame(), refused.frame()


class Gatherer:
    """Rows into a frame without holding them all as Python objects; ``height`` is their number."""

    def __init__(self, table: Table) -> None:
        self._table, self._rows = table, list[Row]()
        self._chunks: list[pl.DataFrame] = []
        self.height = 0

    def add(self, rows: list[Row]) -> None:
        """Take rows."""
        self._rows += rows
        self.height += len(rows)
        if len(self._rows) >= CHUNK:
            self._flush()

    def _flush(self) -> None:
        self._chunks.append(pl.DataFrame(self._rows, schema=self._table.columns, orient="row"))
        self._rows.clear()

    def frame(self) -> pl.DataFrame:
        """All that was taken."""
        if self._rows:
            self._flush()
        return check(pl.concat(self._chunks) if self._chunks else empty(self._table), self._table)
