"""Claim: decoding compressed slices in a process of its own costs little more than decoding them here.

A 512 x 512 slice with the noise of a scan, by RLE and JPEG 2000. Peer: the same decoder in this process. Both in
processor seconds, those of the other process included.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import RLELossless

from plainscan.dicom import sandbox

SIDE, ROUNDS, SLICES = 512, 5, 40
LIMIT: Final = 1.5  # x the time in process
SYNTAXES: Final = {
    "RLE": str(RLELossless),
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
}


def layout() -> Dataset:
    ds = Dataset()
    ds.Rows = ds.Columns = SIDE
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    return ds


def stored() -> np.ndarray:
    """A round head of stored values with the noise of a scan."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    values = np.where(np.hypot(y, x) < 0.4 * SIDE, 1060, 20) + np.random.default_rng(0).normal(0, 5, (SIDE, SIDE))
    return np.clip(values, 0, 4095).astype(np.uint16)


def compressed(syntax: str) -> bytes:
    """The stream of one frame."""
    if syntax == RLELossless:
        ds = layout()
        ds.PixelData = stored().tobytes()
        return get_encoder(RLELossless).encode(ds, index=0, encoding_plugin="pydicom")
    stream = io.BytesIO()
    Image.fromarray(stored()).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
    return stream.getvalue()


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of one call, in this process and in the decoding one."""
    work()
    started = used()
    for _ in range(SLICES):
        work()
    return (used() - started) / SLICES


def used() -> float:
    """Processor seconds used so far by this process and by the decoding one."""
    process = sandbox._shared(os.getpid())._process
    ticks = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13] if process else []
    return time.process_time() + sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    missed = False
    for name, syntax in SYNTAXES.items():
        ds, data = layout(), compressed(syntax)
        request = {"syntax": syntax, **{word: ds[word].value for word in sandbox.LAYOUT}}
        assert np.array_equal(sandbox.decode(data, ds, syntax), stored())
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(seconds(lambda: sandbox.decode(data, ds, syntax)))  # noqa: B023
            theirs.append(seconds(lambda: sandbox._decode_here(request, data)))  # noqa: B023
        ratio = min(ours) / min(theirs)
        missed |= ratio > LIMIT
        print(
            f"{name:<14} {1e3 * min(ours):.2f} ms of processor a slice in its own process, "
            f"{1e3 * min(theirs):.2f} ms here: "
            f"{ratio:.2f} x (limit {LIMIT})"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
