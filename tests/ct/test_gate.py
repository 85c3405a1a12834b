from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.inference.tiny_bundle import head_slice

from plainscan.ct import gate
from plainscan.ct.gate import refusal, strains
from plainscan.ct.gate_measure import Measures, measure
from plainscan.ct.window import Window, from_picture, to_unit
from plainscan.phantom.study import StudyOptions, make_study
from plainscan.phantom.wrong import KINDS, wrong_inputs


@pytest.fixture(scope="module")
def heads() -> NDArray[np.int16]:
    """Three slices with most brain of each of two heads."""
    rng = np.random.default_rng(3)
    kept = []
    for _ in range(2):
        hu = make_study(rng, StudyOptions(slices=(12, 14))).hu
        kept.append(hu[np.argsort(((hu > 15) & (hu < 55)).mean(axis=(1, 2)))[-3:]])
    return np.concatenate(kept)


@pytest.mark.parametrize("window", [(40, 80), (40, 120), (35, 100), (50, 150), (80, 200)])
def test_heads_pass_in_any_window_with_margin(heads: NDArray[np.int16], window: tuple[float, float]) -> None:
    stated = Window(*window)
    for hu in heads:
        picture = from_picture(np.rint(to_unit(hu, stated) * 255).astype(np.uint8), stated)
        assert refusal(measure(picture)) is None
        assert sum(strains(measure(picture)).values()) < 0.5


def test_heads_pass_in_hu_with_margin(heads: NDArray[np.int16]) -> None:
    for hu in heads:
        assert refusal(measure(hu, 0.9)) is None
        assert sum(strains(measure(hu, 0.9)).values()) < 0.5


@pytest.mark.parametrize("pad", [0.3, 0.5, 0.8])
def test_heads_pass_that_are_small_in_the_field_of_view(heads: NDArray[np.int16], pad: float) -> None:
    for hu in heads:
        far = np.pad(np.kron(hu, np.ones((2, 2), np.int16)), round(pad * 2 * len(hu)), constant_values=-1000)
        assert refusal(measure(far, 0.45)) is None
        assert sum(strains(measure(far, 0.45)).values()) < 0.5
        picture = from_picture(np.rint(to_unit(far, Window(40, 120)) * 255).astype(np.uint8), Window(40, 120))
        assert refusal(measure(picture)) is None


def test_wrong_inputs_of_every_kind_are_refused(heads: NDArray[np.int16]) -> None:
    kept = Counter(
        item.kind
        for item in wrong_inputs(np.random.default_rng(1), heads, 2)
        if refusal(measure(item.hu, item.pixel_mm)) is None
    )
    assert not kept


@pytest.mark.parametrize("kind", ["inverted picture", "text page", "gradient", "checkerboard", "bone kernel"])
def test_a_black_border_does_not_make_a_head_of_it(heads: NDArray[np.int16], kind: str) -> None:
    for item in wrong_inputs(np.random.default_rng(5), heads, 12, [kind]):
        framed = np.pad(item.hu, len(item.hu) // 2, constant_values=item.hu.min())
        assert refusal(measure(framed, item.pixel_mm)) is not None


@pytest.mark.parametrize(
    "kind", ["chest CT as a picture", "abdomen CT as a picture", "lung window as brain window", "PET", "mammogram"]
)
def test_what_is_bright_without_a_ring_lined_by_brain_is_refused(heads: NDArray[np.int16], kind: str) -> None:
    found = [refusal(measure(item.hu)) for item in wrong_inputs(np.random.default_rng(5), heads, 24, [kind])]
    assert None not in found


def test_the_same_seed_gives_the_same_wrong_inputs(heads: NDArray[np.int16]) -> None:
    first, again = (list(wrong_inputs(np.random.default_rng(1), heads, 1)) for _ in range(2))
    assert [item.kind for item in first] == list(KINDS)
    assert all(np.array_equal(a.hu, b.hu) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"low_hu": 0.0}, gate.WRONG_VALUES),
        ({"edge_air": 0.4}, gate.NOT_FRAMED),
        ({"corner_air": 0.5}, gate.NOT_FRAMED),
        ({"beside": 0.7}, gate.NOT_ONE_HEAD),
        ({"wide": 1.6}, gate.NOT_ONE_HEAD),
        ({"long_mm": 400.0}, gate.NOT_HEAD_SIZE),
        ({"long_mm": 30.0}, gate.NOT_HEAD_SIZE),
        ({"closed": 0.3}, gate.NO_SKULL),
        ({"core_brain": 0.0}, gate.NO_BRAIN),
        ({"lined": 0.1}, gate.NO_BRAIN),
        ({"inside": 0.0}, gate.NO_BRAIN),
        ({"noise_hu": 20.0, "fine_noise": 0.9}, gate.SHARP),
        ({"noise_hu": 20.0, "fine_noise": 0.5}, None),
        ({"vessels": 0.1}, gate.CONTRAST),
        ({"vessels": 0.1, "core_other": 0.03}, None),
        ({"closed": 0.6, "rough": 0.14}, None),
        ({"closed": 0.5, "rough": 0.17}, gate.NO_SKULL),
    ],
)
def test_one_measure_all_wrong_or_several_half_wrong_refuse(change: dict[str, float], code: str | None) -> None:
    own = measure(head_slice(), 1.8)._replace(spread_hu=20.0)
    assert refusal(own) is None
    assert refusal(own._replace(**change)) == code


def test_every_rule_speaks_for_a_code_and_every_code_is_used() -> None:
    hard = {gate.WRONG_VALUES, gate.SHARP, gate.CONTRAST}
    assert {rule.code for rule in gate.RULES} | hard == set(gate.REFUSALS)
    assert {rule.measure for rule in gate.RULES} <= set(Measures._fields)
