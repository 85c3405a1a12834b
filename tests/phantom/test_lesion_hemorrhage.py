"""Each kind of blood as a plane of the head shows it: where it lies, how dense it is, that its mask is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.phantom.planes import planes

from plainscan.phantom import place_blood
from plainscan.phantom.anatomy import Patient, make_patient
from plainscan.phantom.lesion import Placed, blob, spot, wobble
from plainscan.phantom.lesion_clot import Intraparenchymal, Petechiae
from plainscan.phantom.lesion_hemorrhage import Epidural, Mixture, Subdural
from plainscan.phantom.truth import Side, Site

Picture = NDArray[np.float32]


@pytest.fixture(scope="module")
def patient() -> Patient:
    return make_patient(np.random.default_rng(5))


def plane(
    patient: Patient, z_mm: float, *lesions: Placed, thick_mm: float = 2.0, blur_mm: float = 0.0
) -> tuple[Picture, NDArray[np.bool_]]:
    """Ideal HU at a height of the head, and the mask of the first lesion."""
    (hu,), (mask,) = planes(patient, [z_mm], *lesions, thick_mm=thick_mm, blur_mm=blur_mm)
    return hu, mask


def subdural(patient: Patient, thick_mm: float, blood_hu: float = 62.0, mixed: Mixture | None = None) -> Subdural:
    return Subdural(
        finding="subdural_hemorrhage",
        side="left",
        site="convexity",
        size_mm=thick_mm,
        spot=spot(patient, np.array([0.9, 0.0, 0.3])),
        radius_mm=60.0,
        blood_hu=blood_hu,
        layer_hu=0.0,
        shape=wobble(np.random.default_rng(0), 45, 4),
        mixed=mixed,
        press_mm=1.0,
    )


@pytest.mark.parametrize("thick_mm", [2.5, 5.0, 15.0])
def test_a_subdural_takes_the_place_of_brain_beside_the_bone_and_nothing_else(
    patient: Patient, thick_mm: float
) -> None:
    before, _ = plane(patient, 66.0)
    hu, mask = plane(patient, 66.0, subdural(patient, thick_mm))
    assert mask.sum() > 8 * thick_mm
    assert 50 < np.median(hu[mask]) < 90
    assert (np.nonzero(mask)[1] > 112).all()  # the patient's left
    bone = before > 500
    assert np.abs(hu[bone] - before[bone]).max() < 40  # blood for brain in the rest of an edge pixel
    assert not (mask & bone).any()


def test_a_fluid_level_is_denser_behind(patient: Patient) -> None:
    level = Mixture(18.0, "level", 1.0, level_mm=0.0)
    hu, mask = plane(patient, 66.0, subdural(patient, 14.0, 55.0, level))
    rows = np.arange(224)[:, None] - 112
    assert np.median(hu[mask & (rows > 6)]) > np.median(hu[mask & (rows < -6)]) + 25


@pytest.mark.parametrize("pattern", ["patchy", "septa", "shell"])
def test_a_mixture_shows_both_densities(pattern: str) -> None:
    rng = np.random.default_rng(3)
    x, y, z = rng.uniform(-30, 30, (3, 5000)).astype(np.float32)
    mixture = Mixture(20.0, pattern, 3.0)  # type: ignore[arg-type]  # one of its patterns
    inside = rng.uniform(0, 12, 5000).astype(np.float32)
    values = mixture.at(np.full(5000, 60.0, np.float32), wobble(rng, 20), x, y, z, inside)
    assert values.min() == pytest.approx(20, abs=0.5)
    assert values.max() == pytest.approx(60, abs=0.5)


@pytest.mark.parametrize(("site", "direction", "sutures", "floor"), place_blood.EPIDURALS)
def test_a_thin_epidural_is_seen_at_every_site(
    patient: Patient, site: str, direction: tuple[float, float, float], sutures: tuple[float, float], floor: float
) -> None:
    where = spot(patient, np.array(direction))
    lens = Epidural(
        finding="epidural_hemorrhage",
        side="left",
        site=site,  # type: ignore[arg-type]  # a site
        size_mm=5.0,
        spot=where,
        radius_mm=22.0,
        blood_hu=62.0,
        swirl_hu=0.0,
        sutures_mm=sutures,
        shape=wobble(np.random.default_rng(0), 14),
        floor_mm=floor,
    )
    heights = where.point_mm[2] + np.array([-6.0, -2.0, 2.0, 6.0])
    assert max(plane(patient, float(z), lens)[1].sum() for z in heights) >= 20


def test_only_the_clot_and_not_its_edema_is_in_the_mask(patient: Patient) -> None:
    clot = Intraparenchymal(
        finding="intraparenchymal_hemorrhage",
        side="left",
        site="parietal",
        size_mm=20.0,
        clot=blob(np.random.default_rng(0), np.array([30.0, 10.0, 80.0]), 10.0, rough=0.05),
        blood_hu=65.0,
        edema_mm=6.0,
    )
    hu, mask = plane(patient, 80.0, clot)
    assert 150 < mask.sum() < 420
    assert hu[mask].min() > 40
    dry, _ = plane(patient, 80.0, replace(clot, edema_hu=0.0))
    assert (hu - dry)[~mask].min() < -4


def test_a_petechia_of_four_millimeters_reaches_the_label_and_no_larger_area(patient: Patient) -> None:
    spots = Petechiae(
        finding="intraparenchymal_hemorrhage",
        side="left",
        site="frontal",
        size_mm=4.0,
        centers_mm=np.array([[28.0, 8.0, 80.0]]),
        radii_mm=np.array([2.2]),
        blood_hu=65.0,
    )
    assert 9 <= plane(patient, 80.0, spots)[1].sum() <= 25
    assert not plane(patient, 90.0, spots)[1].any()


def test_what_bone_hides_is_not_in_a_mask(patient: Patient) -> None:
    for z in (100.0, 108.0, 114.0):
        hu, mask = plane(patient, z, subdural(patient, 10.0))
        assert not mask.any() or hu[mask].max() < 150


def lens(patient: Patient, thick_mm: float) -> Epidural:
    return Epidural(
        finding="epidural_hemorrhage",
        side="left",
        site="parietal",
        size_mm=thick_mm,
        spot=spot(patient, np.array([0.9, 0.1, 0.35])),
        radius_mm=32.0,
        blood_hu=62.0,
        swirl_hu=0.0,
        sutures_mm=(-60.0, 60.0),
        shape=wobble(np.random.default_rng(0), 14),
    )


def clot(side: Side, site: Site, center_mm: tuple[float, float, float], radius_mm: float) -> Intraparenchymal:
    return Intraparenchymal(
        finding="intraparenchymal_hemorrhage",
        side=side,
        site=site,
        size_mm=2 * radius_mm,
        clot=blob(np.random.default_rng(0), np.array(center_mm), radius_mm, rough=0.0, flat=0.99),
        blood_hu=65.0,
        edema_mm=0.0,
        effect=0.0,
    )


def test_bone_lights_blood_as_it_lights_brain(patient: Patient) -> None:
    dark, bright = (replace(patient, look=replace(patient.look, rim_hu=rim)) for rim in (0.0, 16.0))
    (without, mask), (lit, _) = (plane(person, 66.0, subdural(person, 12.0)) for person in (dark, bright))
    gain = np.sort((lit - without)[mask])
    assert gain[-20:].mean() > 10  # beside the bone
    assert gain[:20].mean() < 6  # the face toward the brain, 12 mm away


def test_a_small_clot_is_as_faint_as_the_plane_is_thick(patient: Patient) -> None:
    small = clot("left", "parietal", (30.0, 10.0, 80.0), 2.5)
    rise = []
    for thick_mm in (1.0, 9.0):
        before, _ = plane(patient, 80.0, thick_mm=thick_mm)
        after, _ = plane(patient, 80.0, small, thick_mm=thick_mm)
        rise.append(float((after - before).max()))
    assert rise[0] > 20
    assert 0.3 * rise[0] < rise[1] < 0.75 * rise[0]  # 5 of 9 mm


def test_a_clot_crosses_neither_falx_nor_tentorium(patient: Patient) -> None:
    above = clot("left", "occipital", (8.0, 68.0, 48.0), 18.0)
    below = clot("left", "cerebellum", (22.0, 46.0, 12.0), 26.0)
    seen = {}
    for z in np.arange(-10.0, 75.0, 5.0):
        seen[z] = plane(patient, z, above)[1], plane(patient, z, below)[1]
    columns = np.nonzero(np.any([over for over, _ in seen.values()], axis=0))[1]
    assert columns.size
    assert columns.min() >= 112 - 4  # what the midline of this head leaves
    assert not any((over & under).any() for over, under in seen.values())
    assert seen[10.0][1].sum() > 300
    assert not seen[60.0][1].any()


def test_an_epidural_presses_the_brain_under_it_away(patient: Patient) -> None:
    thick = lens(patient, 20.0)
    before, after = (plane(patient, 66.0, *found)[0] for found in ((), (thick,)))
    held, _ = plane(patient, 66.0, replace(thick, radius_mm=0.1))  # no lens, no pressure
    np.testing.assert_array_equal(before, held)
    change = np.abs(after - before)
    beneath, other_side = change[90:140, 118:145].mean(), change[90:140, 40:100].mean()  # left ventricle; far from it
    assert beneath > 0.3
    assert beneath > 4 * other_side


def test_where_two_collections_lie_on_each_other_a_pixel_belongs_to_the_one_seen(patient: Patient) -> None:
    first, second = lens(patient, 12.0), subdural(patient, 10.0)
    assert plane(patient, 66.0, first)[1].sum() > 100
    both = plane(patient, 66.0, first, second)[1] & plane(patient, 66.0, second, first)[1]
    assert not both.any()


def test_blood_that_the_blur_of_the_scanner_hides_is_not_in_the_mask(patient: Patient) -> None:
    thin = subdural(patient, 2.4)
    assert plane(patient, 66.0, thin)[1].sum() > 20
    assert not plane(patient, 66.0, thin, blur_mm=1.0)[1].any()
