"""A plane that cuts the face off and leaves the brain: found from the volume itself.

After QuickShear (Schimke and Hale, 2011): one plane in front of and below the brain; what lies beyond it and in front
of the ears becomes air. Here the brain is soft tissue with bone on four sides in its slice, followed downward from the
vertex, and the plane leans by 45 degrees: it passes in front of the frontal lobes and the temporal poles, and takes
eyes, nose, mouth and chin with it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

GRID_MM: Final = 2.0
BONE_HU: Final = 220.0  # of a cell: thin bone is not a cell thick
BRAIN_HU: Final = (-5.0, 95.0)
SMALLEST_SLICE_MM2: Final = 800.0
BASE_SHARE: Final = 0.3  # below a slice with less than this share of the largest, there is no brain left
LEAST_CM3: Final = 250.0  # of brain; a neonate has more
CHORD_MM: Final = 24.0  # a front narrower than this is not looked at; a frontal pole is 2 mm ahead of it
MARGIN_MM: Final = 8.0  # air begins so far from the brain
EARS_MM: Final = 30.0  # so far in front of the middle of the brain, the ear canals and the foramen magnum lie behind
LEAN: Final = (np.cos(np.pi / 4), np.sin(np.pi / 4))  # forward and downward part of the plane's normal

Bool = NDArray[np.bool_]
Floats = NDArray[np.float64]


Direction = tuple[float, float, float]


class Plane(NamedTuple):
    """What lies beyond it is the face: points p in patient coordinates, mm.

    Args:
        normal: Forward and down, unit vector.
        offset_mm: The face has normal . p above it,
        forward: and forward, unit vector,
        start_mm: forward . p above this: the ears, behind which nothing is cut.
    """

    normal: Direction
    offset_mm: float
    forward: Direction
    start_mm: float


class Frame(NamedTuple):
    """Where the slices of a series lie.

    Args:
        first_mm: Center of the first pixel of the lowest slice, patient coordinates.
        row: Direction of increasing column, unit vector.
        column: Direction of increasing row.
        step: From a slice to the next, its length the spacing.
        pixel_mm: Row spacing, column spacing.
    """

    first_mm: Floats
    row: Floats
    column: Floats
    step: Floats
    pixel_mm: tuple[float, float]


def face_plane(hu: NDArray[np.int16], frame: Frame) -> Plane | None:
    """The plane between brain and face of an axial series.

    Args:
        hu: (slices, rows, columns), HU, lowest slice first.
        frame: Where they lie; slices equally spaced.

    Returns:
        None where no brain is found: not a head, or a part of one.
    """
    if abs(frame.column[1]) < abs(frame.row[1]):  # the picture is turned by a quarter
        hu = hu.transpose(0, 2, 1)
        frame = Frame(frame.first_mm, frame.column, frame.row, frame.step, (frame.pixel_mm[1], frame.pixel_mm[0]))
    spacing = float(np.linalg.norm(frame.step))
    factors, cells = _coarse(hu, (spacing, *frame.pixel_mm))
    cell_mm = (spacing * factors[0], frame.pixel_mm[0] * factors[1], frame.pixel_mm[1] * factors[2])
    brain = _brain(cells, cell_mm)
    if brain.sum() * np.prod(cell_mm) < 1000 * LEAST_CM3:
        return None
    z, y = np.nonzero(brain.sum(axis=2) * cell_mm[2] >= CHORD_MM)
    slices, rows = factors[0] * z + (factors[0] - 1) / 2, factors[1] * y + (factors[1] - 1) / 2
    down = frame.column * frame.pixel_mm[0]
    points = frame.first_mm + slices[:, None] * frame.step + rows[:, None] * down
    forward = -frame.column * np.sign(frame.column[1])
    normal = LEAN[0] * forward - LEAN[1] * frame.step / spacing
    normal /= np.linalg.norm(normal)
    along = points @ forward
    start_mm = float((along.min() + along.max()) / 2 + EARS_MM)
    return Plane(_direction(normal), float((points @ normal).max() + MARGIN_MM), _direction(forward), start_mm)


def _direction(vector: Floats) -> Direction:
    x, y, z = vector.tolist()
    return x, y, z


def beyond(
    plane: Plane, first_mm: Floats, row: Floats, column: Floats, pixel_mm: tuple[float, float], shape: tuple[int, int]
) -> Bool:
    """Which pixels of a slice, in any orientation, lie in the face: (rows, columns)."""
    result: Bool = _above(plane.normal, plane.offset_mm, first_mm, row, column, pixel_mm, shape)
    result &= _above(plane.forward, plane.start_mm, first_mm, row, column, pixel_mm, shape)
    return result


def _above(
    normal: Direction,
    offset_mm: float,
    first_mm: Floats,
    row: Floats,
    column: Floats,
    pixel_mm: tuple[float, float],
    shape: tuple[int, int],
) -> Bool:
    along = np.asarray(normal)
    depth = float(along @ first_mm) - offset_mm
    down = np.arange(shape[0]) * pixel_mm[0] * float(along @ column)
    right = np.arange(shape[1]) * pixel_mm[1] * float(along @ row)
    result: Bool = depth + down[:, None] + right > 0
    return result


def _coarse(
    hu: NDArray[np.int16], spacing_mm: tuple[float, float, float]
) -> tuple[tuple[int, int, int], NDArray[np.float32]]:
    """Means of blocks of about ``GRID_MM``, and pixels per block."""
    nz, ny, nx = (max(1, round(GRID_MM / mm)) for mm in spacing_mm)
    z, y, x = hu.shape[0] // nz, hu.shape[1] // ny, hu.shape[2] // nx
    blocks = hu[: z * nz, : y * ny, : x * nx].reshape(z, nz, y, ny, x, nx)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3, 5), dtype=np.float32)
    return (nz, ny, nx), means


def _brain(cells: NDArray[np.float32], cell_mm: tuple[float, float, float]) -> Bool:
    """Soft tissue inside the skull, slice by slice from the vertex down as long as it is as wide as a brain."""
    bone = cells > BONE_HU
    closed = (
        _behind(bone, 1)
        & _behind(bone[:, ::-1], 1)[:, ::-1]
        & _behind(bone, 2)
        & _behind(bone[..., ::-1], 2)[..., ::-1]
    )
    soft = closed & (cells > BRAIN_HU[0]) & (cells < BRAIN_HU[1])
    reach = max(1, round(cell_mm[0] / cell_mm[1]))
    found = np.zeros(cells.shape, np.bool_)
    largest, near = 0, np.ones(cells.shape[1:], np.bool_)
    for k in range(len(cells) - 1, -1, -1):
        here = soft[k] & near
        area = int(here.sum())
        if largest == 0 and area * cell_mm[1] * cell_mm[2] < SMALLEST_SLICE_MM2:
            continue
        if area < BASE_SHARE * largest:
            break
        found[k], largest, near = here, max(largest, area), _grown(here, reach)
    return found


def _behind(bone: Bool, axis: int) -> Bool:
    """Cells that have bone before them along an axis."""
    result: Bool = np.logical_or.accumulate(bone, axis=axis)
    return result


def _grown(mask: Bool, cells: int) -> Bool:
    """The mask with its neighbors, ``cells`` times."""
    for _ in range(cells):
        wide = np.pad(mask, 1)
        mask = wide[1:-1, 1:-1] | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
    return mask
