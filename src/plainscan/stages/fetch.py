"""Stage ``fetch``: studies from a PACS into ``fetched/``, and ``transfers`` with what became of each."""

from __future__ import annotations

import csv
import hashlib
import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from plainscan.config import FetchSettings
from plainscan.counted import counted
from plainscan.dicom.pacs import TRANSFER_CODES, FoundStudy, hashed, queries
from plainscan.dicom.pacs_journal import Journal
from plainscan.dicom.pacs_open import opened
from plainscan.dicom.pacs_pace import Clock, Pace, seconds_to_open
from plainscan.dicom.pacs_transfer import Outcome, Transfer
from plainscan.errors import PacsError, SourceError
from plainscan.reports.encoding import decode
from plainscan.stages.record import Counts, recorded, say, track
from plainscan.stages.report_files import file_bytes
from plainscan.tables import TRANSFERS, from_rows, write

FOLDER: Final = "fetched"
SHOWN: Final = 20  # studies that are not complete, line by line
FOR_GOOD: Final = ("not_found", "vanished")  # another run would not bring these either
# Their messages hold UIDs, URLs and values of headers.
_TALKATIVE: Final = ("pynetdicom", "dicomweb_client", "urllib3", "requests", "retrying", "pydicom", "keyring")


def run(folder: Path, settings: FetchSettings, clock: Clock | None = None) -> Counts:
    """Bring what is not here yet into ``fetched/``, and write ``transfers.parquet``.

    Args:
        folder: The run folder.
        settings: What to ask whom for.
        clock: None for the machine's.

    Raises:
        ConfigError: Credentials, certificates or the port are not usable.
        PacsError: The PACS does not answer, or a study is not complete; what has come stays.
        StorageError: The disk is full; what has come stays.
    """
    today = clock.now() if clock else datetime.now()
    ended = settings.until is not None and settings.until < today.date().isoformat()
    outputs = [folder / FOLDER, TRANSFERS.path(folder)]
    inputs = [settings.accessions] if settings.accessions else []
    return recorded(
        "fetch",
        folder,
        settings,
        lambda: _work(folder, settings, today, clock),
        inputs=inputs,
        outputs=outputs,
        rules="" if ended else today.date().isoformat(),  # tomorrow there may be more
    )


def _work(folder: Path, settings: FetchSettings, today: datetime, clock: Clock | None) -> Counts:
    accessions = read_accessions(settings.accessions) if settings.accessions else []
    pace = Pace(settings.bytes_per_second, settings.hours, settings.wait_s, clock)
    with _quiet(), opened(settings) as connect:
        journal = Journal(folder, _digest(settings, accessions))
        transfer = Transfer(settings, connect, folder / FOLDER, pace, journal)
        if settings.hours and seconds_to_open(today, settings.hours):
            say(f"fetch: waiting for the hours {settings.hours}")
        found = transfer.find(track(queries(settings, accessions, today.date()), "ask"))
        outcomes = [Outcome(FoundStudy("", number), "", "failed", "not_found") for number in found.nothing]
        done, open_ = _sort(transfer, found.studies)
        outcomes += done
        outcomes += _vanished(transfer, found.studies)
        others = f"; {found.others} more left out by the filters" if found.others else ""
        say(f"fetch: {counted(len(found.studies), 'studies')} found, {len(done)} of them complete before{others}")
        # names of patients: for this user alone, until told otherwise
        (folder / FOLDER).mkdir(mode=0o700, exist_ok=True)
        try:
            with closing(transfer.bring_all(open_)) as ending:
                for _ in track(ending, "fetch", total=len(open_)):
                    pass
        finally:  # so that it is in the account when it was stopped
            outcomes += [transfer.ended.get(study.uid) or transfer.left(study) for study in open_]
            _account(folder, outcomes)
    return _conclude(outcomes)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the libraries, whose messages and warnings name patients."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def read_accessions(path: Path) -> list[str]:
    """The first column of a text or CSV file, each number once; a heading without a digit is skipped.

    Raises:
        SourceError: Not readable, empty, or a line is no accession number. The message names the line, not its text.
    """
    try:
        rows = list(csv.reader(decode(file_bytes(path, SourceError), str(path), SourceError).splitlines()))
    except csv.Error as error:
        raise SourceError("cannot be read", where=str(path), expected="a text or CSV file") from error
    numbers: dict[str, None] = {}
    for line, row in enumerate(rows, 1):
        text = row[0].strip() if row else ""
        if not text or (line == 1 and not any(c.isdigit() for c in text)):
            continue
        if len(text) > 16 or set(text) & set("*?\\") or not text.isprintable():  # SH, PS3.5 6.2; no wildcards
            expected = "an accession number: at most 16 characters, no * ? or backslash"
            raise SourceError("no accession number", where=f"{path}: line {line}", expected=expected)
        numbers[text] = None
    if not numbers:
        raise SourceError("no accession number", where=str(path), expected="one a line, in the first column")
    return list(numbers)


