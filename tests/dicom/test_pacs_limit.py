"""A peer that sends more over DIMSE than is taken: a PACS made of pynetdicom, and one that keeps to no rule."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from tests.dicom.build import CT_IMAGE, ROOT
from tests.dicom.pacs_peer import instances, peer
from tests.dicom.pacs_servers import free_port

from plainscan.config import FetchSettings
from plainscan.dicom import pacs_limit
from plainscan.dicom.pacs_dimse import DimsePacs
from plainscan.dicom.pacs_receive import Inbox, Receiver
from plainscan.dicom.pacs_secure import Credentials
from plainscan.errors import PacsError
from plainscan.stages import fetch
from plainscan.tables import TRANSFERS, read

MIB = 1 << 20
STUDY, SERIES = f"{ROOT}1", f"{ROOT}1.1"
WAYS = ("get", "move")


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacs_limit, "INSTANCE_BYTES", MIB)


def settings(port: int, way: str, ours: int) -> FetchSettings:
    asked = {"pacs": f"dicom://PACS@127.0.0.1:{port}", "since": "2020-01-05", "until": "2020-01-05", "timeout_s": 10}
    listen = f"127.0.0.1:{ours}" if way == "move" else None
    return FetchSettings.model_validate(asked | {"retrieve": way, "listen": listen, "wait_s": 0.1, "at_once": 1})


class Bringing:
    """A PACS that holds images, and us who ask it for all of them; ``came`` is what we kept."""

    def __init__(self, way: str, held: list[Dataset]) -> None:
        self.way, self.held = way, held
        self.came: list[str] = []

    @contextlib.contextmanager
    def open(self) -> Iterator[DimsePacs]:
        ours = free_port()
        with peer(self.held, ours) as port:
            asked = settings(port, self.way, ours)
            receiver = Receiver(asked) if self.way == "move" else None
            pacs = DimsePacs(asked, Credentials(), receiver)
            try:
                yield pacs
            finally:
                pacs.close()
                if receiver:
                    receiver.close()

    def bring(self, pacs: DimsePacs) -> str:
        """The code of what went wrong; empty if nothing did."""
        uids = [str(ds.SOPInstanceUID) for ds in self.held]
        try:
            pacs.bring(STUDY, SERIES, uids, True, lambda uid, _data: self.came.append(uid))
        except PacsError as error:
            return error.code
        return ""


@pytest.mark.parametrize("way", WAYS)
def test_an_instance_beyond_the_limit_is_refused_and_those_after_it_come_on_the_same_association(way: str) -> None:
    bringing = Bringing(way, instances([0, MIB + MIB // 2, 0]))
    with bringing.open() as pacs:
        assert bringing.bring(pacs) == "too_large"
        assert bringing.came == [f"{SERIES}.1", f"{SERIES}.3"]
        before = pacs._bringing
        assert bringing.bring(pacs) == "too_large"
        assert pacs._bringing is before


@pytest.mark.parametrize("way", WAYS)
def test_an_instance_just_within_the_limit_comes(way: str) -> None:
    bringing = Bringing(way, instances([MIB - 8192, 0]))
    with bringing.open() as pacs:
        assert bringing.bring(pacs) == ""
    assert len(bringing.came) == 2


@pytest.mark.parametrize("way", WAYS)
def test_a_peer_that_does_not_end_an_instance_is_hung_up_on_and_the_next_request_works(way: str) -> None:
    bringing = Bringing(way, instances([0, 8 * MIB, 0]))
    with bringing.open() as pacs:
        assert bringing.bring(pacs) == "too_large"
        assert bringing.came == [f"{SERIES}.1"]
        bringing.held[1:2] = []
        assert bringing.bring(pacs) == ""
        assert bringing.came[1:] == [f"{SERIES}.1", f"{SERIES}.3"]


def test_of_an_instance_that_nobody_waits_for_next_to_nothing_is_held() -> None:
    """Sent straight to our port, as anybody in the hospital's network can."""
    ours = free_port()
    receiver = Receiver(settings(1, "move", ours))
    (large,) = instances([MIB // 2])
    held: list[int] = []
    ae = AE("STRANGER")
    ae.add_requested_context(CT_IMAGE)
    try:
        with receiver.open(Inbox(["1.2.3"], lambda _uid, _data: None)):
            assoc = ae.associate("127.0.0.1", ours, ae_title="PLAINSCAN")
            receiver._server.bind(evt.EVT_DIMSE_RECV, lambda event: held.append(event.message.data_set.tell()))
            assert assoc.send_c_store(large).Status == 0xA900
            assoc.release()
    finally:
        receiver.close()
    assert len(held) == 1
    assert held[0] < 1 << 16  # one PDU


def test_a_pdu_that_says_it_is_longer_than_any_ends_the_connection_before_it_is_read() -> None:
    ours = free_port()
    receiver = Receiver(settings(1, "move", ours))
    tracemalloc.start()
    try:
        with socket.create_connection(("127.0.0.1", ours), 10) as stranger, contextlib.suppress(OSError):
            stranger.sendall(struct.pack(">BBL", 4, 0, 0xFFFFFFFF))
            started = time.monotonic()
            for _ in range(64):
                stranger.sendall(bytes(MIB))
                assert time.monotonic() - started < 10
            raise AssertionError("64 MiB were taken")
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()
        receiver.close()


@pytest.mark.parametrize("way", WAYS)
def test_the_account_says_which_instance_was_too_large_and_nothing_half_written_is_left(
    way: str, tmp_path: Path
) -> None:
    ours = free_port()
    held = instances([0, MIB + MIB // 2, 0])
    with peer(held, ours) as port, pytest.raises(PacsError, match="1 of 1 study not complete"):
        fetch.run(tmp_path, settings(port, way, ours))
    (row,) = read(tmp_path, TRANSFERS).to_dicts()
    assert (row["state"], row["code"], row["instances"], row["expected"]) == ("partial", "too_large", 2, 3)
    assert row["missing"] == [f"{SERIES}.2"]
    assert sorted(path.suffix for path in (tmp_path / "fetched").rglob("*") if path.is_file()) == [".dcm", ".dcm"]
