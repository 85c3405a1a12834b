"""The table of traps: number, what, how it is made, what is expected.

Whatever is read is the same small head (``tests.dicom.build.head_hu``): a golden slice, exact to one HU. Expected is
one of these, ``: REMARKS`` after it where something must be remarked:

- ``head``: read; every pixel is that of the golden slice, and nothing is remarked;
- ``near N``: read; no pixel is farther than N HU from it (compressed with loss);
- ``refused CODE``: catalogued, and refused when its pixels are read;
- ``rejected CODE``: not even catalogued;
- ``chosen N``: series number N is in the cohort, in anatomical order; ``; M CODE`` for each series with something left
  out; how many studies of how many patients, if not one;
- ``none CODE``: the study has no series in the cohort;
- ``named TEXT``: catalogued with this series description;
- ``silent``: read or refused, and no table, message or code says the planted name.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tests.dicom.build import SECONDARY_CAPTURE, ct, encode, enhanced
from tests.traps.make import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    HU,
    IMPLICIT,
    UNSIGNED,
    Make,
    archive,
    both,
    by_dcmtk,
    cut,
    data_set,
    deflated,
    encapsulated,
    endless,
    high_throughput,
    image,
    jpeg_2000,
    named,
    outside,
    padded,
    padding_as_unsigned,
    raw,
    replaced,
    rle,
    series,
    signed,
    slices,
    with_identifiers,
    written,
)


class Trap(NamedTuple):
    """One fixture."""

    number: int
    what: str
    make: Make
    expected: str
    golden: NDArray[np.int16] = HU


FLAT = np.full((32, 32), 35, np.int16)
WRAPPED = (HU.astype(np.int32) % 4096).astype(np.uint16)
LEAN = [1.0, 0.0, 0.0, 0.0, math.cos(math.radians(18)), -math.sin(math.radians(18))]
EVEN = [5.0 * i for i in range(12)]
SYNTAX = "1.2.840.10008.1.2.4."
CHINESE = {"SpecificCharacterSet": "ISO_IR 192"}
BONE, THIN = {"ConvolutionKernel": "H70h"}, {"count": 60, "spacing": 1.0, "SliceThickness": 1.0}

VALUES = (
    Trap(1, "12 bits, intercept 0, wrapped at 4096", image(WRAPPED, RescaleIntercept=0), "head: wrap_repaired"),
    Trap(1, "the same declared as 16 bits", image(WRAPPED, RescaleIntercept=0, BitsStored=16), "head: wrap_repaired"),
    Trap(1, "intercept 0 instead of -1024", image(UNSIGNED, RescaleIntercept=0), "refused wrong_intercept"),
    Trap(1, "no air peak, no repair", image(FLAT.astype(np.uint16), RescaleIntercept=0), "head: no_air", FLAT),
    Trap(2, "the file ends inside the pixels", cut(700), "refused truncated_pixels"),
    Trap(2, "more rows than pixels", image(Rows=64), "refused truncated_pixels"),
    Trap(2, "pixels of length 0", image(PixelData=b""), "refused truncated_pixels"),
    Trap(2, "one byte too few", cut(1), "refused truncated_pixels"),
    Trap(3, "padding -2000, declared", signed(padded(-2000), PixelPaddingValue=-2000), "head"),
    Trap(
        3,
        "padding -2000, declared as 63536",
        padding_as_unsigned,
        "head",
    ),
    Trap(
        3,
        "a range of padding, limit first",
        signed(padded(-2500), PixelPaddingValue=-2400, PixelPaddingRangeLimit=-3024),
        "head",
    ),
    Trap(3, "padding -3024, not declared", signed(padded(-3024)), "head: undeclared_padding"),
    Trap(3, "padding -3024 in 12 bits", signed(padded(-3024), BitsStored=12), "head: undeclared_padding"),
    Trap(3, "padding 0 is also water", signed(outside(0), PixelPaddingValue=0), "head: padding_in_tissue_range"),
    Trap(4, "uint16 - 1024 in 16 bits", image(UNSIGNED, BitsStored=16), "head"),
    Trap(
        4,
        "signed 12 bits, sign not extended",
        image((HU & 0xFFF).astype(np.uint16), **{"PixelRepresentation": 1, "RescaleIntercept": 0}),
        "head",
    ),
    Trap(4, "signed 12 bits, sign extended", image(HU.astype(np.int16), RescaleIntercept=0), "head"),
    Trap(
        4,
        "an overlay in bit 12",
        image(
            UNSIGNED | np.uint16(0x1000) * (HU == 70),
        ),
        "refused bits_beyond_stored",
    ),
    Trap(5, "slope missing", image(RescaleSlope=None), "refused missing_rescale"),
    Trap(5, "intercept missing", image(RescaleIntercept=None), "refused missing_rescale"),
    Trap(5, "intercept empty", image(RescaleIntercept=""), "refused missing_rescale"),
    Trap(5, "slope 0", image(RescaleSlope=0), "refused bad_rescale"),
    Trap(
        5, "slope 0.5", image((HU + 1024).astype(np.uint16) * 2, BitsStored=13, RescaleSlope="0.5"), "head: slope_not_1"
    ),
    Trap(
        5,
        "rescale of every slice its own",
        both(image(), image((HU + 1000).astype(np.uint16), RescaleIntercept=-1000, number=2)),
        "head",
    ),
    Trap(5, "values of something else", image(RescaleType="OD"), "refused rescale_type"),
    Trap(6, "two header windows", image(WindowCenter=[40, 600], WindowWidth=[80, 2800]), "head"),
    Trap(6, "a header window of width 0", image(WindowCenter=40, WindowWidth=0), "head"),
    Trap(7, "MONOCHROME1", image(PhotometricInterpretation="MONOCHROME1"), "refused photometric"),
    Trap(7, "palette", image(PhotometricInterpretation="PALETTE COLOR"), "refused photometric"),
    Trap(7, "RGB", image(SamplesPerPixel=3, PhotometricInterpretation="RGB"), "refused photometric"),
    Trap(7, "a capture tagged CT", image(SOPClassUID=SECONDARY_CAPTURE), "refused secondary_capture"),
    Trap(7, "8 bits", image(BitsAllocated=8, BitsStored=8), "refused bits_allocated"),
    Trap(7, "32 bits", image(UNSIGNED.astype(np.uint32), BitsStored=32), "head"),
    Trap(7, "1 x 1", image(np.full((1, 1), 1064, np.uint16)), "refused bad_size"),
    Trap(7, "not square", image(np.ascontiguousarray(UNSIGNED[:, 4:28])), "head", HU[:, 4:28]),
    Trap(
        7,
        "4096 x 4096",
        image(np.kron(UNSIGNED, np.ones((128, 128), np.uint16))),
        "head",
        np.kron(HU, np.ones((128, 128), np.int16)),
    ),
)

ENCODINGS = (
    Trap(8, "implicit little endian", written(IMPLICIT), "head"),
    Trap(8, "explicit little endian", written(EXPLICIT), "head"),
    Trap(8, "explicit big endian", written(BIG_ENDIAN), "head"),
    Trap(8, "deflated", written(DEFLATED), "head"),
    Trap(8, "no preamble and no meta header, implicit", written(IMPLICIT, meta=False), "head"),
    Trap(8, "no preamble and no meta header, explicit", written(EXPLICIT, meta=False), "head"),
    Trap(8, "says explicit, is implicit", replaced(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2 ", IMPLICIT), "head"),
    Trap(8, "says implicit, is explicit", replaced(b"10008.1.2.1\0", b"10008.1.2\0\0\0"), "head"),
    Trap(8, "RLE", rle(), "head"),
    Trap(8, "RLE in several fragments", rle(fragments=4), "head"),
    Trap(8, "RLE by an extended offset table", rle(extended=True), "head"),
    Trap(
        8,
        "RLE, a segment too short",
        rle(change=lambda frame: frame.__delitem__(slice(-40, None))),
        "refused undecodable",
    ),
    Trap(8, "JPEG lossless .57", by_dcmtk("dcmcjpeg", "+el"), "head"),
    Trap(8, "JPEG lossless .70", by_dcmtk("dcmcjpeg", "+e1"), "head"),
    Trap(8, "JPEG-LS .80", by_dcmtk("dcmcjpls", "+el"), "head"),
    Trap(8, "JPEG-LS .81", by_dcmtk("dcmcjpls", "+en", "+md", "2"), "near 2: lossy"),
    Trap(8, "JPEG 2000 .90", jpeg_2000(), "head"),
    Trap(8, "JPEG 2000 .91, whose stream is reversible", jpeg_2000(lossless=False), "head: lossy"),
    Trap(8, "HTJ2K .201", high_throughput(SYNTAX + "201", "LRCP"), "head"),
    Trap(8, "HTJ2K .202", high_throughput(SYNTAX + "202", "RPCL"), "head"),
    Trap(8, "HTJ2K .203", high_throughput(SYNTAX + "203", "RPCL"), "head: lossy"),
    Trap(8, "JPEG baseline", encapsulated(b"\xff\xd8\xff\xd9", SYNTAX + "50"), "refused transfer_syntax"),
    Trap(8, "a stream that is none", encapsulated(bytes(64), SYNTAX + "70"), "refused undecodable"),
    Trap(
        9,
        "rescale and place of each frame its own",
        lambda folder: raw(lambda: encode(enhanced([UNSIGNED, (HU + 1000).astype(np.uint16)], [-1024, -1000])))(folder),
        "head",
    ),
    Trap(9, "12 frames of one volume", raw(lambda: encode(enhanced([UNSIGNED] * 12, [-1024] * 12))), "chosen 1"),
    Trap(9, "a frame without its rescale", raw(lambda: encode(enhanced([UNSIGNED], [""]))), "refused missing_rescale"),  # type: ignore[list-item]
    Trap(10, "GB18030", named("头颅平扫".encode("gb18030"), b"GB18030"), "named 头颅平扫"),
    Trap(10, "GBK labelled ISO_IR 100", named("头颅平扫".encode("gbk"), b"ISO_IR 100"), "named 头颅平扫"),
    Trap(10, "ISO 2022 IR 58", named(b"\x1b$)A" + "头颅".encode("gb2312"), b"\\ISO 2022 IR 58"), "named 头颅"),
    Trap(10, "UTF-8", named("头颅平扫".encode(), b"ISO_IR 192"), "named 头颅平扫"),
    Trap(10, "UTF-8, not declared", named("头颅平扫".encode(), None), "named 头颅平扫"),
    Trap(
        10,
        "full-width letters",
        series({}, {"SeriesDescription": "ＨＥＡＤ　Ｃ＋", **CHINESE}),
        "chosen 1; 2 contrast",
    ),
)

CHOICE = (
    Trap(
        11,
        "tilt, the tag says the opposite",
        slices(EVEN, ImageOrientationPatient=LEAN, GantryDetectorTilt="-18"),
        "chosen 1: tilted",
    ),
    Trap(
        11,
        "spacing changes",
        slices([0, 3, 6, 9, 12, 15, 22, 29, 36, 43], SliceThickness=7.0),
        "chosen 1: uneven_spacing",
    ),
    Trap(
        11, "a missing block", slices([0, 5, 10, 15, 20, 45, 50, 55, 60, 65]), "chosen 1: uneven_spacing, missing_block"
    ),
    Trap(11, "duplicate positions", slices([*EVEN, 20.0]), "chosen 1: duplicate_position; 1 duplicate_position"),
    Trap(11, "feet first", slices(EVEN, PatientPosition="FFS"), "chosen 1: feet_first"),
    Trap(
        12,
        "a localizer",
        series({}, {"count": 1, "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
        "chosen 1; 2 localizer",
    ),
    Trap(
        12,
        "a dose sheet",
        series({}, {"count": 1, "SeriesDescription": "Dose Report", "SOPClassUID": SECONDARY_CAPTURE}),
        "chosen 1; 2 dose_sheet",
    ),
    Trap(12, "a bone twin", series(BONE, {}), "chosen 2; 1 bone_kernel"),
    Trap(12, "a thin twin", series(THIN, {}), "chosen 2; 1 thin_twin"),
    Trap(
        12, "a coronal reformat", series({}, {"ImageOrientationPatient": [1.0, 0, 0, 0, 0, -1]}), "chosen 1; 2 reformat"
    ),
    Trap(12, "CTA, no contrast tag", series({}, {"SeriesDescription": "CTA HEAD 0.6"}), "chosen 1; 2 contrast"),
    Trap(
        12, "CTP, no contrast tag", series({}, {"SeriesDescription": "VPCT 灌注", **CHINESE}), "chosen 1; 2 perfusion"
    ),
    Trap(
        12,
        "the spine in the same study",
        series({}, {"SeriesDescription": "C-SPINE", "BodyPartExamined": "SPINE"}),
        "chosen 1; 2 not_head",
    ),
    Trap(
        12,
        "the neck in the same study",
        series({}, {"SeriesDescription": "颈部平扫", **CHINESE}),
        "chosen 1; 2 not_head",
    ),
    Trap(
        12,
        "two volumes in one series UID",
        both(series({"AcquisitionNumber": 1}), series({"AcquisitionNumber": 2, "count": 10, "SOPInstanceUID": None})),
        "chosen 1",
    ),
    Trap(13, "one study, two patients", both(series({}), series({}, {"PatientID": "P9"})), "none several_patients"),
    Trap(
        13,
        "a slice of nobody among others",
        both(slices(EVEN), image(PatientID=None, number=40)),
        "chosen 1: incomplete; 1 unnamed_patient",
    ),
    Trap(13, "the same instance twice", both(slices(EVEN), slices(EVEN)), "chosen 1; 1 duplicate_instance"),
    Trap(
        13,
        "a study split over two UIDs",
        both(series({"study": 1}), series({"study": 2, "PatientID": "P1"})),
        "chosen 1; 2 studies of 1 patient",
    ),
)

HOSTILE = (
    Trap(14, "a name in private tags, overlay, icon", with_identifiers, "silent"),
    Trap(
        14,
        "a name in a slice that is refused",
        image(RescaleSlope=None, PatientName="ZHANGSAN", PatientID="ZHANGSAN"),
        "silent",
    ),
    Trap(14, "a name where a code belongs", image(RescaleType="ZHANGSAN"), "silent"),
    Trap(14, "a name where a UID belongs", replaced(b"1.234567", b"ZHANG^SA", StudyInstanceUID="1.234567"), "silent"),
    Trap(
        15,
        "a deflated header without an end",
        raw(deflated(b"\x09\0\x01\0LO\0\0" * 4, 100 << 20)),
        "rejected unreadable",
    ),
    Trap(15, "deflated zeros behind the pixels", raw(deflated(endless(), 100 << 20)), "refused deflate_bomb"),
    Trap(15, "a deflated stream that is cut", raw(lambda: deflated(data_set())()[:-300]), "rejected truncated_header"),
    Trap(15, "a ZIP bomb", archive(a=bytes(80 << 20)), "rejected zip_bomb"),
    Trap(15, "zip-slip", archive(**{"____out.dcm": encode(ct())}), "head"),
    Trap(15, "a ZIP in a ZIP", archive(inner=b"PK\x03\x04" + bytes(200)), "rejected nested_zip"),
    Trap(15, "a DICOMDIR", image(PixelData=None, Rows=None, SOPClassUID="1.2.840.10008.1.3.10"), "rejected dicomdir"),
    Trap(
        15, "a UID that is a path", replaced(b"1.234567", b"../../ab", SeriesInstanceUID="1.234567"), "rejected bad_uid"
    ),
    Trap(15, "a UID of dots", replaced(b"1.234567", b"........", StudyInstanceUID="1.234567"), "rejected bad_uid"),
    Trap(15, "a UID with a slash", replaced(b"1.234567", b"1/2/3/45", SOPInstanceUID="1.234567"), "rejected bad_uid"),
    Trap(
        15,
        "a 4 GB length",
        replaced(b"\xe0\x7f\x10\0OW\0\0\0\x08\0\0", b"\xe0\x7f\x10\0OW\0\0\xfe\xff\xff\xff"),
        "head",
    ),
    Trap(
        15, "a UID of backslashes", replaced(b"1.234567", b"..\\x\\y12", SOPInstanceUID="1.234567"), "rejected bad_uid"
    ),
    Trap(
        15,
        "a UID that is absolute",
        replaced(b"1.234567", b"/etc/abc", SeriesInstanceUID="1.234567"),
        "rejected bad_uid",
    ),
    Trap(
        15,
        "a UID with a zero byte",
        replaced(b"1.234567", b"1.2\x003.45", StudyInstanceUID="1.234567"),
        "rejected bad_uid",
    ),
    Trap(15, "65,535 x 65,535 pixels", image(Rows=65535, Columns=65535), "refused bad_size"),
    Trap(15, "2 billion frames", image(NumberOfFrames=2_000_000_000), "rejected too_many_frames"),
    Trap(15, "a preamble that is a program", raw(lambda: b"MZ" + encode(ct())[2:]), "head"),
    Trap(15, "a preamble that is a ZIP", raw(lambda: b"PK\x03\x04" + encode(ct())[4:]), "rejected bad_zip"),
    Trap(15, "a pickled model", raw(lambda: b"\x80\x04cos\nsystem\n(S'true'\ntR.", "model.pkl"), "rejected not_dicom"),
)

TRAPS = (*VALUES, *ENCODINGS, *CHOICE, *HOSTILE)
