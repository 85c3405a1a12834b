"""One frame's stored words, whatever transfer syntax they came in (PS3.5 A and 8).

Native pixels are cut out here, with their length checked first: fewer bytes than the header promises is a
refusal, never a picture with an invented end. Compressed pixels are decoded in a limited process (``sandbox``): RLE by
pydicom; JPEG lossless, JPEG-LS and JPEG 2000 by python-gdcm, when it is installed.
"""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame

from plainscan.dicom import sandbox
from plainscan.errors import DicomError, MissingPartError

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
RLE: Final = "1.2.840.10008.1.2.5"
NATIVE: Final = ("", IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG)
GDCM: Final = {
    "1.2.840.10008.1.2.4.57": "JPEG lossless, process 14",
    "1.2.840.10008.1.2.4.70": "JPEG lossless, selection value 1",
    "1.2.840.10008.1.2.4.80": "JPEG-LS lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "high-throughput JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.202": "high-throughput JPEG 2000 lossless, by resolution",
    "1.2.840.10008.1.2.4.203": "high-throughput JPEG 2000",
}
LOSSY: Final = ("1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203")

REFUSALS: Final = {
    "transfer_syntax": "compressed in a way that cannot be read, such as JPEG baseline or video",
    "needs_gdcm": 'compressed, and python-gdcm is not installed: `pip install "plainscan[compressed]"`',
    "undecodable": "the compressed pixels do not decode to Rows x Columns of Bits Allocated",
    "truncated_pixels": "the file is shorter than its rows and columns say",
}

Words = NDArray[np.integer[Any]]


def decode_frame(ds: Dataset, transfer_syntax: str, frame: int) -> Words:
    """The words of one frame, as they lie in the file.

    Args:
        ds: With pixel data; Rows, Columns and Bits Allocated checked before.
        transfer_syntax: UID; empty when the file has no meta header.
        frame: From 0.

    Returns:
        (rows, columns), 16 or 32 bits.

    Raises:
        DicomError: Too few bytes, an unknown transfer syntax, or the stream does not decode.
        MissingPartError: The transfer syntax needs python-gdcm, which is not installed.
    """
    if transfer_syntax in NATIVE:
        return _native(ds, transfer_syntax, frame)
    if transfer_syntax not in (RLE, *GDCM):
        raise DicomError(
            f"transfer syntax {transfer_syntax[:64]}",
            where="(0002,0010) Transfer Syntax UID",
            expected="native, deflated, RLE, JPEG lossless, JPEG-LS, JPEG 2000 or HTJ2K",
            remedy="The slice is refused; have the archive send it as Explicit VR Little Endian.",
            code="transfer_syntax",
        )
    if transfer_syntax in GDCM and importlib.util.find_spec("gdcm") is None:
        raise MissingPartError(
            f"python-gdcm is not installed and the pixels are {GDCM[transfer_syntax]}",
            where="(0002,0010) Transfer Syntax UID",
            remedy='Run `pip install "plainscan[compressed]"`.',
            code="needs_gdcm",
        )
    return _compressed(ds, transfer_syntax, frame)


def _native(ds: Dataset, transfer_syntax: str, frame: int) -> Words:
    dtype = np.dtype(f"{'>' if transfer_syntax == EXPLICIT_BIG else '<'}u{ds.BitsAllocated // 8}")
    pixels = int(ds.Rows) * int(ds.Columns)
    size = pixels * dtype.itemsize
    data: bytes = ds.PixelData or b""
    if len(data) < (frame + 1) * size:
        raise DicomError(
            f"{max(0, len(data) - frame * size)} of {size} bytes",
            where="(7FE0,0010) Pixel Data",
            expected="as many bytes as Rows x Columns says",
            remedy="The slice is refused, the study goes on without it; have the archive send it again.",
            code="truncated_pixels",
        )
    words = np.frombuffer(data, dtype, pixels, frame * size)
    result: Words = words.astype(dtype.newbyteorder("=")).reshape(ds.Rows, ds.Columns)
    return result


def _stream(ds: Dataset, frame: int) -> bytes:
    frames = int(ds.get("NumberOfFrames", 1) or 1)
    table = (ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths) if "ExtendedOffsetTable" in ds else None
    data: bytes = get_frame(ds.PixelData, frame, number_of_frames=frames, extended_offsets=table)
    return data


def _compressed(ds: Dataset, transfer_syntax: str, frame: int) -> Words:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            words = sandbox.decode(_stream(ds, frame), ds, transfer_syntax)
    except Exception as error:  # decoders and parsers of hostile streams fail in many ways
        how = str(error) if isinstance(error, sandbox.DecodeFailedError) else type(error).__name__
        raise _undecodable(f"frame {frame} does not decode ({how})") from error
    if words.shape != (ds.Rows, ds.Columns) or words.dtype.itemsize * 8 != ds.BitsAllocated:
        raise _undecodable(f"frame {frame} decodes to {words.shape}, {words.dtype}")
    return words


def _undecodable(found: str) -> DicomError:
    return DicomError(
        found,
        where="(7FE0,0010) Pixel Data",
        expected="a whole compressed frame of Rows x Columns",
        remedy="The slice is refused, the study goes on without it; have the archive send it again.",
        code="undecodable",
    )
