"""DICOMweb against servers that answer oddly, never or without end; whole transfers are in tests/stages."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from plainscan.config import FetchSettings
from plainscan.dicom import pacs_web
from plainscan.dicom.pacs import Query
from plainscan.dicom.pacs_secure import Credentials
from plainscan.dicom.pacs_web import WebPacs
from plainscan.errors import PacsError

FILE = bytes(range(256)) * 4 + b"\r\n--edge but not at its end\r\n"


def settings(port: int) -> FetchSettings:
    return FetchSettings.model_validate(
        {"pacs": f"http://127.0.0.1:{port}/web", "since": "2020-01-05", "until": "2020-01-05", "timeout_s": 1}
    )


@contextlib.contextmanager
def answering(status: int = 200, kind: str = "", parts: tuple[bytes, ...] = ()) -> Iterator[int]:
    """A port where every GET gets one answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            with contextlib.suppress(OSError):
                for part in parts:
                    self.wfile.write(part)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def multipart(*files: bytes, end: bytes = b"--") -> bytes:
    head = b"\r\n--a b\r\nContent-Type: application/dicom\r\n\r\n"
    return b"".join(head + file for file in files) + b"\r\n--a b" + end + b"\r\n"


def bring(port: int) -> list[bytes]:
    came: list[bytes] = []
    WebPacs(settings(port), Credentials()).bring(
        "1.2", "1.2.3", ["1.2.3.4"], True, lambda _uid, data: came.append(data)
    )
    return came


def code_of(port: int) -> str:
    with pytest.raises(PacsError) as caught:
        bring(port)
    return caught.value.code


RELATED = 'multipart/related; type="application/dicom"; boundary="a b"'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (RELATED, multipart(FILE)),
        (RELATED, b"a preamble" + multipart(FILE) + b"an epilogue"),
        ("application/dicom", FILE),
    ],
)
def test_a_file_comes_byte_by_byte_as_the_pacs_holds_it(kind: str, body: bytes) -> None:
    with answering(kind=kind, parts=(body,)) as port:
        assert bring(port) == [FILE]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (RELATED, multipart(FILE, FILE)),
        (RELATED, multipart(FILE)[:-8]),
        (RELATED, multipart(FILE, end=b"")),
        (RELATED, b""),
        ("multipart/related", multipart(FILE)),
        ("text/html", b"<p>log in</p>"),
        ("application/zip", FILE),
    ],
)
def test_an_answer_that_is_not_one_file_is_refused(kind: str, body: bytes) -> None:
    with answering(kind=kind, parts=(body,)) as port:
        assert code_of(port) == "refused"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "denied"),
        (403, "denied"),
        (404, "refused"),
        (429, "busy"),
        (500, "refused"),
        (503, "busy"),
        (302, "refused"),
    ],
)
def test_a_status_says_what_to_do(status: int, code: str) -> None:
    with answering(status) as port:
        assert code_of(port) == code


def test_a_file_without_end_is_given_up_at_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacs_web, "INSTANCE_BYTES", 4 << 20)
    tracemalloc.start()
    with answering(kind="application/dicom", parts=(bytes(1 << 20),) * 64) as port:
        assert code_of(port) == "too_large"
    assert tracemalloc.get_traced_memory()[1] < 24 << 20
    tracemalloc.stop()


def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    started = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(PacsError) as caught:
        WebPacs(settings(server.getsockname()[1]), Credentials()).find(Query("20200105"))
    assert caught.value.code == "dropped"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("body", [b"<p>", b"7", b"[7]", b'[{"0020000D": 7}]', b"[" * 5000])
def test_a_list_that_is_none_is_refused(body: bytes) -> None:
    with answering(kind="application/dicom+json", parts=(body,)) as port, pytest.raises(PacsError) as caught:
        WebPacs(settings(port), Credentials()).find(Query("20200105"))
    assert caught.value.code == "refused"
