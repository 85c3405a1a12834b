from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from plainscan.ct.gate_measure import FIELD_MM, measure
from plainscan.phantom.study import Study, StudyOptions, make_study

WITHIN = ("shown", "tissue", "closed", "rough", "lined", "inside", "brain", "core_brain", "core_other")


@pytest.fixture(scope="module")
def study() -> Study:
    return make_study(np.random.default_rng(8), StudyOptions(slices=(16, 16), wide=False))


def amid_air(hu: NDArray[np.int16], before: int, after: int) -> NDArray[np.int16]:
    return np.pad(hu, (before, after), constant_values=hu.min())


def test_what_a_wide_field_adds_around_a_head_hardly_changes_what_is_measured_of_it(study: Study) -> None:
    pixel = study.geometry.pixel_mm
    brain = [hu for hu in study.hu if measure(hu, pixel).shown > 0.1]
    assert len(brain) == 14
    for hu in brain:
        extra, usual = round((500 / pixel - len(hu)) / 2), measure(hu, pixel)
        for before in (extra, extra // 2):
            wide = measure(amid_air(hu, before, 2 * extra - before), pixel)
            assert all(abs(getattr(wide, name) - getattr(usual, name)) < 0.11 for name in WITHIN)


def test_the_outline_is_the_whole_pictures(study: Study) -> None:
    pixel, hu = study.geometry.pixel_mm, study.hu[8]
    beside = np.full((len(hu), 2 * len(hu)), hu.min(), hu.dtype)
    beside[: len(hu), : len(hu)] = hu
    beside[:, len(hu) :] = hu
    found = measure(np.pad(beside, ((len(hu) // 2, len(hu) // 2), (0, 0)), constant_values=hu.min()), pixel)
    assert found.beside > 0.4
    assert found.long_mm > FIELD_MM


def test_without_a_pixel_spacing_no_field_is_cut(study: Study) -> None:
    hu = study.hu[8]
    wide = measure(amid_air(hu, len(hu) // 2, len(hu) // 2))
    assert wide.tissue == pytest.approx(measure(hu).tissue / 4, rel=0.05)
    assert np.isnan(wide.long_mm)
