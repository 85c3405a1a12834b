"""The transfer: every study that was found, several at once, each tried until it is whole or stays in the way.

What has come is on the disk and is never asked for again; what has not is asked for until it comes, or until a number
of tries in a row brought nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from plainscan.config import FetchSettings
from plainscan.dicom.pacs import (
    FINAL_CODES,
    PASSING_CODES,
    FoundStudy,
    Listing,
    Pacs,
    Query,
    failure,
    hashed,
    is_uid,
    matches,
)
from plainscan.dicom.pacs_journal import Journal
from plainscan.dicom.pacs_pace import Pace
from plainscan.dicom.pacs_shelf import Shelf
from plainscan.errors import PacsError, StorageError

_GONE: Final = frozenset(("unreachable", "tls", "denied", "busy", "dropped"))

Connect = Callable[[], Pacs]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a study.

    Args:
        study: As it was found; without a UID for an accession number that has none.
        folder: Its folder's name; empty without a UID.
        state: ``complete``, ``partial`` or ``failed``.
        code: Why not complete, of ``pacs.TRANSFER_CODES``; ``no_series`` also when complete.
        expected: Instances that were asked for; None when it was not listed.
        instances: Of these, how many have come; of one that was not listed, how many lie here.
        size: Their bytes.
        missing: UIDs of those that have not.
    """

    study: FoundStudy
    folder: str
    state: str
    code: str = ""
    expected: int | None = None
    instances: int = 0
    size: int = 0
    missing: tuple[str, ...] = ()


