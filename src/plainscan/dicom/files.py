"""Where DICOM bytes come from: a file, a folder of files, or a ZIP read in place.

Nothing is ever extracted to disk, so a member's name cannot reach outside (zip-slip), and a member or an
archive that inflates beyond all reason is refused before a byte of it is inflated.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from plainscan.errors import DicomError, SourceError

MEMBER: Final = "::"  # between an archive and its member
MEMBER_BYTES: Final = 2 << 30
ARCHIVE_BYTES: Final = 1 << 30  # archives below this are read whatever their ratio
ARCHIVE_RATIO: Final = 200  # inflated over stored; real CT stays below 20
MEMBERS: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or ZIP member to look at.

    Args:
        path: Relative to the source; ``archive.zip::member`` inside an archive.
        size: Bytes, inflated.
        where: The file, or the archive that holds it.
        archive: The open archive, while its members are walked.
        member: The member in it.
    """

    path: str
    size: int
    where: Path
    archive: zipfile.ZipFile | None = None
    member: zipfile.ZipInfo | None = None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The bytes, for reading and seeking."""
        if self.archive is None or self.member is None:
            with self.where.open("rb") as file:
                yield file
        else:
            with self.archive.open(self.member) as stream:
                yield cast("BinaryIO", stream)


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is not looked into, and why."""

    path: str
    size: int
    code: str
    detail: str


def split_source(source: Path) -> tuple[Path, Path | None]:
    """The folder that paths are relative to, and the one file in it that was asked for, if it was one.

    Raises:
        SourceError: There is no such file or folder.
    """
    whole = source.absolute()
    if whole.is_dir():
        return whole, None
    if whole.is_file():
        return whole.parent, whole
    raise SourceError(
        "no such file or folder",
        where=str(source),
        expected="a folder, a ZIP or a DICOM file",
        remedy="Check the path.",
        code="no_source",
    )


def walk(source: Path) -> Iterator[Entry | Refused]:
    """Every file below a folder and every member of its archives, in a fixed order; never raises for a bad one.

    Raises:
        SourceError: There is no such file or folder.
    """
    root, only = split_source(source)
    for file in [only] if only else _files(root):
        path = file.relative_to(root).as_posix()
        try:
            size = file.stat().st_size
        except OSError as error:
            yield Refused(path, 0, "unreadable", error.strerror or "cannot be opened")
            continue
        if _is_zip(file):
            yield from _members(file, path, size)
        else:
            yield Entry(path, size, file)


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            if file.is_file() or file.is_symlink():
                yield file


def _is_zip(file: Path) -> bool:
    """By content: a DICOM file that hides an archive behind its pixels stays a DICOM file."""
    try:
        with file.open("rb") as stream:
            return stream.read(4) == b"PK\x03\x04"
    except OSError:
        return False


def _members(file: Path, path: str, size: int) -> Iterator[Entry | Refused]:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        yield Refused(path, size, "bad_zip", "starts like a ZIP but its directory cannot be read")
        return
    with archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        total = sum(member.file_size for member in members)
        if len(members) > MEMBERS or (total > ARCHIVE_BYTES and total > ARCHIVE_RATIO * size):
            yield Refused(path, size, "zip_bomb", f"{len(members)} members would inflate to {total} bytes")
            return
        for member in members:
            yield _member(archive, member, file, path)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path, path: str) -> Entry | Refused:
    name = f"{path}{MEMBER}{member.filename}"
    if member.file_size > MEMBER_BYTES:
        return Refused(name, member.file_size, "zip_bomb", f"inflates to {member.file_size} bytes")
    if member.flag_bits & 1:
        return Refused(name, member.file_size, "zip_encrypted", "the member needs a password")
    return Entry(name, member.file_size, file, archive, member)


def locate(source: str, path: str, archives: dict[Path, zipfile.ZipFile]) -> Entry:
    """The entry behind a catalogue row.

    Args:
        source: The row's source.
        path: The row's path.
        archives: Open archives by file; one that is needed is added, for the caller to close.

    Raises:
        DicomError: It is gone or refused.
    """
    file = Path(source, path)
    try:
        if file.is_file():
            return Entry(path, file.stat().st_size, file)
        outer, _, inner = path.partition(MEMBER)
        file = Path(source, outer)
        if file not in archives:
            archives[file] = zipfile.ZipFile(file)
        found = _member(archives[file], archives[file].getinfo(inner), file, outer)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DicomError(
            "cannot be opened",
            where=path,
            expected="the file that was scanned",
            remedy="Scan the source again.",
            code="unreadable",
        ) from error
    if isinstance(found, Refused):
        raise DicomError(found.detail, where=path, code=found.code)
    return found
