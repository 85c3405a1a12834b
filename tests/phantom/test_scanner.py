from __future__ import annotations

import numpy as np
import pytest

from plainscan.phantom.scanner import BONE, SOFT, Geometry, Scanner, detect, field_of_view, noise, rotation, spectrum

GEOMETRY = Geometry((128, 128), 0.9, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), np.zeros((1, 3)), np.array([5.0]), 0.0)


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
    scanner = Scanner(SOFT, dose=1.0, hardening=0.0, headrest_mm=105.0)
    hu = np.full((128, 128), 30.0, np.float32)
    seen = detect(hu, np.random.default_rng(1), GEOMETRY, scanner, spectrum((128, 128), 0.9, SOFT))
    assert seen.mean() == pytest.approx(30.0, abs=0.2)
    assert 2.0 < seen[50:78, 50:78].std() < 6.0


def test_dense_bone_on_both_sides_darkens_what_lies_between() -> None:
    scanner = Scanner(SOFT, dose=0.0, hardening=1.0, headrest_mm=105.0)
    hu = np.full((128, 128), 30.0, np.float32)
    hu[50:80, 10:40] = hu[50:80, 88:118] = 1400.0
    seen = detect(hu, np.random.default_rng(1), GEOMETRY, scanner, spectrum((128, 128), 0.9, SOFT))
    assert seen[60:70, 60:68].mean() < 27
    assert seen[5:20, 60:68].mean() == pytest.approx(30.0, abs=0.1)


def test_rotation_is_proper_and_the_normal_points_to_the_head() -> None:
    turn = rotation(12.0, -3.0, 5.0)
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    assert GEOMETRY.normal().tolist() == [0.0, 0.0, 1.0]


def test_the_field_of_view_is_the_inscribed_circle() -> None:
    inside = field_of_view(GEOMETRY)
    assert inside.mean() == pytest.approx(np.pi / 4, abs=0.01)
    assert not inside[0, 0]
