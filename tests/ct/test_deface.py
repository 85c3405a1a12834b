from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from plainscan.ct.deface import Frame, Plane, beyond, face_plane
from plainscan.phantom.scanner import Geometry
from plainscan.phantom.scene import CAVITY, SKIN, Scene, render_planes
from plainscan.phantom.study import StudyOptions, make_study

SLICES, SIZE, MM = 88, 104, 2.4
SEEDS = (0, 4, 13)  # 4 and 13 are turned most: a cut along the plane alone would reach the spinal canal


class Head(NamedTuple):
    """A thin series from chin to vertex, and the fields of the head it shows.

    Args:
        hu: (slices, rows, columns), HU.
        frame: Where the slices lie.
        positions_mm: Of their first pixels, (slices, 3).
        at_mm: Head coordinates of each voxel: left, back, up from the ear canals.
        cavity_mm: Depth below the skull's inner table, each voxel.
        skin_mm: Depth below the skin.
    """

    hu: NDArray[np.int16]
    frame: Frame
    positions_mm: NDArray[np.float64]
    at_mm: NDArray[np.float32]
    cavity_mm: NDArray[np.float32]
    skin_mm: NDArray[np.float32]


def head(seed: int) -> Head:
    scene = make_study(np.random.default_rng(seed), StudyOptions(size=64, slices=(2, 2))).scene
    row, column, up = np.eye(3)
    middle = np.array([0.0, -10.0, 15.0]) @ scene.pose.turn + scene.pose.shift_mm
    first = middle - (row + column) * SIZE * MM / 2 - up * SLICES * MM / 2
    positions = first + np.arange(SLICES)[:, None] * up * MM
    directions = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    geometry = Geometry((SIZE, SIZE), MM, *directions, positions, np.full(SLICES, MM), 0.0)
    hu = np.stack([hu for hu, _ in render_planes(scene, geometry)]).astype(np.int16)
    return Head(hu, Frame(first, row, column, up * MM, (MM, MM)), positions, *_fields(scene, positions))


def _fields(scene: Scene, positions: NDArray[np.float64]) -> tuple[NDArray[np.float32], ...]:
    y, x = np.mgrid[:SIZE, :SIZE] * MM
    points = positions[:, None, None] + np.stack([x, y, np.zeros_like(x)], axis=-1)
    at = np.moveaxis((points - scene.pose.shift_mm) @ scene.pose.turn.T, -1, 0).astype(np.float32)
    fields = scene.patient.head.sample(*(np.ascontiguousarray(axis.ravel()) for axis in at))
    return at, fields[CAVITY].reshape(points.shape[:-1]), fields[SKIN].reshape(points.shape[:-1])


def cut(one: Head, plane: Plane) -> NDArray[np.bool_]:
    frame = one.frame
    slices = [beyond(plane, p, frame.row, frame.column, frame.pixel_mm, (SIZE, SIZE)) for p in one.positions_mm]
    return np.stack(slices)


@pytest.fixture(scope="module", params=SEEDS)
def one(request: pytest.FixtureRequest) -> Head:
    return head(request.param)


def test_nothing_inside_the_cranium_and_nothing_of_the_vault_is_cut(one: Head) -> None:
    plane = face_plane(one.hu, one.frame)
    assert plane is not None
    away = cut(one, plane)
    assert not (away & (one.cavity_mm > 0)).any()
    assert not (away & (one.cavity_mm > -6) & (one.at_mm[2] > 40)).any()


def test_the_surface_of_the_face_is_gone(one: Head) -> None:
    plane = face_plane(one.hu, one.frame)
    assert plane is not None
    away, (x, y, z) = cut(one, plane), one.at_mm
    surface = np.abs(one.skin_mm) < MM
    face = surface & (y < -60) & (z > -80) & (z < 5) & (np.abs(x) < 55)
    nose = surface & (y < -90) & (z > -50) & (z < 0) & (np.abs(x) < 20)
    assert face.sum() > 300
    assert nose.sum() > 20
    assert away[face].mean() > 0.95
    assert away[nose].all()


def test_the_plane_does_not_depend_on_how_rows_and_columns_lie(one: Head) -> None:
    frame = one.frame
    turned = Frame(frame.first_mm, frame.column, frame.row, frame.step, frame.pixel_mm)
    plane, again = face_plane(one.hu, frame), face_plane(one.hu.transpose(0, 2, 1), turned)
    assert plane is not None
    assert again is not None
    assert np.allclose([*plane.normal, plane.offset_mm], [*again.normal, again.offset_mm])


def test_no_plane_is_made_up_where_there_is_no_brain() -> None:
    frame = Frame(np.zeros(3), *np.eye(3), (1.0, 1.0))
    for value in (-1000, 40, 1000):
        assert face_plane(np.full((40, 64, 64), value, np.int16), frame) is None
