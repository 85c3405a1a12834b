from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.inference.tiny_bundle import head_slice

from plainscan.inference.overlay import (
    FOOTER_PX,
    SMALLEST_WIDTH_PX,
    WARNING,
    blend,
    colors,
    file_name,
    render,
    save,
    striped,
)


def test_without_heat_the_picture_is_the_brain_window() -> None:
    hu = np.array([[-1000, 0, 40, 80, 3000]])
    assert blend(hu, np.zeros((1, 5)))[0].tolist() == [[0] * 3, [0] * 3, [128] * 3, [255] * 3, [255] * 3]


def test_heat_is_colored_and_leaves_anatomy_visible() -> None:
    hu = np.array([[20, 60]])
    mixed = blend(hu, np.ones((1, 2)))[0].astype(int)
    assert mixed[0, 0] > mixed[0, 2] + 50  # yellow: red above blue
    assert (mixed[1] > mixed[0]).all()  # the brighter pixel stays the brighter one


def test_lightness_of_the_colors_rises_all_the_way() -> None:
    rgb = colors(np.linspace(0, 1, 50)) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    assert (np.diff(linear @ [0.2126, 0.7152, 0.0722]) > 0).all()


@pytest.mark.parametrize(("side", "width"), [(512, 512), (64, 320), (300, 600)])
def test_small_slices_are_enlarged_until_the_footer_fits(side: int, width: int) -> None:
    page = render(head_slice(side), np.zeros((side, side)), 0.5, 0.6)
    assert page.size == (width, width + FOOTER_PX)
    assert page.width >= SMALLEST_WIDTH_PX


def test_the_picture_itself_is_not_covered_by_the_footer() -> None:
    hu = head_slice(512)
    page = np.asarray(render(hu, np.zeros(hu.shape), 0.5, 0.6))
    np.testing.assert_array_equal(page[:512], blend(hu, np.zeros(hu.shape)))


def test_png_holds_no_chunk_but_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    save(render(head_slice(), np.zeros((128, 128)), 0.5, 0.6), path)
    data, kinds, at = path.read_bytes(), set(), 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        kinds.add(kind)
        at += 12 + length
    assert kinds == {b"IHDR", b"IDAT", b"IEND"}
    with Image.open(path) as image:
        assert image.info == {}
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_file_name_holds_no_part_of_a_uid() -> None:
    name = file_name("1.2.840.113619.2", "1.2.840.113619.2.7", 12)
    assert name.endswith("_012.png")
    assert "840" not in name
    assert name != file_name("1.2.840.113619.3", "1.2.840.113619.2.7", 12)


def test_a_map_that_is_not_reliable_is_striped_and_a_band_below_the_picture_says_so() -> None:
    hu, heat = head_slice(512), np.full((512, 512), 0.8)
    plain, marked = (np.asarray(render(hu, heat, 0.9, 0.6, why)) for why in ((), ("spread over the head",)))
    assert (marked[514] == WARNING).all()
    assert not (plain == WARNING).all(axis=-1).any()
    np.testing.assert_array_equal(marked[:512], blend(hu, striped(heat)))
    np.testing.assert_array_equal(plain[:512], blend(hu, heat))
    np.testing.assert_array_equal(marked[-FOOTER_PX + 4 : -FOOTER_PX + 12], plain[-FOOTER_PX + 4 : -FOOTER_PX + 12])
    grey = (marked[:512] == blend(hu, np.zeros(hu.shape))).all(axis=-1)
    assert 0.4 < grey.mean() < 0.6
