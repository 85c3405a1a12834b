"""Makers of trap fixtures: each returns a function that writes one fixture's files into a folder."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from tests.conftest import absent
from tests.dicom.build import ct, encode, head_hu, save, save_series

HU = head_hu()
UNSIGNED = (HU + 1024).astype(np.uint16)
SIGNED: dict[str, Any] = {"BitsStored": 16, "RescaleIntercept": 0}
DEFLATED = "1.2.840.10008.1.2.1.99"
CANARY = "ZHANGSAN"  # stands for a patient's name; must show up nowhere

Make = Callable[[Path], object]


def image(stored: NDArray[Any] | None = None, **tags: Any) -> Make:
    """One file; a tag given as None is left out."""
    return lambda folder: save(folder, "a.dcm", ct(stored, **tags))


def signed(change: Callable[[NDArray[np.int16]], None] = lambda stored: None, **tags: Any) -> Make:
    """One file of signed words without an intercept, changed before it is written."""
    stored = HU.astype(np.int16)
    change(stored)
    return image(stored, **{**SIGNED, **tags})


def padded(value: int, rows: int = 1) -> Callable[[NDArray[Any]], None]:
    """Put a value into the first rows, which are air in the head."""

    def change(stored: NDArray[Any]) -> None:
        stored[:rows] = value

    return change


def padding_as_unsigned(folder: Path) -> None:
    """Signed words whose padding value -2000 is written as the unsigned 63536."""
    stored = HU.astype(np.int16)
    padded(-2000)(stored)
    ds = ct(stored, **SIGNED)
    ds.add_new(0x00280120, "US", 63536)
    save(folder, "a.dcm", ds)


def outside(value: int) -> Callable[[NDArray[Any]], None]:
    """Put a value wherever there is air."""

    def change(stored: NDArray[Any]) -> None:
        stored[HU == -1000] = value

    return change


def written(syntax: str, *, meta: bool = True, **tags: Any) -> Make:
    """One file in a native transfer syntax."""
    stored = UNSIGNED.astype(">u2") if syntax == "1.2.840.10008.1.2.2" else UNSIGNED
    return lambda folder: save(folder, "a.dcm", ct(stored, **tags), syntax, meta=meta)


def raw(content: Callable[[], bytes], name: str = "a.dcm") -> Make:
    """One file of given bytes."""
    return lambda folder: (folder / name).write_bytes(content())


def replaced(old: bytes, new: bytes, syntax: str = ExplicitVRLittleEndian, **tags: Any) -> Make:
    """One file in which some bytes are replaced by others."""

    def content() -> bytes:
        data = encode(ct(**tags), syntax)
        assert data.count(old) >= 1
        return data.replace(old, new)

    return raw(content)


def cut(count: int) -> Make:
    """One file without its last bytes."""
    return raw(lambda: encode(ct())[:-count])


def rle(*, fragments: int = 1, extended: bool = False, change: Callable[[bytearray], None] | None = None) -> Make:
    """One RLE file, its frame in several fragments or found by an extended offset table."""

    def make(folder: Path) -> None:
        ds = pydicom.dcmread(save(folder, "plain", ct()))
        (folder / "plain").unlink()
        ds.compress(RLELossless)
        frame = bytearray(next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1)))
        if change:
            change(frame)
        if extended:
            ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended([bytes(frame)])
        else:
            ds.PixelData = encapsulate([bytes(frame)], fragments_per_frame=fragments)
        ds["PixelData"].is_undefined_length = True
        ds.save_as(folder / "a.dcm")

    return make


def program(*command: str) -> None:
    """Run an external program that tests need."""
    if shutil.which(command[0]) is None:
        absent(f"{command[0]} is not installed")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def by_dcmtk(tool: str, *options: str) -> Make:
    """One file compressed by DCMTK."""

    def make(folder: Path) -> None:
        plain = save(folder, "plain", ct())
        program(tool, *options, str(plain), str(folder / "a.dcm"))
        plain.unlink()

    return make


def jpeg_2000(*, lossless: bool = True) -> Make:
    """One JPEG 2000 file, made by GDCM."""

    def make(folder: Path) -> None:
        gdcm = pytest.importorskip("gdcm", reason="python-gdcm is an extra")
        plain = save(folder, "plain", ct())
        reader = gdcm.ImageReader()
        reader.SetFileName(str(plain))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        kind = gdcm.TransferSyntax.JPEG2000Lossless if lossless else gdcm.TransferSyntax.JPEG2000
        change.SetTransferSyntax(gdcm.TransferSyntax(kind))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(folder / "a.dcm"))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        plain.unlink()

    return make


def high_throughput(syntax: str, order: str) -> Make:
    """One HTJ2K file; its codestream is made by OpenJPH."""

    def make(folder: Path) -> None:
        picture, stream = folder / "a.pgm", folder / "a.j2c"
        rows, columns = UNSIGNED.shape
        picture.write_bytes(b"P5\n%d %d\n4095\n" % (columns, rows) + UNSIGNED.astype(">u2").tobytes())
        program("ojph_compress", "-i", str(picture), "-o", str(stream), "-prog_order", order, "-reversible", "true")
        encapsulated(stream.read_bytes(), syntax)(folder)
        picture.unlink()
        stream.unlink()

    return make


def encapsulated(stream: bytes, syntax: str, **tags: Any) -> Make:
    """One file of one compressed frame."""

    def make(folder: Path) -> None:
        ds = pydicom.dcmread(save(folder, "a.dcm", ct(**tags)))
        ds.file_meta.TransferSyntaxUID = syntax
        ds.PixelData = encapsulate([stream])
        ds["PixelData"].is_undefined_length = True
        ds.save_as(folder / "a.dcm")

    return make


def deflated(content: bytes, tail: int = 0) -> Callable[[], bytes]:
    """A deflated file of these bytes and of so many zeros behind them, made without holding them."""

    def make() -> bytes:
        head = encode(ct(), DEFLATED)
        (length,) = struct.unpack_from("<L", head, 140)
        squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        parts = [head[: 144 + length], squeeze.compress(content)]
        parts += [squeeze.compress(bytes(1 << 20)) for _ in range(tail >> 20)]
        return b"".join([*parts, squeeze.flush()])

    return make


def data_set(**tags: Any) -> bytes:
    """An explicit little endian data set without meta header."""
    return encode(ct(**tags), meta=False)


def endless(tag: bytes = b"\xe1\x7f\x10\x00OB\0\0\xff\xff\xff\x7f") -> bytes:
    """A data set followed by an element that claims 2 GiB."""
    return data_set() + tag


def archive(**members: bytes) -> Make:
    """A ZIP; ``__`` in a member's name stands for ``../``."""

    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / "z.zip", "w", zipfile.ZIP_DEFLATED) as out:
            for name, data in members.items():
                out.writestr(name.replace("__", "../"), data)

    return make


