from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainscan.phantom.atlas import Grid, build, cover, ellipsoid, smooth_max, smooth_min, smooth_noise, tube

GRID = Grid((-10.0, -8.0, -6.0), 2.0, (11, 9, 7))


def at(*points: tuple[float, float, float]) -> list[np.ndarray]:
    return [np.array(axis, np.float32) for axis in zip(*points, strict=True)]


@settings(deadline=None, max_examples=30)
@given(st.floats(-10, 9.9), st.floats(-8, 7.9), st.floats(-6, 5.9))
def test_a_linear_field_is_interpolated_exactly(x: float, y: float, z: float) -> None:
    gx, gy, gz = np.broadcast_arrays(*GRID.axes())
    atlas = build(GRID, [gx + 2 * gy - 3 * gz, np.full(GRID.shape, 7.0)])
    values = atlas.sample(*at((x, y, z)))
    assert values[0, 0] == pytest.approx(x + 2 * y - 3 * z, abs=0.05)
    assert values[1, 0] == pytest.approx(7.0)


def test_beyond_the_grid_the_border_holds() -> None:
    gx, _, _ = np.broadcast_arrays(*GRID.axes())
    values = build(GRID, [gx]).sample(*at((99.0, 0.0, 0.0), (-99.0, 0.0, 0.0)))
    assert values[0].tolist() == pytest.approx([10.0, -10.0], abs=0.01)


def test_the_distance_to_a_sphere_is_exact() -> None:
    x, y, z = at((0.0, 0.0, 5.0), (0.0, 3.0, 0.0), (8.0, 0.0, 0.0))
    assert ellipsoid(x, y, z, (0, 0, 0), (5, 5, 5)).tolist() == pytest.approx([0.0, 2.0, -3.0], abs=1e-5)


def test_a_tube_tapers_between_its_nodes() -> None:
    x, y, z = at((0.0, 0.0, 0.0), (10.0, 0.0, 0.0), (5.0, 4.0, 0.0))
    path = (((0.0, 0.0, 0.0), 1.0), ((10.0, 0.0, 0.0), 3.0))
    assert tube(x, y, z, path).tolist() == pytest.approx([1.0, 3.0, -2.0], abs=1e-5)


def test_smooth_extremes_equal_the_plain_ones_away_from_the_seam() -> None:
    a, b = np.array([0.0, 9.0], np.float32), np.array([9.0, 0.0], np.float32)
    assert smooth_min(a, b, 2.0).tolist() == [0.0, 0.0]
    assert smooth_max(a, b, 2.0).tolist() == [9.0, 9.0]


def test_cover_is_a_half_on_the_boundary_and_monotone() -> None:
    ramp = cover(np.linspace(-3, 3, 61).astype(np.float32), 2.0)
    assert ramp[30] == pytest.approx(0.5)
    assert (np.diff(ramp) >= 0).all()
    assert (ramp[0], ramp[-1]) == (0.0, 1.0)


def test_noise_has_unit_variance_and_follows_its_seed() -> None:
    big = Grid((0.0, 0.0, 0.0), 2.0, (40, 40, 40))
    one, two = (smooth_noise(np.random.default_rng(3), big, 6.0) for _ in range(2))
    assert np.array_equal(one, two)
    assert one.std() == pytest.approx(1.0, abs=0.1)
