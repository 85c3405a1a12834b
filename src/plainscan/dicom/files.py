"""Where DICOM bytes come from: a file, a folder of files, or a ZIP read in place.

Nothing is ever extracted to disk, so a member's name cannot reach outside (zip-slip), and a member or an
archive that inflates beyond all reason is refused before a byte of it is inflated. Links to files are followed,
links to folders are not: they may lead in circles, or to what is scanned anyway.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from plainscan.dicom.names import MEMBER, member_name, path_of, text_of
from plainscan.errors import DicomError, SourceError, storage_error

ZIP_START: Final = b"PK\x03\x04"
MEMBER_BYTES: Final = 2 << 30
ARCHIVE_BYTES: Final = 64 << 20  # archives and members below this are read whatever their ratio
ARCHIVE_RATIO: Final = 200  # inflated over stored; real CT stays below 20
MEMBERS: Final = 2_000_000
UTF8_NAME: Final = 0x800  # bit 11 of a member's flags


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or ZIP member to look at.

    Args:
        path: Relative to the source, as ``names.text_of`` writes it; ``archive.zip::member`` inside an archive.
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


def medium(source: Path) -> Path:
    """The folder of a DICOMDIR, which stands for all that lies on its medium; any other source as it is.

    What a DICOMDIR lists is not followed, so it cannot lead anywhere else.

    >>> medium(Path("cd/DICOMDIR")), medium(Path("cd/image"))
    (PosixPath('cd'), PosixPath('cd/image'))
    """
    return source.parent if source.name.upper() == "DICOMDIR" and not source.is_dir() else source


def split_source(source: Path) -> tuple[Path, Path | None]:
    """The folder that paths are relative to, and the one file in it that was asked for, if it was one.

    Raises:
        SourceError: There is no such file or folder.
    """
    whole = source.absolute()
    if whole.is_file():
        whole = medium(whole)
    if whole.is_dir():
        return whole, None
    if whole.is_file():
        return whole.parent, whole
    raise SourceError(
        "no such file or folder",
        where=str(source),
        expected="a folder, a ZIP, a DICOMDIR or a DICOM file",
        remedy="Check the path.",
        code="no_source",
    )


def check_answers(folder: Path) -> None:
    """Refuse to go on when a folder that was walked has gone away as a whole, as a share does that drops out.

    Raises:
        SourceError: Nothing is in it any more.
        StorageError: It can no longer be listed.
    """
    try:
        with os.scandir(folder) as found:
            if any(found):
                return
    except PermissionError:  # it answers, and says no
        return
    except OSError as error:
        raise storage_error(error, folder) from error
    raise SourceError(
        "nothing in it any more",
        where=str(folder),
        expected="the files that were there when the walk began",
        remedy="Is it a share that dropped out? Connect it again, and run the same command again.",
        code="source_gone",
    )


def walk(source: Path) -> Iterator[Entry | Refused]:
    """Every file below a folder and every member of its archives, in a fixed order; never raises for a bad one.

    Raises:
        SourceError: There is no such file or folder.
    """
    for _, entries in walk_files(source):
        yield from entries


def walk_files(source: Path) -> Iterator[tuple[str, Iterator[Entry | Refused]]]:
    """Every file's path, in a fixed order, and what is in it, which is looked at only when that is asked for.

    Raises:
        SourceError: There is no such file or folder.
    """
    root, only = split_source(source)
    for file, why in [(only, "")] if only else _files(root):
        path = text_of(file.relative_to(root).as_posix())
        yield path, _look(file, path, why)


def count_files(source: Path) -> int:
    """How many files and rejects ``walk`` meets in a folder, archives unopened."""
    return sum(1 for _ in _files(source))


def is_empty(source: Path) -> bool:
    """Whether ``walk`` meets nothing in a folder; it looks no further than the first that it meets."""
    return next(_files(source), None) is None


def unlisted(root: Path) -> list[tuple[Path, str]]:
    """Visible folders below a folder that are not gone down into, and the code why not, in a fixed order."""
    found = [(path, why) for path, why in _files(root) if why]
    return [pair for pair in found if not any(part.startswith(".") for part in pair[0].relative_to(root).parts)]


def _files(root: Path) -> Iterator[tuple[Path, str]]:
    """Everything that is no folder to go down into, in a fixed order; for a folder, the code why not."""
    shut: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=shut.append):
        folders.sort()
        # What could not be listed shows when the walk comes to it, after its name was seen here.
        yield from ((Path(error.filename), "unreadable_folder") for error in shut)
        shut.clear()
        yield from ((Path(folder, name), "link_to_folder") for name in folders if Path(folder, name).is_symlink())
        yield from ((Path(folder, name), "") for name in sorted(names))
    yield from ((Path(error.filename), "unreadable_folder") for error in shut)


_NO_FILE: Final = {
    "unreadable_folder": "the system does not let it be listed",
    "link_to_folder": "not followed; scan its target by itself",
    "not_a_file": "a pipe, socket or device",
}


def _look(file: Path, path: str, why: str) -> Iterator[Entry | Refused]:
    try:
        status = file.stat()
    except OSError as error:
        yield Refused(path, 0, why or "unreadable", error.strerror or "cannot be opened")
        return
    why = why or ("" if stat.S_ISREG(status.st_mode) else "not_a_file")
    if why:
        yield Refused(path, 0, why, _NO_FILE[why])
    elif _is_zip(file):
        yield from _members(file, path, status.st_size)
    else:
        yield Entry(path, status.st_size, file)


def _is_zip(file: Path) -> bool:
    """By content: a DICOM file that hides an archive behind its pixels stays a DICOM file."""
    try:
        with file.open("rb") as stream:
            return stream.read(4) == ZIP_START
    except OSError:
        return False


def _members(file: Path, path: str, size: int) -> Iterator[Entry | Refused]:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        yield Refused(path, size, "bad_zip", "starts like a ZIP but its directory cannot be read")
        return
    with archive:
        members = _infos(archive)
        total = sum(member.file_size for member in members)
        if len(members) > MEMBERS or (total > ARCHIVE_BYTES and total > ARCHIVE_RATIO * size):
            yield Refused(path, size, "zip_bomb", f"{len(members)} members would inflate to {total} bytes")
            return
        seen: set[str] = set()
        for member in members:
            found = _member(archive, member, file, path)
            if found.path in seen:
                found = Refused(found.path, found.size, "duplicate_member", "another member has that name")
            seen.add(found.path)
            yield found


def _infos(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [member for member in archive.infolist() if not member.filename.endswith("/")]


def _name(member: zipfile.ZipInfo) -> str:
    return member_name(member.filename, is_utf8=bool(member.flag_bits & UTF8_NAME))


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path, path: str) -> Entry | Refused:
    name = f"{path}{MEMBER}{_name(member)}"
    swollen = member.file_size > ARCHIVE_BYTES and member.file_size > ARCHIVE_RATIO * member.compress_size
    if swollen or member.file_size > MEMBER_BYTES:
        return Refused(name, member.file_size, "zip_bomb", f"inflates to {member.file_size} bytes")
    if member.flag_bits & 1:
        return Refused(name, member.file_size, "zip_encrypted", "the member needs a password")
    return Entry(name, member.file_size, file, archive, member)


class Archive:
    """An open archive with its members by name; of two of one name, the first."""

    def __init__(self, file: Path) -> None:
        self.zip = zipfile.ZipFile(file)
        self.members = {_name(member): member for member in reversed(_infos(self.zip))}

    def close(self) -> None:
        """Close the file."""
        self.zip.close()


def locate(source: str, path: str, archives: dict[Path, Archive]) -> Entry:
    """The entry behind a catalogue row.

    Args:
        source: The row's source.
        path: The row's path.
        archives: Open archives by file; one that is needed is added, for the caller to close.

    Raises:
        DicomError: It is gone or refused.
    """
    outer, archived, inner = path.partition(MEMBER)
    file = path_of(source) / path_of(outer)
    try:
        if not archived:
            return Entry(path, file.stat().st_size, file)
        if file not in archives:
            archives[file] = Archive(file)
        archive = archives[file]
        found = _member(archive.zip, archive.members[inner], file, outer)
    except (OSError, KeyError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
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
