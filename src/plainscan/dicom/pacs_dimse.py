"""A PACS over DIMSE: C-FIND to find and list, then C-GET, or C-MOVE into our own receiver (PS3.4 C.4).

A series of which nothing has come is asked for whole, as every PACS can; of one that has begun, the missing instances
are asked for by list (PS3.4 C.2.2.2.2).
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, suppress
from typing import Any, Final

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom import sop_class as sop
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import UserIdentityNegotiation

from plainscan.config import FetchSettings
from plainscan.dicom.pacs import FoundSeries, FoundStudy, Keep, Listing, Query, failure, is_wanted
from plainscan.dicom.pacs_limit import Limit
from plainscan.dicom.pacs_receive import SYNTAXES, Inbox, Receiver, uid_of
from plainscan.dicom.pacs_secure import Credentials, client_context
from plainscan.errors import PacsError

FIND: Final = str(sop.StudyRootQueryRetrieveInformationModelFind)  # type: ignore[attr-defined]  # made at import
GET: Final = str(sop.StudyRootQueryRetrieveInformationModelGet)  # type: ignore[attr-defined]
MOVE: Final = str(sop.StudyRootQueryRetrieveInformationModelMove)  # type: ignore[attr-defined]
LIST: Final = 200  # UIDs in one request: a UI value may have 64 KiB (PS3.5 7.1.2)
SUCCESS: Final = 0x0000
SOME_FAILED: Final = 0xB000
TRANSIENT: Final = 2  # result of a rejection, PS3.8 9.3.4: not now
PENDING: Final = (0xFF00, 0xFF01)

Statuses = Iterable[tuple[Dataset, Dataset | None]]


class DimsePacs:
    """A ``pacs.Pacs`` that speaks DIMSE; its queries share one association, its retrievals another.

    Args:
        settings: Where, and as whom.
        shown: User and password, if the PACS asks for them.
        receiver: Our own port, for C-MOVE; None for C-GET.
    """

    def __init__(self, settings: FetchSettings, shown: Credentials, receiver: Receiver | None) -> None:
        title, self._host, port = re.split(r"@|:", settings.pacs.partition("://")[2])
        self._title, self._port = title, int(port)
        self._settings, self._shown, self._receiver = settings, shown, receiver
        self._tls = client_context(settings) if settings.pacs.startswith("dicoms:") else None
        self._ae = AE(settings.ae_title)
        self._ae.acse_timeout = self._ae.dimse_timeout = self._ae.network_timeout = settings.timeout_s
        self._ae.connection_timeout = settings.timeout_s
        self._asking: Association | None = None
        self._bringing: Association | None = None
        self._inbox = Inbox((), lambda _uid, _data: None)

    def find(self, query: Query) -> list[FoundStudy]:
        """See ``pacs.Pacs``."""
        asked = _identifier("STUDY", StudyInstanceUID="", ModalitiesInStudy=self._settings.modality)
        asked.StudyDate, asked.AccessionNumber, asked.StudyDescription = query.dates, query.accession, ""
        asked.NumberOfStudyRelatedInstances = None
        names = (
            "StudyInstanceUID",
            "AccessionNumber",
            "StudyDate",
            "StudyDescription",
            "NumberOfStudyRelatedInstances",
        )
        return [FoundStudy(*(_text(row, name) for name in names)) for row in self._ask(asked)]

    def instances(self, study_uid: str) -> Listing:
        """See ``pacs.Pacs``."""
        asked = _identifier("SERIES", StudyInstanceUID=study_uid, SeriesInstanceUID="")
        asked.Modality, asked.BodyPartExamined = "", ""
        names = ("SeriesInstanceUID", "Modality", "BodyPartExamined")
        found = [FoundSeries(*(_text(row, name) for name in names)) for row in self._ask(asked)]
        return {
            series.uid: self._in_series(study_uid, series.uid) for series in found if is_wanted(series, self._settings)
        }

    def _in_series(self, study_uid: str, series_uid: str) -> list[str]:
        asked = _identifier("IMAGE", StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid, SOPInstanceUID="")
        return [_text(row, "SOPInstanceUID") for row in self._ask(asked)]

    def _ask(self, asked: Dataset) -> list[Dataset]:
        if self._asking is None or not self._asking.is_established:
            self._asking = self._associate([(FIND, None)])
        rows: list[Dataset] = []
        for status, row in _answers(lambda assoc: assoc.send_c_find(asked, FIND), self._asking):
            code = _code(status)
            if code not in (SUCCESS, *PENDING):
                raise failure("refused", f"C-FIND ended with status 0x{code:04X}")
            if code == SUCCESS:
                continue
            if row is None:  # it could not be read: what it names would be missing without a word
                self._asking.abort()
                raise failure("dropped")
            rows.append(row)
        return rows

    def bring(self, study_uid: str, series_uid: str, instances: Collection[str], whole: bool, keep: Keep) -> None:
        """See ``pacs.Pacs``."""
        inbox = Inbox(instances, keep)
        for identifier in _requests(study_uid, series_uid, list(instances), whole):
            if self._receiver is None:
                self._get(identifier, inbox)
            else:
                self._move(identifier, inbox, self._receiver)
        if inbox.problem:
            raise inbox.problem

    def _get(self, identifier: Dataset, inbox: Inbox) -> None:
        self._inbox = inbox
        if self._bringing is None or not self._bringing.is_established:
            contexts: list[tuple[str, str | None]] = [(GET, None)]
            contexts += [(name, syntax) for name, accepted in SYNTAXES.items() for syntax in accepted]
            handlers: Any = [(evt.EVT_C_STORE, lambda event: self._inbox.take(uid_of(event), event))]
            roles = [build_role(name, scp_role=True) for name in SYNTAXES]
            self._bringing = self._associate(contexts, roles, handlers)
        statuses = _answers(lambda assoc: assoc.send_c_get(identifier, GET), self._bringing)
        _follow(self._bringing, statuses, inbox, "C-GET")

    def _move(self, identifier: Dataset, inbox: Inbox, receiver: Receiver) -> None:
        if self._bringing is None or not self._bringing.is_established:
            self._bringing = self._associate([(MOVE, None)])
        with receiver.open(inbox):
            title = self._settings.ae_title
            statuses = _answers(lambda assoc: assoc.send_c_move(identifier, title, MOVE), self._bringing)
            _follow(self._bringing, statuses, inbox, "C-MOVE")

    def _associate(
        self, contexts: list[tuple[str, str | None]], more: list[Any] | None = None, handlers: Any = None
    ) -> Association:
        self._ae.requested_contexts = []
        for name, syntax in contexts:
            self._ae.add_requested_context(name, syntax) if syntax else self._ae.add_requested_context(name)
        negotiated = [*(more or []), *self._identity()]
        tls = (self._tls, self._host) if self._tls else None
        limit = Limit(lambda uid: uid in self._inbox.wanted, self._never_ends)
        heard = [*(handlers or []), *limit.handlers()]
        assoc = self._ae.associate(
            self._host, self._port, ae_title=self._title, ext_neg=negotiated, tls_args=tls, evt_handlers=heard
        )
        if assoc.is_established:
            if contexts[0][0] in {context.abstract_syntax for context in assoc.accepted_contexts}:
                return assoc
            assoc.release()
            raise failure("denied", "the PACS does not offer this service to us")
        if assoc.is_rejected:
            answer = assoc.acceptor.primitive
            raise failure("busy" if answer is not None and answer.result == TRANSIENT else "denied")
        raise self._why()

    def _never_ends(self, instance_uid: str) -> None:
        self._inbox.never_ends(instance_uid)  # of the request that runs, not of the one that associated

    def _identity(self) -> list[UserIdentityNegotiation]:
        if not self._shown.user:
            return []
        item = UserIdentityNegotiation()
        item.user_identity_type = 2  # user and passcode, PS3.7 D.3.3.7
        item.primary_field, item.secondary_field = self._shown.user.encode(), self._shown.password.encode()
        item.positive_response_requested = False
        return [item]

    def _why(self) -> PacsError:
        """Why there was no association: pynetdicom does not say, so look once more without DICOM."""
        try:
            with closing(socket.create_connection((self._host, self._port), self._settings.timeout_s)) as plain:
                if self._tls:
                    with self._tls.wrap_socket(plain, server_hostname=self._host):
                        pass
        except ssl.SSLError:
            return failure("tls")
        except OSError:
            return failure("unreachable")
        return failure("dropped")

    def close(self) -> None:
        """See ``pacs.Pacs``."""
        for assoc in (self._asking, self._bringing):
            if assoc is not None and assoc.is_established:
                assoc.release()


def _identifier(level: str, **values: str) -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.QueryRetrieveLevel = level
    for name, value in values.items():
        setattr(ds, name, value)
    return ds


def _requests(study_uid: str, series_uid: str, instances: list[str], whole: bool) -> Iterator[Dataset]:
    if whole:
        yield _retrieval("SERIES", study_uid, series_uid)
        return
    for start in range(0, len(instances), LIST):
        ds = _retrieval("IMAGE", study_uid, series_uid)
        ds.SOPInstanceUID = instances[start : start + LIST]
        yield ds


def _retrieval(level: str, study_uid: str, series_uid: str) -> Dataset:
    ds = Dataset()  # unique keys alone: no character set in a retrieval
    ds.QueryRetrieveLevel, ds.StudyInstanceUID, ds.SeriesInstanceUID = level, study_uid, series_uid
    return ds


def _answers(ask: Callable[[Association], Statuses], assoc: Association) -> Statuses:
    try:
        yield from ask(assoc)
    except RuntimeError:  # it has ended since it was looked at
        raise failure("dropped") from None


def _follow(assoc: Association, statuses: Statuses, inbox: Inbox, name: str) -> None:
    """Wait for a retrieval to end; what did not come is counted by who asked for it."""
    code = SUCCESS
    for status, _ in statuses:
        if inbox.fatal:
            assoc.abort()
            raise inbox.fatal
        code = _code(status)
    if inbox.fatal:
        raise inbox.fatal
    if inbox.problem is None and code not in (SUCCESS, *PENDING):
        if code == SOME_FAILED:
            raise failure("not_sent")
        raise failure("refused", f"{name} ended with status 0x{code:04X}")


def _code(status: Dataset) -> int:
    """The status of a response; none at all means that the association has ended."""
    code = status.get("Status")
    if code is None:
        raise failure("dropped")
    return int(code)


def _text(row: Dataset, name: str) -> str:
    """A value as text; empty where it is missing or cannot be decoded."""
    with suppress(ValueError, LookupError, TypeError, AttributeError, NotImplementedError):
        return str(row.get(name, "") or "").strip()
    return ""
