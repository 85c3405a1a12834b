"""Every error plainscan raises on purpose.

::

    PlainscanError                 exit code 1: our mistake
    ├── InternalError              a promise of ours is broken
    └── UserError                  exit code 2: the caller can mend it
        ├── ConfigError            a setting is unknown, missing or out of range
        ├── SourceError            a file or folder cannot be read as what it should be
        │   ├── DicomError         ... as a DICOM image with trustworthy Hounsfield units
        │   ├── PacsError          ... a PACS does not answer, or not as asked
        │   ├── PictureError       ... as a PNG or JPEG slice
        │   └── ReportError        ... as a report in a known encoding
        ├── TableError             a table lacks a column, holds a wrong type, a duplicate or a gap
        ├── LabelError             a label is missing, duplicate or contradictory
        ├── SplitError             a split is empty or impossible
        │   └── LeakError          a patient, or what may be one, is in two splits
        ├── BundleError            a model bundle is incomplete, altered or of another version
        ├── MissingPartError       an optional package that this command needs is not installed
        └── StorageError           the disk is full or the folder cannot be written

A message names what was found, where, what was expected and what to do. It never holds a patient's
name, identifier or report text; a path may appear only as the caller gave it.
"""

from __future__ import annotations

import errno
from typing import Final


class PlainscanError(Exception):
    """Base of all errors raised on purpose; carries the process exit code."""

    exit_code = 1


class InternalError(PlainscanError):
    """A promise between two of our own parts is broken; please report it."""


class UserError(PlainscanError):
    """Something the caller can mend.

    Args:
        found: What was met, in a few words.
        where: The file, tag, table, row or key.
        expected: What should have been there.
        remedy: What to do now.
        code: A short stable word for tables and logs, such as ``missing_rescale``.

    >>> print(UserError("no such key", where="demo.toml: train.epoch", expected="epochs", remedy="Rename it."))
    demo.toml: train.epoch: no such key; expected epochs. Rename it.
    """

    exit_code = 2

    def __init__(self, found: str, *, where: str = "", expected: str = "", remedy: str = "", code: str = "") -> None:
        self.found, self.where, self.expected, self.remedy = found, where, expected, remedy
        self.code = code or type(self).__name__
        super().__init__(self._message())

    def _message(self) -> str:
        text = f"{self.where}: {self.found}" if self.where else self.found
        if self.expected:
            text += f"; expected {self.expected}"
        return f"{text}. {self.remedy}".rstrip() if self.remedy else text


class ConfigError(UserError):
    """A setting is unknown, missing or out of range."""


class SourceError(UserError):
    """A file or folder cannot be read as what it should be."""


class DicomError(SourceError):
    """A DICOM file cannot be turned into trustworthy Hounsfield units."""


class PacsError(SourceError):
    """A PACS does not answer, refuses, or answers otherwise than asked."""


class PictureError(SourceError):
    """A PNG or JPEG file is not a usable slice."""


class ReportError(SourceError):
    """A report is unreadable: encoding, columns or file type."""


class TableError(UserError):
    """A table lacks a column, holds a wrong type, a duplicate or a gap."""


class LabelError(UserError):
    """A label is missing, duplicate or contradictory."""


class SplitError(UserError):
    """A split is empty or cannot be made."""


class LeakError(SplitError):
    """The same patient, or what may be one, is in two splits."""


class BundleError(UserError):
    """A model bundle is incomplete, altered or of another version."""


class MissingPartError(UserError):
    """An optional package that this command needs is not installed."""


class StorageError(UserError):
    """The disk is full or the folder cannot be written."""


# What the operating system says -> what was expected, and what to do.
_FULL: Final = ("free space", "Nothing half-written was kept. Free some space and run again.")
_REFUSED: Final = ("permission", "Check the permissions of this path, or choose another folder.")
_FOLDER: Final = ("a file", "A folder lies where a file should be; choose another name.")
_IN_THE_WAY: Final = ("a folder", "A file lies where a folder should be; choose another name.")
_SILENT: Final = (
    "a disk or share that answers",
    "Check the disk, or the connection to the share, and run the same command again.",
)
STORAGE: Final = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _REFUSED,
    errno.EPERM: _REFUSED,
    errno.EROFS: ("a disk that can be written", "Choose a folder on another disk."),
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.EISDIR: _FOLDER,
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN), _SILENT),
    **dict.fromkeys((errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH), _SILENT),
    errno.ENAMETOOLONG: ("a shorter name", "Choose a shorter name."),
}


def storage_error(error: OSError, where: object = "") -> StorageError:
    """A refusal of the operating system as a message that names the path and the remedy.

    Args:
        error: What was raised.
        where: The path, where the error itself does not name one.

    >>> print(storage_error(OSError(errno.EROFS, "Read-only file system"), "run/a.csv"))
    run/a.csv: Read-only file system; expected a disk that can be written. Choose a folder on another disk.
    """
    expected, remedy = STORAGE.get(error.errno or 0, ("a place that can be written", ""))
    return StorageError(
        error.strerror or "cannot be written", where=str(error.filename or where), expected=expected, remedy=remedy
    )


def printable(text: str) -> str:
    r"""Text that UTF-8 can hold: a byte of a file name that is no UTF-8 is written out.

    >>> printable("a\udcff.png")
    'a\\udcff.png'
    """
    return text.encode("utf-8", "backslashreplace").decode()
