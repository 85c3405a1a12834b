from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from plainscan.evaluation import appearance

SIZE = 128


def head(brain_hu: float = 30.0, thickness_px: int = 8) -> NDArray[np.float32]:
    """A disc of brain in a ring of bone in a ring of scalp, in air."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    radius = np.hypot(y, x)
    hu = np.full((SIZE, SIZE), -1000.0)
    hu[radius < 58] = 40.0
    hu[radius < 52] = 900.0
    hu[radius < 52 - thickness_px] = brain_hu
    return appearance.clipped(hu)


def test_values_are_clipped_to_the_burnt_in_window() -> None:
    assert appearance.clipped(np.array([-1000, 0, 3000])).tolist() == [-20.0, 0.0, 100.0]


def test_regions_are_found_and_the_brain_lies_inside_the_skull() -> None:
    part = appearance.regions(head())
    assert part.head.sum() == pytest.approx(np.pi * 58**2, rel=0.02)
    assert part.bone.sum() == pytest.approx(np.pi * (52**2 - 44**2), rel=0.03)
    assert part.inner.sum() == pytest.approx(np.pi * 44**2, rel=0.02)
    assert part.brain.sum() < part.inner.sum()
    assert not (part.brain & ~part.inner).any()


def test_an_open_skull_has_no_inside() -> None:
    hu = head()
    hu[:, 58:70] = 40.0
    assert not appearance.regions(hu).inner.any()


def test_an_empty_slice_yields_numbers_and_no_error() -> None:
    found = appearance.features(np.full((SIZE, SIZE), -20.0, np.float32))
    assert found["bone of head"] == 0
    assert "noise HU" not in found


def test_white_noise_is_measured_with_its_deviation_and_a_flat_spectrum() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(0, 3, (400, appearance.PATCH, appearance.PATCH))
    found = appearance.noise(flat)
    assert found.deviation_hu == pytest.approx(3, rel=0.01)
    assert found.power == pytest.approx(np.full(appearance.RINGS, 9.0), rel=0.1)


def test_coarse_noise_has_a_lower_centroid_than_fine_noise() -> None:
    rng = np.random.default_rng(1)
    fine = rng.normal(0, 3, (50, appearance.PATCH, appearance.PATCH))
    coarse = (fine + np.roll(fine, 1, 1) + np.roll(fine, 1, 2)) / 3
    assert appearance.noise(coarse).centroid < appearance.noise(fine).centroid - 0.05


def test_slow_shading_is_not_noise() -> None:
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    hu = (20 + 10 * x + 5 * y**2).astype(np.float32)
    flat = appearance.patches(hu, np.ones((SIZE, SIZE), np.bool_))
    assert len(flat) > 0
    assert appearance.noise(flat).deviation_hu < 1e-3


def test_no_brain_has_no_noise() -> None:
    assert np.isnan(appearance.noise(np.empty((0, appearance.PATCH, appearance.PATCH))).deviation_hu)


def test_tissues_are_recovered_from_a_slice_that_holds_them() -> None:
    rng = np.random.default_rng(2)
    hu = head(30.0)
    hu[30:64, :64][hu[30:64, :64] == 30] = 39.0  # a quarter of the brain
    hu[70:86, 56:72] = 8.0
    hu = (hu + rng.normal(0, 1.0, hu.shape)).astype(np.float32)
    found = appearance.tissues([(hu, appearance.regions(hu).brain)])
    assert found.csf == pytest.approx(8, abs=0.5)
    assert found.white == pytest.approx(30, abs=0.5)
    assert found.gray == pytest.approx(39, abs=0.7)


def test_too_little_brain_has_no_tissues() -> None:
    assert all(np.isnan(appearance.tissues([(head(), np.zeros((SIZE, SIZE), np.bool_))])))


def test_a_clot_is_seen_and_its_density_read() -> None:
    hu = head()
    hu[55:75, 50:70] = 68.0
    found = appearance.blood(hu, appearance.regions(hu).brain)
    assert np.median(found) == pytest.approx(68, abs=1)
    assert not appearance.blood(head(), appearance.regions(head()).brain).size


def test_features_tell_the_skull_thickness() -> None:
    thin, thick = (appearance.features(head(thickness_px=t))["skull thickness px"] for t in (5, 11))
    assert thin == pytest.approx(5, abs=0.7)
    assert thick == pytest.approx(11, abs=0.7)


def test_shares_of_values_add_up_to_the_slice() -> None:
    found = appearance.features(head())
    assert sum(v for k, v in found.items() if k.startswith("share ")) == pytest.approx(1)
