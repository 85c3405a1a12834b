"""Who we are to a PACS, and how we know that it is the one: credentials and TLS.

Credentials come from the environment or the system's keyring. They are held in memory only: never in a setting, so
never on a command line, in a record, a journal or a message.
"""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from plainscan.config import FetchSettings
from plainscan.errors import ConfigError

USER: Final = "PLAINSCAN_PACS_USER"
PASSWORD: Final = "PLAINSCAN_PACS_PASSWORD"
TOKEN: Final = "PLAINSCAN_PACS_TOKEN"
_HERE: Final = frozenset(("localhost", "127.0.0.1", "[::1]"))


@dataclass(frozen=True, slots=True)
class Credentials:
    """User and password, or a bearer token for DICOMweb; all empty where the PACS asks for none."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.user or self.token)


def credentials(settings: FetchSettings) -> Credentials:
    """What to show to the PACS.

    Raises:
        ConfigError: Only half is set, or they would travel in the clear.
    """
    shown = _from_keyring() if settings.keyring else _from_environment()
    if bool(shown.user) != bool(shown.password):
        raise ConfigError("user and password belong together", where=f"{USER}, {PASSWORD}", expected="both or none")
    scheme, host = settings.pacs.split("://")[0], urlsplit(settings.pacs).netloc.split("@")[-1]
    if shown and not scheme.endswith("s") and host.rsplit(":", 1)[0] not in _HERE:
        raise ConfigError(
            "credentials would travel readable by all",
            where="PACS",
            expected="https:// or dicoms://",
            remedy=f"Use TLS, or unset {USER}, {PASSWORD} and {TOKEN}.",
        )
    return shown


def _from_environment() -> Credentials:
    return Credentials(*(os.environ.get(name, "") for name in (USER, PASSWORD, TOKEN)))


def _from_keyring() -> Credentials:
    """The entry of service ``plainscan`` whose user is in the environment, or its only one."""
    import keyring
    from keyring.errors import KeyringError

    try:
        entry = keyring.get_credential("plainscan", os.environ.get(USER))
    except KeyringError:
        entry = None
    if entry is None:
        raise ConfigError(
            "no entry for the service plainscan",
            where="keyring",
            expected="user and password",
            remedy="Run: keyring set plainscan USER. Or leave --keyring out and use the environment.",
        )
    return Credentials(entry.username, entry.password)


def check_files(settings: FetchSettings) -> None:
    """Refuse certificates and keys that are not there or not PEM, before anything is sent.

    Raises:
        ConfigError: The message names the setting.
    """
    client_context(settings)


def client_context(settings: FetchSettings) -> ssl.SSLContext:
    """TLS as who connects: TLS 1.2 or newer, the PACS's name and certificate checked."""
    return _ours(ssl.create_default_context(cafile=_ca(settings)), settings)


def server_context(settings: FetchSettings) -> ssl.SSLContext:
    """TLS as who is connected to, for C-MOVE: the PACS has to show a certificate too."""
    context = _Later(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(ca) if (ca := _ca(settings)) else context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    return _ours(context, settings)


class _Later(ssl.SSLContext):
    """Shakes hands at the first read, on the thread of the connection.

    pynetdicom would do it on the thread that lets everybody in: one who connects and says nothing would keep all out.
    """

    def wrap_socket(self, sock: socket.socket, *_: Any, **__: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, server_side=True, do_handshake_on_connect=False)


class _Closable(ssl.SSLSocket):
    """Can be shut down when the peer has gone: pynetdicom closes only what it could shut down."""

    def shutdown(self, how: int) -> None:
        with suppress(OSError):
            super().shutdown(how)


def _ca(settings: FetchSettings) -> str | None:
    if settings.ca is None:
        return None
    try:
        ssl.create_default_context(cafile=settings.ca)
    except OSError as error:  # an SSLError is one
        raise ConfigError("no readable certificate", where="--ca", expected="a PEM file") from error
    return str(settings.ca)


def _ours(context: ssl.SSLContext, settings: FetchSettings) -> ssl.SSLContext:
    context.sslsocket_class = _Closable
    if settings.certificate and settings.key:
        try:
            context.load_cert_chain(settings.certificate, settings.key, password=lambda: "")  # never asks the terminal
        except (OSError, ValueError) as error:
            expected = "a PEM certificate and its key without a passphrase"
            raise ConfigError("no usable pair", where="--certificate, --key", expected=expected) from error
    return context
