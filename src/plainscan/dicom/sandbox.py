"""Compressed pixels are decoded in a process of their own, because a broken stream can end, hold or swell a decoder.

The codecs in GDCM abort on some damaged streams. Here that costs one slice: the process is started again for the
next. One process serves all reading in this one, so that a slice costs two pipes' worth of copying, not a start.

Its limits (``_limit``) are the system's: memory, processor seconds a frame, no file and no connection beyond the pipes
it has. A frame that takes too long by the clock, such as one that sleeps, is ended from here.

Over its pipes go one line of JSON and then raw bytes, in both directions. Run as a program, this module is the
process: ``python -m plainscan.dicom.sandbox``.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import math
import os
import re
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

START_SECONDS: Final = 120.0  # to start, imports included, on a machine that is busy
SECONDS: Final = 30.0  # a frame, by the clock
CPU_SECONDS: Final = 4  # a frame; one of 512 x 512 pixels takes about 0.02
MEMORY_BYTES: Final = 672 << 20  # of addresses: 160 for the interpreter, 470 for a frame of 4096 x 4096
# The codestream says by itself that its blocks are coded for high throughput; pydicom asks GDCM by the older names.
HIGH_THROUGHPUT: Final = {
    "1.2.840.10008.1.2.4.201": "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.202": "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.203": "1.2.840.10008.1.2.4.91",
}
PLUGINS: Final = {"1.2.840.10008.1.2.5": "pydicom"}  # RLE; all others by GDCM
LAYOUT: Final = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PhotometricInterpretation",
)


END_OF_IMAGE: Final = b"\xff\xd9"  # ends every stream of the JPEG family
MARKER, START_OF_SCAN, SCAN_HEADER_BYTES = 0xFF, 0xDA, 8
JPEG: Final = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (57, 70, 80, 81))
# The JPEG codec only prints that a stream is damaged, and goes on with invented values.
DAMAGED: Final = re.compile(b"Corrupt JPEG data|Premature end of JPEG")
READY: Final = b"ready\n"
COMMAND: Final = (sys.executable, "-m", "plainscan.dicom.sandbox")


class DecodeFailedError(Exception):
    """The frame does not decode; the text says how the decoder ended."""


class Sandbox:
    """The decoding process; started when first used and again after it died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, data: bytes, ds: Dataset, transfer_syntax: str) -> NDArray[np.integer[Any]]:
        """One compressed frame to its words, (rows, columns).

        Args:
            data: The frame's stream, all fragments joined.
            ds: Holds the layout.
            transfer_syntax: UID.

        Raises:
            DecodeFailedError: It does not decode, takes too long, or ended the process.
        """
        request = {"syntax": transfer_syntax, "bytes": len(data), **{name: ds[name].value for name in LAYOUT}}
        with self._lock:
            try:
                answer, words = self._ask(json.dumps(request).encode() + b"\n" + data)
            except (OSError, ValueError, EOFError) as error:
                self.close()
                raise DecodeFailedError("the decoder ended") from error
        if "error" in answer:
            raise DecodeFailedError(str(answer["error"]))
        return np.frombuffer(words, answer["dtype"]).reshape(answer["shape"])

    def _ask(self, request: bytes) -> tuple[dict[str, Any], bytes]:
        process = self._running()
        stdin, stdout = _pipes(process)
        with _ended_after(SECONDS, process):
            stdin.write(request)
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            return answer, _exactly(stdout, int(answer.get("bytes", 0)))

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # its threads would take up addresses
            )
            with _ended_after(START_SECONDS, process):
                _exactly(_pipes(process)[1], len(READY))
        return self._process

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in _pipes(process):
            with contextlib.suppress(OSError):
                pipe.close()


