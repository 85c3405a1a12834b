import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.dicom.pacs_servers import self_signed

from plainscan.config import FetchSettings
from plainscan.dicom import pacs_secure
from plainscan.errors import ConfigError


def settings(pacs: str = "https://pacs/dicom-web", **values: object) -> FetchSettings:
    return FetchSettings.model_validate({"pacs": pacs, "since": "2020-01-01", **values})


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv(pacs_secure.USER, "reader")
    monkeypatch.setenv(pacs_secure.PASSWORD, "hunter2")
    return monkeypatch


def test_credentials_come_from_the_environment_and_are_not_shown(shown: pytest.MonkeyPatch) -> None:
    found = pacs_secure.credentials(settings())
    assert (found.user, found.password) == ("reader", "hunter2")
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize("pacs", ["http://pacs/dicom-web", "dicom://AE@pacs:104", "http://localhost.evil/dicom-web"])
def test_credentials_never_travel_in_the_clear(pacs: str, shown: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="readable by all") as caught:
        pacs_secure.credentials(settings(pacs))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("pacs", ["http://127.0.0.1:8042/dicom-web", "http://localhost/d", "dicom://AE@localhost:104"])
def test_on_this_machine_they_may(pacs: str, shown: pytest.MonkeyPatch) -> None:
    assert pacs_secure.credentials(settings(pacs)).user == "reader"


def test_half_of_a_pair_is_refused(shown: pytest.MonkeyPatch) -> None:
    shown.delenv(pacs_secure.PASSWORD)
    with pytest.raises(ConfigError, match="both or none"):
        pacs_secure.credentials(settings())


def test_a_keyring_is_asked_only_when_told_to(shown: pytest.MonkeyPatch) -> None:
    import keyring

    entry = type("Entry", (), {"username": "reader", "password": "from the keyring"})
    asked: list[tuple[str, str | None]] = []

    def get(service: str, user: str | None) -> object:
        asked.append((service, user))
        return entry

    shown.setattr(keyring, "get_credential", get)
    assert pacs_secure.credentials(settings()).password == "hunter2"
    assert asked == []
    assert pacs_secure.credentials(settings(keyring=True)).password == "from the keyring"
    assert asked == [("plainscan", "reader")]
    shown.setattr(keyring, "get_credential", lambda service, user: None)
    with pytest.raises(ConfigError, match="no entry"):
        pacs_secure.credentials(settings(keyring=True))


def test_a_file_that_is_no_certificate_is_named_by_its_setting(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no")
    with pytest.raises(ConfigError, match="--ca"):
        pacs_secure.check_files(settings(ca=tmp_path / "no.pem"))
    with pytest.raises(ConfigError, match="--certificate, --key"):
        pacs_secure.check_files(settings(certificate=tmp_path / "no.pem", key=tmp_path / "no.pem"))


@pytest.mark.parametrize("make", [pacs_secure.server_context, pacs_secure.client_context])
def test_a_connection_whose_peer_has_gone_can_be_shut_down_and_so_is_closed(
    make: Callable[[FetchSettings], ssl.SSLContext], tmp_path: Path
) -> None:
    public, private = self_signed(tmp_path)
    context = make(settings("dicoms://AE@pacs:104", ca=public, certificate=public, key=private))
    context.check_hostname = False
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with context.wrap_socket(accepted, do_handshake_on_connect=False) as ours:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no farewell
            peer.close()
            ours.shutdown(socket.SHUT_RDWR)  # pynetdicom skips close() when this raises
