"""One DICOM file into one without identity, or a refusal with a code: header by the table, pixels written anew.

Pixels are decoded and stored plainly, so that nothing travels in a compressed stream's comments, in unused bits,
behind the pixels or before the header. HU stay what they were, bit by bit, except where text or a face was.
"""

from __future__ import annotations

import io
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import dcmread
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from plainscan.ct.burnt_in import text_boxes, text_mask
from plainscan.ct.deface import Plane, beyond
from plainscan.ct.hounsfield import AIR_HU, Storage, stored_values, to_hu
from plainscan.dicom.decode import decode_frame
from plainscan.dicom.deidentify import Person, deidentify, identifiers, sign, text_at
from plainscan.dicom.deidentify_key import Key
from plainscan.dicom.deidentify_sr import deidentify_report, report_identifiers
from plainscan.dicom.deidentify_sr_tree import SR_LEFT_OUT
from plainscan.dicom.files import Entry
from plainscan.dicom.header import DEFLATED, INFLATED_BYTES, inflate
from plainscan.dicom.read import CT_CLASSES, Opened, Values, open_entry, storage_of
from plainscan.dicom.write import IMPLEMENTATION_UID
from plainscan.errors import DicomError
from plainscan.reports.identifiers import Known
from plainscan.storage import whole_file

PATIENT_ID: Final = 0x00100020
STUDY_UID: Final = 0x0020000D
BURNED_IN: Final = 0x00280301
IMPLEMENTATION_NAME: Final = "PLAINSCAN_DEID"
SCREEN: Final = ("SCREEN", "SCREENSAVE", "SCREEN SAVE", "DOSE", "DOSE_INFO", "REPORT", "PROT", "CAPTURE")

LEFT_OUT: Final = {
    "sop_class": "not a CT image: a report, a capture, an encapsulated document",
    "burned_in": "Burned In Annotation is YES",
    "screen_save": "Image Type says that it is a picture of a screen or a dose sheet",
    "derived_image": "Image Type says DERIVED or SECONDARY: text may be drawn into it; --derived lets it through",
    "localizer": "a localizer shows the face in profile; --no-deface lets it through",
    "burnt_in_text": "what looks like text stands in the pixels; --burnt-in mask blackens it",
    "no_face_plane": "a thin or reformatted series in which no brain was found to keep from the cut",
    "not_air": "masked pixels could not be written as air",
    "duplicate": "an earlier file of the study with the same SOP Instance UID was written",
    "identifier_left": "an identifier of the study was still in the cleaned text",
    "report_without_study": "no image of its study is here, so nobody knows what to look for in it",
    **SR_LEFT_OUT,
}

Words = NDArray[np.integer[Any]]


