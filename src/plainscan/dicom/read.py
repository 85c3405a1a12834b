"""One slice in Hounsfield units that can be trusted, or a refusal that names file and tag."""

from __future__ import annotations

import io
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import pydicom
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial

from plainscan.ct import hounsfield
from plainscan.ct.hounsfield import Slice, Storage, to_hu
from plainscan.dicom import decode
from plainscan.dicom.decode import LOSSY, decode_frame
from plainscan.dicom.files import Archive, Entry, locate
from plainscan.dicom.frames import frame_values
from plainscan.dicom.header import DEFLATED, Header, Value, inflate, read_header
from plainscan.errors import DicomError, SourceError

__all__ = ["Place", "Reader", "Slice", "read_hu", "read_slices"]

MOST_PIXELS: Final = 8192 * 8192
MOST_FRAMES_PIXELS: Final = 1 << 31
PIXEL_DATA: Final = 0x7FE00010
PIXEL_TAGS: Final = [PIXEL_DATA, 0x7FE00001, 0x7FE00002, 0x00280008]  # with the extended offset table
# Why a slice of the cohort is refused when its pixels are read.
REFUSALS: Final = {
    "unreadable": "gone, or cannot be parsed; it was changed since it was scanned",
    "truncated_header": "ends before the pixels",
    "deflate_bomb": "a deflated file that would inflate beyond all reason",
    "no_frame": "has fewer frames than when it was scanned",
    "not_ct": "modality is not CT",
    "secondary_capture": "a secondary capture, not a CT image",
    "photometric": "not one gray channel whose highest value is white",
    "bits_allocated": "Bits Allocated is neither 16 nor 32",
    "bits_stored": "Bits Stored is not from 9 to Bits Allocated",
    "high_bit": "High Bit is not Bits Stored - 1",
    "pixel_representation": "Pixel Representation is neither 0 nor 1",
    "bad_size": "no rows or columns, or absurdly many",
    "pixels": "floating point pixels",
    "too_large": "an absurd number of pixels",
    "missing_rescale": "rescale slope or intercept is missing or empty",
    "rescale_type": "Rescale Type says that the values are no HU",
    **decode.REFUSALS,
    **hounsfield.REFUSALS,
}
CT_CLASSES: Final = (
    "1.2.840.10008.5.1.4.1.1.2",  # CT Image Storage
    "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT Image Storage
    "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT Image Storage
)
_TERMS: Final = (
    *("CR", "MR", "PT", "NM", "US", "OT", "SC", "DX", "XA", "RF", "MG", "SR", "OD", "HU_MOD", "MGML", "Z_EFF"),
    *("MONOCHROME1", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"),
)
MOST_OPEN: Final = 4  # multi-frame files kept at a time

Values = dict[str, Value]


class Place(NamedTuple):
    """Where a slice's pixels are: columns of the catalogue and the cohort.

    Args:
        source: As there.
        path: As there.
        frame: As there.
        instance: Its ``instance_uid``: what lies there now must be that; None takes whatever lies there.
    """

    source: str
    path: str
    frame: int
    instance: str | None = None


def read_hu(source: str, path: str, frame: int = 0) -> Slice:
    """Read one slice.

    Args:
        source: The catalogue's ``source``.
        path: The catalogue's ``path``; ``archive.zip::member`` inside a ZIP.
        frame: The catalogue's ``frame``, from 0.

    Returns:
        (rows, columns), int16, HU, and coded remarks.

    Raises:
        DicomError: The slice is refused; ``code`` says why, the message names file and tag.
        MissingPartError: The pixels are compressed in a way that needs python-gdcm.
    """
    with Reader() as reader:
        return reader.read(Place(source, path, frame))


def read_slices(places: Iterable[tuple[str, str, int] | Place]) -> Iterator[Slice | SourceError]:
    """Read many slices, such as a study: archives stay open, multi-frame files are parsed once.

    Args:
        places: Source, path and frame of each, as in the catalogue.

    Yields:
        For each place in order, the slice, or the error it was refused with.

    Raises:
        MissingPartError: The pixels are compressed in a way that needs python-gdcm.
    """
    with Reader() as reader:
        for place in places:
            try:
                yield reader.read(Place(*place))
            except DicomError as error:
                yield error


class Opened(NamedTuple):
    """A file with its header values by frame and its pixels, still compressed."""

    frames: list[Values]
    dataset: Dataset
    transfer_syntax: str


class Reader:
    """Reads slices; keeps archives and the last multi-frame files open until it is closed."""

    def __init__(self) -> None:
        self._archives: dict[Path, Archive] = {}
        self._opened: OrderedDict[tuple[str, str], Opened] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with ExitStack() as stack:
            for archive in self._archives.values():
                stack.callback(archive.close)
        self._opened.clear()

    def read(self, place: Place) -> Slice:
        """See ``read_hu``."""
        try:
            opened = self._open(place)
            if not 0 <= place.frame < len(opened.frames):
                raise DicomError(f"no frame {place.frame}", expected=f"0 to {len(opened.frames) - 1}", code="no_frame")
            if place.instance not in (None, opened.frames[place.frame]["instance_uid"]):
                raise DicomError("another image than when it was scanned", remedy="Scan again.", code="unreadable")
            return _slice(opened, place.frame)
        except DicomError as error:
            where = f"{place.path}: {error.where}" if error.where not in ("", place.path) else place.path
            raise DicomError(
                error.found, where=where, expected=error.expected, remedy=error.remedy, code=error.code
            ) from error

    def _open(self, place: Place) -> Opened:
        key = (place.source, place.path)
        if key in self._opened:
            return self._opened[key]
        opened = open_entry(locate(place.source, place.path, self._archives))
        if len(opened.frames) > 1:
            self._opened[key] = opened
            if len(self._opened) > MOST_OPEN:
                self._opened.popitem(last=False)
        return opened


def open_entry(entry: Entry) -> Opened:
    """Read one file with its pixels, after its header was found to promise a CT slice.

    Raises:
        DicomError: It is not a CT slice with trustworthy HU.
    """
    header = read_header(entry)
    frames = frame_values(header)
    check_header(header, len(frames))
    try:
        with entry.open() as stream, warnings.catch_warnings(), pydicom.config.disable_value_validation():
            warnings.simplefilter("ignore")
            data = stream.read()
            if header.transfer_syntax == DEFLATED:
                # No meta header is left: pydicom sees from the first element that it is explicit little endian.
                data = inflate(data)
            ds = read_partial(io.BytesIO(data), _behind_pixels(), force=True, specific_tags=PIXEL_TAGS)
            _set_layout(ds, header)
    except DicomError:
        raise
    except Exception as error:  # parsers of hostile bytes fail in many ways; the text may hold values
        raise DicomError(f"cannot be read ({type(error).__name__})", code="unreadable") from error
    return Opened(frames, ds, header.transfer_syntax)


def _behind_pixels() -> Callable[[int, str | None, int], bool]:
    """Whether an element comes after the pixels: nothing there is wanted, and files may end in many zeros."""
    found = False

    def stop(tag: int, _vr: str | None, _length: int) -> bool:
        nonlocal found
        behind, found = found, found or tag == PIXEL_DATA
        return behind

    return stop


def _set_layout(ds: Dataset, header: Header) -> None:
    """Put the checked values in place of whatever VR the file gave them."""
    values = header.values
    ds.Rows, ds.Columns, ds.SamplesPerPixel = values["rows"], values["columns"], 1
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = values["bits_allocated"], values["bits_stored"], values["high_bit"]
    ds.PixelRepresentation, ds.PhotometricInterpretation = values["pixel_representation"], "MONOCHROME2"
    if "PixelData" not in ds:
        raise DicomError("no pixels", where="(7FE0,0010) Pixel Data", code="truncated_pixels")
    if ds["PixelData"].VR not in ("OB", "OW", "UN"):
        raise DicomError("not a value of bytes", where="(7FE0,0010) Pixel Data", expected="OB or OW", code="unreadable")


def check_header(header: Header, frames: int) -> None:
    """Refuse what cannot hold HU.

    Raises:
        DicomError: The first rule that is broken, with its tag.
    """
    values = header.values
    if not header.pixel_tag:
        raise DicomError("ends before the pixels", code="truncated_header")
    for name, (tag, code, expected, holds) in _RULES.items():
        if not holds(values):
            found = values[name]
            raise DicomError(
                _shown(found),
                where=tag,
                expected=expected,
                remedy="The slice is refused: its values are not Hounsfield units that can be trusted.",
                code=code,
            )
    if header.pixel_tag != PIXEL_DATA:
        raise DicomError("floating point pixels", where="(7FE0,0008)", expected="(7FE0,0010) Pixel Data", code="pixels")
    pixels = frames * _int(values, "rows") * _int(values, "columns")
    if pixels > MOST_FRAMES_PIXELS:
        raise DicomError(f"{pixels} pixels", where="(0028,0010) Rows", expected="a CT image", code="too_large")


def _shown(value: Value) -> str:
    """A header value for a message: text that is no term of the standard may be anything, a name too."""
    if not isinstance(value, str):
        return "missing or empty" if value is None else str(value)
    return value if value in _TERMS or re.fullmatch(r"[0-9.]{1,64}", value) else "not a term that is known here"


def _int(values: Values, name: str) -> int:
    value = values[name]
    return value if isinstance(value, int) else 0


def _is_ct_class(values: Values) -> bool:
    return values["sop_class_uid"] in (None, *CT_CLASSES)


def _fits(values: Values) -> bool:
    return 8 < _int(values, "bits_stored") <= _int(values, "bits_allocated")


def _size(values: Values) -> bool:
    rows, columns = _int(values, "rows"), _int(values, "columns")
    return min(rows, columns) >= 2 and rows * columns <= MOST_PIXELS


# name: (tag, code, what is expected, whether it holds), in the order in which they are checked
_RULES: Final[dict[str, tuple[str, str, str, Callable[[Values], bool]]]] = {
    "modality": ("(0008,0060) Modality", "not_ct", "CT", lambda v: v["modality"] in (None, "CT")),
    "sop_class_uid": ("(0008,0016) SOP Class UID", "secondary_capture", "a CT image storage class", _is_ct_class),
    "samples_per_pixel": (
        "(0028,0002) Samples per Pixel",
        "photometric",
        "1",
        lambda v: v["samples_per_pixel"] in (None, 1),
    ),
    "photometric": (
        "(0028,0004) Photometric Interpretation",
        "photometric",
        "MONOCHROME2",
        lambda v: v["photometric"] == "MONOCHROME2",
    ),
    "bits_allocated": (
        "(0028,0100) Bits Allocated",
        "bits_allocated",
        "16 or 32",
        lambda v: v["bits_allocated"] in (16, 32),
    ),
    "bits_stored": ("(0028,0101) Bits Stored", "bits_stored", "9 to Bits Allocated", _fits),
    "high_bit": (
        "(0028,0102) High Bit",
        "high_bit",
        "Bits Stored - 1",
        lambda v: v["high_bit"] in (None, _int(v, "bits_stored") - 1),
    ),
    "pixel_representation": (
        "(0028,0103) Pixel Representation",
        "pixel_representation",
        "0 or 1",
        lambda v: v["pixel_representation"] in (0, 1),
    ),
    "rows": ("(0028,0010) Rows", "bad_size", f"a picture of at most {MOST_PIXELS} pixels", _size),
}


def storage_of(values: Values) -> Storage:
    """How a frame's stored values code HU.

    Raises:
        DicomError: Slope or intercept is missing, or the rescale type says that the values are no HU.
    """
    storage = Storage(
        _int(values, "bits_stored"),
        values["pixel_representation"] == 1,
        _rescale(values, "rescale_slope", "(0028,1053) Rescale Slope"),
        _rescale(values, "rescale_intercept", "(0028,1052) Rescale Intercept"),
        _padding(values),
    )
    if values["rescale_type"] not in (None, "HU", "US"):
        raise DicomError(
            _shown(values["rescale_type"]), where="(0028,1054) Rescale Type", expected="HU", code="rescale_type"
        )
    return storage


def _slice(opened: Opened, frame: int) -> Slice:
    storage = storage_of(opened.frames[frame])
    words = decode_frame(opened.dataset, opened.transfer_syntax, frame)
    hu, flags = to_hu(words, storage)
    return Slice(hu, (*flags, "lossy") if opened.transfer_syntax in LOSSY else flags)


def _rescale(values: Values, name: str, tag: str) -> float:
    value = values[name]
    if not isinstance(value, float):
        raise DicomError(
            "missing or empty",
            where=tag,
            expected="one number",
            remedy="The slice is refused: without it stored values would pass as HU, about 1024 wrong.",
            code="missing_rescale",
        )
    return value


def _padding(values: Values) -> tuple[int, int] | None:
    first, limit = values["pixel_padding_value"], values["pixel_padding_limit"]
    if not isinstance(first, int):
        return None
    return (first, limit) if isinstance(limit, int) else (first, first)
