"""The decoding process with its real limits, and a decoder that does what the stream tells it; run as a program."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainscan.dicom import sandbox


def spin() -> None:
    while True:
        pass


def complain_and_fail() -> None:
    os.write(2, b"Corrupt JPEG data: premature end of data segment\n")
    raise ValueError


WILD = {
    b"abort": os.abort,
    b"spin": spin,
    b"sleep": lambda: time.sleep(3600),
    b"eat": lambda: bytearray(4 << 30),
    b"connect": socket.socket,
    b"open": lambda: Path(__file__).read_bytes(),
    b"print": lambda: os.write(1, b"a warning of the codec\n"),
    b"complain": lambda: os.write(2, b"Corrupt JPEG data: 1 extraneous bytes before marker 0xd9\n"),
    b"complain and fail": complain_and_fail,
    b"behave": lambda: None,
}


def decode(request: dict[str, Any], data: bytes) -> NDArray[np.integer[Any]]:
    WILD[data]()
    return np.array([[1, 2]], np.uint16)


if __name__ == "__main__":
    sandbox._decode_here = decode
    sandbox.CPU_SECONDS = 1
    sandbox.main()
