from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless
from tests.dicom.build import ct, enhanced, head_hu, save

from plainscan.dicom.deidentify_file import IMPLEMENTATION_NAME, Choices, open_source, write_clean
from plainscan.dicom.deidentify_key import Key
from plainscan.dicom.files import Entry
from plainscan.dicom.read import read_hu
from plainscan.errors import DicomError
from plainscan.reports.identifiers import Known

KEY = Key(bytes(range(32)))


def clean(path: Path, *, mask: bool = False) -> Path:
    source = open_source(Entry(path.name, path.stat().st_size, path))
    choices = Choices(derived=False, burnt_in="mask" if mask else "refuse", deface=False)
    out = path.with_name("clean.dcm")
    write_clean(source, KEY, Known(), choices, None, out)
    return out


def hu_of(path: Path, frame: int = 0) -> np.ndarray:
    return read_hu(str(path.parent), path.name, frame).hu


@pytest.mark.parametrize(
    "ds",
    [
        ct(),
        ct((head_hu() + 0).astype(np.int16), BitsStored=16, RescaleIntercept=0),
        ct((head_hu() + 1024).astype(np.uint16), PixelPaddingValue=24),
        ct((head_hu() + 8192).astype(np.uint16), BitsStored=16, RescaleIntercept=-8192),
    ],
    ids=["unsigned", "signed", "padded", "wide"],
)
def test_hounsfield_values_stay_whatever_the_storage(ds: Dataset, tmp_path: Path) -> None:
    path = save(tmp_path, "a.dcm", ds)
    assert (hu_of(clean(path)) == hu_of(path)).all()


def test_compressed_pixels_are_written_plainly(tmp_path: Path) -> None:
    ds = ct()
    plain = save(tmp_path, "a.dcm", ds)
    packed = dcmread(plain)
    packed.compress(RLELossless)
    packed.save_as(tmp_path / "b.dcm")
    out = clean(tmp_path / "b.dcm")
    assert dcmread(out).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert (hu_of(out) == hu_of(plain)).all()


def test_every_frame_of_an_enhanced_image_keeps_values_and_place(tmp_path: Path) -> None:
    frames = [(head_hu() + offset).astype(np.uint16) for offset in (1024, 1000, 1024)]
    path = save(tmp_path, "a.dcm", enhanced(frames, (-1024, -1000, -1024)))
    out = clean(path)
    for i in range(3):
        assert (hu_of(out, i) == hu_of(path, i)).all()
    before, after = (dcmread(p, stop_before_pixels=True).PerFrameFunctionalGroupsSequence for p in (path, out))
    places = [[g.PlanePositionSequence[0].ImagePositionPatient for g in groups] for groups in (before, after)]
    assert places[0] == places[1]


def test_preamble_meta_header_and_what_lies_behind_the_pixels_are_new(tmp_path: Path) -> None:
    path = save(tmp_path, "a.dcm", ct())
    data = path.read_bytes()
    path.write_bytes(b"KILROY".ljust(128) + data[128:] + b"\xfc\xff\xfc\xffOB\0\0\x06\0\0\0KILROY")
    out = clean(path)
    assert b"KILROY" not in out.read_bytes()
    assert out.read_bytes()[:128] == bytes(128)
    meta = dcmread(out).file_meta
    assert meta.ImplementationVersionName == IMPLEMENTATION_NAME
    assert set(map(str, meta.keys())) <= {
        f"(0002,{e})" for e in ("0000", "0001", "0002", "0003", "0010", "0012", "0013")
    }


def test_nothing_is_written_of_a_file_that_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, "a.dcm", ct(BurnedInAnnotation="YES", PatientName="Kilroy"))
    with pytest.raises(DicomError) as caught:
        clean(path)
    assert caught.value.code == "burned_in"
    assert "Kilroy" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["a.dcm"]