def _digest(settings: FetchSettings, accessions: list[str]) -> str:
    """Name of what is asked for whom: settings that change the answer, none that change how it comes."""
    names = ("pacs", "since", "until", "modality", "body_part", "description")
    text = "\n".join([*(str(getattr(settings, name)) for name in names), *accessions])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sort(transfer: Transfer, studies: list[FoundStudy]) -> tuple[list[Outcome], list[FoundStudy]]:
    """Studies that were complete, have gained nothing since and of which every file still lies here; and the others."""
    done: list[Outcome] = []
    open_: list[FoundStudy] = []
    for study in studies:
        sizes, name = transfer.shelf(study).sizes(), hashed(study.uid)
        here, code = len(sizes), "" if sizes else "no_series"
        if study.instances and transfer.journal.whole(name) == (here, study.instances):
            done.append(Outcome(study, name, "complete", code, here, here, sum(sizes.values())))
        else:
            open_.append(study)
    known = set(transfer.journal.found)
    transfer.journal.note(*(name for study in open_ if (name := hashed(study.uid)) not in known))
    return done, open_


def _vanished(transfer: Transfer, studies: list[FoundStudy]) -> list[Outcome]:
    """Studies that this query found before, but no longer; what has come of them stays."""
    now = {hashed(study.uid) for study in studies}
    gone = [folder for folder in transfer.journal.found if folder not in now]
    outcomes = []
    for folder in gone:
        sizes = [file.stat().st_size for file in (transfer.root / folder).glob("*.dcm")]
        known = transfer.journal.whole(folder)
        expected = known.instances if known else None
        state = "complete" if sizes and len(sizes) == expected else "partial" if sizes else "failed"
        code = "" if state == "complete" else "vanished"
        outcomes.append(Outcome(FoundStudy(""), folder, state, code, expected, len(sizes), sum(sizes)))
    return outcomes


def _account(folder: Path, outcomes: list[Outcome]) -> None:
    """Write the table: one row a study."""
    rows: list[dict[str, object]] = [
        {
            "study_uid": outcome.study.uid or None,
            "accession_number": outcome.study.accession or None,
            "study_date": outcome.study.date or None,
            "folder": outcome.folder or None,
            "state": outcome.state,
            "code": outcome.code or None,
            "expected": outcome.expected,
            "instances": outcome.instances,
            "bytes": outcome.size,
            "missing": list(outcome.missing),
        }
        for outcome in outcomes
    ]
    write(from_rows(rows, TRANSFERS), folder, TRANSFERS)


def _conclude(outcomes: list[Outcome]) -> Counts:
    """Say what is not complete, and count.

    Raises:
        PacsError: Nothing was found, or something is missing that another run could bring.
    """
    open_ = [outcome for outcome in outcomes if outcome.state != "complete"]
    studies = [outcome for outcome in open_ if outcome.folder]
    for outcome in studies[:SHOWN]:
        lacking = f", {len(outcome.missing)} of {outcome.expected} missing" if outcome.expected else ""
        say(f"fetch: study {outcome.folder}: {outcome.state}{lacking}: {TRANSFER_CODES[outcome.code]}")
    if len(studies) > SHOWN:
        say(f"fetch: ... and {len(studies) - SHOWN} more")
    if len(open_) > len(studies):
        say(f"fetch: {counted(len(open_) - len(studies), 'accession numbers')}: {TRANSFER_CODES['not_found']}")
    bare = sum(outcome.code == "no_series" and outcome.state == "complete" for outcome in outcomes)
    if bare:
        say(f"fetch: {counted(bare, 'studies')}: {TRANSFER_CODES['no_series']}")
    if not any(outcome.folder for outcome in outcomes):
        expected = "at least one study"
        raise PacsError("no study found", where="PACS", expected=expected, remedy="Check the filters.", code="no_study")
    again = [outcome for outcome in open_ if outcome.code not in FOR_GOOD]
    if again:
        raise PacsError(
            f"{len(again)} of {counted(len(outcomes), 'studies')} not complete",
            where="PACS",
            remedy=f"{TRANSFERS.name}.parquet says why. Run the same command again: only what is missing is asked for.",
            code="incomplete",
        )
    states = Counter(outcome.state for outcome in outcomes)
    return {
        "studies": len(outcomes),
        **{state: states[state] for state in ("complete", "partial", "failed")},
        "instances": sum(outcome.instances for outcome in outcomes),
        "bytes": sum(outcome.size for outcome in outcomes),
    }
