"""The header of one DICOM file as plain values: tolerant of what archives hold, quick enough for all of it.

pydicom parses the bytes and skips every element that is not asked for. Values are decoded here from
their raw bytes, without a DataElement for each.
"""

from __future__ import annotations

import io
import math
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial

from plainscan.dicom.elements import SYNTAX, Element, walk
from plainscan.dicom.files import ARCHIVE_BYTES, ARCHIVE_RATIO, ZIP_START, Entry
from plainscan.dicom.text import decode_text
from plainscan.errors import DicomError

DEFLATED: Final = "1.2.840.10008.1.2.1.99"
MEDIA_CLASS: Final = 0x00020002
DICOMDIR_CLASS: Final = "1.2.840.10008.1.3.10"
HEAD_BYTES: Final = 65_536  # nearly all CT headers are shorter
INFLATED_BYTES: Final = 512 << 20
MOST_READS: Final = 1_000_000  # an enhanced CT of 4000 frames takes about half of them
MOST_ELEMENTS: Final = 20_000  # at the top level; a CT header has some hundred
MOST_COMMANDS: Final = 20_000  # elements of group 0, which no file should have; zeros look like them
SHARED_GROUPS: Final = 0x52009229
FRAME_GROUPS: Final = 0x52009230
CHARACTER_SET: Final = 0x00080005
FIRST_GROUPS: Final = (b"\x02\x00", b"\x08\x00", b"\x00\x08")  # 0002 or 0008 in either byte order
PIXELS: Final = (0x7FE00008, 0x7FE00009, 0x7FE00010)

Value = str | int | float | list[float] | None
Elements = dict[int, Element]

# column: (tag, how it is read)
TAGS: Final[dict[str, tuple[int, str]]] = {
    "patient_id": (0x00100020, "text"),
    "patient_name": (0x00100010, "text"),  # this one and the next two never leave the scan: see ``who``
    "birth_date": (0x00100030, "code"),
    "accession_number": (0x00080050, "text"),
    "study_uid": (0x0020000D, "code"),
    "series_uid": (0x0020000E, "code"),
    "instance_uid": (0x00080018, "code"),
    "frame_of_reference_uid": (0x00200052, "code"),
    "rows": (0x00280010, "int"),
    "columns": (0x00280011, "int"),
    "pixel_spacing": (0x00280030, "floats"),
    "slice_thickness_mm": (0x00180050, "float"),
    "window_center_hu": (0x00281050, "float"),
    "window_width_hu": (0x00281051, "float"),
    "number_of_frames": (0x00280008, "int"),
    "sop_class_uid": (0x00080016, "code"),
    "modality": (0x00080060, "code"),
    "image_type": (0x00080008, "code"),
    "series_number": (0x00200011, "int"),
    "instance_number": (0x00200013, "int"),
    "acquisition_number": (0x00200012, "int"),
    "study_date": (0x00080020, "code"),
    "study_description": (0x00081030, "text"),
    "series_description": (0x0008103E, "text"),
    "protocol_name": (0x00181030, "text"),
    "body_part": (0x00180015, "code"),
    "patient_position": (0x00185100, "code"),
    "patient_sex": (0x00100040, "code"),
    "patient_age": (0x00101010, "code"),
    "manufacturer": (0x00080070, "text"),
    "manufacturer_model": (0x00081090, "text"),
    "convolution_kernel": (0x00181210, "code"),
    "kvp": (0x00180060, "float"),
    "contrast_agent": (0x00180010, "text"),
    "gantry_tilt_deg": (0x00181120, "float"),
    "bits_allocated": (0x00280100, "int"),
    "bits_stored": (0x00280101, "int"),
    "high_bit": (0x00280102, "int"),
    "pixel_representation": (0x00280103, "int"),
    "samples_per_pixel": (0x00280002, "int"),
    "photometric": (0x00280004, "code"),
    "rescale_slope": (0x00281053, "float"),
    "rescale_intercept": (0x00281052, "float"),
    "rescale_type": (0x00281054, "code"),
    "pixel_padding_value": (0x00280120, "int"),
    "pixel_padding_limit": (0x00280121, "int"),
    "position": (0x00200032, "floats"),
    "orientation": (0x00200037, "floats"),
}
WANTED: Final = [*(tag for tag, _ in TAGS.values()), SHARED_GROUPS, FRAME_GROUPS]
_WANTED: Final = frozenset((*WANTED, CHARACTER_SET))
_ODD: Final = frozenset((SHARED_GROUPS, FRAME_GROUPS))
_BINARY: Final = {2: "h", 4: "i"}
_NUMBER: Final = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass(slots=True)
class Header:
    """What a file says about itself.

    Args:
        values: By the names of ``TAGS``; None where absent, empty or not a number.
        transfer_syntax: UID from the meta header; empty when there is none.
        pixel_tag: Tag of the pixel data element; 0 when the file ended before it.
        pixel_length: Its declared length in bytes.
        complete: Whether the elements before the pixels are whole.
        media_class: SOP class UID from the meta header.
        dataset: The pydicom data set, for the functional groups; None where there are none.
    """

    values: dict[str, Value]
    transfer_syntax: str
    pixel_tag: int
    pixel_length: int
    complete: bool
    media_class: str
    dataset: Dataset | None


