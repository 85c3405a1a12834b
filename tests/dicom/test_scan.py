"""Anything into catalogue rows and counted rejects; traps 8-10 and 15 of the header."""

from __future__ import annotations

import errno
import os
import random
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from tests.dicom.build import ct, encode, enhanced, head_hu, save, save_series

from plainscan.dicom import files
from plainscan.dicom.elements import walk
from plainscan.dicom.files import Entry
from plainscan.dicom.header import TAGS, read_header
from plainscan.dicom.read import read_hu
from plainscan.dicom.scan import REJECT_CODES, gather, scan
from plainscan.dicom.text import decode_text
from plainscan.errors import DicomError, MissingPartError, SourceError, StorageError


def codes(source: Path) -> dict[str, str]:
    return dict(gather(scan(source))[1].select("path", "code").iter_rows())


def test_a_share_that_drops_out_ends_the_scan_instead_of_filling_the_rejects(tmp_path: Path) -> None:
    save_series(tmp_path / "share" / "ct", 3)
    looked_at = scan(tmp_path / "share")
    assert next(looked_at).rows
    shutil.rmtree(tmp_path / "share" / "ct")  # what an unmounted share leaves: an empty folder
    with pytest.raises(SourceError, match="nothing in it any more"):
        next(looked_at)


def test_a_share_that_does_not_answer_ends_the_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_series(tmp_path / "share", 3)
    looked_at = scan(tmp_path / "share")
    assert next(looked_at).rows

    def silent(*_: object, **__: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(Path, "stat", silent)
    monkeypatch.setattr(os, "scandir", silent)
    with pytest.raises(StorageError, match=r"share: Stale file handle; expected a disk or share that answers"):
        next(looked_at)


def test_a_single_file_that_goes_during_a_scan_is_one_reject(tmp_path: Path) -> None:
    save_series(tmp_path, 3)
    looked_at = scan(tmp_path)
    next(looked_at)
    (tmp_path / "s1_002.dcm").unlink()
    assert [(found.reject or {}).get("code") for found in looked_at] == ["unreadable", None]


def test_each_file_ends_in_exactly_one_place(tmp_path: Path) -> None:
    save_series(tmp_path / "ct", 3)
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "letter.pdf").write_bytes(b"%PDF-1.7\n" * 50)
    (tmp_path / "note.txt").write_text("x")
    (tmp_path / "cut.dcm").write_bytes(encode(ct())[:700])
    save(
        tmp_path, "report.dcm", ct(PixelData=None, Rows=None, Columns=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")
    )
    save(tmp_path, "no_uid.dcm", ct(StudyInstanceUID=None))
    (tmp_path / "bad_uid.dcm").write_bytes(encode(ct(SeriesInstanceUID="1.234567")).replace(b"1.234567", b"../../ab"))
    save(tmp_path, "frames.dcm", ct(NumberOfFrames=2_000_000_000))
    directory = ct(PixelData=None, Rows=None, SOPClassUID="1.2.840.10008.1.3.10")
    save(tmp_path, "DICOMDIR", directory)
    catalogue, rejects = gather(scan(tmp_path))
    assert catalogue["path"].to_list() == ["ct/s1_001.dcm", "ct/s1_002.dcm", "ct/s1_003.dcm"]
    assert dict(rejects.select("path", "code").iter_rows()) == {
        "DICOMDIR": "dicomdir",
        "bad_uid.dcm": "bad_uid",
        "cut.dcm": "truncated_header",
        "empty.dcm": "empty_file",
        "frames.dcm": "too_many_frames",
        "letter.pdf": "not_dicom",
        "no_uid.dcm": "no_uid",
        "note.txt": "not_dicom",
        "report.dcm": "no_pixel_data",
    }


def test_an_image_that_describes_more_frames_than_it_says_to_have_is_refused(tmp_path: Path) -> None:
    """Else half a head would be scored as the whole."""
    whole = enhanced([np.zeros((4, 4), np.uint16)] * 4, [-1024.0] * 4)
    save(tmp_path, "whole.dcm", whole)
    whole.NumberOfFrames = 2
    save(tmp_path, "half.dcm", whole)
    catalogue, rejects = gather(scan(tmp_path))
    assert (catalogue["path"].unique().to_list(), catalogue.height) == (["whole.dcm"], 4)
    assert rejects.select("path", "code").rows() == [("half.dcm", "unreadable")]


def test_a_row_holds_what_the_header_says(tmp_path: Path) -> None:
    save(
        tmp_path, "a.dcm", ct(SeriesDescription="HEAD 5mm", KVP="120", PixelPaddingValue=63536, WindowCenter=[40, 600])
    )
    (row,) = gather(scan(tmp_path))[0].to_dicts()
    expected = {
        "path": "a.dcm",
        "kind": "dicom",
        "frame": 0,
        "patient_id": "P1",
        "rows": 32,
        "image_type": "ORIGINAL\\PRIMARY\\AXIAL",
        "pixel_spacing_row_mm": 0.5,
        "kvp": 120.0,
        "rescale_intercept": -1024.0,
        "pixel_padding_value": 63536,
        "window_center_hu": 40.0,
        "position_z_mm": 5.0,
        "orientation": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "number_of_frames": 1,
        "transfer_syntax_uid": str(ExplicitVRLittleEndian),
        "contrast_agent": None,
    }
    assert {name: row[name] for name in expected} == expected
    assert row["source"] == str(tmp_path)


@pytest.mark.parametrize(
    ("syntax", "meta"),
    [
        (ImplicitVRLittleEndian, True),
        (ImplicitVRLittleEndian, False),
        (ExplicitVRLittleEndian, True),
        (ExplicitVRLittleEndian, False),
        (ExplicitVRBigEndian, True),
        (ExplicitVRBigEndian, False),
        (DeflatedExplicitVRLittleEndian, True),
    ],
)
def test_every_encoding_gives_the_same_row(tmp_path: Path, syntax: str, meta: bool) -> None:
    plain = read_header(_entry(save(tmp_path, "plain.dcm", ct())))
    other = read_header(_entry(save(tmp_path, "other.dcm", ct(), syntax, meta=meta)))
    assert other.values == plain.values
    assert other.transfer_syntax == (syntax if meta else "")


def _entry(path: Path) -> Entry:
    return Entry(path.name, path.stat().st_size, path)


def test_the_quick_way_agrees_with_pydicom(real_data: Path) -> None:
    quick = 0
    for path in sorted((real_data / "dicom").rglob("*.dcm")):
        header, ds = read_header(_entry(path)), pydicom.dcmread(path, stop_before_pixels=True)
        quick += header.dataset is None
        for name, (tag, _) in TAGS.items():
            theirs = ds[tag].value if tag in ds else None
            ours = header.values[name]
            if isinstance(ours, str):
                theirs = "\\".join(theirs) if isinstance(theirs, pydicom.multival.MultiValue) else str(theirs)
            assert ours == theirs or (ours is None and theirs in (None, "")) or np.allclose(ours, theirs), name
    assert quick >= 49


def test_nested_sequences_of_undefined_length_are_stepped_over(tmp_path: Path) -> None:
    ds = ct()
    inner, outer = pydicom.Dataset(), pydicom.Dataset()
    inner.CodeValue = "1"
    outer.PurposeOfReferenceCodeSequence = [inner]
    ds.ReferencedImageSequence = [outer, outer]
    for item in (ds["ReferencedImageSequence"], outer["PurposeOfReferenceCodeSequence"]):
        item.is_undefined_length = True
        for part in item.value:
            part.is_undefined_length_sequence_item = True
    plain = read_header(_entry(save(tmp_path, "plain.dcm", ct())))
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian):
        found = read_header(_entry(save(tmp_path, "nested.dcm", ds, syntax)))
        assert found.dataset is None
        assert found.values == plain.values


