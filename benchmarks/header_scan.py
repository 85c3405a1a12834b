"""Claim: reading headers into the catalogue is at least as fast as plain pydicom, which keeps no values.

Peer: ``pydicom.dcmread(path, stop_before_pixels=True)`` over the same generated files, in the same run. A second
peer also takes out the values that the catalogue holds, which is the job that ``scan`` does. The raw read opens each
file and reads as many bytes as a header needs: no scan can be faster.

Run: ``python benchmarks/header_scan.py [FILES]``
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from plainscan.dicom.header import HEAD_BYTES, TAGS
from plainscan.dicom.scan import gather, scan

LIMIT = 1.0  # scan must not be slower than pydicom alone
ROUNDS = 5


def write_files(folder: Path, count: int) -> list[Path]:
    """Files with about as many elements as a scanner writes (some 130, a fifth of them private)."""
    pixels = np.zeros((256, 256), np.uint16).tobytes()
    paths = []
    for number in range(count):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        _fill(ds, number)
        ds.Rows = ds.Columns = 256
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.RescaleIntercept, ds.RescaleSlope = -1024, 1
        ds.PixelData = pixels
        paths.append(folder / f"{number:05d}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths


def _fill(ds: Dataset, number: int) -> None:
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), "1.2.3", "1.2.3.4"
    ds.Modality, ds.PatientID, ds.ImageType = "CT", "P1", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-125, -125, 5.0 * number], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness, ds.KVP, ds.ConvolutionKernel = [0.5, 0.5], 5, 120, "H31s"
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = 2, number + 1, 1
    ds.StudyDescription, ds.SeriesDescription, ds.BodyPartExamined = "CT HEAD", "HEAD 5.0 H31s", "HEAD"
    for tag in pydicom.datadict.keyword_dict.values():
        vr, multiplicity = pydicom.datadict.dictionary_VR(tag), pydicom.datadict.dictionary_VM(tag)
        if 0x00180000 <= tag < 0x00200000 and vr in ("DS", "LO", "SH", "CS") and multiplicity == "1" and tag not in ds:
            ds.add_new(tag, vr, "1.5" if vr == "DS" else "TEXT")
        if len(ds) > 100:
            break
    block = ds.private_block(0x0029, "HEADER SCAN", create=True)
    for offset in range(25):
        block.add_new(offset, "OB", bytes(600))


def best_of(work: Callable[[], object]) -> float:
    """Seconds of the quickest of several rounds."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def values(path: Path) -> list[object]:
    ds = pydicom.dcmread(path, stop_before_pixels=True)
    return [ds[tag].value for tag, _ in TAGS.values() if tag in ds]


def raw(path: Path) -> int:
    with path.open("rb") as file:
        return len(file.read(HEAD_BYTES))


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_files(folder, count)
        ours = best_of(lambda: gather(scan(folder)))
        alone = best_of(lambda: [pydicom.dcmread(path, stop_before_pixels=True) for path in paths])
        same_job = best_of(lambda: [values(path) for path in paths])
        reading = best_of(lambda: [raw(path) for path in paths])
    print(f"header scan, {count} files: {count / ours:.0f} files/s")
    print(f"  against pydicom, headers parsed only:   {alone / ours:.2f} x as fast (limit {LIMIT:.2f})")
    print(f"  against pydicom, the same values taken: {same_job / ours:.2f} x as fast")
    print(f"  raw read of the same headers: {count / reading:.0f} files/s; scan reaches {reading / ours:.1%} of it")
    return 0 if alone / ours >= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
