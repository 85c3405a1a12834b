"""Trap 11: positions come from position and orientation, whatever else the header says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainscan.ct.geometry import gaps, is_axial, is_turned, normal, plausible, stack, tilt_deg

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def tilted(deg: float) -> tuple[float, ...]:
    """Rows along x; columns lean so that the normal leans to the back by ``deg``."""
    return (1.0, 0.0, 0.0, 0.0, math.cos(math.radians(deg)), -math.sin(math.radians(deg)))


def line(*z_mm: float) -> list[tuple[float, float, float]]:
    return [(0.0, 0.0, z) for z in z_mm]


@settings(deadline=None, max_examples=30)
@given(st.floats(-30, 30), st.permutations(range(9)))
def test_order_and_spacing_do_not_depend_on_tilt_or_file_order(deg: float, order: list[int]) -> None:
    along = normal(tilted(deg))
    found = stack([tuple(5.0 * i * along) for i in order], tilted(deg), [5.0] * 9)
    assert [order[i] for i in found.order] == list(range(9))
    assert found.spacings_mm == pytest.approx([5.0] * 8)
    assert found.tilt_deg == pytest.approx(deg, abs=1e-6)
    assert set(found.flags) <= {"tilted"}
    assert ("tilted" in found.flags) == (abs(deg) > 1)


def test_a_gantry_tilt_stacks_along_the_table_but_is_measured_along_the_normal() -> None:
    found = stack(line(0, 10, 20), tilted(18.5), [9.0] * 3)
    assert found.spacings_mm == pytest.approx([10 * math.cos(math.radians(18.5))] * 2)


@pytest.mark.parametrize(
    ("z_mm", "thickness", "flags"),
    [
        ((0, 5, 10, 15), 5.0, ()),
        ((0, 5, 10, 25, 30), 5.0, ("uneven_spacing", "missing_block")),
        ((0, 4, 8, 12, 13, 20, 27, 34), None, ("uneven_spacing",)),
        ((0, 5, 5, 10), 5.0, ("uneven_spacing", "duplicate_position")),
        ((0, 30, 60), 5.0, ("missing_block",)),
        ((0, 10, 20), 5.0, ()),
    ],
)
def test_spacing_is_judged(z_mm: tuple[float, ...], thickness: float | None, flags: tuple[str, ...]) -> None:
    thick = [4.0, 4.0, 4.0, 4.0, 7.0, 7.0, 7.0, 7.0] if thickness is None else [thickness] * len(z_mm)
    assert stack(line(*z_mm), AXIAL, thick).flags == flags


def test_feet_first_and_lying_on_the_belly_are_flagged_and_change_no_order() -> None:
    assert stack(line(5, 0), AXIAL, patient_position="FFS").flags == ("feet_first",)
    prone = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    found = stack(line(5, 0), prone)
    assert (found.order, found.flags) == ((1, 0), ("turned",))
    assert is_turned(prone)


def test_a_flipped_normal_still_points_to_the_head() -> None:
    assert normal((1, 0, 0, 0, -1, 0)).tolist() == [0, 0, 1]
    assert tilt_deg(AXIAL) == 0


@pytest.mark.parametrize(
    ("orientation", "axial"),
    [
        (AXIAL, True),
        (tilted(30), True),
        (tilted(50), False),
        ((0, 1, 0, 0, 0, -1), False),
        ((1, 0, 0, 0, 0, -1), False),
    ],
)
def test_only_what_a_gantry_can_do_is_axial(orientation: tuple[float, ...], axial: bool) -> None:
    assert is_axial(orientation) is axial


@pytest.mark.parametrize("orientation", [None, (), (1, 0, 0), (0, 0, 0, 0, 0, 0), (1, 0, 0, 1, 0, 0), (math.nan,) * 6])
def test_impossible_orientations_are_seen(orientation: tuple[float, ...] | None) -> None:
    assert not plausible(orientation)


def test_single_slices_and_pairs_have_no_gap() -> None:
    assert stack(line(3), AXIAL).flags == ()
    assert stack(line(3), AXIAL).extent_mm == 0
    assert not gaps(np.zeros(0), np.zeros(0)).any()