def test_pixels_out_of_reach_of_the_first_bytes_are_reached(tmp_path: Path) -> None:
    ds = ct()
    ds.private_block(0x0029, "LONG", create=True).add_new(1, "OB", bytes(200_000))
    plain = read_header(_entry(save(tmp_path, "plain.dcm", ct())))
    assert read_header(_entry(save(tmp_path, "long.dcm", ds))).values == plain.values


def test_walk_leaves_what_is_not_ordinary_to_pydicom() -> None:
    assert walk(b"", frozenset(), frozenset()) is None
    assert walk(encode(ct(), ExplicitVRBigEndian), frozenset(), frozenset()) is None
    assert walk(encode(ct())[:600], frozenset(), frozenset()) is None


def test_an_enhanced_image_gives_one_row_a_frame(tmp_path: Path) -> None:
    stored = (head_hu() + 1024).astype(np.uint16)
    save(tmp_path, "e.dcm", enhanced([stored] * 3, [-1024, -1000, -1024]))
    catalogue, _ = gather(scan(tmp_path))
    assert catalogue["frame"].to_list() == [0, 1, 2]
    assert catalogue["position_z_mm"].to_list() == [15.0, 10.0, 5.0]
    assert catalogue["rescale_intercept"].to_list() == [-1024.0, -1000.0, -1024.0]
    assert catalogue["convolution_kernel"].to_list() == ["H31s"] * 3
    assert catalogue["slice_thickness_mm"].to_list() == [5.0] * 3


