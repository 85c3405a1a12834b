"""HU of one file by another way: pydicom or DCMTK for the words, float64 for the arithmetic; nothing of plainscan.

The rules of docs/reference/exclusions.md are written here a second time. ``hu`` gives what a slice must be if it is
accepted at all; what must be refused is none of its business, save that where it fails plainscan may not accept.
"""

from __future__ import annotations

import io
import struct
import subprocess
import tempfile
import warnings
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame

AIR_HU = -1000.0
SIZ, SSIZ_AT = b"\xff\x51", 40  # marker of the picture's size, and how far behind it the first component's bits stand
INTEGERS = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation")
PADDING = ("PixelPaddingValue", "PixelPaddingRangeLimit")
DECIMALS = ("RescaleSlope", "RescaleIntercept")
LAYOUT = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation")
DECODERS = {
    "1.2.840.10008.1.2.5": "dcmdrle",
    "1.2.840.10008.1.2.4.57": "dcmdjpeg",
    "1.2.840.10008.1.2.4.70": "dcmdjpeg",
    "1.2.840.10008.1.2.4.80": "dcmdjpls",
    "1.2.840.10008.1.2.4.81": "dcmdjpls",
    "1.2.840.10008.1.2.4.90": "pillow",
    "1.2.840.10008.1.2.4.91": "pillow",
    "1.2.840.10008.1.2.4.201": "ojph_expand",
    "1.2.840.10008.1.2.4.202": "ojph_expand",
    "1.2.840.10008.1.2.4.203": "ojph_expand",
}


class NoAnswerError(Exception):
    """The other reader refuses."""


def hu(data: bytes, frame: int) -> NDArray[np.int64]:
    """(rows, columns), HU.

    Raises:
        NoAnswerError: The other reader cannot read it.
    """
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        try:
            ds = _data_set(data)
            return _rescaled(_words(ds, frame), ds, frame)
        except NoAnswerError:
            raise
        except Exception as error:
            raise NoAnswerError(f"{type(error).__name__}: {error}") from error


def _data_set(data: bytes) -> Dataset:
    """Whatever the meta header's elements say, a deflated data set lies behind its length."""
    if b"1.2.840.10008.1.2.1.99" in data[:1024]:
        (length,) = struct.unpack_from("<L", data, 140)
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[144 + length :])
    ds = pydicom.dcmread(io.BytesIO(data), force=True)
    for name in (*INTEGERS, *PADDING, *DECIMALS):
        _settle(ds, name)
    return ds


def _settle(ds: Dataset, name: str) -> None:
    """A number whose value representation is damaged: by its bytes."""
    raw = ds.get_item(name)
    if isinstance(raw, RawDataElement) and raw.VR not in ("US", "SS", "DS", None) and raw.value:
        value = raw.value.strip(b" \0")
        del ds[name]
        order: Literal["little", "big"] = "little" if raw.is_little_endian else "big"
        number = float(value) if name in DECIMALS else int.from_bytes(raw.value, order, signed=name in PADDING)
        setattr(ds, name, number)


def _words(ds: Dataset, frame: int) -> NDArray[np.int64]:
    """Words as they lie in the file, unsigned."""
    order, size, count = ">" if ds.original_encoding[1] is False else "<", ds.BitsAllocated // 8, ds.Rows * ds.Columns
    syntax = str(ds.file_meta.get("TransferSyntaxUID", ""))
    if syntax not in DECODERS:
        words = np.frombuffer(ds.PixelData, f"{order}u{size}", count, frame * count * size)
    else:
        stream = get_frame(ds.PixelData, frame, number_of_frames=int(ds.get("NumberOfFrames") or 1))
        words = np.frombuffer(_decoded(stream, syntax, ds), f"<u{size}", count)
    return words.reshape(ds.Rows, ds.Columns).astype(np.int64)


