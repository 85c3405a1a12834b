"""JPEG 2000 by a decoder and an encoder that do not descend from OpenJPEG, as GDCM's and Pillow's do: ffmpeg's own."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.dicom import oracle
from tests.traps import make

from plainscan.dicom.decode import decode_frame
from plainscan.dicom.read import read_hu

pytest.importorskip("gdcm", reason="python-gdcm is an extra")

LOSSLESS, LOSSY = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HALF = 1 << 15


@pytest.fixture(autouse=True)
def ffmpeg(needs_tool: Callable[[str], str]) -> str:
    return needs_tool("ffmpeg")


def noise(bits: int, shape: tuple[int, int], *, signed: bool = False) -> NDArray[np.int64]:
    """Every value that so many bits can hold, so that no bit may be lost."""
    low = -(1 << (bits - 1)) if signed else 0
    return np.random.default_rng(2).integers(low, low + (1 << bits), shape)


def scan_like(shape: tuple[int, int] = (96, 128)) -> NDArray[np.int64]:
    """12 bits that change slowly, with the noise of a scan."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    smooth = 2048 + 1000 * np.sin(x / 9) + 800 * np.cos(y / 7)
    values = smooth + np.random.default_rng(2).normal(0, 20, shape)
    return np.rint(values).clip(0, 4095).astype(np.int64)


def coded(samples: NDArray[np.int64], bits: int, *, signed: bool = False, **options: Any) -> bytes:
    """A codestream that says so many bits, with or without sign.

    Pillow writes 16 bits without sign. The reversible path codes samples less half their range (ITU-T T.800 G.1), and
    nothing of that with a sign, so the same code with another Ssiz is that of samples moved by the difference.
    """
    moved = samples + HALF - (0 if signed else 1 << (bits - 1))
    stream = io.BytesIO()
    Image.fromarray(moved.astype(np.uint16)).save(stream, "JPEG2000", no_jp2=True, **options)
    data = bytearray(stream.getvalue())
    at = data.index(oracle.SIZ) + oracle.SSIZ_AT
    assert data[at] == 15
    data[at] = bits - 1 + (128 if signed else 0)
    return bytes(data)


def decoded(folder: Path, stream: bytes, like: NDArray[np.int64], bits: int, *, signed: bool, syntax: str) -> Any:
    """The samples as plainscan decodes them, out of a file."""
    tags = {"Rows": like.shape[0], "Columns": like.shape[1], "BitsStored": bits, "PixelRepresentation": int(signed)}
    make.encapsulated(stream, syntax, **tags)(folder)
    words = decode_frame(pydicom.dcmread(folder / "a.dcm"), syntax, 0)
    return words.astype(np.int16 if signed else np.uint16).astype(np.int64)


WAYS: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "as usual": ((40, 56), {}),
    "one resolution": ((37, 61), {"num_resolutions": 1}),
    "six resolutions": ((101, 75), {"num_resolutions": 6}),
    "tiles": ((101, 75), {"num_resolutions": 3, "tile_size": (32, 24)}),
}


@pytest.mark.parametrize(
    ("bits", "signed", "how"),
    [
        (10, False, "as usual"),
        (12, False, "as usual"),
        (12, True, "as usual"),
        (12, True, "one resolution"),
        (12, False, "tiles"),
        (16, False, "six resolutions"),
        (16, True, "as usual"),
    ],
)
def test_lossless_is_read_as_ffmpeg_reads_it(tmp_path: Path, bits: int, signed: bool, how: str) -> None:
    shape, options = WAYS[how]
    samples = noise(bits, shape, signed=signed)
    stream = coded(samples, bits, signed=signed, **options)
    read = decoded(tmp_path, stream, samples, bits, signed=signed, syntax=LOSSLESS)
    np.testing.assert_array_equal(read, oracle.by_ffmpeg(stream).reshape(shape))
    if how != "tiles":  # Pillow fills tiles that reach beyond the picture with other samples than these
        np.testing.assert_array_equal(read, samples)


@pytest.mark.parametrize(
    ("options", "signed"),
    [({"quality_layers": [8]}, True), ({"quality_layers": [20, 10, 5]}, False), ({"tile_size": (32, 24)}, False)],
)
def test_lossy_is_read_within_one_of_what_ffmpeg_reads(tmp_path: Path, options: dict[str, Any], signed: bool) -> None:
    samples = scan_like() - (1024 if signed else 0)
    stream = coded(samples, 16, signed=signed, irreversible=True, quality_mode="rates", **options)
    read = decoded(tmp_path, stream, samples, 16, signed=signed, syntax=LOSSY)
    apart = np.abs(read - oracle.by_ffmpeg(stream).reshape(samples.shape))
    assert apart.max() <= 1  # the 9/7 filter works in fractions, which each decoder rounds its own way
    assert (apart != 0).mean() < 0.05  # and only where a fraction lies near a half


def test_lossless_that_ffmpeg_wrote_is_read_as_it_was(tmp_path: Path, ffmpeg: str) -> None:
    samples = noise(12, (48, 80))
    (tmp_path / "raw").write_bytes(samples.astype("<u2").tobytes())
    source = ["-f", "rawvideo", "-pix_fmt", "gray16le", "-s", "80x48", "-i", str(tmp_path / "raw")]
    to = ["-c:v", "jpeg2000", "-pred", "dwt53", "-format", "j2k", "-f", "image2pipe", str(tmp_path / "j2k")]
    make.program(ffmpeg, "-nostdin", *source, *to)
    make.encapsulated((tmp_path / "j2k").read_bytes(), LOSSLESS, Rows=48, Columns=80)(tmp_path)
    np.testing.assert_array_equal(read_hu(str(tmp_path), "a.dcm").hu, samples - 1024)
