from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plainscan.phantom.artifact import Flaws
from plainscan.phantom.atlas import F32
from plainscan.phantom.scanner import (
    BONE,
    SOFT,
    Geometry,
    Output,
    Scanner,
    detect,
    field_of_view,
    make_detector,
    noise,
    rotation,
    spectrum,
)

GEOMETRY = Geometry((128, 128), 0.9, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), np.zeros((1, 3)), np.array([5.0]), 0.0)


def seen(hu: F32, scanner: Scanner, seed: int = 1, thickness_mm: float = 5.0) -> F32:
    rng = np.random.default_rng(seed)
    return detect(make_detector(rng, GEOMETRY, scanner), hu, rng, thickness_mm)


def disc(value: float, radius_px: float = 56.0) -> F32:
    rows, columns = np.mgrid[:128, :128] - 63.5
    return np.where(np.hypot(rows, columns) < radius_px, np.float32(value), np.float32(-1000))


def test_noise_has_the_kernels_spectrum_and_unit_variance() -> None:
    rng = np.random.default_rng(0)
    amplitude = spectrum((128, 128), 0.9, SOFT)
    fields = np.stack([noise(rng, (128, 128), amplitude) for _ in range(40)])
    assert fields.std() == pytest.approx(1.0, abs=0.02)
    power = (np.abs(np.fft.rfft2(fields)) ** 2).mean(axis=0) / 128**2
    assert np.corrcoef(power.ravel(), (amplitude**2).ravel())[0, 1] > 0.95
    assert power[0, 0] < 0.02 * power.max()  # the ramp takes away the mean


def test_the_bone_kernel_keeps_higher_frequencies() -> None:
    soft, bone = (spectrum((128, 128), 0.45, kernel) for kernel in (SOFT, BONE))
    frequency = np.hypot(np.fft.fftfreq(128, 0.45)[:, None], np.fft.rfftfreq(128, 0.45))
    means = [(frequency * amplitude**2).sum() / (amplitude**2).sum() for amplitude in (soft, bone)]
    assert means[1] > 1.5 * means[0]


def test_a_uniform_slice_keeps_its_mean() -> None:
    image = seen(np.full((128, 128), 30.0, np.float32), Scanner(SOFT, dose=1.0))
    assert image.mean() == pytest.approx(30.0, abs=0.2)
    assert 2.0 < image[50:78, 50:78].std() < 7.0


def test_without_noise_and_flaws_a_slice_is_only_blurred() -> None:
    image = seen(disc(30.0), Scanner(SOFT, dose=0.0))
    inside = np.abs(image[40:88, 40:88] - 30)
    assert inside.max() < 0.1
    assert image[0, 0] == pytest.approx(-1000, abs=0.01)


def test_noise_differs_from_slice_to_slice_and_thin_slices_are_noisier() -> None:
    rng = np.random.default_rng(3)
    detector = make_detector(rng, GEOMETRY, Scanner(SOFT, dose=1.0))
    hu = disc(30.0)
    one, two, thin = (detect(detector, hu, rng, t)[40:88, 40:88] - 30 for t in (5.0, 5.0, 1.25))
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.2
    assert thin.std() == pytest.approx(2 * one.std(), rel=0.3)


def test_dense_bone_on_both_sides_darkens_what_lies_between() -> None:
    hu = disc(30.0)
    hu[55:75, 20:45] = hu[55:75, 83:108] = 1400.0
    with_, without = (seen(hu, Scanner(SOFT, 0.0, Flaws(hardening=h))) for h in (1.0, 0.0))
    error = with_ - without
    assert error[61:69, 60:68].mean() < -8
    assert error[15:30, 60:68].mean() > error[61:69, 60:68].mean() + 8


def test_calibration_moves_water_and_leaves_air() -> None:
    image = seen(disc(0.0), Scanner(SOFT, 0.0, output=Output(offset_hu=5.0)))
    assert image[64, 64] == pytest.approx(5.0, abs=0.05)
    assert image[0, 0] == pytest.approx(-1000.0, abs=0.05)


def test_outside_the_circle_stands_the_padding_within_the_stored_range() -> None:
    output = Output(circle_hu=-2048.0, range_hu=(-1024, 1500))
    image = seen(disc(3000.0, 20.0), Scanner(SOFT, 0.0, output=output))
    assert set(np.unique(image[~field_of_view(GEOMETRY)])) == {-1024.0}
    assert image.max() == 1500


def test_motion_doubles_edges_and_keeps_the_mean() -> None:
    still = Scanner(SOFT, 0.0, output=Output(range_hu=(-9000, 9000)))
    hu = disc(40.0, 40.0)
    image = seen(hu, replace(still, flaws=Flaws(motion_mm=4.0, motion_rate=1.0)), seed=5)
    plain = seen(hu, still)
    assert image.mean() == pytest.approx(plain.mean(), abs=0.1)
    assert np.abs(image - plain)[20:108, 20:108].max() > 30


def test_metal_throws_streaks_far_beyond_itself() -> None:
    hu, metal = disc(30.0), np.zeros((128, 128), np.float32)
    metal[60:64, 60:64] = 8000.0
    hu = np.maximum(hu, metal * (metal > 0) + hu * (metal == 0))
    rng = np.random.default_rng(2)
    detector = make_detector(rng, GEOMETRY, Scanner(SOFT, 0.0, Flaws(metal=0.3)))
    with_, without = detect(detector, hu, rng, 5.0, metal), detect(detector, hu, rng, 5.0)
    away = (with_ - without)[30:50, 30:50]
    assert away.std() > 3
    assert abs(away.mean()) < 10


def test_rotation_is_proper_and_the_normal_points_to_the_head() -> None:
    turn = rotation(12.0, -3.0, 5.0)
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    assert GEOMETRY.normal().tolist() == [0.0, 0.0, 1.0]


def test_the_field_of_view_is_the_inscribed_circle() -> None:
    inside = field_of_view(GEOMETRY)
    assert inside.mean() == pytest.approx(np.pi / 4, abs=0.01)
    assert not inside[0, 0]
