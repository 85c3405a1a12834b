from __future__ import annotations

import numpy as np
import pytest

from plainscan.inference.held_out import area_mm2, brain_share, enlarge, mask_of

ROW = {"box_top_px": 0.0, "box_left_px": 0.0, "box_side_px": 64.0, "rows": 64, "columns": 64}


def test_a_mask_lands_where_its_pixels_went() -> None:
    bits = np.zeros((64, 64), np.uint16)
    bits[8:16, 32:48] = 1 << 4
    mask = mask_of(bits, 4, ROW, 32)
    assert mask[4:8, 16:24].all()
    assert mask.sum() == 4 * 8
    assert not mask_of(bits, 5, ROW, 32).any()
    np.testing.assert_array_equal(mask_of(bits, 0, ROW, 32), mask)


def test_a_shifted_box_shifts_the_mask() -> None:
    bits = np.zeros((64, 64), np.uint16)
    bits[20:24, 20:24] = 2
    moved = {**ROW, "box_top_px": 16.0, "box_left_px": 16.0, "box_side_px": 32.0}
    assert np.argwhere(mask_of(bits, 1, moved, 32)).min(axis=0).tolist() == [4, 4]


def test_brain_share_is_of_the_whole_picture_not_of_the_box() -> None:
    hu = np.full((32, 32), -1000, np.int16)
    hu[:16] = 35
    assert brain_share(hu, ROW) == 0.5
    assert brain_share(hu, {**ROW, "box_side_px": 32.0}) == 0.125


def test_bone_fat_and_fluid_are_no_brain() -> None:
    hu = np.array([[-1000, -80, 5, 15], [35, 60, 61, 1000]], np.int16)
    assert brain_share(hu, {**ROW, "box_side_px": 64.0}) == 3 / 8


def test_an_enlarged_map_keeps_its_mean_and_its_peak() -> None:
    grid = np.zeros((4, 4), np.float32)
    grid[1, 2] = 1.0
    big = enlarge(grid, 64)
    assert big.mean() == pytest.approx(1 / 16, rel=0.02)
    peak = np.unravel_index(big.argmax(), big.shape)
    assert 16 <= peak[0] < 32
    assert 32 <= peak[1] < 48


def test_an_area_counts_the_findings_own_pixels_in_square_millimeters() -> None:
    bits = np.zeros((64, 64), np.uint16)
    bits[8:16, 32:48], bits[0, 0] = 1 << 4, 1 << 2
    row = {**ROW, "pixel_spacing_row_mm": 0.5, "pixel_spacing_column_mm": 0.25}
    assert area_mm2(bits, 4, row) == 8 * 16 * 0.125
    assert area_mm2(bits, 0, row) == (8 * 16 + 1) * 0.125
    assert area_mm2(bits, 4, {**row, "pixel_spacing_row_mm": None}) is None