def read_header(entry: Entry) -> Header:
    """Read a header, never the pixels.

    Raises:
        DicomError: It is not DICOM or cannot be parsed; the code is one of scan's reject codes.
    """
    with _refusing(entry.path):
        if entry.size == 0:
            raise DicomError("empty file", code="empty_file")
        with entry.open() as stream:
            return _read(stream, entry.size)


def header_of(data: bytes) -> Header:
    """The header of a file that is in memory.

    Raises:
        DicomError: It is not DICOM or cannot be parsed.
    """
    with _refusing(""):
        return _read(io.BytesIO(data), len(data))


@contextmanager
def _refusing(where: str) -> Iterator[None]:
    try:
        yield
    except DicomError as error:
        raise DicomError(error.found, where=where, expected="a DICOM file", code=error.code) from error
    except MemoryError as error:
        raise DicomError("an element claims more than fits into memory", where=where, code="unreadable") from error
    except Exception as error:
        # Parsers of hostile bytes fail in many ways; the kind is kept, the text is not: it may hold values.
        raise DicomError(f"cannot be read ({type(error).__name__})", where=where, code="unreadable") from error


def _read(stream: BinaryIO, size: int) -> Header:
    head = stream.read(HEAD_BYTES)
    if head.startswith(ZIP_START):
        raise DicomError("a ZIP inside a ZIP; unpack the outer one", code="nested_zip")
    if not looks_like_dicom(head):
        raise DicomError("not DICOM", code="not_dicom")
    if head[128:132] == b"DICM" and len(head) > 134 and head[132:134] not in FIRST_GROUPS:
        raise DicomError("no element after the prefix DICM", code="unreadable")
    if DEFLATED.encode() in head[:1024]:
        inflated = inflate(head + stream.read(), HEAD_BYTES * 16)
        return parse(io.BytesIO(inflated), len(inflated), DEFLATED)
    walked = walk(head, _WANTED, _ODD)
    if walked is not None and walked.pixel_tag in PIXELS:
        meta = {tag: _code(element.value) or "" for tag, element in walked.meta.items() if tag in (SYNTAX, MEDIA_CLASS)}
        values = _values(walked.elements)
        return Header(
            values, meta[SYNTAX], walked.pixel_tag, walked.pixel_length, True, meta.get(MEDIA_CLASS, ""), None
        )
    stream.seek(0)
    return parse(stream, size)


def looks_like_dicom(head: bytes) -> bool:
    """Whether bytes start like DICOM: the prefix after a preamble, or a first element of group 0002 or 0008.

    >>> looks_like_dicom(bytes(128) + b"DICM"), looks_like_dicom(b"%PDF-1.7")
    (True, False)
    """
    if head[128:132] == b"DICM":
        return True
    return head[:2] in FIRST_GROUPS and len(head) > 132


def inflate(data: bytes, limit: int = 0) -> bytes:
    """The data set of a deflated file (PS3.5 A.5) without its meta header.

    Args:
        data: The file.
        limit: So many bytes of it are enough; 0: all of it.

    Raises:
        DicomError: It does not inflate, or, when all of it is wanted, inflates beyond all reason.
    """
    most = limit or min(INFLATED_BYTES, max(ARCHIVE_BYTES, ARCHIVE_RATIO * len(data)))
    try:
        (length,) = struct.unpack_from("<L", data, 140)
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        inflated = stream.decompress(data[144 + length :], most)
    except (zlib.error, struct.error) as error:
        raise DicomError("deflated data set does not inflate", code="unreadable") from error
    if not limit and stream.unconsumed_tail:
        raise DicomError(f"inflates to more than {most} bytes", code="deflate_bomb")
    return inflated


