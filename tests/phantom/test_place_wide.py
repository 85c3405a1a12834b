"""What the wide world draws beyond a hospital's is seen on the slices, and where the mask says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.phantom.planes import planes

from plainscan.phantom.anatomy import Patient, make_patient
from plainscan.phantom.lesion import Placed, blob, spot
from plainscan.phantom.lesion_skull import Fracture
from plainscan.phantom.lesion_tissue import DenseArtery, EarlyInfarct
from plainscan.phantom.place_wide import any_early_infarct, any_fracture, masses

Volume = NDArray[np.float32]
HEIGHTS_MM = np.arange(-30.0, 90.0, 3.0).tolist()


@pytest.fixture(scope="module")
def patient() -> Patient:
    return make_patient(np.random.default_rng(5))


@pytest.fixture(scope="module")
def bare(patient: Patient) -> Volume:
    return planes(patient, HEIGHTS_MM)[0]


def drawn_infarct(patient: Patient, kind: type[Placed]) -> Placed:
    """The first of a kind that a few draws hold."""
    found = (one for seed in range(40) for one in any_early_infarct(np.random.default_rng(seed), patient))
    return next(one for one in found if isinstance(one, kind))


def test_gray_matter_of_an_early_infarct_is_darker_by_its_water(patient: Patient, bare: Volume) -> None:
    infarct = drawn_infarct(patient, EarlyInfarct)
    assert isinstance(infarct, EarlyInfarct)
    still = replace(infarct, swelling_mm=0.0)  # no sulcus closes: what changes is the density alone
    hu, mask = planes(patient, HEIGHTS_MM, still)
    fall = (bare - hu)[mask & (bare > patient.look.gray_hu - 1) & (bare < patient.look.gray_hu + 4)]
    assert fall.size > 200
    assert 0.5 * still.water_hu < np.median(fall) < 1.1 * still.water_hu


def test_an_artery_with_a_clot_is_denser_than_the_same_place_without(patient: Patient, bare: Volume) -> None:
    hu, mask = planes(patient, HEIGHTS_MM, drawn_infarct(patient, DenseArtery))
    assert mask.sum() > 20
    assert np.median((hu - bare)[mask]) > 8
    assert np.abs((hu - bare)[~mask]).max() < (hu - bare)[mask].max()


def test_air_that_came_in_through_a_fracture_is_in_its_mask(patient: Patient, bare: Volume) -> None:
    rng = np.random.default_rng(3)
    place = spot(patient, np.array([1.0, 0.0, 0.4]))
    fracture = any_fracture(rng, patient, "left", "parietal", place)
    assert isinstance(fracture, Fracture)
    bubble = blob(rng, place.point_mm - 9.0 * place.normal, 5.0, rough=0.1)
    hu, mask = planes(patient, HEIGHTS_MM, replace(fracture, bubbles=(bubble,)))
    air = (hu < -300) & (bare > 0)
    assert air.sum() > 20
    assert mask[air].mean() > 0.9


@pytest.mark.parametrize("seed", range(8))
def test_a_fracture_of_any_kind_is_a_gap_in_bone_and_its_mask_a_wider_stripe_around_it(
    seed: int, patient: Patient, bare: Volume
) -> None:
    rng = np.random.default_rng(seed)
    fracture = any_fracture(rng, patient, "right", "parietal", spot(patient, np.array([-1.0, 0.1, 0.4])))
    assert isinstance(fracture, Fracture)
    hu, mask = planes(patient, HEIGHTS_MM, replace(fracture, bubbles=(), depth_mm=0.0))
    opened = (bare > 300) & (hu - bare < -100)
    assert opened.sum() > 10
    assert mask[opened].mean() > 0.95


@pytest.mark.parametrize("seed", range(4))
def test_a_mass_changes_the_tissue_under_its_mask(seed: int, patient: Patient, bare: Volume) -> None:
    hu, mask = planes(patient, HEIGHTS_MM, masses(np.random.default_rng(seed), patient)[0])
    assert mask.any()
    assert np.median(np.abs(hu - bare)[mask]) > 2
