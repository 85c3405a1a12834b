"""Where instances arrive that a PACS sends us: on the association of a C-GET, or at our own port for a C-MOVE.

Only what was asked for is taken: whoever else connects to the port can leave nothing on the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final

from pydicom import uid as syntaxes
from pynetdicom import AE, evt
from pynetdicom import sop_class as sop

from plainscan.config import FetchSettings
from plainscan.dicom.pacs import Keep, failure
from plainscan.dicom.pacs_limit import Limit, is_too_large
from plainscan.dicom.pacs_secure import server_context
from plainscan.errors import ConfigError, PacsError

_USUAL: Final = (
    *(syntaxes.ExplicitVRLittleEndian, syntaxes.ImplicitVRLittleEndian, syntaxes.DeflatedExplicitVRLittleEndian),
    *(syntaxes.JPEGBaseline8Bit, syntaxes.JPEGExtended12Bit, syntaxes.JPEGLosslessSV1, syntaxes.JPEGLSLossless),
    *(syntaxes.JPEG2000Lossless, syntaxes.JPEG2000, syntaxes.RLELossless),
)
_RARE: Final = (
    *(syntaxes.ExplicitVRBigEndian, syntaxes.JPEGLossless, syntaxes.JPEGLSNearLossless),
    *(syntaxes.HTJ2KLossless, syntaxes.HTJ2KLosslessRPCL, syntaxes.HTJ2K),
)
# A context each, so that the PACS can send an instance as it is stored: an association may have 128 in all.
_NAMED: Final = {
    **dict.fromkeys(("CTImageStorage", "EnhancedCTImageStorage"), _USUAL + _RARE),
    **dict.fromkeys(
        (
            *("LegacyConvertedEnhancedCTImageStorage", "MRImageStorage", "EnhancedMRImageStorage"),
            *("SecondaryCaptureImageStorage", "MultiFrameGrayscaleByteSecondaryCaptureImageStorage"),
            *("MultiFrameGrayscaleWordSecondaryCaptureImageStorage", "MultiFrameTrueColorSecondaryCaptureImageStorage"),
            *("ComputedRadiographyImageStorage", "DigitalXRayImageStorageForPresentation"),
        ),
        _USUAL,
    ),
}
SYNTAXES: Final = {str(getattr(sop, name)): accepted for name, accepted in _NAMED.items()}
SUCCESS: Final = 0x0000
OUT_OF_RESOURCES: Final = 0xA700
NOT_ASKED_FOR: Final = 0xA900  # data set does not match, PS3.4 B.2.3
TOO_LARGE: Final = 0xC000  # cannot understand, PS3.4 B.2.3: of this instance, while out of resources could end them all


class Inbox:
    """What one request brings.

    Args:
        wanted: Instance UIDs that were asked for; others are refused.
        keep: Takes each.
    """

    def __init__(self, wanted: Collection[str], keep: Keep) -> None:
        self.wanted, self._keep = frozenset(wanted), keep
        self.fatal: Exception | None = None  # a full disk, say: nothing more can be taken
        self.problem: PacsError | None = None

    def take(self, instance_uid: str, event: evt.Event) -> int:
        """Take one instance; the status for the PACS. Never raises: it is called on the network's thread."""
        if self.fatal:
            return OUT_OF_RESOURCES
        if instance_uid not in self.wanted:
            return NOT_ASKED_FOR
        if is_too_large(event):
            self.problem = self.problem or failure("too_large")
            return TOO_LARGE
        try:
            self._keep(instance_uid, event.encoded_dataset())
        except PacsError as error:
            if error.code == "not_reached":
                self.fatal = error
                return OUT_OF_RESOURCES
            self.problem = error
            return NOT_ASKED_FOR
        except Exception as error:  # raised again by whoever made the request, on its own thread
            self.fatal = error
            return OUT_OF_RESOURCES
        return SUCCESS

    def never_ends(self, instance_uid: str) -> None:
        """Give up the request if it was for this instance, in the middle of which the PACS was hung up on."""
        if instance_uid in self.wanted:
            self.fatal = failure("too_large")


def uid_of(event: evt.Event) -> str:
    """The SOP Instance UID that a C-STORE request announces."""
    return str(getattr(event.request, "AffectedSOPInstanceUID", "") or "")


class Receiver:
    """Our own storage port for C-MOVE.

    Args:
        settings: ``listen`` says where, ``ae_title`` who; TLS when the PACS is reached by TLS.

    Raises:
        ConfigError: The port cannot be had.
    """

    def __init__(self, settings: FetchSettings) -> None:
        self._inboxes: dict[str, Inbox] = {}
        self._lock = threading.Lock()
        ae = AE(settings.ae_title)
        ae.require_called_aet = True
        ae.network_timeout = settings.timeout_s
        ae.maximum_associations = 4 * settings.at_once  # strangers may hold some
        for name, accepted in SYNTAXES.items():
            ae.add_supported_context(name, list(accepted))
        ae.add_supported_context("1.2.840.10008.1.1")  # Verification: administrators try a new destination with C-ECHO
        limit = Limit(lambda uid: self._inbox_of(uid) is not None, self._never_ends)
        handlers: Any = [(evt.EVT_C_STORE, self._store), *limit.handlers()]
        context = server_context(settings) if settings.pacs.startswith("dicoms:") else None
        try:
            host, _, port = (settings.listen or "").rpartition(":")
            self._server = ae.start_server(
                (host.strip("[]"), int(port)), block=False, ssl_context=context, evt_handlers=handlers
            )
        except (OSError, ValueError, OverflowError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "no address and port"
            raise ConfigError(reason, where="--listen", expected="ADDRESS:PORT of this machine, free") from error

    @contextmanager
    def open(self, inbox: Inbox) -> Iterator[None]:
        """Deliver into an inbox, for as long as its request runs."""
        with self._lock:
            self._inboxes |= dict.fromkeys(inbox.wanted, inbox)
        try:
            yield
        finally:
            with self._lock:
                for uid in inbox.wanted:
                    self._inboxes.pop(uid, None)

    def _store(self, event: evt.Event) -> int:
        uid = uid_of(event)
        inbox = self._inbox_of(uid)
        return inbox.take(uid, event) if inbox else NOT_ASKED_FOR

    def _inbox_of(self, instance_uid: str) -> Inbox | None:
        with self._lock:
            return self._inboxes.get(instance_uid)

    def _never_ends(self, instance_uid: str) -> None:
        if inbox := self._inbox_of(instance_uid):
            inbox.never_ends(instance_uid)

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
