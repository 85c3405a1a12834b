"""Where slices lie: positions along the slice normal, anatomical order, tilt, spacing.

Everything is computed from Image Position (Patient) and Image Orientation (Patient), PS3.3 C.7.6.2.1.1.
The gantry tilt tag has two signs in the field and Instance Number any order: neither is used.
Patient coordinates: +x to the patient's left, +y to the back, +z to the head, in mm, whichever way
the patient lay on the table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

TILTED_DEG: Final = 1.0
SAME_PLACE_MM: Final = 0.05
UNEVEN: Final = 1.1  # largest over smallest spacing
GAP: Final = 1.5  # times the usual spacing and the slice thickness
FARTHEST_MM: Final = 100_000.0  # from the origin; no scanner is as long
PIXEL_MM: Final = (0.05, 10.0)  # plausible pixel spacing
THICKNESS_MM: Final = (0.05, 100.0)  # plausible slice thickness
WIDE_GAP: Final = 3.0  # times the slice thickness: no head protocol leaves so much out

FLAGS: Final = {
    "tilted": f"the slices are tilted against the axial plane by more than {TILTED_DEG:g} degree",
    "uneven_spacing": "the spacing changes inside the series",
    "missing_block": "there is a gap where slices should be",
    "duplicate_position": "two slices lie at the same place",
    "feet_first": "the patient lay with the feet first",
    "turned": "rows or columns do not run from right to left and from front to back",
}


class Stack(NamedTuple):
    """A series of parallel slices in anatomical order.

    Args:
        order: Indices into what was given, lowest (feet) first.
        positions_mm: Along the normal, in that order.
        spacings_mm: Between neighbours, one fewer.
        tilt_deg: See ``tilt_deg``.
        flags: Coded remarks, see ``FLAGS``.
    """

    order: tuple[int, ...]
    positions_mm: tuple[float, ...]
    spacings_mm: tuple[float, ...]
    tilt_deg: float
    flags: tuple[str, ...]

    @property
    def extent_mm(self) -> float:
        """From the lowest to the highest slice."""
        return self.positions_mm[-1] - self.positions_mm[0]


def plausible(orientation: Sequence[float] | None) -> bool:
    """Whether six numbers are two perpendicular unit vectors.

    >>> plausible([1, 0, 0, 0, 1, 0]), plausible([1, 0, 0, 1, 0, 0]), plausible(None)
    (True, False, False)
    """
    if orientation is None or len(orientation) != 6 or not all(map(math.isfinite, orientation)):
        return False
    if max(map(abs, orientation)) > 1.01:
        return False
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    return all(abs(length - 1) < 0.01 for length in lengths) and abs(float(row @ column)) < 0.01


def plausible_position(position_mm: Sequence[float | None]) -> bool:
    """Whether a position is known, finite and near the scanner.

    >>> plausible_position([-120, -130, 42.5]), plausible_position([0, 0, 1e308]), plausible_position([0, 0, None])
    (True, False, False)
    """
    return all(value is not None and abs(value) <= FARTHEST_MM for value in position_mm)


def normal(orientation: Sequence[float]) -> Vector:
    """Unit normal of the slice plane, pointing to the head.

    >>> normal([1, 0, 0, 0, 1, 0]).tolist()
    [0.0, 0.0, 1.0]
    """
    vector = np.cross(np.array(orientation[:3], float), np.array(orientation[3:], float))
    vector = vector / np.linalg.norm(vector)
    upward: Vector = (-vector if vector[2] < 0 else vector) + 0.0
    return upward


def tilt_deg(orientation: Sequence[float]) -> float:
    """Angle by which the normal leans in the sagittal plane, in degrees; positive: to the patient's back.

    >>> round(tilt_deg([1, 0, 0, 0, 0.9483237, -0.3173047]), 1)
    18.5
    """
    _, y, z = normal(orientation)
    return math.degrees(math.atan2(y, z))


def is_axial(orientation: Sequence[float]) -> bool:
    """Whether a gantry could have made it: at most 35 degrees in the sagittal plane, 20 to the side.

    >>> is_axial([1, 0, 0, 0, 1, 0]), is_axial([1, 0, 0, 0, 0, -1])
    (True, False)
    """
    x, _, z = normal(orientation)
    return bool(z > 0 and abs(tilt_deg(orientation)) <= 35 and abs(math.degrees(math.asin(np.clip(x, -1, 1)))) <= 20)


def is_turned(orientation: Sequence[float]) -> bool:
    """Whether the picture is mirrored or rotated against the usual view (lying on the belly, for one)."""
    return orientation[0] < 0.7 or orientation[4] < 0.7


def slice_position_mm(position_mm: Sequence[float], orientation: Sequence[float]) -> float:
    """Distance of the slice plane from the origin along its normal, growing towards the head.

    >>> slice_position_mm([-120, -130, 42.5], [1, 0, 0, 0, 1, 0])
    42.5
    """
    return float(np.asarray(position_mm, float) @ normal(orientation))


def stack(
    positions_mm: Sequence[Sequence[float]],
    orientation: Sequence[float],
    thickness_mm: Sequence[float | None] = (),
    patient_position: str = "",
) -> Stack:
    """Put parallel slices into anatomical order and describe them.

    Args:
        positions_mm: (slices, 3), Image Position (Patient).
        orientation: Six direction cosines, shared by all.
        thickness_mm: One a slice, None where unknown; may be empty.
        patient_position: Code string such as HFS.

    >>> stack([[0, 0, 10], [0, 0, 0], [0, 0, 5]], [1, 0, 0, 0, 1, 0]).order
    (1, 2, 0)
    """
    along = np.asarray(positions_mm, float) @ normal(orientation)
    order = np.argsort(along, kind="stable")
    sorted_mm = along[order]
    spacings = np.diff(sorted_mm)
    tilt = tilt_deg(orientation)
    thick = _thickness(thickness_mm, order)
    flags = {
        "tilted": abs(tilt) > TILTED_DEG,
        "uneven_spacing": is_uneven(spacings),
        "missing_block": bool(gaps(spacings, thick).any()),
        "duplicate_position": bool((spacings < SAME_PLACE_MM).any()),
        "feet_first": patient_position.upper().startswith("FF"),
        "turned": is_turned(orientation),
    }
    return Stack(
        tuple(order.tolist()),
        tuple(sorted_mm.tolist()),
        tuple(spacings.tolist()),
        tilt,
        tuple(name for name, holds in flags.items() if holds),
    )


def _thickness(thickness_mm: Sequence[float | None], order: NDArray[np.intp]) -> Vector:
    """The thicker of each pair of neighbours, (slices - 1,); 0 where unknown."""
    if len(thickness_mm) != len(order):
        return np.zeros(max(len(order) - 1, 0))
    values = np.array([thickness_mm[i] or 0.0 for i in order])
    thicker: Vector = np.maximum(values[:-1], values[1:])
    return thicker


def is_uneven(spacings_mm: Vector) -> bool:
    """Whether spacings differ by more than rounding does."""
    if len(spacings_mm) < 2:
        return False
    low, high = float(spacings_mm.min()), float(spacings_mm.max())
    return high - low > 0.1 and high > UNEVEN * max(low, 1e-9)


def gaps(spacings_mm: Vector, thickness_mm: Vector) -> NDArray[np.bool_]:
    """Which spacings are holes, (slices - 1,).

    A hole is clearly wider than the usual spacing *and* than the slices are thick, or much wider than
    they are thick. A protocol with thin slices below and thick ones above has none.

    >>> gaps(np.array([5.0, 5.0, 20.0, 5.0]), np.full(4, 5.0)).tolist()
    [False, False, True, False]
    """
    if not len(spacings_mm):
        return np.zeros(0, np.bool_)
    usual = float(np.median(spacings_mm))
    known = thickness_mm > 0
    wide = spacings_mm > GAP * np.maximum(usual, thickness_mm) + SAME_PLACE_MM
    result: NDArray[np.bool_] = wide | (known & (spacings_mm > WIDE_GAP * thickness_mm))
    return result
