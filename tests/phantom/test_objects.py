from __future__ import annotations

import numpy as np
import pytest

from plainscan.phantom.objects import Cloth, Objects, Rod, Shell, Wrap, add_objects, background, rod_share
from plainscan.phantom.scanner import Geometry

HEIGHTS = np.arange(6) * 5.0
POSITIONS = np.stack([np.full(6, -64.0), np.full(6, -64.0), HEIGHTS], axis=1)
GEOMETRY = Geometry((128, 128), 1.0, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), POSITIONS, np.full(6, 5.0), 0.0)
AIR = np.full((128, 128), -1000.0, np.float32)


def place(objects: Objects, hu: np.ndarray, index: int = 0) -> np.ndarray | None:
    rng = np.random.default_rng(0)
    return add_objects(hu, objects, background(objects, GEOMETRY), GEOMETRY, index, rng)


def test_nothing_changes_nothing() -> None:
    hu = AIR.copy()
    assert place(Objects(), hu) is None
    assert np.array_equal(hu, AIR)


def test_a_headrest_takes_air_and_never_the_head() -> None:
    rest = Shell((0.0, 40.0), 50.0, 50.0, 60.0, 0.0, 2.0, 1000.0, -950.0)
    hu = AIR.copy()
    hu[60:110, 40:90] = 30.0
    before = hu.copy()
    place(Objects((rest,)), hu)
    assert np.array_equal(hu[60:110, 40:90], before[60:110, 40:90])
    assert hu[104, 20] == pytest.approx(-1000)  # outside the trough
    column = Objects((rest,))
    alone = AIR.copy()
    place(column, alone)
    assert alone[102:106, 64].max() > 500  # its lowest point
    assert alone[90, 64] == pytest.approx(-950)  # foam
    assert alone[20, 64] == -1000  # above its walls


def test_a_gap_opens_the_trough_at_the_bottom() -> None:
    rest = Shell((0.0, 40.0), 50.0, 50.0, 60.0, 30.0, 2.0, 1000.0, -1000.0)
    hu = AIR.copy()
    place(Objects((rest,)), hu)
    assert hu[:, 64].max() < -900
    assert hu[80:90, :].max() > 500


def test_cloth_lies_only_on_its_span() -> None:
    cloth = Cloth((0.0, 0.0), (40.0, 40.0), (-0.5, 0.5), 0.0, 0.0, 3.0, -300.0)
    hu = AIR.copy()
    place(Objects((cloth,)), hu)
    assert hu[64, 104] > -400
    assert hu[64, 24] == -1000


def test_a_rod_is_cut_only_by_the_slices_it_crosses_and_keeps_its_volume() -> None:
    rod = Rod((0.0, 0.0, 8.0), (0.0, 0.0, 12.0), 3.0, 500.0)
    shares = [rod_share(rod, GEOMETRY, i) for i in range(6)]
    assert [s is not None for s in shares] == [False, True, True, True, False, False]
    volume = sum(float(s[1].sum()) * 5.0 for s in shares if s is not None)
    assert volume == pytest.approx(np.pi * 9 * 4 + 4 / 3 * np.pi * 27, rel=0.15)


def test_a_rod_off_the_slice_is_left_out() -> None:
    assert rod_share(Rod((200.0, 0.0, 0.0), (210.0, 0.0, 0.0), 3.0, 500.0), GEOMETRY, 0) is None


def test_a_tube_is_hollow() -> None:
    tube = Rod((0.0, 0.0, -50.0), (0.0, 0.0, 50.0), 6.0, 200.0, wall_mm=1.5)
    found = rod_share(tube, GEOMETRY, 0)
    assert found is not None
    _, share = found
    middle = share.shape[0] // 2
    assert share[middle, share.shape[1] // 2] == pytest.approx(0.0, abs=0.05)
    assert share[middle].max() > 0.7


def test_only_what_lies_inside_takes_the_place_of_tissue_and_only_metal_is_returned() -> None:
    hu = np.full((128, 128), 30.0, np.float32)
    ends = (0.0, 0.0, -9.0), (0.0, 0.0, 9.0)
    assert place(Objects(rods=(Rod(*ends, 3.0, 5000.0),)), hu) is not None
    assert hu[64, 64] == pytest.approx(30.0)
    metal = place(Objects(rods=(Rod(*ends, 3.0, 5000.0, 0.0, True),)), hu)
    assert metal is not None
    assert hu[64, 64] == pytest.approx(5000.0, rel=0.05)
    assert place(Objects(rods=(Rod(*ends, 3.0, 300.0, 0.0, True),)), hu) is None


def test_a_wrap_surrounds_the_body_at_its_heights() -> None:
    wrap = Objects(wrap=Wrap((-5.0, 7.0), 0.1, -400.0, 50.0))
    body = AIR.copy()
    body[40:90, 40:90] = 30.0
    low, high = body.copy(), body.copy()
    place(wrap, low, 0)
    place(wrap, high, 4)
    assert low[60:70, 36:39].mean() > -800
    assert np.array_equal(low[45:85, 45:85], body[45:85, 45:85])
    assert np.array_equal(high, body)
