"""The arithmetic from stored words to HU; golden slices stand in tests/dicom/test_read.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainscan.ct.hounsfield import REMARKS, Storage, stored_values, to_hu, whole_hu
from plainscan.errors import DicomError

hu_values = st.lists(st.integers(-1024, 3071), min_size=4, max_size=4)


@settings(deadline=None, max_examples=60)
@given(hu_values, st.sampled_from([10, 12, 16]), st.booleans())
def test_words_go_there_and_back(values: list[int], bits: int, signed: bool) -> None:
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    kept = np.clip(values, low, high).reshape(2, 2)
    words = (kept & ((1 << bits) - 1)).astype(np.uint16)
    np.testing.assert_array_equal(stored_values(words, bits, signed=signed), kept)


@settings(deadline=None, max_examples=60)
@given(hu_values)
def test_signed_and_unsigned_storage_agree(values: list[int]) -> None:
    hu = np.array(values, np.int16).reshape(2, 2)
    signed = to_hu(hu, Storage(16, True, 1, 0))
    unsigned = to_hu((hu.astype(np.int32) + 1024).astype(np.uint16), Storage(12, False, 1, -1024))
    np.testing.assert_array_equal(signed.hu, hu)
    np.testing.assert_array_equal(unsigned.hu, hu)
    assert set(signed.flags) == set(unsigned.flags) <= {"no_air"}


@settings(deadline=None, max_examples=40)
@given(st.floats(0.1, 4), st.integers(-1024, 0), st.integers(0, 1000))
def test_rescale_rounds_to_the_nearest_hu(slope: float, intercept: int, stored: int) -> None:
    words = np.full((2, 2), stored, np.uint16)
    expected = int(np.rint(stored * slope + intercept))
    assert (to_hu(words, Storage(16, False, slope, intercept)).hu == expected).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 100), st.integers(-1024, 0), st.integers(0, 65535))
def test_a_whole_rescale_gives_what_one_with_a_fraction_does(slope: int, intercept: int, stored: int) -> None:
    """Whole numbers are multiplied as such; the other way goes through floats."""
    words = np.full((2, 2), stored, np.uint16)
    whole, floats = (to_hu(words, Storage(16, False, slope, intercept + by)).hu for by in (0, 1e-6))
    np.testing.assert_array_equal(whole, floats)


@pytest.mark.parametrize("word", [np.uint16, np.uint32])
def test_values_beyond_16_bits_are_clipped_and_say_so(word: type[np.unsignedinteger]) -> None:
    bits, largest = 8 * np.dtype(word).itemsize, np.iinfo(word).max
    found = to_hu(np.full((2, 2), largest, word), Storage(bits, False, 100, -1024))
    assert (found.hu == 32767).all()
    assert "clipped" in found.flags


@pytest.mark.parametrize(
    ("slope", "intercept"),
    [(0, -1024), (-1, 0), (float("nan"), 0), (1, float("inf")), (1e300, 0), (1, -1e30), (1e-5, 0)],
)
def test_an_impossible_rescale_is_refused(slope: float, intercept: float) -> None:
    with pytest.raises(DicomError) as caught:
        to_hu(np.zeros((2, 2), np.uint16), Storage(12, False, slope, intercept))
    assert caught.value.code == "bad_rescale"


@pytest.mark.parametrize(("slope", "intercept"), [(1, 5000), (0.2, -1024), (100, 30_000)])
def test_a_rescale_under_which_no_value_is_brain_is_refused(slope: float, intercept: float) -> None:
    with pytest.raises(DicomError, match="brain") as caught:
        to_hu(np.zeros((2, 2), np.uint16), Storage(12, False, slope, intercept))
    assert caught.value.code == "bad_rescale"


@pytest.mark.parametrize(
    "storage", [Storage(12, False, 10, -10240), Storage(16, True, 1, 0), Storage(16, False, 0.0625, -1024)]
)
def test_a_rescale_that_vendors_use_is_accepted(storage: Storage) -> None:
    to_hu(np.full((2, 2), 1000, np.uint16), storage)


def test_padding_of_a_wrapped_slice_is_found_behind_the_wrap() -> None:
    hu = np.full((10, 10), -1000)
    hu[4:6, 4:6] = 40
    words = np.where(np.arange(10)[:, None] < 2, -2000, hu) % 4096
    found = to_hu(words.astype(np.uint16), Storage(12, False, 1, 0, (-2000, -2000)))
    np.testing.assert_array_equal(found.hu, hu)
    assert found.flags == ("wrap_repaired",)


def test_every_remark_is_explained() -> None:
    assert all(text for text in REMARKS.values())


def test_an_array_in_hu_becomes_what_a_file_of_it_does() -> None:
    hu = np.random.default_rng(0).integers(-1100, 2000, (16, 16)).astype(np.int16)
    hu[:2] = -3024
    of_file = to_hu(hu, Storage(16, True, 1, 0))
    of_array = whole_hu(hu + np.float32(0.2))
    assert of_array.hu.dtype == np.int16
    np.testing.assert_array_equal(of_array.hu, of_file.hu)
    assert of_array.flags == of_file.flags == ("undeclared_padding",)
