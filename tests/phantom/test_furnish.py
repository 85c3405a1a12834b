from __future__ import annotations

import numpy as np
import pytest

from plainscan.phantom.anatomy import make_patient
from plainscan.phantom.furnish import THINGS, Place, draw_objects, look_for_place
from plainscan.phantom.objects import Shell
from plainscan.phantom.scene import SKIN, Scene, make_scene


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene(np.random.default_rng(0), make_patient(np.random.default_rng(5)), (), 0)


@pytest.fixture(scope="module")
def place(scene: Scene) -> Place:
    return look_for_place(scene)


def depth(scene: Scene, patient_mm: tuple[float, float, float]) -> float:
    """How far below the skin a point of the scanner lies."""
    x, y, z = (scene.pose.turn @ (np.array(patient_mm) - scene.pose.shift_mm))[:, None].astype(np.float32)
    return float(scene.patient.head.sample(x, y, z)[SKIN][0])


def test_the_place_is_a_heads(place: Place) -> None:
    assert 60 < place.half_mm < 95
    assert 70 < place.back_mm - place.middle_mm[1] < 125


@pytest.mark.parametrize(("share", "make"), THINGS, ids=lambda value: getattr(value, "__name__", "share"))
def test_everything_is_drawn_near_the_head(share: float, make: object, place: Place) -> None:
    assert 0 < share <= 0.25
    for seed in range(5):
        for rod in make(np.random.default_rng(seed), place):  # type: ignore[operator]
            assert np.abs(np.subtract(rod.start_mm, place.middle_mm)).max() < 190
            assert rod.radius_mm > rod.wall_mm >= 0


def test_what_lies_on_the_skin_lies_on_the_skin(place: Place, scene: Scene) -> None:
    electrodes = {make.__name__: make for _, make in THINGS}["_electrodes"]
    feet = electrodes(np.random.default_rng(1), place)[::2]
    assert max(abs(depth(scene, foot.start_mm)) for foot in feet) < 4


def test_the_headrest_lies_behind_the_head(place: Place, scene: Scene) -> None:
    for seed in range(20):
        for thing in draw_objects(np.random.default_rng(seed), scene, wide=True).still:
            if isinstance(thing, Shell):
                assert thing.center_mm[1] > place.back_mm - 9


def test_the_wide_world_holds_more_than_a_hospital(scene: Scene) -> None:
    many, few = ([draw_objects(np.random.default_rng(s), scene, wide=w) for s in range(60)] for w in (True, False))
    assert sum(bool(o.rods) for o in many) > 3 * sum(bool(o.rods) for o in few)
    assert any(not o.still for o in many)
    assert sum(bool(o.still) for o in few) > 55
