"""A PACS over DICOMweb: QIDO-RS to find and list, WADO-RS to bring (PS3.18 10.6, 10.4).

Instances are asked for one by one, in the transfer syntax they are stored in: what has come need not come again.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from email.message import Message
from typing import Any, Final

import requests
from dicomweb_client.web import DICOMwebClient
from requests.auth import AuthBase
from urllib3.exceptions import ProtocolError

from plainscan.config import FetchSettings
from plainscan.dicom.pacs import (
    INSTANCE_BYTES,
    PASSING_CODES,
    FoundSeries,
    FoundStudy,
    Keep,
    Listing,
    Query,
    failure,
    is_wanted,
)
from plainscan.dicom.pacs_secure import Credentials
from plainscan.errors import PacsError

PAGE: Final = 500
STORED: Final = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"
ACCESSION, DATE, DESCRIPTION, MODALITY, BODY_PART = "00080050", "00080020", "00081030", "00080060", "00180015"
COUNT: Final = "00201208"
_DENIED: Final = (401, 403, 407)

Row = dict[str, Any]


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class WebPacs:
    """A ``pacs.Pacs`` that speaks DICOMweb."""

    def __init__(self, settings: FetchSettings, shown: Credentials) -> None:
        self._settings = settings
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, no .netrc: what is sent where is in the settings alone
        self._session.max_redirects = 0  # a redirect could lead out of TLS or out of the hospital
        self._session.verify = str(settings.ca or ssl.get_default_verify_paths().cafile or "") or True
        if settings.certificate and settings.key:
            self._session.cert = (str(settings.certificate), str(settings.key))
        if shown.token:
            self._session.auth = _Bearer(shown.token)
        elif shown.user:
            self._session.auth = (shown.user, shown.password)
        self._address = settings.pacs.rstrip("/")
        self._client = DICOMwebClient(self._address, self._session, timeout=settings.timeout_s)
        self._client.set_http_retry_params(retry=False)  # retries are pacs_transfer's

    def find(self, query: Query) -> list[FoundStudy]:
        """See ``pacs.Pacs``."""
        asked = {"StudyDate": query.dates, "AccessionNumber": query.accession}
        filters = {name: value for name, value in asked.items() if value}
        filters["ModalitiesInStudy"] = self._settings.modality
        fields = ["StudyDate", "AccessionNumber", "StudyDescription", "NumberOfStudyRelatedInstances"]
        rows = _pages(
            STUDY,
            lambda offset: self._client.search_for_studies(
                limit=PAGE, offset=offset, fields=fields, search_filters=filters
            ),
        )
        return [FoundStudy(*(_text(row, tag) for tag in (STUDY, ACCESSION, DATE, DESCRIPTION, COUNT))) for row in rows]

    def instances(self, study_uid: str) -> Listing:
        """See ``pacs.Pacs``."""
        fields = ["Modality", "BodyPartExamined"]
        rows = _pages(
            SERIES,
            lambda offset: self._client.search_for_series(study_uid, limit=PAGE, offset=offset, fields=fields),
        )
        found = [FoundSeries(*(_text(row, tag) for tag in (SERIES, MODALITY, BODY_PART))) for row in rows]
        return {series.uid: self._in_series(study_uid, series) for series in found if is_wanted(series, self._settings)}

    def _in_series(self, study_uid: str, series: FoundSeries) -> list[str]:
        rows = _pages(
            INSTANCE,
            lambda offset: self._client.search_for_instances(study_uid, series.uid, limit=PAGE, offset=offset),
        )
        return [_text(row, INSTANCE) for row in rows]

    def bring(self, study_uid: str, series_uid: str, instances: Collection[str], whole: bool, keep: Keep) -> None:
        """See ``pacs.Pacs``; one instance that does not come does not keep the others."""
        del whole
        problem: PacsError | None = None
        for uid in instances:
            try:
                with _answers():
                    data = self._file(f"studies/{study_uid}/series/{series_uid}/instances/{uid}")
                keep(uid, data)
            except PacsError as error:
                if error.code not in PASSING_CODES:
                    raise
                problem = error
        if problem:
            raise problem

    def _file(self, path: str) -> bytes:
        """A file as the PACS holds it: dicomweb-client would parse it, however large it inflates, and write it anew."""
        with self._session.get(
            f"{self._address}/{path}", headers=STORED, stream=True, timeout=self._settings.timeout_s
        ) as answer:
            answer.raise_for_status()
            body = bytearray()
            for chunk in answer.iter_content(1 << 18):
                body += chunk
                if len(body) > INSTANCE_BYTES:
                    raise failure("too_large")
            return _only_part(bytes(body), answer.headers.get("Content-Type", ""))

    def close(self) -> None:
        """See ``pacs.Pacs``."""
        self._session.close()


def _only_part(body: bytes, content_type: str) -> bytes:
    """The one file in an answer (RFC 2046 5.1.1), whose closing boundary says that it is whole.

    Raises:
        ValueError: There is none, or more than one.
    """
    kind = Message()
    kind["Content-Type"] = content_type
    if kind.get_content_type() == "application/dicom":  # against the standard, but unmistakable
        return body
    boundary = b"\r\n--" + str(kind.get_boundary("")).encode()
    _, first, rest = (b"\r\n" + body).partition(boundary + b"\r\n")
    _, headed, rest = rest.partition(b"\r\n\r\n")
    file, last, end = rest.partition(boundary)
    if not (kind.get_content_type() == "multipart/related" and first and headed and last and end.startswith(b"--")):
        raise ValueError
    return file


def _pages(tag: str, page: Callable[[int], list[Row]]) -> list[Row]:
    """All rows, until a page holds nothing new: a server may give less than a page, or the same again."""
    rows: dict[str, Row] = {}
    offset = 0
    while True:
        with _answers():
            got = page(offset)
            new = {_text(row, tag): row for row in got if _text(row, tag) not in rows}
        if not new:
            return list(rows.values())
        rows |= new
        offset += len(got)


def _text(row: Row, tag: str) -> str:
    """The first value of an attribute in the DICOM JSON model (PS3.18 F.2); empty when it has none."""
    values = row.get(tag, {}).get("Value") or [""]
    return str(values[0] if values[0] is not None else "").strip()


@contextmanager
def _answers() -> Iterator[None]:
    """Errors of the libraries, which hold URLs and so UIDs, as ours, which do not."""
    try:
        yield
    except requests.exceptions.SSLError:
        raise failure("tls") from None
    except requests.exceptions.HTTPError as error:
        raise _status(error.response.status_code if error.response is not None else 0) from None
    except requests.exceptions.TooManyRedirects:
        raise failure("refused", "it sends us elsewhere", "Give the address that it leads to.") from None
    except requests.exceptions.ConnectTimeout:
        raise failure("unreachable") from None
    except (requests.exceptions.Timeout, requests.exceptions.ChunkedEncodingError):
        raise failure("dropped") from None
    except requests.exceptions.ConnectionError as error:
        broken = bool(error.args) and isinstance(error.args[0], ProtocolError)
        raise failure("dropped" if broken else "unreachable") from None
    except PacsError:
        raise
    except Exception:  # whatever a parser makes of a stranger's answer; its message may hold values
        raise failure("refused", "an answer that is none of DICOMweb") from None


def _status(code: int) -> PacsError:
    if code in _DENIED:
        return failure("denied", f"HTTP status {code}: the PACS does not let us in")
    return failure("busy" if code in (429, 503) else "refused", f"HTTP status {code}")
