"""DIMSE against peers that are busy, silent or gone; whole transfers are in tests/stages/test_fetch.py."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from tests.dicom.pacs_servers import free_port, self_signed

from plainscan.config import FetchSettings
from plainscan.dicom.pacs import Query
from plainscan.dicom.pacs_dimse import FIND, DimsePacs
from plainscan.dicom.pacs_receive import SYNTAXES, Inbox, Receiver
from plainscan.dicom.pacs_secure import Credentials, client_context
from plainscan.errors import PacsError

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


def settings(port: int, scheme: str = "dicom", **values: object) -> FetchSettings:
    asked = {"pacs": f"{scheme}://PACS@127.0.0.1:{port}", "since": "2020-01-05", "until": "2020-01-05", "timeout_s": 1}
    return FetchSettings.model_validate(asked | values)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that lets everybody in and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def code_of(asked: FetchSettings) -> str:
    with pytest.raises(PacsError) as caught:
        DimsePacs(asked, Credentials(), None).find(Query("20200105"))
    return caught.value.code


@pytest.mark.parametrize("scheme", ["dicom", "dicoms"])
def test_a_peer_that_never_answers_is_given_up_in_time(scheme: str, silent: int) -> None:
    started = time.monotonic()
    assert code_of(settings(silent, scheme)) in ("dropped", "unreachable")
    assert time.monotonic() - started < 10


def test_a_pacs_that_is_busy_is_not_taken_for_one_that_does_not_let_us_in() -> None:
    port = free_port()
    ae = AE("PACS")
    ae.add_supported_context(FIND)
    ae.maximum_associations = 1
    server = ae.start_server(("127.0.0.1", port), block=False)
    other = AE("OTHER")
    other.add_requested_context(FIND)
    held = other.associate("127.0.0.1", port)
    try:
        assert held.is_established
        assert code_of(settings(port)) == "busy"
    finally:
        held.abort()
        server.shutdown()


def test_an_association_that_ends_just_before_a_request_is_a_dropped_one() -> None:
    class Ended:
        is_established = True

        def send_c_find(self, *_: object) -> object:
            raise RuntimeError("The association with a peer SCP must be established")

        send_c_get = send_c_move = send_c_find

    pacs = DimsePacs(settings(1), Credentials(), None)
    pacs._asking = pacs._bringing = Ended()  # type: ignore[assignment]
    for step in (
        lambda: pacs.find(Query("20200105")),
        lambda: pacs.bring("1.2", "1.2.3", ["1.2.3.4"], True, lambda _uid, _data: None),
    ):
        with pytest.raises(PacsError) as caught:
            step()
        assert caught.value.code == "dropped"


def test_an_answer_that_cannot_be_read_is_not_passed_over() -> None:
    class Garbled:
        is_established = True

        def send_c_find(self, *_: object) -> Iterator[tuple[Dataset, Dataset | None]]:
            row = Dataset()
            row.StudyInstanceUID = "1.2"
            for code, identifier in ((0xFF00, row), (0xFF00, None), (0x0000, None)):
                status = Dataset()
                status.Status = code
                yield status, identifier

        def abort(self) -> None:
            self.is_established = False

    garbled = Garbled()
    pacs = DimsePacs(settings(1), Credentials(), None)
    pacs._asking = garbled  # type: ignore[assignment]  # what pynetdicom gives for a data set that it cannot decode
    with pytest.raises(PacsError) as caught:
        pacs.find(Query("20200105"))
    assert caught.value.code == "dropped"
    assert not garbled.is_established  # the rest of its answers is nobody's


def test_an_association_has_room_for_every_class_and_syntax_and_the_rare_ones_of_ct() -> None:
    assert 1 + sum(map(len, SYNTAXES.values())) <= 128
    assert {"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.201"} <= {
        str(syntax) for syntax in SYNTAXES[CT_IMAGE]
    }


@pytest.mark.parametrize("scheme", ["dicom", "dicoms"])
def test_whoever_connects_to_our_port_and_says_nothing_keeps_nobody_out(scheme: str, tmp_path: Path) -> None:
    public, private = self_signed(tmp_path)
    port = free_port()
    own = {"ca": public, "certificate": public, "key": private}
    receiver = Receiver(
        settings(1, scheme, retrieve="move", listen=f"127.0.0.1:{port}", at_once=16, timeout_s=30, **own)
    )
    started = time.monotonic()
    associations = []
    try:
        with socket.create_connection(("127.0.0.1", port)), receiver.open(Inbox((), lambda _uid, _data: None)):
            for _ in range(16):  # as many as there may be studies at once
                ae = AE("PACS")
                ae.connection_timeout = ae.acse_timeout = 10
                ae.add_requested_context(CT_IMAGE)
                tls = (client_context(settings(port, scheme, **own)), "127.0.0.1") if scheme == "dicoms" else None
                associations.append(ae.associate("127.0.0.1", port, ae_title="PLAINSCAN", tls_args=tls))
            assert [association.is_established for association in associations] == [True] * 16
    finally:
        for association in associations:
            association.abort()
        receiver.close()
    assert time.monotonic() - started < 30
