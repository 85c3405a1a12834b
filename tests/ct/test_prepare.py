import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainscan.config import TrainSettings
from plainscan.ct.prepare import PREPARATION, Box, head_box, network_input, prepare_slice, resample, restore, weights
from plainscan.ct.window import BRAIN, Window

DEFAULT_WINDOWS = tuple(Window(*pair) for pair in TrainSettings().windows)


def disc(size: int, radius: float, row: float, column: float, hu: float = 35.0) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
    return np.where(inside, hu, -1000.0).astype(np.float32)


def test_area_weights_average_whole_pixels_exactly() -> None:
    image = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(resample(image, Box(0, 0, 4), 2, 0.0), [[2.5, 4.5], [10.5, 12.5]])


@settings(deadline=None, max_examples=60)
@given(st.integers(4, 80), st.floats(-10, 30), st.floats(2, 90), st.integers(2, 64))
def test_weights_are_shares(length: int, start: float, extent: float, size: int) -> None:
    matrix = weights(length, start, extent, size)
    assert matrix.min() >= 0
    assert matrix.sum(axis=1).max() <= 1 + 1e-5


@settings(deadline=None, max_examples=40)
@given(st.floats(-900, 2000), st.integers(16, 64), st.integers(8, 64))
def test_a_constant_slice_stays_constant(hu: float, length: int, size: int) -> None:
    image = np.full((length, length), hu)
    np.testing.assert_allclose(resample(image, Box(0, 0, length), size, -1000.0), hu, atol=0.02)


def test_outside_the_source_is_the_fill() -> None:
    cut = resample(np.zeros((4, 4)), Box(-4, -4, 12), 3, -1000.0)
    np.testing.assert_allclose(cut, [[-1000, -1000, -1000], [-1000, 0, -1000], [-1000, -1000, -1000]])


@pytest.mark.parametrize(("row", "column"), [(120, 120), (90, 150)])
def test_the_box_is_centred_on_the_head_wherever_it_lies(row: int, column: int) -> None:
    box = head_box(disc(256, 70, row, column))
    assert abs(box.top_px + box.side_px / 2 - row) < 2
    assert abs(box.left_px + box.side_px / 2 - column) < 2
    assert 2 * 70 < box.side_px < 2 * 70 * 1.15


def test_a_thin_headrest_and_a_caption_do_not_widen_the_box() -> None:
    head = disc(256, 70, 110, 128)
    with_rest = head.copy()
    with_rest[215:217, 110:146] = 60.0
    with_rest[3:8, 3:20] = 100.0
    assert abs(head_box(with_rest).side_px - head_box(head).side_px) < 0.08 * head_box(head).side_px


@pytest.mark.parametrize("width", [2, 5, 8])
def test_a_tall_headrest_rail_does_not_outweigh_a_small_vertex(width: int) -> None:
    vertex = disc(512, 60, 220, 250, hu=700.0)
    vertex[240:500, 430 : 430 + width] = 300.0
    box = head_box(vertex)
    assert abs(box.left_px + box.side_px / 2 - 250) < 4
    assert abs(box.top_px + box.side_px / 2 - 220) < 4


def test_a_head_of_thin_bone_alone_is_still_found() -> None:
    ring = disc(256, 80, 128, 128, hu=700.0)
    ring[disc(256, 77, 128, 128) > 0] = -1000.0
    assert abs(head_box(ring).side_px - 2 * 80 * 1.1) < 8


def test_a_picture_with_8_bit_brain_window_gives_the_same_box_as_hu() -> None:
    head = disc(256, 70, 128, 128)
    assert head_box(np.clip(head, -20, 100)) == head_box(head)


def test_a_small_vertex_is_not_blown_up() -> None:
    assert head_box(disc(200, 10, 100, 100)).side_px == 100


def test_a_slice_of_air_is_taken_whole() -> None:
    assert head_box(np.full((60, 80), -1000)) == Box(-10, 0, 80)


def test_a_prepared_slice_does_not_depend_on_the_matrix_size() -> None:
    small = prepare_slice([disc(256, 80, 128, 128)], 64)[0].astype(float)
    large = prepare_slice([disc(512, 160, 256, 256)], 64)[0].astype(float)
    assert np.abs(small - large).mean() < 15  # only the air-tissue edge differs


def test_neighbors_are_cut_with_the_middle_slices_box() -> None:
    planes = [disc(128, 20, 64, 64), disc(128, 50, 64, 64), disc(128, 60, 64, 64)]
    prepared = prepare_slice(planes, 64)
    assert prepared.shape == (3, 64, 64)
    assert prepared.dtype == np.int16
    alone = prepare_slice([planes[1]], 64)
    np.testing.assert_array_equal(prepared[1], alone[0])


def test_values_beyond_ct_range_are_clipped() -> None:
    prepared = prepare_slice([np.full((64, 64), 30000.0)], 64)
    assert prepared.max() == 3071


def test_channels_are_windows_within_planes() -> None:
    hu = np.array([0, 40], np.int16).reshape(1, 2, 1, 1)
    channels = network_input(hu, DEFAULT_WINDOWS)
    np.testing.assert_allclose(channels[0, :, 0, 0], [0.0, 0.1, 800 / 2800, 0.5, 0.3, 840 / 2800], atol=1e-5)
    assert network_input(hu, [BRAIN]).shape == (1, 2, 1, 1)


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 40), st.floats(0, 40), st.floats(30, 80), st.integers(4, 32))
def test_a_map_is_put_back_where_it_came_from(top: float, left: float, side: float, grid: int) -> None:
    box = Box(top, left, side)
    back = restore(np.ones((grid, grid), np.float32), box, (120, 120))
    rows = np.arange(120) + 0.5
    inside = (rows >= top) & (rows <= top + side)
    np.testing.assert_allclose(back[inside].max(axis=1), 1, atol=1e-5)
    assert back[~inside].max(initial=0) == 0


def test_a_hot_cell_comes_back_at_its_own_place() -> None:
    grid = np.zeros((8, 8), np.float32)
    grid[2, 5] = 1
    back = restore(grid, Box(20, 40, 80), (200, 200))
    row, column = np.unravel_index(back.argmax(), back.shape)
    assert (abs(row - 44.5), abs(column - 94.5)) <= (1.0, 1.0)


def test_the_rules_have_a_new_name_when_a_value_moves() -> None:
    rows, columns = np.mgrid[:200, :180]
    head = np.where(((rows - 90) / 70) ** 2 + ((columns - 95) / 55) ** 2 < 1, 30.0 + rows / 10, -1000.0)
    prepared = prepare_slice([head], 64).astype(np.int64)
    value = int((prepared * np.arange(1, prepared.size + 1).reshape(prepared.shape)).sum())
    assert PREPARATION == "head-square-2"
    assert abs(value + 3882428935) < 50_000  # a dozen pixels may round the other way on another machine