class Choices(NamedTuple):
    """What may go out, and how.

    Args:
        derived: Derived and secondary images too.
        burnt_in: What becomes of an image with text in its pixels.
        deface: Cut faces off, and refuse localizers.
    """

    derived: bool
    burnt_in: Literal["refuse", "mask"]
    deface: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was opened.

    Args:
        entry: Where it is.
        header: Its data set up to the pixels, values raw.
        known: Identifiers in it.
        identity: What its patient's pseudonym is made from.
    """

    entry: Entry
    header: Dataset
    known: Known
    identity: str


class Done(NamedTuple):
    """What was done to a file: counts of attributes, pixels that became air."""

    removed: int
    private: int
    replaced: int
    cleaned: int
    kept: int
    text_px: int
    face_px: int


def open_source(entry: Entry) -> Source:
    """Read a header up to the pixels.

    Raises:
        DicomError: It cannot be parsed.
    """
    try:
        with entry.open() as stream, warnings.catch_warnings(), pydicom.config.disable_value_validation():
            warnings.simplefilter("ignore")
            data = stream.read()
            if DEFLATED.encode() in data[:1024]:
                data = inflate(data, INFLATED_BYTES)
            header = dcmread(io.BytesIO(data), stop_before_pixels=True, force=True)
            known = identifiers(header)
            identity = text_at(header, PATIENT_ID) or text_at(header, STUDY_UID)
    except DicomError:
        raise
    except Exception as error:  # parsers of hostile bytes fail in many ways; the text may hold values
        raise DicomError(f"cannot be read ({type(error).__name__})", code="unreadable") from error
    return Source(entry, header, known, identity)


def open_report(entry: Entry) -> Source:
    """Read a structured report, with what its tree says of people.

    Raises:
        DicomError: It cannot be parsed.
    """
    source = open_source(entry)
    try:
        return replace(source, known=source.known | report_identifiers(source.header))
    except Exception as error:  # as above
        raise DicomError(f"cannot be read ({type(error).__name__})", code="unreadable") from error


def check_kind(values: Values, burned_in: str, choices: Choices) -> None:
    """Refuse what is not a plain CT slice.

    Raises:
        DicomError: See ``LEFT_OUT``.
    """
    image_type = [part.strip().upper() for part in str(values["image_type"] or "").split("\\")]
    if values["sop_class_uid"] not in CT_CLASSES:
        raise _refused("sop_class", "(0008,0016) SOP Class UID")
    if burned_in.strip().upper() == "YES":
        raise _refused("burned_in", "(0028,0301) Burned In Annotation")
    if any(part in SCREEN for part in image_type):
        raise _refused("screen_save", "(0008,0008) Image Type")
    if choices.deface and any(part in ("LOCALIZER", "SCOUT", "TOPOGRAM") for part in image_type):
        raise _refused("localizer", "(0008,0008) Image Type")
    if not choices.derived and {"DERIVED", "SECONDARY"} & set(image_type[:2]):
        raise _refused("derived_image", "(0008,0008) Image Type")


def _refused(code: str, where: str) -> DicomError:
    return DicomError(LEFT_OUT[code], where=where, remedy="The file is left out.", code=code)


def write_clean(source: Source, key: Key, known: Known, choices: Choices, plane: Plane | None, path: Path) -> Done:
    """Write the file without identity.

    Args:
        source: The file.
        key: Of the hospital.
        known: Identifiers of the whole study.
        choices: What may go out.
        plane: What lies beyond it becomes air; None to leave the face.
        path: Where to; its folder is made.

    Raises:
        DicomError: The file is refused; nothing is written.
    """
    opened = open_entry(source.entry)
    check_kind(opened.frames[0], text_at(source.header, BURNED_IN), choices)
    person = Person(key, source.identity, known | source.known)
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():  # every value was checked by its VR
        warnings.simplefilter("ignore")
        ds, counts = deidentify(source.header, person)
        pixels, text_px, face_px = _pixels(opened, choices, plane)
        _layout(ds, opened, pixels)
        sign(ds, defaced=plane is not None, masked=text_px > 0)
        _save(ds, path)
    return _done(counts, text_px, face_px)


def write_report(source: Source, key: Key, known: Known, path: Path) -> Done:
    """Write a structured report without identity.

    Args:
        source: The file.
        key: Of the hospital.
        known: Identifiers of the whole study.
        path: Where to; its folder is made.

    Raises:
        DicomError: The report is left out; nothing is written.
    """
    person = Person(key, source.identity, known | source.known)
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():  # every value was checked by its VR
        warnings.simplefilter("ignore")
        ds, counts = deidentify_report(source.header, person)
        sign(ds, defaced=False, masked=False, structured=True)
        _save(ds, path)
    return _done(counts, 0, 0)


def _done(counts: Counter[str], text_px: int, face_px: int) -> Done:
    replaced = counts["U"] + counts["Z"] + counts["D"]
    return Done(counts["X"], counts["private"], replaced, counts["C"], counts["K"], text_px, face_px)


def _pixels(opened: Opened, choices: Choices, plane: Plane | None) -> tuple[Words, int, int]:
    """Words of all frames, and how many pixels were text and face."""
    frames, text_px, face_px = [], 0, 0
    for index, values in enumerate(opened.frames):
        storage = storage_of(values)
        raw = decode_frame(opened.dataset, opened.transfer_syntax, index)
        hu = to_hu(raw, storage).hu
        words = _plain_words(raw, storage, hu)
        boxes = text_boxes(hu)
        if boxes and choices.burnt_in == "refuse":
            raise _refused("burnt_in_text", "(7FE0,0010) Pixel Data")
        text = text_mask(hu.shape, boxes)
        face = _face(values, plane, hu.shape)
        frames.append(_to_air(words, text | face, storage, hu) if (text | face).any() else words)
        text_px, face_px = text_px + int(text.sum()), face_px + int(face.sum())
    return np.stack(frames), text_px, face_px


def _face(values: Values, plane: Plane | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if plane is None:
        return np.zeros(shape, np.bool_)
    first, directions, spacing = values["position"], values["orientation"], values["pixel_spacing"]
    if not (isinstance(first, list) and isinstance(directions, list) and isinstance(spacing, list)):
        raise _refused("no_face_plane", "(0020,0032) Image Position (Patient)")
    if (len(first), len(directions), len(spacing)) != (3, 6, 2):
        raise _refused("no_face_plane", "(0020,0032) Image Position (Patient)")
    row, column = np.array(directions[:3]), np.array(directions[3:])
    return beyond(plane, np.array(first), row, column, (spacing[0], spacing[1]), (shape[0], shape[1]))


def _plain_words(raw: Words, storage: Storage, hu: NDArray[np.int16]) -> Words:
    """The words with nothing in the bits above Bits Stored; padding that needs them gets one value everywhere.

    Raises:
        DicomError: The HU would change.
    """
    words: Words = stored_values(raw, storage.bits_stored, signed=storage.signed).astype(_dtype(raw, storage))
    odd = _hu(words, storage) != hu
    if odd.any():
        values, counts = np.unique(raw[odd], return_counts=True)
        words[odd] = values[counts.argmax()].astype(words.dtype)
        if (_hu(words, storage) != hu).any():
            raise DicomError("words with bits above Bits Stored", code="bits_beyond_stored")
    return words


def _hu(words: Words, storage: Storage) -> NDArray[np.int16]:
    return to_hu(words.view(f"u{words.dtype.itemsize}"), storage).hu


def _dtype(raw: Words, storage: Storage) -> np.dtype[Any]:
    return np.dtype(f"{'i' if storage.signed else 'u'}{raw.dtype.itemsize}")


def _to_air(words: Words, mask: NDArray[np.bool_], storage: Storage, hu: NDArray[np.int16]) -> Words:
    """The words with air under the mask.

    Raises:
        DicomError: Another pixel's HU would change, or air cannot be stored.
    """
    lowest = -(1 << (storage.bits_stored - 1)) if storage.signed else 0
    highest = lowest + (1 << storage.bits_stored) - 1
    air = int(np.clip(round((AIR_HU - storage.intercept) / storage.slope), lowest, highest))
    new = words.copy()
    new[mask] = air
    after = _hu(new, storage)
    if (after[~mask] != hu[~mask]).any() or (after[mask] > AIR_HU + 200).any():
        raise _refused("not_air", "(7FE0,0010) Pixel Data")
    return new


def _layout(ds: Dataset, opened: Opened, pixels: Words) -> None:
    """Describe the pixels as they are written now."""
    values = opened.frames[0]
    ds.Rows, ds.Columns = pixels.shape[1:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored = values["bits_stored"]
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(pixels.dtype.kind == "i")
    ds.Modality = "CT"
    for keyword, name in (
        ("PixelPaddingValue", "pixel_padding_value"),
        ("PixelPaddingRangeLimit", "pixel_padding_limit"),
    ):
        if keyword in ds:
            del ds[keyword]
        value = values[name]
        if isinstance(value, int):
            signed = pixels.dtype.kind == "i"
            ds.add_new(keyword, "SS" if signed else "US", _wrapped(value, signed=signed))
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    ds.add_new("PixelData", "OW", data + b"\0" * (len(data) % 2))


def _wrapped(value: int, *, signed: bool) -> int:
    word = value & 0xFFFF
    return word - 0x10000 if signed and word >= 0x8000 else word


def _save(ds: Dataset, path: Path) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(ds.SOPClassUID), UID(ds.SOPInstanceUID)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID, meta.ImplementationVersionName = IMPLEMENTATION_UID, IMPLEMENTATION_NAME
    ds.file_meta = meta
    data = io.BytesIO()
    dcmwrite(data, ds, enforce_file_format=True)
    with whole_file(path) as partial:
        partial.write_bytes(data.getbuffer())
