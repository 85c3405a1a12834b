from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from plainscan.phantom.anatomy import make_patient
from plainscan.phantom.lesion import CAVITY
from plainscan.phantom.scanner import Geometry, Pose
from plainscan.phantom.scene import Scene, render_planes


@pytest.fixture(scope="module")
def scene() -> Scene:
    patient = make_patient(np.random.default_rng(4))
    return Scene(patient, 0, patient.look, (), Pose(np.eye(3), np.zeros(3)), 0.0)


def plan(heights: list[float], thickness_mm: float, size: int = 128, field_mm: float = 230.0) -> Geometry:
    corner = -field_mm / 2 * (1 - 1 / size)
    positions = np.array([[corner, corner, height] for height in heights])
    thick = np.full(len(heights), thickness_mm)
    return Geometry((size, size), field_mm / size, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), positions, thick, 0.0)


def one(scene: Scene, geometry: Geometry) -> NDArray[np.float32]:
    ((hu, _),) = render_planes(scene, geometry)
    return hu


def test_beyond_the_head_there_is_air(scene: Scene) -> None:
    ((hu, shares),) = render_planes(scene, plan([190.0], 5.0))
    assert (hu == -1000).all()
    assert shares.shape == (0, 128, 128)


def test_a_slice_is_the_same_alone_as_in_its_series(scene: Scene) -> None:
    heights = [-60.0, 20.0, 75.0, 190.0]
    series = [hu for hu, _ in render_planes(scene, plan(heights, 3.0))]
    assert all(np.array_equal(hu, one(scene, plan([z], 3.0))) for hu, z in zip(series, heights, strict=True))


def test_a_thick_slice_is_about_the_mean_of_thin_ones(scene: Scene) -> None:
    thick = one(scene, plan([40.0], 6.0))
    geometry = plan(list(np.arange(37.5, 43.0, 1.0)), 1.0)
    thin = np.mean([hu for hu, _ in render_planes(scene, geometry)], axis=0)
    brain = (thin > 0) & (thin < 60)
    assert np.abs(thick - thin)[brain].mean() < 2.5
    assert abs((thick - thin)[brain].mean()) < 1.0


def test_the_vault_of_a_thick_slice_is_blurred_where_it_lies_level(scene: Scene) -> None:
    heights = np.arange(80, 140, dtype=np.float32)
    cavity = scene.patient.head.sample(0 * heights, 0 * heights, heights)[CAVITY]
    height = float(heights[cavity > 0][-1])
    thin, thick = (one(scene, plan([height], mm)) for mm in (0.6, 8.0))
    middling = [((hu > 80) & (hu < 900)).sum() for hu in (thin, thick)]
    assert middling[1] > 1.3 * middling[0]


def test_pixels_do_not_depend_on_where_the_rectangle_of_nodes_begins(scene: Scene) -> None:
    here = one(scene, plan([50.0], 1.0))
    moved = replace(scene, pose=Pose(np.eye(3), np.array([230 / 128 * 3, 0.0, 0.0])))
    there = one(moved, plan([50.0], 1.0))
    assert np.median(np.abs(here[:, :-3] - there[:, 3:])) < 1.0
