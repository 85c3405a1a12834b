"""A tiny DICOM study, written slice by slice, for stages that read DICOM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.8.498.77"
PATIENT = "ZHANG^SAN"


def write_slice(
    path: Path, hu: NDArray[np.int16], number: int, *, study: int = 1, series: int = 1, kernel: str = "H30s"
) -> Path:
    """One axial CT slice, 5 mm above the one before; (rows, columns), HU."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{ROOT}.{study}.{series}.{number + 1}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{ROOT}.{study}", f"{ROOT}.{study}.{series}"
    ds.PatientName, ds.PatientID = PATIENT, f"P{study}"
    ds.Modality, ds.ImageType, ds.BodyPartExamined = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"], "HEAD"
    ds.SeriesDescription, ds.ConvolutionKernel, ds.SeriesNumber = "HEAD 5.0", kernel, series
    ds.InstanceNumber, ds.SliceThickness = 100 - number, 5
    ds.Rows, ds.Columns = hu.shape
    ds.PixelSpacing = [240 / hu.shape[0]] * 2
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-120, -120, 5 * number], [1, 0, 0, 0, 1, 0]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleSlope, ds.RescaleIntercept = 1, 0
    ds.PixelData = hu.astype("<i2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path
