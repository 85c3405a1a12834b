"""Traps 1-9 of reading pixels: each with its golden HU or its refusal."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
from tests.dicom.build import SECONDARY_CAPTURE, ct, encode, enhanced, head_hu, save

from plainscan.dicom import decode
from plainscan.dicom.read import Place, Reader, Slice, read_hu, read_slices
from plainscan.errors import DicomError, MissingPartError

HU = head_hu()


def read(tmp_path: Path, ds: Dataset, syntax: str = ExplicitVRLittleEndian, *, meta: bool = True) -> Slice:
    save(tmp_path, "a.dcm", ds, syntax, meta=meta)
    return read_hu(str(tmp_path), "a.dcm")


def refusal(tmp_path: Path, ds: Dataset) -> DicomError:
    with pytest.raises(DicomError) as caught:
        read(tmp_path, ds)
    assert "a.dcm" in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("stored", "tags"),
    [
        ((HU + 1024).astype(np.uint16), {"RescaleIntercept": -1024}),
        ((HU + 1000).astype(np.uint16), {"RescaleIntercept": -1000, "BitsStored": 16}),
        (HU.astype(np.int16), {"RescaleIntercept": 0, "BitsStored": 16}),
        ((HU & 0x0FFF).astype(np.uint16), {"RescaleIntercept": 0, "PixelRepresentation": 1}),
        (((HU + 1024) | 0).astype(np.uint32), {"BitsStored": 32}),
    ],
    ids=["unsigned -1024", "unsigned -1000", "signed 0", "signed 12 bits, not extended", "32 bits"],
)
def test_each_storage_habit_gives_the_same_hu(tmp_path: Path, stored: NDArray[Any], tags: dict[str, Any]) -> None:
    found = read(tmp_path, ct(stored, **tags))
    assert found.hu.dtype == np.int16
    assert found.flags == ()
    np.testing.assert_array_equal(found.hu, HU)


def test_12_bits_wrapped_at_4096_are_repaired_and_say_so(tmp_path: Path) -> None:
    wrapped = (HU.astype(np.int32) % 4096).astype(np.uint16)
    found = read(tmp_path, ct(wrapped, RescaleIntercept=0))
    assert found.flags == ("wrap_repaired",)
    np.testing.assert_array_equal(found.hu, HU)


def test_unsigned_words_without_an_air_peak_are_not_repaired(tmp_path: Path) -> None:
    stored = np.full((32, 32), 35, np.uint16)
    stored[5, 5] = 3100  # metal, not a peak
    found = read(tmp_path, ct(stored, RescaleIntercept=0))
    assert found.flags == ("no_air",)
    assert (found.hu[0, 0], found.hu[5, 5]) == (35, 3100)


def test_unsigned_words_that_lack_their_intercept_are_refused(tmp_path: Path) -> None:
    stored = (HU + 1024).astype(np.uint16)
    assert refusal(tmp_path, ct(stored, RescaleIntercept=0)).code == "wrong_intercept"


def test_padding_is_masked_before_the_rescale(tmp_path: Path) -> None:
    stored = HU.astype(np.int16)
    stored[:3] = -2000
    found = read(tmp_path, ct(stored, BitsStored=16, RescaleIntercept=0, PixelPaddingValue=-2000))
    assert found.flags == ()
    assert (found.hu[:3] == -1000).all()
    np.testing.assert_array_equal(found.hu[3:], HU[3:])


def test_a_padding_range_is_masked_as_a_range(tmp_path: Path) -> None:
    stored = HU.astype(np.int16)
    stored[0], stored[1] = -3024, -2500
    tags = {"PixelPaddingValue": -2400, "PixelPaddingRangeLimit": -3024}
    found = read(tmp_path, ct(stored, BitsStored=16, RescaleIntercept=0, **tags))
    assert (found.hu[:2] == -1000).all()


def test_padding_that_no_tag_declares_becomes_air_and_says_so(tmp_path: Path) -> None:
    stored = HU.astype(np.int16)
    stored[0] = -3024
    found = read(tmp_path, ct(stored, BitsStored=16, RescaleIntercept=0))
    assert found.flags == ("undeclared_padding",)
    assert (found.hu[0] == -1000).all()


def test_minus_3024_in_words_of_12_bits_is_padding_not_1072(tmp_path: Path) -> None:
    stored = HU.astype(np.int16)
    stored[0] = -3024
    found = read(tmp_path, ct(stored, BitsStored=12, RescaleIntercept=0))
    assert found.flags == ("undeclared_padding",)
    assert (found.hu[0] == -1000).all()


def test_padding_that_could_be_tissue_is_masked_only_from_the_edge(tmp_path: Path) -> None:
    stored = HU.astype(np.int16)
    stored[HU == -1000] = 0  # outside the field of view; water in the middle of the brain is 0 too
    found = read(tmp_path, ct(stored, BitsStored=16, RescaleIntercept=0, PixelPaddingValue=0))
    assert found.flags == ("padding_in_tissue_range",)
    np.testing.assert_array_equal(found.hu, HU)


def test_bits_above_bits_stored_are_refused_where_they_could_count(tmp_path: Path) -> None:
    stored = (HU + 1024).astype(np.uint16)
    stored[3, 3] |= 0x1000
    assert refusal(tmp_path, ct(stored)).code == "bits_beyond_stored"


def test_a_slope_other_than_1_is_used_and_flagged(tmp_path: Path) -> None:
    stored = ((HU + 1024) * 2).astype(np.uint16)
    found = read(tmp_path, ct(stored, BitsStored=13, RescaleSlope="0.5"))
    assert found.flags == ("slope_not_1",)
    np.testing.assert_array_equal(found.hu, HU)


@pytest.mark.parametrize(
    ("tags", "code", "tag"),
    [
        ({"RescaleSlope": None}, "missing_rescale", "(0028,1053)"),
        ({"RescaleIntercept": None}, "missing_rescale", "(0028,1052)"),
        ({"RescaleIntercept": ""}, "missing_rescale", "(0028,1052)"),
        ({"RescaleSlope": 0}, "bad_rescale", "(0028,1053)"),
        ({"RescaleType": "OD"}, "rescale_type", "(0028,1054)"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "photometric", "(0028,0004)"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "photometric", "(0028,0004)"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "photometric", "(0028,0002)"),
        ({"BitsAllocated": 8, "BitsStored": 8}, "bits_allocated", "(0028,0100)"),
        ({"HighBit": 15}, "high_bit", "(0028,0102)"),
        ({"PixelRepresentation": None}, "pixel_representation", "(0028,0103)"),
        ({"SOPClassUID": SECONDARY_CAPTURE}, "secondary_capture", "(0008,0016)"),
        ({"Modality": "MR"}, "not_ct", "(0008,0060)"),
        ({"Rows": 65535, "Columns": 65535}, "bad_size", "(0028,0010)"),
        ({"Rows": 1, "Columns": 1}, "bad_size", "(0028,0010)"),
        ({"Rows": 64}, "truncated_pixels", "(7FE0,0010)"),
        ({"PixelData": b""}, "truncated_pixels", "(7FE0,0010)"),
    ],
)
def test_what_cannot_be_hu_is_refused_by_tag(tmp_path: Path, tags: dict[str, Any], code: str, tag: str) -> None:
    error = refusal(tmp_path, ct(**tags))
    assert error.code == code
    assert tag in str(error)
    assert "P1" not in str(error)


def test_a_file_cut_inside_its_pixels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(encode(ct())[:-700])
    with pytest.raises(DicomError, match=r"1348 of 2048 bytes") as caught:
        read_hu(str(tmp_path), "a.dcm")
    assert caught.value.code == "truncated_pixels"


def test_another_image_than_was_scanned_is_refused_and_whose_it_is_not_said(tmp_path: Path) -> None:
    save(tmp_path, "a.dcm", ct(SOPInstanceUID="1.2.3.4"))
    place = Place(str(tmp_path), "a.dcm", 0, "1.2.3.4")
    with Reader() as reader:
        reader.read(place)
        with pytest.raises(DicomError, match="another image than when it was scanned") as caught:
            reader.read(place._replace(instance="1.2.3.5"))
    assert caught.value.code == "unreadable"
    assert "1.2.3" not in str(caught.value)


def test_one_bad_slice_does_not_stop_a_study(tmp_path: Path) -> None:
    save(tmp_path, "good.dcm", ct())
    save(tmp_path, "bad.dcm", ct(RescaleSlope=None))
    found = list(read_slices((str(tmp_path), name, 0) for name in ("good.dcm", "bad.dcm", "gone.dcm", "good.dcm")))
    codes = [item.code if isinstance(item, DicomError) else "read" for item in found]
    assert codes == ["read", "missing_rescale", "unreadable", "read"]


@pytest.mark.parametrize("shape", [(32, 48), (512, 512)])
def test_pictures_need_not_be_square_or_small(tmp_path: Path, shape: tuple[int, int]) -> None:
    stored = np.random.default_rng(1).integers(0, 4096, shape).astype(np.uint16)
    np.testing.assert_array_equal(read(tmp_path, ct(stored)).hu, stored.astype(np.int32) - 1024)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_native_encodings_give_the_same_hu(tmp_path: Path, syntax: str) -> None:
    ds = ct()
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = (HU + 1024).astype(">u2").tobytes()
    np.testing.assert_array_equal(read(tmp_path, ds, syntax).hu, HU)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_files_without_preamble_and_meta_header_are_read(tmp_path: Path, syntax: str) -> None:
    np.testing.assert_array_equal(read(tmp_path, ct(), syntax, meta=False).hu, HU)


def test_a_wrong_transfer_syntax_is_seen_through(tmp_path: Path) -> None:
    data = encode(ct(), ImplicitVRLittleEndian).replace(b"1.2.840.10008.1.2\x00", b"1.2.840.10008.1.2\x20")
    lying = encode(ct(), ExplicitVRLittleEndian).replace(b"1.2.840.10008.1.2.1\x00", b"1.2.840.10008.1.2\x00\x00\x00")
    for number, content in enumerate((data, lying)):
        (tmp_path / f"{number}.dcm").write_bytes(content)
        np.testing.assert_array_equal(read_hu(str(tmp_path), f"{number}.dcm").hu, HU)


def test_rle_is_decoded_without_another_package(tmp_path: Path) -> None:
    ds = pydicom.dcmread(save(tmp_path, "plain.dcm", ct()))
    ds.compress(RLELossless)
    ds.save_as(tmp_path / "a.dcm")
    np.testing.assert_array_equal(read_hu(str(tmp_path), "a.dcm").hu, HU)


ORACLES = {
    "1.2.840.10008.1.2.4.57": ["dcmcjpeg", "+el"],
    "1.2.840.10008.1.2.4.70": ["dcmcjpeg", "+e1"],
    "1.2.840.10008.1.2.4.80": ["dcmcjpls", "+el"],
    "1.2.840.10008.1.2.5": ["dcmcrle"],
}


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", ORACLES)
def test_files_compressed_by_dcmtk_give_the_same_hu(
    tmp_path: Path, needs_tool: Callable[[str], str], syntax: str, signed: bool
) -> None:
    if syntax in decode.GDCM:
        pytest.importorskip("gdcm", reason="python-gdcm is an extra")
    tool, *options = ORACLES[syntax]
    stored = HU.astype(np.int16) if signed else (HU + 1024).astype(np.uint16)
    tags = {"BitsStored": 16, "RescaleIntercept": 0} if signed else {}
    plain = save(tmp_path, "plain.dcm", ct(stored, **tags))
    subprocess.run([needs_tool(tool), *options, plain, tmp_path / "a.dcm"], check=True)
    assert pydicom.dcmread(tmp_path / "a.dcm").file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(read_hu(str(tmp_path), "a.dcm").hu, HU)


def test_jpeg_2000_gives_the_same_hu(tmp_path: Path) -> None:
    gdcm = pytest.importorskip("gdcm", reason="python-gdcm is an extra")
    plain = save(tmp_path, "plain.dcm", ct())
    reader = gdcm.ImageReader()
    reader.SetFileName(str(plain))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEG2000Lossless))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(tmp_path / "a.dcm"))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    assert pydicom.dcmread(tmp_path / "a.dcm").file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.90"
    np.testing.assert_array_equal(read_hu(str(tmp_path), "a.dcm").hu, HU)


def test_a_missing_decoder_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPartError, match=r"plainscan\[compressed\]"):
        decode.decode_frame(ct(), "1.2.840.10008.1.2.4.70", 0)


def test_an_unknown_transfer_syntax_is_refused() -> None:
    with pytest.raises(DicomError) as caught:
        decode.decode_frame(ct(), "1.2.840.10008.1.2.4.100", 0)
    assert caught.value.code == "transfer_syntax"


def test_each_frame_of_an_enhanced_image_has_its_own_rescale(tmp_path: Path) -> None:
    frames = [(HU + 1024).astype(np.uint16), (HU + 1000).astype(np.uint16), (HU + 1024 - 7).astype(np.uint16)]
    save(tmp_path, "e.dcm", enhanced(frames, [-1024, -1000, -1017]))
    for frame in range(3):
        np.testing.assert_array_equal(read_hu(str(tmp_path), "e.dcm", frame).hu, HU)
    with pytest.raises(DicomError) as caught:
        read_hu(str(tmp_path), "e.dcm", 3)
    assert caught.value.code == "no_frame"


def test_a_zip_member_is_read_in_place(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d/a.dcm", encode(ct()))
    np.testing.assert_array_equal(read_hu(str(tmp_path), "z.zip::d/a.dcm").hu, HU)
    with pytest.raises(DicomError):
        read_hu(str(tmp_path), "z.zip::gone.dcm")


def test_real_slices_have_air_at_minus_1000_and_brain_at_20_to_45(real_data: Path) -> None:
    folder = real_data / "dicom" / "ge-head-tilted"
    found = [read_hu(str(folder), path.name) for path in sorted(folder.glob("*.dcm"))]
    assert len(found) == 28
    for number, item in enumerate(found):
        air = item.hu[(item.hu < -900) & (item.hu != -1000)]  # padding, at -1500 in the file, was set to -1000
        assert -1030 <= np.median(air) <= -970
        assert item.hu.min() >= -1200
        if 8 <= number <= 23:  # between skull base and vertex
            assert 20 <= np.median(item.hu[(item.hu > 0) & (item.hu < 80)]) <= 45
