from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from plainscan.ct import gate
from plainscan.ct.window import Window, from_picture, to_unit
from plainscan.phantom.study import StudyOptions, make_study
from plainscan.phantom.wrong import KINDS, wrong_inputs


@cache
def heads() -> NDArray[np.int16]:
    """Slices of three synthetic studies above the skull base, (slices, 256, 256), HU."""
    rng = np.random.default_rng(8)
    hu = np.concatenate([make_study(rng, StudyOptions(slices=(10, 10))).hu for _ in range(3)])
    clear = [m.core_brain > 0.85 and m.core_other < 0.01 and m.inside > 0.1 for m in map(gate.measure, hu)]
    return hu[np.array(clear)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_is_no_head_ct_is_refused(kind: str) -> None:
    rng = np.random.default_rng(9)
    found = [item for item in wrong_inputs(rng, heads(), each=3) if item.kind == kind]
    assert len(found) == 3
    for item in found:
        assert gate.refusal(gate.measure(item.hu)) in gate.REFUSALS, gate.measure(item.hu)


def test_the_wrong_inputs_are_at_least_three_hundred_and_repeat_with_the_seed() -> None:
    first, again = (list(wrong_inputs(np.random.default_rng(1), heads(), each=1)) for _ in range(2))
    assert len(first) * 12 >= 300
    assert all(np.array_equal(a.hu, b.hu) for a, b in zip(first, again, strict=True))


def test_a_brain_slice_passes_in_hu_and_in_any_usual_window() -> None:
    assert len(heads()) >= 3
    for hu in heads():
        assert gate.refusal(gate.measure(hu)) is None
        for window in (Window(40, 80), Window(40, 120), Window(35, 100), Window(50, 150)):
            grey = np.rint(to_unit(hu, window) * 255).astype(np.uint8)
            assert gate.refusal(gate.measure(from_picture(grey, window))) is None, window


@pytest.mark.parametrize("size", [32, 100, 512, 1000])
def test_any_size_and_shape_can_be_judged(size: int) -> None:
    rows = np.linspace(0, heads().shape[1] - 1, size).astype(int)
    columns = np.linspace(0, heads().shape[2] - 1, size + 7).astype(int)
    hu = heads()[0][rows][:, columns]
    assert isinstance(gate.measure(hu), gate.Measures)
    if size > 64:
        assert gate.refusal(gate.measure(hu)) is None


def test_the_code_names_what_is_wrong() -> None:
    hu = heads()[0].astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 90, hu.shape)
    assert gate.refusal(gate.measure(hu + noise)) == gate.SHARP
    assert gate.refusal(gate.measure(hu + 1024)) == gate.WRONG_VALUES
    assert gate.refusal(gate.measure(np.minimum(hu, 60))) == gate.NO_SKULL
    assert gate.refusal(gate.measure(np.where((hu > 0) & (hu < 80), -90, hu))) == gate.NO_BRAIN
