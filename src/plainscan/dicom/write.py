"""Hounsfield volumes to DICOM CT Image Storage files, with the header habits of different vendors.

The habits differ where readers get hurt: sign and intercept of the stored values, bits stored, padding outside the
field of view, order of instance numbers, names of series. Manufacturers' names are invented.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

IMPLEMENTATION_UID: Final = UID("2.25.207419835310466153811390183216391")
IMPLEMENTATION_NAME: Final = "PLAINSCAN_SYNTH"
PADDING: Final = -2000


@dataclass(frozen=True, slots=True)
class Habits:
    """How one vendor's scanner writes its files.

    Args:
        manufacturer: (0008,0070).
        model: (0008,1090).
        signed: Pixel Representation.
        bits_stored: (0028,0101).
        intercept: (0028,1052); the slope (0028,1053) is 1.
        padding: Whether pixels outside the field of view hold Pixel Padding Value.
        descending: Instance numbers fall toward the head.
        implicit: Transfer syntax Implicit VR Little Endian.
        soft: Convolution kernel and series description of the soft-tissue series.
        bone: The same of the bone series.
    """

    manufacturer: str
    model: str
    signed: bool
    bits_stored: int
    intercept: int
    padding: bool
    descending: bool
    implicit: bool
    soft: tuple[str, str]
    bone: tuple[str, str]


HABITS: Final = (
    Habits("SYNTH-A", "Axial One", True, 16, 0, True, False, False, ("STD", "HEAD STANDARD"), ("BONE", "HEAD BONE")),
    Habits(
        "SYNTH-B",
        "Helix 64",
        False,
        12,
        -1024,
        False,
        True,
        False,
        ("H31s", "Head 5.0 H31s"),
        ("H60s", "Head 5.0 H60s"),
    ),
    Habits("SYNTH-C", "Toroid 16", False, 16, -1000, False, False, True, ("UB", "Brain"), ("YC", "Bone")),
    Habits("SYNTH-D", "Lumen 128", True, 16, -1024, True, True, False, ("FC26", "头颅平扫"), ("FC81", "颅骨")),
    Habits("SYNTH-E", "Axial Two", True, 12, 0, False, False, False, ("B", "AXIAL SOFT"), ("D", "AXIAL SHARP")),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Patient-level attributes as strings of the standard: id, name, birth date, sex."""

    patient_id: str
    name: str
    birth_date: str
    sex: str


@dataclass(frozen=True, slots=True)
class Exam:
    """Study-level attributes: UIDs and date, time, age at the study."""

    study_uid: str
    frame_uid: str
    date: str
    time: str
    age: str
    study_id: str


@dataclass(frozen=True, slots=True)
class Series:
    """One series: names, UIDs and the planes it lies in.

    Args:
        uid: Series Instance UID.
        number: Series Number.
        description: Series Description.
        kernel: Convolution Kernel; empty for a localizer.
        image_type: The values of Image Type.
        orientation: Six direction cosines, row first (PS3.3 C.7.6.2.1.1).
        positions_mm: Center of the first pixel of each slice, (slices, 3).
        thickness_mm: Of each slice, (slices,).
        pixel_mm: Row and column spacing.
        tilt_deg: Gantry/Detector Tilt.
    """

    uid: str
    number: int
    description: str
    kernel: str
    image_type: tuple[str, ...]
    orientation: tuple[float, ...]
    positions_mm: NDArray[np.float64]
    thickness_mm: NDArray[np.float64]
    pixel_mm: float
    tilt_deg: float


def uid(*parts: object) -> UID:
    """A UID of the UUID-derived form (PS3.5 B.2) from a hash of the parts: the same parts, the same UID.

    >>> uid("a", 1) == uid("a", 1), uid("a", 1) == uid("a", 2), uid("a", 1).startswith("2.25.")
    (True, False, True)
    """
    digest = bytearray(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:16])
    digest[6] = (digest[6] & 0x0F) | 0x50  # version 5 and the RFC 4122 variant: a valid UUID
    digest[8] = (digest[8] & 0x3F) | 0x80
    return UID(f"2.25.{int.from_bytes(digest, 'big')}")


