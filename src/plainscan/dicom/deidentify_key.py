"""The key that makes pseudonyms: kept in the hospital, it ties the same patient together across studies and runs.

Every pseudonym is a keyed hash (HMAC-SHA-256, RFC 2104) of the identifier it replaces: without the key it cannot be
computed forward to try out identifiers, with the same key it is the same in every run.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from datetime import MINYEAR, date, timedelta
from pathlib import Path
from typing import Final

from plainscan.errors import SourceError, StorageError, storage_error

KEY_BYTES: Final = 32
FARTHEST_DAYS: Final = 3650  # dates move back by 1 to so many days
_HEX: Final = re.compile(r"[0-9a-fA-F]+")
_FEWEST_SIGNS: Final = 8  # different ones; random keys of this length have nearly all 16


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A secret of 32 bytes; it never shows in a message."""

    secret: bytes

    def _digest(self, use: str, text: str) -> bytes:
        return hmac.digest(self.secret, f"{use}\0{text}".encode("utf-8", "surrogatepass"), hashlib.sha256)

    @property
    def name(self) -> str:
        """Tells keys apart without telling anything about them."""
        return self._digest("name", "").hex()[:16]

    def patient(self, identity: str) -> str:
        """The pseudonym of a patient, as Patient ID and Patient's Name.

        >>> Key(bytes(32)).patient("4711") == Key(bytes(32)).patient("4711") != Key(b"1" * 32).patient("4711")
        True
        """
        return "P" + base64.b32encode(self._digest("patient", identity)).decode()[:15]

    def uid(self, original: str) -> str:
        """A UID of the UUID-derived form (PS3.5 B.2) in place of another one.

        >>> Key(bytes(32)).uid("1.2.3").startswith("2.25."), len(Key(bytes(32)).uid("1.2.3")) <= 44
        (True, True)
        """
        digest = bytearray(self._digest("uid", original)[:16])
        digest[6] = (digest[6] & 0x0F) | 0x80  # version 8, made as its maker likes, and the variant of RFC 9562
        digest[8] = (digest[8] & 0x3F) | 0x80
        return f"2.25.{int.from_bytes(digest, 'big')}"

    def code(self, original: str) -> str:
        """A code in place of a department's own: 16 signs, the same for the same.

        >>> len(Key(bytes(32)).code("4711")), Key(bytes(32)).code("4711") == Key(bytes(32)).code("4712")
        (16, False)
        """
        return "C" + base64.b32encode(self._digest("code", original)).decode()[:15]

    def days(self, identity: str) -> int:
        """By how many days the dates of a patient move: -1 to -3650."""
        return -1 - int.from_bytes(self._digest("days", identity)[:8], "big") % FARTHEST_DAYS


def moved(day: tuple[int, int, int], days: int) -> tuple[int, int, int] | None:
    """A date some days later; None where there is no such date.

    >>> moved((2020, 3, 1), -1), moved((2021, 2, 29), -1)
    ((2020, 2, 29), None)
    """
    try:
        new = date(*day) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return (new.year, new.month, new.day) if new.year > MINYEAR else None


def read_key(path: Path) -> Key:
    """Read a key file: 64 hexadecimal digits in a text file that nobody else may read.

    Raises:
        SourceError: It is not there, not a key, a weak one, or open to others; the message never holds its content.
    """
    try:
        text = path.read_bytes()[:4096].decode("ascii").strip()
        open_to_others = path.stat().st_mode & 0o077
    except UnicodeDecodeError:
        raise _bad("not text", path) from None
    except OSError as error:
        remedy = "Check the path. A lost key cannot be made again."
        raise SourceError(
            error.strerror or "unreadable", where=str(path), expected="a key file", remedy=remedy, code="no_key"
        ) from error
    if not text:
        raise _bad("an empty file", path)
    if not _HEX.fullmatch(text):
        raise _bad("signs that are no hexadecimal digits", path)
    if len(text) != 2 * KEY_BYTES:
        raise _bad(f"{len(text)} hexadecimal digits", path)
    if len(set(text.lower())) < _FEWEST_SIGNS:
        raise _bad("digits that were not drawn by chance", path)
    if open_to_others:
        remedy = "Run `chmod 600` on it; whoever reads it can undo the pseudonyms."
        raise SourceError("others may read it", where=str(path), expected="mode 600", remedy=remedy, code="open_key")
    return Key(bytes.fromhex(text))


def make_key(path: Path) -> Key:
    """Write a new key file that only its owner can read, like its folder if that is new; an old one is never touched.

    Raises:
        StorageError: There is a file of that name, or it cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise StorageError(
            "a file is there", where=str(path), expected="a new name", remedy="A key is never overwritten."
        ) from error
    except OSError as error:
        raise storage_error(error, path) from error
    try:
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(KEY_BYTES) + "\n")
            stream.flush()
            os.fsync(stream.fileno())  # some disks say only here that they are full
    except OSError as error:
        path.unlink(missing_ok=True)  # half a key is none, and would be in the way of the next run
        raise storage_error(error, path) from error
    return read_key(path)


def _bad(found: str, path: Path) -> SourceError:
    return SourceError(
        found,
        where=str(path),
        expected=f"{2 * KEY_BYTES} hexadecimal digits",
        remedy="Give the key file of this cohort, or a new name: a key is made where there is none.",
        code="bad_key",
    )