def _decoded(stream: bytes, syntax: str, ds: Dataset) -> bytes:
    """One frame by DCMTK, out of a new file around the stream; JPEG 2000 by Pillow, HTJ2K by OpenJPH."""
    if DECODERS[syntax] == "pillow":
        return np.asarray(Image.open(io.BytesIO(stream))).astype("<u2").tobytes()
    with tempfile.TemporaryDirectory() as folder:
        if DECODERS[syntax] == "ojph_expand":
            return _by_openjph(stream, Path(folder))
        source, target = Path(folder, "in"), Path(folder, "out")
        clean = Dataset()
        for name in LAYOUT:
            setattr(clean, name, ds[name].value)
        clean.HighBit = clean.BitsStored - 1
        clean.SOPClassUID, clean.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
        clean.SamplesPerPixel, clean.PhotometricInterpretation = 1, "MONOCHROME2"
        clean.PixelData = encapsulate([stream])
        clean["PixelData"].is_undefined_length = True
        clean.file_meta = FileMetaDataset()
        clean.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(source, clean, enforce_file_format=True)
        command = [DECODERS[syntax], "--write-xfer-little", str(source), str(target)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        if done.returncode or not target.is_file():
            raise NoAnswerError(f"{command[0]}: {done.stderr.decode(errors='replace')[:150]}")
        result: bytes = pydicom.dcmread(target).PixelData
        return result


def by_ffmpeg(stream: bytes) -> NDArray[np.int64]:
    """The samples of a codestream of one component, in reading order, by a decoder that is not OpenJPEG's.

    ffmpeg gives words without sign that are filled up from above: the bits lie at their upper end, and half the range
    is added to signed samples too. How many bits there are, and whether they have a sign, stands in the codestream
    (Ssiz, ITU-T T.800 A.5.1).

    Raises:
        NoAnswerError: It does not decode without a complaint.
    """
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-xerror", "-threads", "1"]
    command += ["-f", "j2k_pipe", "-c:v", "jpeg2000", "-i", "-", "-f", "rawvideo", "-"]
    whole = stream.rstrip(b"\0")  # the byte that makes a fragment's length even (PS3.5 A.4) would be a second picture
    done = subprocess.run(command, input=whole, capture_output=True, check=False, timeout=60)
    if done.returncode or done.stderr:
        raise NoAnswerError(f"ffmpeg: {done.stderr.decode(errors='replace')[:150]}")
    ssiz = stream[stream.index(SIZ) + SSIZ_AT]
    signed, bits = ssiz >> 7, (ssiz & 127) + 1
    width = 8 if bits <= 8 else 16
    samples = np.frombuffer(done.stdout, f"<u{width // 8}").astype(np.int64) >> (width - bits)
    return samples - (1 << (bits - 1)) if signed else samples


def _by_openjph(stream: bytes, folder: Path) -> bytes:
    (folder / "a.j2c").write_bytes(stream)
    command = ["ojph_expand", "-i", str(folder / "a.j2c"), "-o", str(folder / "a.pgm")]
    if subprocess.run(command, capture_output=True, check=False, timeout=60).returncode:
        raise NoAnswerError("ojph_expand")
    _, size, _, words = (folder / "a.pgm").read_bytes().split(b"\n", 3)
    columns, rows = map(int, size.split())
    return np.frombuffer(words, ">u2", rows * columns).astype("<u2").tobytes()


def _rescaled(words: NDArray[np.int64], ds: Dataset, frame: int) -> NDArray[np.int64]:
    stored_bits, allocated = int(ds.BitsStored), int(ds.BitsAllocated)
    signed = ds.PixelRepresentation == 1
    slope, intercept = (float(_of_frame(ds, frame, name)) for name in ("RescaleSlope", "RescaleIntercept"))
    stored = _as_signed(words & ((1 << stored_bits) - 1), stored_bits) if signed else words & ((1 << stored_bits) - 1)
    values = stored.astype(np.float64) * slope + intercept
    padding = _padding(ds, words, stored, allocated, slope, intercept)
    extended = _as_signed(words, allocated)
    beyond = (words >> stored_bits != 0) & ((extended if signed else words) != stored)
    padding |= beyond & (extended * slope + intercept < -1200)
    if not signed and intercept > -100 and slope == 1:
        values, padding = _unwrapped(values, padding, ds, stored_bits, intercept)
    values[padding | (values < -1200)] = AIR_HU
    return np.clip(np.rint(values), -32768, 32767).astype(np.int64)


def _as_signed(words: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    return np.where(words >= 1 << (bits - 1), words - (1 << bits), words)


def _of_frame(ds: Dataset, frame: int, name: str) -> Any:
    for groups, index in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        items = ds.get(groups) or []
        macro = items[index].get("PixelValueTransformationSequence") if index < len(items) else None
        if macro and macro[0].get(name) not in (None, ""):
            return macro[0][name].value
    return ds[name].value


def _padding(
    ds: Dataset, words: NDArray[np.int64], stored: NDArray[np.int64], allocated: int, slope: float, intercept: float
) -> NDArray[np.bool_]:
    ends = [ds.get("PixelPaddingValue"), ds.get("PixelPaddingRangeLimit")]
    if not isinstance(ends[0], int):
        return np.zeros(words.shape, np.bool_)
    known = [end if ds.PixelRepresentation or end >= 0 else end + (1 << 16) for end in ends if isinstance(end, int)]
    low, high = min(known), max(known)
    mask = np.zeros(words.shape, np.bool_)
    for values in (stored, words, _as_signed(words, allocated)):
        mask |= (values >= low) & (values <= high)
    if high * slope + intercept > -200 and low * slope + intercept < 3000:
        for row in mask:  # only what reaches an end of its row
            inner = np.flatnonzero(~row)
            if inner.size:
                row[inner[0] : inner[-1]] = False
    return mask


def _unwrapped(
    values: NDArray[np.float64], padding: NDArray[np.bool_], ds: Dataset, stored_bits: int, intercept: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    air = (values >= 4096 - 1060) & (values <= 4096 - 900) & ~padding
    if air.mean() < 0.05 or (stored_bits > 12 and values.max() >= 4096 + intercept):
        return values, padding
    if isinstance(value := ds.get("PixelPaddingValue"), int):
        padding = padding | (values == value % 4096 + intercept)
    return np.where(values >= 4096 - 1060, values - 4096, values), padding