def series(*some: dict[str, Any]) -> Make:
    """Several head series of one study, 12 slices each unless ``count`` says otherwise; numbered from 1."""

    def make(folder: Path) -> None:
        for number, tags in enumerate(some, 1):
            count = tags.get("count", 12)
            rest = {name: value for name, value in tags.items() if name != "count"}
            save_series(folder / str(number), count, **{"series": number, "PixelSpacing": [7.0, 7.0], **rest})

    return make


def slices(z_mm: list[float], **tags: Any) -> Make:
    """One series with slices at these places, numbered against the anatomy."""

    def make(folder: Path) -> None:
        for number, z in enumerate(z_mm):
            place = [-110.0, -110.0, float(z)]
            more = {"PixelSpacing": [7.0, 7.0], "ImagePositionPatient": place, **tags, "number": len(z_mm) - number}
            save(folder, f"{number * 7 % 97:02d}_{number}.dcm", ct(**more))

    return make


def both(*makes: Make) -> Make:
    """Several fixtures in one folder, each in its own subfolder."""

    def make(folder: Path) -> None:
        for number, one in enumerate(makes):
            part = folder / f"part{number}"
            part.mkdir()
            one(part)

    return make


def named(text: bytes, character_set: bytes | None) -> Make:
    """One file whose series description is these bytes, under a character set."""

    def content() -> bytes:
        place = "D" * (len(text) + len(text) % 2)
        tags = {} if character_set is None else {"SpecificCharacterSet": character_set.decode()}
        data = encode(ct(SeriesDescription="X"), ExplicitVRLittleEndian)
        ds = pydicom.dcmread(io.BytesIO(data))
        ds.SeriesDescription = place
        for name, value in tags.items():
            setattr(ds, name, value)
        return encode(ds).replace(place.encode(), text.ljust(len(place)))

    return raw(content)


def with_identifiers(folder: Path) -> None:
    """A slice with a name in private tags, an overlay, an icon, a comment, and in bytes behind the pixels."""
    icon = Dataset()
    icon.Rows = icon.Columns = 8
    icon.SamplesPerPixel, icon.PhotometricInterpretation = 1, "MONOCHROME2"
    icon.BitsAllocated = icon.BitsStored = 8
    icon.HighBit, icon.PixelRepresentation, icon.PixelData = 7, 0, CANARY.encode() * 8
    ds = ct(PatientName=CANARY, ImageComments=CANARY, OperatorsName=CANARY, IconImageSequence=[icon])
    ds.private_block(0x0029, CANARY, create=True).add_new(1, "LO", CANARY)
    ds.add_new(0x60003000, "OW", CANARY.encode() * 16)
    ds.add_new(0x60000010, "US", 32)
    ds.add_new(0x60000011, "US", 32)
    save(folder, "a.dcm", ds)


IMPLICIT = ImplicitVRLittleEndian
EXPLICIT = ExplicitVRLittleEndian
BIG_ENDIAN = "1.2.840.10008.1.2.2"
