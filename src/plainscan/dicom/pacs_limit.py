"""How much a peer may send over DIMSE.

pynetdicom holds a message in memory until it ends, and a PDU (PS3.8 9.3) as long as its header says. Here what is too
much of an instance is dropped as it comes, so that the association goes on once the instance has ended; a peer that
does not end it is hung up on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.pdu import P_DATA_TF

from plainscan.dicom.pacs import INSTANCE_BYTES

PDU_BYTES: Final = 1 << 20  # we announce 16 KiB; it is also more than any command takes
COMMAND, LAST = 1, 2  # bits of a fragment's first byte, PS3.8 E.2


class Limit:
    """For every association whose events it hears.

    Args:
        is_wanted: Whether an instance with this UID is waited for; of others nothing is held.
        never_ends: Is told the UID of an instance that is hung up on.
    """

    def __init__(self, is_wanted: Callable[[str], bool], never_ends: Callable[[str], None]) -> None:
        self._is_wanted, self._never_ends = is_wanted, never_ends
        self._dropped: WeakKeyDictionary[Association, int] = WeakKeyDictionary()  # bytes of the message that now comes

    def handlers(self) -> list[Any]:
        """What to bind."""
        return [(evt.EVT_CONN_OPEN, self._opened), (evt.EVT_PDU_RECV, self._received)]

    def _opened(self, event: evt.Event) -> None:
        connection: Any = event.assoc.dul.socket
        assoc, receive = event.assoc, connection.recv

        def within_limits(count: int) -> bytearray:
            if count > PDU_BYTES or self._dropped.get(assoc, 0) > INSTANCE_BYTES:
                connection.socket.close()
                raise OSError("more than is taken")  # which pynetdicom takes as an end by the peer
            received: bytearray = receive(count)
            return received

        connection.recv = within_limits

    def _received(self, event: evt.Event) -> None:
        """Look at each PDU before its fragments join the message."""
        message: Any = event.assoc.dimse.message
        if message is None or not isinstance(event.pdu, P_DATA_TF):
            self._dropped.pop(event.assoc, None)
            return
        uid = _instance(message)
        most = INSTANCE_BYTES if uid is None or self._is_wanted(uid) else 0
        if message.data_set.tell() <= most and message.encoded_command_set.tell() <= PDU_BYTES:
            return
        self._dropped[event.assoc] = self._dropped.get(event.assoc, 0) + _emptied(event.pdu)
        if self._dropped[event.assoc] > INSTANCE_BYTES:
            self._never_ends(uid or "")


def _emptied(pdu: P_DATA_TF) -> int:
    """Drop what a PDU has of the message that now comes, save the bits that say whether it ends; how much it was."""
    dropped = 0
    for item in pdu.presentation_data_value_items:
        fragment = item.presentation_data_value or b""
        item.presentation_data_value = fragment[:1]
        dropped += len(fragment)
        if fragment and fragment[0] & LAST and not fragment[0] & COMMAND:
            break
    return dropped


def is_too_large(event: evt.Event) -> bool:
    """Whether a part of this instance was dropped: then more than the limit is here."""
    request: Any = event.request
    return bool(request.DataSet.getbuffer().nbytes > INSTANCE_BYTES)


def _instance(message: DIMSEMessage) -> str | None:
    """The UID that a C-STORE request announces; None for any other message."""
    if not isinstance(message, C_STORE_RQ):
        return None
    return str(message.command_set.get("AffectedSOPInstanceUID", "") or "")
