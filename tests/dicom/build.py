"""Tiny DICOM files with known Hounsfield units, one habit or fault at a time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ROOT = "1.2.826.0.1.3680043.8.498."
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def head_hu(size: int = 32) -> NDArray[np.int16]:
    """A head in air: (size, size), HU; air -1000, a ring of bone 1000, brain 35 with water 0 and blood 70 in it."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius = np.hypot(y, x) / (size / 2)
    hu = np.full((size, size), -1000, np.int16)
    hu[radius < 0.85] = 1000
    hu[radius < 0.75] = 35
    hu[size // 2, size // 2] = 0
    hu[size // 2, size // 2 + 1] = 70
    return hu


def ct(stored: NDArray[Any] | None = None, **tags: Any) -> Dataset:
    """A CT image: 12 bits unsigned, intercept -1024, unless tags say otherwise. A tag given as None is left out."""
    if stored is None:
        stored = (head_hu() + 1024).astype(np.uint16)
    study, series, number = tags.pop("study", 1), tags.pop("series", 1), tags.pop("number", 1)
    ds = Dataset()
    values: dict[str, Any] = {
        "SOPClassUID": CT_IMAGE,
        "SOPInstanceUID": f"{ROOT}{study}.{series}.{number}",
        "StudyInstanceUID": f"{ROOT}{study}",
        "SeriesInstanceUID": f"{ROOT}{study}.{series}",
        "PatientID": f"P{study}",
        "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SeriesNumber": series,
        "InstanceNumber": number,
        "AcquisitionNumber": 1,
        "BodyPartExamined": "HEAD",
        "ConvolutionKernel": "H31s",
        "PatientPosition": "HFS",
        "SliceThickness": 5.0,
        "PixelSpacing": [0.5, 0.5],
        "ImagePositionPatient": [-60.0, -60.0, 5.0 * number],
        "ImageOrientationPatient": list(AXIAL),
        "Rows": stored.shape[-2] if stored.ndim < 4 else stored.shape[1],
        "Columns": stored.shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": stored.dtype.itemsize * 8,
        "BitsStored": 12,
        "HighBit": None,
        "PixelRepresentation": int(stored.dtype.kind == "i"),
        "RescaleIntercept": -1024,
        "RescaleSlope": 1,
        "PixelData": stored.tobytes(),
    }
    values.update(tags)
    if values["HighBit"] is None:
        values["HighBit"] = values["BitsStored"] - 1
    for name, value in values.items():
        if value is not None:
            setattr(ds, name, value)
    if "PixelData" in ds:
        ds["PixelData"].VR = "OW" if ds.get("BitsAllocated", 16) > 8 else "OB"
    return ds


def encode(ds: Dataset, syntax: str = ExplicitVRLittleEndian, *, meta: bool = True) -> bytes:
    """The bytes of a file; without preamble and meta header when asked."""
    stream = io.BytesIO()
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    if not meta:
        dcmwrite(stream, ds, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
        return stream.getvalue()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", CT_IMAGE)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", f"{ROOT}1")
    dcmwrite(stream, ds, enforce_file_format=True)
    return stream.getvalue()


def save(folder: Path, name: str, ds: Dataset, syntax: str = ExplicitVRLittleEndian, *, meta: bool = True) -> Path:
    """Write a file and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(encode(ds, syntax, meta=meta))
    return path


def save_series(folder: Path, count: int = 12, **tags: Any) -> list[Path]:
    """A head series from the skull base up; file names and instance numbers run against the anatomy."""
    series, spacing = tags.get("series", 1), tags.pop("spacing", 5.0)
    paths = []
    for index in range(count):
        more = {"ImagePositionPatient": [-60.0, -60.0, spacing * index], **tags, "number": count - index}
        paths.append(save(folder, f"s{series}_{count - index:03d}.dcm", ct(**more)))
    return paths


def enhanced(frames: Sequence[NDArray[np.uint16]], intercepts: Sequence[float], spacing_mm: float = 5.0) -> Dataset:
    """An enhanced CT image: one volume, geometry and rescale in functional groups, frames from the vertex down."""
    ds = ct(np.stack(frames), SOPClassUID=ENHANCED_CT, NumberOfFrames=len(frames))
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(ds, name)
    del ds.RescaleIntercept, ds.RescaleSlope, ds.ConvolutionKernel
    shared = Dataset()
    shared.PlaneOrientationSequence = Items([_item(ImageOrientationPatient=list(AXIAL))])
    shared.PixelMeasuresSequence = Items([_item(PixelSpacing=[0.5, 0.5], SliceThickness=5.0)])
    shared.CTReconstructionSequence = Items([_item(ConvolutionKernel="H31s")])
    ds.SharedFunctionalGroupsSequence = Items([shared])
    groups = []
    for index, intercept in enumerate(intercepts):
        group = Dataset()
        z = spacing_mm * (len(frames) - index)
        group.PlanePositionSequence = Items([_item(ImagePositionPatient=[-60.0, -60.0, z])])
        group.PixelValueTransformationSequence = Items(
            [_item(RescaleIntercept=intercept, RescaleSlope=1, RescaleType="HU")]
        )
        group.FrameContentSequence = Items([_item(FrameAcquisitionNumber=1)])
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = Items(groups)
    return ds


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item
