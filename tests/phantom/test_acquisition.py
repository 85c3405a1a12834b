from __future__ import annotations

import numpy as np
import pytest

from plainscan.phantom.acquisition import LOWEST_MM, VERTEX_MM, draw_scanner, plan, turn_scene
from plainscan.phantom.anatomy import make_patient
from plainscan.phantom.scene import Scene, make_scene


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene(np.random.default_rng(0), make_patient(np.random.default_rng(5)), (), 0)


def test_a_hospitals_slices_touch(scene: Scene) -> None:
    for seed in range(8):
        geometry = plan(np.random.default_rng(seed), scene, 128, (14, 30), wide=False)
        gaps = np.diff(geometry.positions_mm[:, 2])
        assert gaps == pytest.approx(geometry.thickness_mm[1:], abs=0.02)
        assert 225 <= geometry.pixel_mm * 128 <= 250


def test_wide_slices_ascend_within_the_head_and_vary_in_everything(scene: Scene) -> None:
    plans = [plan(np.random.default_rng(seed), scene, 128, (16, 16), wide=True) for seed in range(80)]
    for geometry in plans:
        heights = geometry.positions_mm[:, 2] - scene.pose.shift_mm[2]
        lean = 64 * geometry.pixel_mm * np.sin(np.deg2rad(abs(scene.tilt_deg)))
        assert (np.diff(heights) > 0.4).all()
        assert heights.min() > LOWEST_MM - lean - 1
        assert heights.max() < VERTEX_MM + 40 + lean
    thickness = np.array([geometry.thickness_mm[0] for geometry in plans])
    assert thickness.min() < 1.25
    assert thickness.max() > 7
    fields = np.array([geometry.pixel_mm * 128 for geometry in plans])
    assert fields.min() < 208
    assert fields.max() > 260
    even = [np.ptp(np.diff(geometry.positions_mm[:, 2])) < 0.01 for geometry in plans]
    assert 0.3 < np.mean(even) < 0.7


def test_more_slices_than_fit_are_still_ascending(scene: Scene) -> None:
    for seed in range(6):
        geometry = plan(np.random.default_rng(seed), scene, 64, (400, 400), wide=True)
        assert (np.diff(geometry.positions_mm[:, 2]) > 0).all()


def test_a_wide_head_is_sometimes_turned_and_tilted_and_the_turn_stays_proper(scene: Scene) -> None:
    turned = [turn_scene(np.random.default_rng(seed), scene) for seed in range(60)]
    yaw = np.rad2deg([np.arctan2(s.pose.turn[1, 0], s.pose.turn[0, 0]) for s in turned])
    assert np.abs(yaw).max() > 15
    assert np.median(np.abs(yaw)) < 8
    assert max(abs(s.tilt_deg) for s in turned) > 15
    for s in turned:
        assert np.linalg.det(s.pose.turn) == pytest.approx(1.0)


def test_thin_slices_of_the_wide_world_are_noisier_but_not_by_the_root_of_the_dose() -> None:
    def noise(thickness: float) -> float:
        drawn = [draw_scanner(np.random.default_rng(seed), thickness, wide=True) for seed in range(40)]
        return float(np.median([s.kernel.noise_hu * np.sqrt(5 / thickness) for s in drawn]))

    assert 1.2 < noise(1.0) / noise(5.0) < 2.0


def test_a_wide_scanner_varies_and_a_hospitals_hardly_does() -> None:
    rng = np.random.default_rng(2)
    wide = [draw_scanner(rng, 5.0, wide=True) for _ in range(60)]
    narrow = [draw_scanner(rng, 5.0, wide=False) for _ in range(20)]
    assert np.std([s.kernel.blur_mm for s in wide]) > 0.15
    assert {s.kernel for s in narrow} == {narrow[0].kernel}
    assert any(s.flaws.motion_mm for s in wide)
    assert any(s.output.circle_hu is None for s in wide)
    assert any(s.output.circle_hu is not None for s in wide)
    assert {s.output.circle_hu for s in narrow} == {None}  # the DICOM writer pads
