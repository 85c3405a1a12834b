"""A PACS made of pynetdicom, on a free port of this machine, that holds what a test gives it, however large."""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from tests.dicom.build import CT_IMAGE, ct, encode
from tests.dicom.pacs_servers import free_port

from plainscan.dicom.pacs_dimse import FIND, GET, MOVE

TITLE = "PACS"
LEVELS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
TOLD = (*LEVELS.values(), "StudyDate", "AccessionNumber", "Modality")


def instances(sizes: Sequence[int]) -> list[Dataset]:
    """CT images of a series, each with so many bytes more than a small one."""
    made = []
    for number, size in enumerate(sizes, 1):
        ds = ct(number=number, StudyDate="20200105", AccessionNumber="A1")
        if size:
            ds.add_new(0x00431010, "OB", bytes(size))  # a private element, which nobody reads
        made.append(dcmread(io.BytesIO(encode(ds))))
    return made


@contextlib.contextmanager
def peer(held: Sequence[Dataset], move_port: int) -> Iterator[int]:
    """The port of a PACS that answers C-FIND, C-GET and C-MOVE, the last to us at ``move_port``."""

    sockets: list[socket.socket] = []  # pynetdicom does not close one that the other side has reset
    opened: Any = [(evt.EVT_CONN_OPEN, lambda event: sockets.append(event.assoc.dul.socket.socket))]

    def matching(asked: Dataset) -> list[Dataset]:
        keys = [name for name in LEVELS.values() if asked.get(name)]
        return [ds for ds in held if all(ds[name].value in _several(asked[name].value) for name in keys)]

    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        level = LEVELS[event.identifier.QueryRetrieveLevel]
        for ds in {ds[level].value: ds for ds in matching(event.identifier)}.values():
            row = Dataset()
            for name in TOLD:
                setattr(row, name, ds[name].value)
            yield 0xFF00, row

    def bring(event: evt.Event) -> Iterator[Any]:
        found = matching(event.identifier)
        if event.event is evt.EVT_C_MOVE:
            yield "127.0.0.1", move_port, {"evt_handlers": opened}
        yield len(found)
        for ds in found:
            yield 0xFF00, ds

    ae = AE(TITLE)
    for name in (FIND, GET, MOVE):
        ae.add_supported_context(name)
    ae.add_supported_context(CT_IMAGE, scu_role=True, scp_role=True)
    ae.add_requested_context(CT_IMAGE)
    port = free_port()
    handlers: Any = [(evt.EVT_C_FIND, find), (evt.EVT_C_GET, bring), (evt.EVT_C_MOVE, bring), *opened]
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    try:
        yield port
    finally:
        server.shutdown()
        for each in sockets:
            each.close()


def _several(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