class Found(NamedTuple):
    """What the PACS answered.

    Args:
        studies: Those that were asked for, each once.
        nothing: Accession numbers without a study.
        others: How many more it named that the filters did not let through.
    """

    studies: list[FoundStudy]
    nothing: list[str]
    others: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """What all studies share: settings, how to reach the PACS, where to put things, the limits, the journal.

    ``ended`` has what became of studies, by UID, also of those that ended after an interruption.
    """

    settings: FetchSettings
    connect: Connect
    root: Path
    pace: Pace
    journal: Journal
    ended: dict[str, Outcome] = field(default_factory=dict)

    def find(self, asked: Iterable[Query]) -> Found:
        """Ask for studies.

        Raises:
            PacsError: The PACS does not answer, after the retries.
        """
        found: dict[str, FoundStudy] = {}
        nothing: list[str] = []
        others: set[str] = set()
        pacs = self.connect()
        try:
            for query in asked:
                self.pace.wait_for_hours()
                answer = self._insist(pacs, query)
                studies = {study.uid: study for study in answer if matches(study, query, self.settings)}
                found |= studies
                others |= {study.uid for study in answer}
                nothing += [query.accession] if query.accession and not studies else []
        finally:
            pacs.close()
        return Found(list(found.values()), nothing, len(others - found.keys()))

    def _insist(self, pacs: Pacs, query: Query) -> list[FoundStudy]:
        for tries in range(self.settings.retries + 1):
            try:
                return pacs.find(query)
            except PacsError as error:
                if error.code in FINAL_CODES or error.code == "not_reached" or tries == self.settings.retries:
                    raise
                self.pace.back_off(tries)
        raise failure("unreachable")

    def bring_all(self, studies: list[FoundStudy]) -> Generator[Outcome, None, None]:
        """Bring studies, several at once; their outcomes as they end. To be closed: that waits for all to stop.

        Raises:
            StorageError: The disk is full. What has come stays.
        """
        with ThreadPoolExecutor(self.settings.at_once) as pool:
            futures = {pool.submit(self._bring_or_leave, study): study for study in studies}
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BaseException:
                self.pace.stop()
                _cancel(futures)
                raise

    def _bring_or_leave(self, study: FoundStudy) -> Outcome:
        try:
            self.ended[study.uid] = outcome = self._bring_and_note(study)
            return outcome
        except (StorageError, OSError):
            self.pace.stop()  # here, not where it is noticed: the next study would begin meanwhile
            raise

    def _bring_and_note(self, study: FoundStudy) -> Outcome:
        try:
            self.pace.check()
            outcome = self.bring(study)
        except PacsError as error:
            outcome = self.left(study, error.code)
        if outcome.code != "not_reached":
            self.pace.count(outcome.code in _GONE)
            self.journal.note(
                outcome.folder,
                state=outcome.state,
                code=outcome.code,
                instances=outcome.instances,
                told=study.instances,
            )
        return outcome

    def left(self, study: FoundStudy, code: str = "not_reached") -> Outcome:
        """What lies here of a study that was not gone on with."""
        return _judge(study, None, self.shelf(study), code)

    def shelf(self, study: FoundStudy) -> Shelf:
        """Where a study's instances lie, or would."""
        return Shelf(self.root, study.uid, self.pace)

    def bring(self, study: FoundStudy) -> Outcome:
        """Bring one study.

        Raises:
            PacsError: It was stopped (``not_reached``).
            StorageError: The disk is full.
        """
        shelf = self.shelf(study)
        if not is_uid(study.uid):
            return _judge(study, None, shelf, "bad_uid")
        shelf.tidy()
        listing: Listing | None = None
        tries = 0
        while True:
            before = len(shelf.sizes())
            code = ""
            try:
                with closing(self.connect()) as pacs:
                    self.pace.wait_for_hours()
                    if listing is None or not all(listing.values()):
                        listing = _checked(pacs.instances(study.uid))
                    code = self._bring_missing(pacs, study.uid, listing, shelf)
            except PacsError as error:
                if error.code == "not_reached":
                    return _judge(study, listing, shelf, error.code)
                code = error.code
            outcome = _judge(study, listing, shelf, code)
            tries = 0 if len(shelf.sizes()) > before else tries + 1
            if outcome.state == "complete" or outcome.code in FINAL_CODES or tries > self.settings.retries:
                return outcome
            self.pace.back_off(max(tries - 1, 0))

    def _bring_missing(self, pacs: Pacs, study_uid: str, listing: Listing, shelf: Shelf) -> str:
        """Ask for what is missing, series by series; the code of what went wrong with one of them."""
        code = ""
        for series_uid, instances in listing.items():
            missing = [uid for uid in instances if is_uid(uid) and not shelf.has(uid)]
            if not missing or not is_uid(series_uid):
                continue
            self.pace.wait_for_hours()
            try:
                pacs.bring(study_uid, series_uid, missing, len(missing) == len(instances), shelf.keep)
            except PacsError as error:
                if error.code not in PASSING_CODES:
                    raise
                code = error.code if code in ("", *FINAL_CODES) else code  # what can be tried again is
        return code


def _checked(listing: Listing) -> Listing:
    """Each instance once: a PACS may list one twice."""
    return {series: list(dict.fromkeys(instances)) for series, instances in listing.items()}


def _judge(study: FoundStudy, listing: Listing | None, shelf: Shelf, code: str) -> Outcome:
    sizes, name = shelf.sizes(), shelf.folder.name
    if listing is None:
        return Outcome(study, name, "partial" if sizes else "failed", code, None, len(sizes), sum(sizes.values()))
    if not listing:
        return Outcome(study, name, "complete", "no_series", 0)
    asked = {uid: series for series, uids in listing.items() for uid in uids}
    here = [sizes[hashed(uid)] for uid in asked if hashed(uid) in sizes]
    missing = tuple(uid for uid in asked if hashed(uid) not in sizes)
    if not missing and all(listing.values()):
        return Outcome(study, name, "complete", "", len(asked), len(here), sum(here))
    if any(not (is_uid(asked[uid]) and is_uid(uid)) for uid in missing):
        code = code or "bad_uid"
    code = code or ("not_sent" if missing else "not_listed")
    return Outcome(study, name, "partial" if here else "failed", code, len(asked), len(here), sum(here), missing)


def _cancel(futures: dict[Future[Outcome], FoundStudy]) -> None:
    for future in futures:
        future.cancel()