@pytest.mark.parametrize(
    ("text", "encoding", "declared"),
    [
        ("头颅平扫", "gb18030", "GB18030"),
        ("头颅平扫", "gbk", "ISO_IR 100"),
        ("头颅平扫", "gbk", ""),
        ("头颅平扫", "utf-8", "ISO_IR 192"),
        ("头颅平扫", "utf-8", "ISO_IR 100"),
        ("头·颅±", "utf-8", ""),
        ("Schädel nativ", "latin-1", "ISO_IR 100"),
        ("Schädel nativ", "latin-1", ""),
        ("HEAD", "ascii", "no such set"),
    ],
)
def test_text_is_read_as_its_bytes_show(text: str, encoding: str, declared: str) -> None:
    assert decode_text(text.encode(encoding), [declared]) == text


def test_gb2312_with_escapes_is_read(tmp_path: Path) -> None:
    assert decode_text(b"\x1b$)A" + "头颅".encode("gb2312"), ["", "ISO 2022 IR 58"]) == "头颅"


def test_a_zip_a_folder_with_it_and_a_single_file_are_scanned(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with zipfile.ZipFile(tmp_path / "d" / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../out/a.dcm", encode(ct(number=1)))
        archive.writestr("notes.txt", "x")
    single = save(tmp_path / "d", "b.dcm", ct(number=2))
    catalogue, rejects = gather(scan(tmp_path / "d"))
    assert catalogue["path"].to_list() == ["b.dcm", "z.zip::../out/a.dcm"]
    assert rejects["path"].to_list() == ["z.zip::notes.txt"]
    assert gather(scan(tmp_path / "d" / "z.zip"))[0]["path"].to_list() == ["z.zip::../out/a.dcm"]
    assert gather(scan(single))[0]["path"].to_list() == ["b.dcm"]
    for row in catalogue.iter_rows(named=True):
        np.testing.assert_array_equal(read_hu(row["source"], row["path"], row["frame"]).hu, head_hu())


def test_bombs_and_broken_archives_are_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(1_000_000))
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    with zipfile.ZipFile(tmp_path / "large.zip", "w") as archive:
        archive.writestr("a", bytes(300_000))
    monkeypatch.setattr(files, "ARCHIVE_BYTES", 500_000)
    monkeypatch.setattr(files, "MEMBER_BYTES", 200_000)
    assert codes(tmp_path) == {"bomb.zip": "zip_bomb", "broken.zip": "bad_zip", "large.zip::a": "zip_bomb"}


def test_a_missing_source_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file or folder"):
        list(scan(tmp_path / "gone"))


def test_no_reject_shows_a_patient(tmp_path: Path) -> None:
    save(tmp_path, "a.dcm", ct(StudyInstanceUID=None, PatientID="SECRET", PatientName="SECRET^A"))
    (tmp_path / "b.dcm").write_bytes(encode(ct(PatientID="SECRET"))[:600])
    _, rejects = gather(scan(tmp_path))
    assert rejects.height == 2
    assert "SECRET" not in str(rejects.to_dicts())


def test_real_directory_files_are_rejects(real_data: Path) -> None:
    found = codes(real_data / "dicom" / "philips-head-phantom")
    assert len(found) == 3
    assert all("DIRFILE" in path and code in REJECT_CODES for path, code in found.items())


SOURCES = {
    "explicit": lambda: encode(ct()),
    "implicit": lambda: encode(ct(), ImplicitVRLittleEndian),
    "big endian": lambda: encode(ct(), ExplicitVRBigEndian),
    "deflated": lambda: encode(ct(), DeflatedExplicitVRLittleEndian),
    "enhanced": lambda: encode(enhanced([(head_hu() + 1024).astype(np.uint16)] * 2, [-1024, -1000])),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_hundred_mutations_of_a_file_give_rows_or_refusals(tmp_path: Path, name: str) -> None:
    rng = random.Random(name)
    whole = SOURCES[name]()
    header = len(whole) - 2048 if name != "deflated" else len(whole)
    for number in range(100):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(header)] = rng.randrange(256)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        (tmp_path / f"{number:03d}.dcm").write_bytes(data)
    catalogue, rejects = gather(scan(tmp_path))
    assert catalogue["path"].n_unique() + rejects.height == 100
    assert set(rejects["code"]) <= set(REJECT_CODES)
    for row in catalogue.iter_rows(named=True):
        try:
            found = read_hu(row["source"], row["path"], row["frame"])
        except (DicomError, MissingPartError) as error:
            assert row["path"] in str(error) or isinstance(error, MissingPartError)  # noqa: PT017
        else:
            assert found.hu.dtype == np.int16
