"""Files that are whole or absent, and what their bytes are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from plainscan.errors import STORAGE, storage_error

SAVE_SECONDS: Final = 120.0  # from one saving of long work to the next: what a kill may cost


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write to a neighbour and rename: the file at ``path`` is complete or absent.

    Raises:
        StorageError: The disk is full or the folder cannot be written; the message names the file.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        ours = (None, *map(str, (partial, path, *path.parents)))
        if error.errno not in STORAGE or error.filename not in ours:
            raise
        raise storage_error(OSError(error.errno, error.strerror), path) from error
    finally:
        with suppress(OSError):  # a folder that could not be made holds nothing to remove
            partial.unlink(missing_ok=True)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
