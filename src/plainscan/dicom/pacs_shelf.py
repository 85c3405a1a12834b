"""Where the instances of one study are put: whole files with names that are hashes, or none.

The disk is the truth of a transfer: a file that lies here has come, one that does not has not. Nothing else needs to
be remembered of an instance, so nothing can disagree after a crash.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from plainscan.dicom.header import header_of
from plainscan.dicom.pacs import failure, hashed
from plainscan.dicom.pacs_pace import Pace
from plainscan.errors import DicomError
from plainscan.storage import whole_file


class Shelf:
    """One study's folder.

    Args:
        root: The folder of all studies.
        study_uid: Whose; instances of another study are refused.
        pace: Is charged for every byte that came.
    """

    def __init__(self, root: Path, study_uid: str, pace: Pace) -> None:
        self.folder = root / hashed(study_uid)
        self._study_uid, self._pace = study_uid, pace

    def path(self, instance_uid: str) -> Path:
        """Where an instance lies, or would."""
        return self.folder / f"{hashed(instance_uid)}.dcm"

    def has(self, instance_uid: str) -> bool:
        """Whether it has come."""
        return self.path(instance_uid).is_file()

    def tidy(self) -> None:
        """Remove what a process that was killed left half-written."""
        for partial in self.folder.glob(".*.partial"):
            with suppress(OSError):
                partial.unlink()

    def keep(self, instance_uid: str, data: bytes) -> None:
        """Put an instance in place.

        Args:
            instance_uid: The one that was asked for.
            data: A DICOM file.

        Raises:
            PacsError: It is another instance, or none (``not_asked_for``).
            StorageError: The disk is full or cannot be written; nothing half-written stays.
        """
        self._pace.spend(len(data))
        if self.has(instance_uid):
            return
        try:
            values = header_of(data).values
        except DicomError:
            raise failure("not_asked_for") from None
        if (values["study_uid"], values["instance_uid"]) != (self._study_uid, instance_uid):
            raise failure("not_asked_for")
        with whole_file(self.path(instance_uid)) as partial, partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave a name without its bytes

    def sizes(self) -> dict[str, int]:
        """Bytes of the files that lie here, by the hash of the instance's UID."""
        return {file.stem: file.stat().st_size for file in self.folder.glob("*.dcm")}
