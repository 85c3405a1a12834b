"""File names as text, and back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from plainscan.dicom.names import member_name, path_of, text_of

names = st.binary(min_size=1, max_size=12).filter(lambda raw: b"\0" not in raw)


@settings(deadline=None, max_examples=200)
@given(names)
@example(b"%CD")
@example(b"\xcd")
@example(b"%25CD")
@example(b"a::b")
@example(b"a:::b")
def test_any_name_becomes_unicode_and_comes_back(raw: bytes) -> None:
    text = text_of(os.fsdecode(raw))
    assert text.encode("utf-8")
    assert "::" not in text
    assert path_of(text) == Path(os.fsdecode(raw))


@pytest.mark.parametrize("name", ["a.dcm", "头颅/100%.dcm", "a%20b", "C:/a", "%zz"])
def test_an_ordinary_name_stays_as_it_is(name: str) -> None:
    assert text_of(name) == name


@pytest.mark.parametrize(
    ("raw", "flag", "expected"),
    [
        ("头颅".encode("gbk"), 0, "头颅"),
        ("头颅".encode(), 0, "头颅"),
        ("头颅".encode(), 0x800, "头颅"),
        (b"IM\xff.dcm", 0, b"IM\xff.dcm".decode("cp437")),
        (b"IM1.dcm", 0, "IM1.dcm"),
    ],
)
def test_member_names_are_read_as_their_bytes_show(raw: bytes, flag: int, expected: str) -> None:
    assert member_name(raw.decode("utf-8" if flag else "cp437"), is_utf8=bool(flag)) == expected
