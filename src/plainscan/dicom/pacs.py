"""What a PACS is to us, whichever protocol it speaks: find studies, list their instances, bring them.

``pacs_web`` speaks DICOMweb and ``pacs_dimse`` DIMSE; ``pacs_transfer`` works with either. An error here never holds
a UID, an accession number or an address that the PACS gave.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import Final, Protocol

from plainscan.config import FetchSettings
from plainscan.errors import PacsError

INSTANCE_BYTES: Final = 2 << 30  # the most that is taken, whichever way it comes
# Why a study did not come, or not whole.
TRANSFER_CODES: Final = {
    "not_found": "the PACS has no study with it that the other filters let through",
    "no_series": "no series of the study has the modality and body part asked for; nothing to bring",
    "vanished": "found earlier with the same query, but no longer",
    "unreachable": "no connection to the PACS",
    "tls": "the certificate of the PACS is not trusted, or it does not trust ours",
    "denied": "the PACS does not let us in: AE title, address, user or password",
    "busy": "the PACS lets nobody else in just now",
    "dropped": "the connection ended in the middle, or the PACS gave no answer in time",
    "refused": "the PACS answered the request with an error",
    "not_listed": "the PACS names no instance of one of the series",
    "not_sent": "the PACS said it was done before everything had come",
    "too_large": f"an instance of more than {INSTANCE_BYTES >> 30} GiB; it was not kept",
    "not_asked_for": "the PACS sent another instance than the one asked for; it was not kept",
    "bad_uid": "the PACS gave a UID that is not one; it is not asked for",
    "not_reached": "the transfer ended before it was this study's turn",
}
# Trying again at once does not help.
FINAL_CODES: Final = frozenset(("tls", "denied", "bad_uid", "too_large"))
# These concern one instance or series: the next may come.
PASSING_CODES: Final = frozenset(("refused", "not_sent", "not_asked_for", "too_large"))

Keep = Callable[[str, bytes], None]  # instance UID, the DICOM file
Listing = dict[str, list[str]]  # instance UIDs by series UID


@dataclass(frozen=True, slots=True)
class Query:
    """What studies are asked for: a range of days (YYYYMMDD or YYYYMMDD-YYYYMMDD) or an accession number, or both."""

    dates: str = ""
    accession: str = ""


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """One study as the PACS describes it; what it does not say is empty.

    ``instances`` is its own count of them, in all series: it is only compared with an earlier one.
    """

    uid: str
    accession: str = ""
    date: str = ""
    description: str = ""
    instances: str = ""


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """One series as the PACS describes it; what it does not say is empty."""

    uid: str
    modality: str = ""
    body_part: str = ""


class Pacs(Protocol):
    """A connection to a PACS, for one thread.

    Every method raises PacsError with a code of ``TRANSFER_CODES``.
    """

    def find(self, query: Query) -> list[FoundStudy]:
        """The studies that match; perhaps also others, as a PACS may ignore a filter."""

    def instances(self, study_uid: str) -> Listing:
        """What the series of a study hold that have the modality and body part asked for."""

    def bring(self, study_uid: str, series_uid: str, instances: Collection[str], whole: bool, keep: Keep) -> None:
        """Have instances of a series sent and pass each to ``keep``; ``whole`` says that these are all there are."""

    def close(self) -> None:
        """End it."""


def hashed(uid: str) -> str:
    """Name of a file or folder that stands for a UID: no UID can steer it, nobody can read one in it.

    >>> hashed("1.2.3"), hashed("../x")
    ('c47f5b18b8a430e698b9fe15e51f6119', 'd6b96a97d147daaae49eb87a5ca7bfbc')
    """
    return hashlib.sha256(uid.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def is_uid(text: str) -> bool:
    """Digits and dots, at most 64 (PS3.5 9.1); a leading zero, which some devices write, passes.

    >>> is_uid("1.2.840.10008"), is_uid("../1"), is_uid("1.2/3"), is_uid("")
    (True, False, False, False)
    """
    return len(text) <= 64 and re.fullmatch(r"\d+(\.\d+)*", text, re.ASCII) is not None


def queries(settings: FetchSettings, accessions: Iterable[str], today: date) -> list[Query]:
    """One query an accession number, or else one a day: most PACS cut a long answer short without saying so."""
    until = date.fromisoformat(settings.until) if settings.until else today
    if settings.accessions:
        start = f"{date.fromisoformat(settings.since):%Y%m%d}" if settings.since else ""
        days = f"{start}-{until:%Y%m%d}" if start or settings.until else ""
        return [Query(days, number) for number in accessions]
    first = date.fromisoformat(settings.since or until.isoformat())
    return [Query(f"{first + timedelta(days=n):%Y%m%d}") for n in range((until - first).days + 1)]


def matches(study: FoundStudy, query: Query, settings: FetchSettings) -> bool:
    """Whether a study is one that was asked for, looked at here too: a PACS may ignore what it does not know."""
    if query.accession and study.accession != query.accession:
        return False
    first, _, last = query.dates.partition("-")
    if query.dates and not first <= study.date <= (last if "-" in query.dates else first):
        return False
    return settings.description is None or _like(study.description, settings.description)


def is_wanted(series: FoundSeries, settings: FetchSettings) -> bool:
    """Whether a series has the modality and body part; one whose body part the PACS does not give passes."""
    if series.modality != settings.modality:
        return False
    return not (settings.body_part and series.body_part) or _like(series.body_part, settings.body_part)


def _like(text: str, words: str) -> bool:
    pattern = words.replace("[", "[[]").casefold()
    return fnmatchcase(text.casefold(), pattern if set("*?") & set(words) else f"*{pattern}*")


def failure(code: str, found: str = "", remedy: str = "") -> PacsError:
    """An error with a code of ``TRANSFER_CODES``, which also says what it means."""
    return PacsError(found or TRANSFER_CODES[code], where="PACS", remedy=remedy, code=code)