class Bounded:
    """A stream that is given up when reading it elementwise would never end.

    Millions of zeros, or of empty elements, fit into a ZIP of some kilobytes and would each be parsed.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._reads, self._commands = stream, 0, 0
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """Read on.

        Raises:
            DicomError: It has been too often.
        """
        data = self._stream.read(size)
        self._reads += 1
        self._commands += size == 8 and data.startswith(b"\0\0")
        if self._reads > MOST_READS or self._commands > MOST_COMMANDS:
            raise DicomError("elements without an end", code="unreadable")
        return data


def parse(stream: BinaryIO, size: int, transfer_syntax: str = "") -> Header:
    """Parse up to the pixels.

    Args:
        stream: At its start.
        size: Bytes in it.
        transfer_syntax: Given when the stream has no meta header of its own.
    """
    reached = [0, 0]
    seen = 0

    def at_pixels(tag: int, _vr: str | None, length: int) -> bool:
        nonlocal seen
        seen += 1
        if seen > MOST_ELEMENTS:
            raise DicomError("elements without an end", code="unreadable")
        if tag in PIXELS:
            reached[:] = tag, length
        return tag >= PIXELS[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = read_partial(cast("BinaryIO", Bounded(stream)), at_pixels, force=True, specific_tags=WANTED)
        syntax = transfer_syntax or str(ds.file_meta.get("TransferSyntaxUID", "") or "")
        media_class = str(ds.file_meta.get("MediaStorageSOPClassUID", "") or "")
    raw = {int(tag): item for tag, item in ds.items() if isinstance(item, RawDataElement)}
    values = _values({tag: Element(r.VR or "", r.value or b"", r.is_little_endian) for tag, r in raw.items()})
    cut = any(len(item.value or b"") < item.length for item in raw.values())
    complete = bool(reached[0]) or (stream.tell() <= size and not cut)
    return Header(values, syntax, reached[0], reached[1], complete, media_class, ds)


def _values(elements: Elements) -> dict[str, Value]:
    values = {name: _value(elements, tag, kind) for name, (tag, kind) in TAGS.items()}
    if values["pixel_representation"] == 0:
        _unsigned(values)
    return values


def _unsigned(values: dict[str, Value]) -> None:
    for name in ("pixel_padding_value", "pixel_padding_limit"):
        value = values[name]
        if isinstance(value, int) and value < 0:
            values[name] = value + (1 << 16)


def _value(elements: Elements, tag: int, kind: str) -> Value:
    element = elements.get(tag)
    if element is None or not element.value:
        return None
    if kind == "int" and tag not in _TEXT_INTS and element.vr not in ("IS", "DS"):
        return _binary(element.value, little=element.little)
    if kind == "text":
        return decode_text(element.value, _character_sets(elements)) or None
    value: Value = _READ[kind](element.value)
    return value


_TEXT_INTS: Final = frozenset(
    TAGS[name][0] for name in ("number_of_frames", "series_number", "instance_number", "acquisition_number")
)


def _binary(value: bytes, *, little: bool) -> int | None:
    code = _BINARY.get(len(value))
    if code is None:
        return None
    (number,) = struct.unpack(("<" if little else ">") + code, value)
    return int(number)


def _numbers(value: bytes) -> list[float | None]:
    parts = [part.strip(b" \0") for part in value.split(b"\\")]
    return [float(part) if _NUMBER.fullmatch(part) else None for part in parts]


def _floats(value: bytes) -> list[float] | None:
    numbers = _numbers(value)
    finite = [number for number in numbers if number is not None and math.isfinite(number)]
    return finite if len(finite) == len(numbers) else None


def _float(value: bytes) -> float | None:
    first = _numbers(value)[0]
    return first if first is not None and math.isfinite(first) else None


def _int(value: bytes) -> int | None:
    number = _float(value)
    return int(number) if number is not None and abs(number) < 2**31 else None


def _code(value: bytes) -> str | None:
    return value.decode("latin-1").strip(" \0") or None


_READ: Final[dict[str, Callable[[bytes], Any]]] = {"float": _float, "floats": _floats, "int": _int, "code": _code}


def _character_sets(elements: Elements) -> list[str]:
    element = elements.get(CHARACTER_SET)
    return [part.strip(" \0") for part in element.value.decode("latin-1").split("\\")] if element else []
