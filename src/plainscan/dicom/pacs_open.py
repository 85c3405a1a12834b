"""Connections to the PACS of the settings, by whichever protocol its address names.

The libraries that speak them come with the extra ``pacs`` and are imported only here, when one is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from plainscan.config import FetchSettings
from plainscan.dicom.pacs_secure import check_files, credentials
from plainscan.dicom.pacs_transfer import Connect


@contextmanager
def opened(settings: FetchSettings) -> Iterator[Connect]:
    """How to connect to the PACS, as often as needed; for C-MOVE with our own port open meanwhile.

    Raises:
        ConfigError: Credentials, certificates or the port are not usable.
    """
    shown = credentials(settings)
    check_files(settings)
    if settings.pacs.startswith("http"):
        from plainscan.dicom.pacs_web import WebPacs

        yield lambda: WebPacs(settings, shown)
        return
    from plainscan.dicom.pacs_dimse import DimsePacs

    if settings.retrieve == "get":
        yield lambda: DimsePacs(settings, shown, None)
        return
    from plainscan.dicom.pacs_receive import Receiver

    with closing(Receiver(settings)) as receiver:
        yield lambda: DimsePacs(settings, shown, receiver)
