"""What a folder or ZIP may hold besides good files: each is a reject with its code, or is read."""

from __future__ import annotations

import os
import socket
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.dicom.build import ct, encode, head_hu, save

from plainscan.dicom import files
from plainscan.dicom.read import read_hu
from plainscan.dicom.scan import REJECT_CODES, gather, scan

PREFIX = bytes(128) + b"DICM"


def scanned(source: Path) -> tuple[pl.DataFrame, dict[str, str]]:
    catalogue, rejects = gather(scan(source))
    codes = dict(rejects.select("path", "code").iter_rows())
    assert set(codes.values()) <= set(REJECT_CODES)
    return catalogue, codes


def assert_readable(catalogue: pl.DataFrame) -> None:
    for row in catalogue.iter_rows(named=True):
        np.testing.assert_array_equal(read_hu(row["source"], row["path"], row["frame"]).hu, head_hu())


def refuse_to_list(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Root may read everything: the refusal of the system is made here."""
    real: Callable[..., Any] = os.scandir

    def scandir(folder: Any) -> Any:
        if Path(folder).name == name:
            raise PermissionError(13, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_folder_that_may_not_be_read_is_a_reject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "open", "a.dcm", ct())
    save(tmp_path / "shut", "b.dcm", ct(number=2))
    refuse_to_list(monkeypatch, "shut")
    catalogue, codes = scanned(tmp_path)
    assert catalogue["path"].to_list() == ["open/a.dcm"]
    assert codes == {"shut": "unreadable_folder"}


def test_a_linked_folder_is_a_reject_and_is_not_followed(tmp_path: Path) -> None:
    save(tmp_path / "else", "b.dcm", ct(number=2))
    inside = tmp_path / "in"
    save(inside, "a.dcm", ct())
    (inside / "loop").symlink_to(inside)
    (inside / "other").symlink_to(tmp_path / "else")
    (inside / "gone").symlink_to(tmp_path / "nowhere")
    (inside / "good.dcm").symlink_to(tmp_path / "else" / "b.dcm")
    catalogue, codes = scanned(inside)
    assert catalogue["path"].to_list() == ["a.dcm", "good.dcm"]
    assert codes == {"gone": "unreadable", "loop": "link_to_folder", "other": "link_to_folder"}


def test_what_is_no_file_is_a_reject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, "a.dcm", ct())
    os.mkfifo(tmp_path / "pipe.dcm")
    (tmp_path / "pipe_link.dcm").symlink_to(tmp_path / "pipe.dcm")
    monkeypatch.chdir(tmp_path)  # the name of a socket may not be long
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("socket.dcm")
        catalogue, codes = scanned(tmp_path)
    assert catalogue["path"].to_list() == ["a.dcm"]
    assert codes == dict.fromkeys(("pipe.dcm", "pipe_link.dcm", "socket.dcm"), "not_a_file")


def test_of_two_members_of_one_name_the_first_is_read_and_the_second_a_reject(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.dcm", encode(ct()))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.dcm", encode(ct(np.full((32, 32), 1064, np.uint16), number=2)))
        archive.writestr("b.dcm", encode(ct(number=3)))
    catalogue, codes = scanned(tmp_path)
    assert catalogue["path"].to_list() == ["z.zip::a.dcm", "z.zip::b.dcm"]
    assert codes == {"z.zip::a.dcm": "duplicate_member"}
    assert_readable(catalogue)


@pytest.mark.parametrize(("name", "encoding"), [("头颅", "gb18030"), ("头颅", "utf-8")])
def test_chinese_names_in_a_zip_that_does_not_say_its_encoding_are_read(
    tmp_path: Path, name: str, encoding: str
) -> None:
    raw = name.encode(encoding)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("X" * len(raw), encode(ct()))
    (tmp_path / "z.zip").write_bytes((tmp_path / "z.zip").read_bytes().replace(b"X" * len(raw), raw))
    catalogue, codes = scanned(tmp_path)
    assert catalogue["path"].to_list() == [f"z.zip::{name}"]
    assert not codes
    assert_readable(catalogue)


def test_a_zip_in_a_zip_has_its_own_code(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "inner.zip", "w") as archive:
        archive.writestr("a.dcm", encode(ct()))
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "inner.zip", "inner.zip")
    assert scanned(tmp_path / "outer.zip")[1] == {"outer.zip::inner.zip": "nested_zip"}


def test_names_that_are_no_unicode_are_scanned_and_read_again(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode("影像".encode("gbk"))
    names = [os.fsdecode("头颅.dcm".encode("gbk")), "%CD.dcm", os.fsdecode(b"\xcd.dcm"), "100%.dcm", "z.zip::a.dcm"]
    try:
        for number, name in enumerate(names):
            save(folder, name, ct(number=number))
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    with zipfile.ZipFile(folder / "z.zip", "w") as archive:
        archive.writestr("a.dcm", encode(ct(number=9)))
    for source in (folder, tmp_path):
        catalogue, codes = scanned(source)
        assert not codes
        assert catalogue.height == len(names) + 1
        assert "".join([*catalogue["path"], *catalogue["source"]]).encode("utf-8")
        assert_readable(catalogue)


def test_a_small_archive_of_zeros_is_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert files.ARCHIVE_BYTES <= 64 << 20
    monkeypatch.setattr(files, "ARCHIVE_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "small.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", PREFIX + bytes(2 << 20))
    with zipfile.ZipFile(tmp_path / "beside.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", PREFIX + bytes(2 << 20))
        archive.writestr("noise", np.random.default_rng(0).bytes(1 << 16))
    assert scanned(tmp_path)[1] == {
        "beside.zip::a.dcm": "zip_bomb",
        "beside.zip::noise": "not_dicom",
        "small.zip": "zip_bomb",
    }


META = encode(ct())[:132] + b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0"


@pytest.mark.parametrize(
    "data",
    [
        PREFIX + bytes(8 << 20),
        META + bytes(8 << 20),
        META[:-22] + b"\x02\x00\x00\x00??\x04\x00" + bytes(8 << 20),
        META + b"\x00\x00\x01\x00UL\x00\x00" * (1 << 20),
        META + b"\x09\x00\x01\x00LO\x00\x00" * (1 << 20),
        encode(ct())[:700] + bytes(8 << 20),
        PREFIX[:0] + b"\x08\x00\x00\x00\x00\x00\x00\x00" + bytes(8 << 20),
    ],
    ids=["prefix", "meta", "odd meta", "group 0", "one element again and again", "cut header", "no prefix"],
)
def test_a_header_without_an_end_is_given_up_soon(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.dcm").write_bytes(data)
    started = time.monotonic()
    (code,) = scanned(tmp_path)[1].values()
    assert time.monotonic() - started < 1.5
    assert code in ("unreadable", "truncated_header")


def test_zeros_behind_the_pixels_cost_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(encode(ct()) + bytes(8 << 20))
    started = time.monotonic()
    assert_readable(scanned(tmp_path)[0])
    assert time.monotonic() - started < 1.0