@contextlib.contextmanager
def _ended_after(seconds: float, process: subprocess.Popen[bytes]) -> Iterator[None]:
    watch = threading.Timer(seconds, process.kill)
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise EOFError
    return process.stdin, process.stdout


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def decode(data: bytes, ds: Dataset, transfer_syntax: str) -> NDArray[np.integer[Any]]:
    """See ``Sandbox.decode``; in the one process that serves this one."""
    return _shared(os.getpid()).decode(data, ds, transfer_syntax)


@functools.cache
def _shared(_pid: int) -> Sandbox:
    """One for each process, so that a forked child does not talk into its parent's pipes."""
    sandbox = Sandbox()
    atexit.register(sandbox.close)
    return sandbox


def _decode_here(request: dict[str, Any], data: bytes) -> NDArray[np.integer[Any]]:
    ds = Dataset()
    for name in LAYOUT:
        setattr(ds, name, request[name])
    # Whole words: bits above Bits Stored are for the caller to judge, not for the codec to drop.
    ds.BitsStored, ds.HighBit = ds.BitsAllocated, ds.BitsAllocated - 1
    syntax = HIGH_THROUGHPUT.get(request["syntax"], request["syntax"])
    if syntax not in PLUGINS and not data.rstrip(b"\0").endswith(END_OF_IMAGE):
        raise EOFError
    if syntax in JPEG and not _leads_to_scan(data):
        raise ValueError
    ds.NumberOfFrames = 1
    ds.PixelData = encapsulate([data])
    ds["PixelData"].is_undefined_length = True
    words, _ = get_decoder(UID(syntax)).as_array(ds, index=0, raw=True, decoding_plugin=PLUGINS.get(syntax, "gdcm"))
    result: NDArray[np.integer[Any]] = words
    return result


def _leads_to_scan(data: bytes) -> bool:
    """Whether the marker segments lead from one to the next up to a scan of one component (ITU-T T.81 B.1.1, B.2.3).

    The JPEG-LS codec does not look at every length.
    """
    at = 2
    while data[at] == MARKER:
        if data[at + 1] == MARKER:  # a fill byte
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == START_OF_SCAN:
            return length == SCAN_HEADER_BYTES
        at += 2 + length
    return False


def _complaints(pipe: int) -> bytes:
    """What the codecs have printed since this was last asked."""
    text = b""
    with contextlib.suppress(BlockingIOError):
        while part := os.read(pipe, 1 << 16):
            text += part
    return text


def _limit() -> None:
    """From here on: so much memory, no core dump, nothing written, no file or connection but those that are open."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # no such limits outside Unix
        import resource

        for what, most in (
            (resource.RLIMIT_AS, MEMORY_BYTES),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_NOFILE, 0),
        ):
            resource.setrlimit(what, (most, most))


def _limit_time() -> None:
    """End this process when the next frame takes ``CPU_SECONDS`` of the processor."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        used = time.process_time()
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used) + CPU_SECONDS, resource.RLIM_INFINITY))


def main() -> None:
    """Serve requests until the pipe is closed."""
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "wb")
    complaints, said = os.pipe()
    os.set_blocking(complaints, False)
    os.set_blocking(said, False)
    for stream in (1, 2):
        os.dup2(said, stream)  # what the codecs print must not get between the answers; some of it matters
    requests = sys.stdin.buffer
    for syntax in PLUGINS:
        get_decoder(UID(syntax))  # imported while files can still be opened
    _limit()
    answers.write(READY)
    answers.flush()
    while line := requests.readline():
        _limit_time()
        request = json.loads(line)
        data = requests.read(request["bytes"])
        try:
            _complaints(complaints)
            words = _decode_here(request, data)
            if DAMAGED.search(_complaints(complaints)):
                raise DecodeFailedError
            answer: dict[str, Any] = {"dtype": words.dtype.str, "shape": words.shape, "bytes": words.nbytes}
            content = words.tobytes()
        except Exception as error:
            answer, content = {"error": type(error).__name__}, b""
        answers.write(json.dumps(answer).encode() + b"\n" + content)
        answers.flush()


if __name__ == "__main__":
    main()
