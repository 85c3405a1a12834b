from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from plainscan.ct.burnt_in import text_boxes, text_mask
from plainscan.phantom.study import StudyOptions, make_study

PLACES = ("corner", "bottom", "head")


@pytest.fixture(scope="module")
def slices() -> NDArray[np.int16]:
    return make_study(np.random.default_rng(3), StudyOptions(size=256, slices=(6, 6))).hu


def drawn(
    hu: NDArray[np.int16], text: str, size: int, place: str, value_hu: int = 3071, *, soft: bool = True
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """The slice with text in it, and where it is."""
    font = ImageFont.load_default(size)
    picture = Image.new("L", (hu.shape[1], hu.shape[0]))
    pen = ImageDraw.Draw(picture)
    pen.fontmode = "L" if soft else "1"
    middle = (hu.shape[1] - pen.textlength(text, font=font)) / 2
    where = {"corner": (5, 5), "bottom": (5, hu.shape[0] - size - 8), "head": (max(2, middle), hu.shape[0] / 2)}[place]
    pen.text(where, text, 255, font=font)
    share = np.asarray(picture) / 255.0
    return np.round(hu * (1 - share) + value_hu * share).astype(np.int16), share > 0


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("soft", [True, False], ids=["soft", "hard"])
@pytest.mark.parametrize("value_hu", [3071, 1500])
def test_text_is_found_in_every_place(slices: NDArray[np.int16], place: str, soft: bool, value_hu: int) -> None:
    for hu, text, size in zip(
        slices, ("ZHANG SAN 4711", "Kilroy^James", "20210305 M 061Y") * 2, range(13, 25, 2), strict=False
    ):
        assert text_boxes(drawn(hu, text, size, place, value_hu, soft=soft)[0]), (text, size)


def test_a_slice_without_text_has_none(slices: NDArray[np.int16]) -> None:
    assert [text_boxes(hu) for hu in slices] == [[]] * len(slices)


def test_air_and_a_constant_picture_have_none() -> None:
    for value in (-1000, 0, 3071):
        assert text_boxes(np.full((64, 64), value, np.int16)) == []


@pytest.mark.parametrize("place", PLACES)
def test_the_mask_covers_every_letter(slices: NDArray[np.int16], place: str) -> None:
    hu, letters = drawn(slices[2], "H0047110 KILROY", 16, place)
    mask = text_mask(hu.shape, text_boxes(hu))
    assert (mask & letters).sum() >= 0.99 * letters.sum()
    assert mask.mean() < 0.25


def test_three_electrodes_in_a_row_are_no_text(slices: NDArray[np.int16]) -> None:
    hu = slices[2].copy()
    noise = np.random.default_rng(0).integers(-200, 200, (3, 6, 6))
    for i in range(3):
        hu[4:10, 20 + 30 * i : 26 + 30 * i] = 800 + noise[i]
    assert text_boxes(hu) == []