def write_series(
    folder: Path,
    hu: NDArray[np.int16],
    outside: NDArray[np.bool_],
    series: Series,
    exam: Exam,
    person: Person,
    habits: Habits,
) -> list[UID]:
    """Write one file per slice, IM0001.dcm onwards in the order of instance numbers.

    Args:
        folder: Is made.
        hu: (slices, rows, columns), int16, lowest first.
        outside: (rows, columns), pixels outside the field of view.
        series: Series attributes.
        exam: Study attributes.
        person: Patient attributes.
        habits: Vendor.

    Returns:
        SOP Instance UIDs in the order of ``hu``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ds = _header(series, exam, person, habits, hu.shape[1:])
    stored = _stored(hu, outside, habits)
    uids = [uid(series.uid, i) for i in range(len(hu))]
    for i, instance_uid in enumerate(uids):
        number = len(hu) - i if habits.descending else i + 1
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = instance_uid
        ds.InstanceNumber = number
        ds.ImagePositionPatient = [f"{value:.4f}" for value in series.positions_mm[i]]
        ds.SliceThickness = f"{series.thickness_mm[i]:g}"
        ds.PixelData = stored[i].tobytes()
        ds.save_as(folder / f"IM{number:04d}.dcm", enforce_file_format=True)
    return uids


def _stored(
    hu: NDArray[np.int16], outside: NDArray[np.bool_], habits: Habits
) -> NDArray[np.int16] | NDArray[np.uint16]:
    """Stored values: HU = stored + intercept (PS3.3 C.11.1.1.2), clipped to what the bits hold."""
    low, high = _range(habits)
    values = np.clip(hu.astype(np.int32) - habits.intercept, low, high)
    if habits.padding:
        values[:, outside] = PADDING
    return values.astype(np.int16) if habits.signed else values.astype(np.uint16)


def _range(habits: Habits) -> tuple[int, int]:
    if habits.signed:
        return -(1 << habits.bits_stored - 1), (1 << habits.bits_stored - 1) - 1
    return 0, (1 << habits.bits_stored) - 1


def _header(series: Series, exam: Exam, person: Person, habits: Habits, shape: tuple[int, ...]) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(exam.study_uid)
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if habits.implicit else ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = IMPLEMENTATION_NAME
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "ISO_IR 192"
    _who(ds, exam, person)
    _equipment(ds, series, exam, habits)
    _plane(ds, series)
    _pixels(ds, habits, shape)
    return ds


def _who(ds: Dataset, exam: Exam, person: Person) -> None:
    ds.PatientName, ds.PatientID = person.name, person.patient_id
    ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = person.birth_date, person.sex, exam.age
    ds.StudyInstanceUID, ds.StudyID, ds.AccessionNumber = exam.study_uid, exam.study_id, exam.study_id
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = exam.date
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = exam.time
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "CT HEAD WITHOUT CONTRAST"


def _equipment(ds: Dataset, series: Series, exam: Exam, habits: Habits) -> None:
    ds.SOPClassUID, ds.Modality, ds.ImageType = CTImageStorage, "CT", list(series.image_type)
    ds.Manufacturer, ds.ManufacturerModelName = habits.manufacturer, habits.model
    ds.SoftwareVersions, ds.StationName = "phantom", f"{habits.manufacturer}-1"
    ds.SeriesInstanceUID, ds.SeriesNumber = series.uid, series.number
    ds.SeriesDescription, ds.ProtocolName, ds.BodyPartExamined = series.description, "HEAD ROUTINE", "HEAD"
    ds.PatientPosition = "HFS"
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = exam.frame_uid, "OM"
    ds.KVP, ds.AcquisitionNumber = "120", 1
    ds.XRayTubeCurrent, ds.ExposureTime = "220", "1000"
    if series.kernel:
        ds.ConvolutionKernel, ds.RescaleType = series.kernel, "HU"


def _plane(ds: Dataset, series: Series) -> None:
    ds.ImageOrientationPatient = [f"{value:.6f}" for value in series.orientation]
    ds.PixelSpacing = [f"{series.pixel_mm:.6f}"] * 2
    ds.GantryDetectorTilt = f"{series.tilt_deg:g}"


def _pixels(ds: Dataset, habits: Habits, shape: tuple[int, ...]) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, habits.bits_stored, habits.bits_stored - 1
    ds.PixelRepresentation = int(habits.signed)
    if habits.padding:
        ds.PixelPaddingValue = PADDING
    ds.RescaleIntercept, ds.RescaleSlope = str(habits.intercept), "1"
    ds.WindowCenter, ds.WindowWidth = "40", "100"
