from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.inference.tiny_bundle import BIAS, GAIN, OFFSET, head_slice, tiny_bundle, tiny_card, tiny_model

from plainscan.bundle import Calibration
from plainscan.ct.prepare import prepare_slice
from plainscan.errors import BundleError
from plainscan.inference.engine import Model, load
from plainscan.inference.predict import calibrated, score, study_probability


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load(tiny_bundle(tmp_path_factory.mktemp("bundle")), threads=1)


def prepared(count: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.integers(-1024, 3071, (count, 1, 64, 64)).astype(np.int16)


def test_score_of_a_flat_slice_is_worked_out_by_hand(model: Model) -> None:
    hu = np.full((1, 1, 64, 64), 40, np.int16)  # subdural window -20 to 180: 0.3
    scores = score(model, hu)
    logit = GAIN * 0.3 - OFFSET + BIAS
    assert scores.logits[0, 0] == pytest.approx(logit, abs=1e-5)
    assert scores.probability[0, 0] == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-6)
    np.testing.assert_allclose(scores.maps[0, 0], logit - BIAS, atol=1e-5)


@pytest.mark.parametrize("batch", range(1, 10))
def test_a_slice_has_the_same_bits_in_a_batch_of_any_size(model: Model, batch: int) -> None:
    hu = prepared(9)
    alone = score(model, hu[:1])
    together = score(model, hu[:batch])
    for name in ("logits", "probability", "maps"):
        np.testing.assert_array_equal(getattr(together, name)[:1], getattr(alone, name))


def test_order_of_the_batch_does_not_matter(model: Model) -> None:
    hu = prepared(5)
    np.testing.assert_array_equal(score(model, hu[::-1].copy()).logits[::-1], score(model, hu).logits)


def test_no_slices_give_no_scores(model: Model) -> None:
    scores = score(model, prepared(0))
    assert scores.logits.shape == scores.probability.shape == (0, 15)
    assert len(scores.maps) == 0


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (1, 1, 32, 32), (1, 64, 64)])
def test_slices_of_another_shape_are_refused(model: Model, shape: tuple[int, ...]) -> None:
    with pytest.raises(BundleError, match=r"\(1, 64, 64\)"):
        score(model, np.zeros(shape, np.int16))


def test_a_score_that_is_not_a_number_is_refused() -> None:
    data = tiny_model(bias=float("nan"))
    with pytest.raises(BundleError, match="not a number"):
        score(Model(data, tiny_card(data)), prepared(1))


def test_neighbors_reach_the_network_around_the_middle_plane(tmp_path: Path) -> None:
    model = load(tiny_bundle(tmp_path, neighbors=1))
    blood, brain = (np.full((64, 64), value, np.int16) for value in (75, 35))
    middle = score(model, prepare_slice([brain, blood, brain], 64)[None])
    outside = score(model, prepare_slice([blood, brain, blood], 64)[None])
    assert middle.logits[0, 0] > outside.logits[0, 0] + 5


def test_blood_raises_the_score_of_a_head(model: Model) -> None:
    slices = [head_slice(), head_slice(patches=[(60, 40, 12)])]
    scores = score(model, np.stack([prepare_slice([hu], 64) for hu in slices]))
    assert scores.logits[1, 0] > scores.logits[0, 0]


def test_calibration_is_platt_scaling_and_does_not_overflow() -> None:
    parts = [Calibration(finding="a", slope=2.0, intercept=-1.0), Calibration(finding="b")]
    probability = calibrated(np.array([[1.5, -2000.0], [-2000.0, 2000.0]]), parts)
    assert probability[0, 0] == pytest.approx(1 / (1 + math.exp(-2.0)))
    assert probability.tolist()[1] == [0.0, 1.0]


def test_logits_far_below_zero_keep_their_order_and_their_odds() -> None:
    probability = calibrated(np.array([[-30.0], [-38.0], [-45.0]]), [Calibration(finding="a")])[:, 0]
    np.testing.assert_allclose(probability, np.exp([-30.0, -38.0, -45.0]), rtol=1e-12)


def test_study_probability_is_the_mean_of_the_top_three() -> None:
    assert study_probability([0.1, 0.4, 0.9, 0.8, 0.2]) == pytest.approx(0.7)
    assert study_probability([0.2, 0.4]) == pytest.approx(0.3)
    assert study_probability([0.2]) == pytest.approx(0.2)


def test_unknown_study_rule_is_refused() -> None:
    with pytest.raises(BundleError, match="study rule"):
        study_probability([0.1], "max")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_study_probability_lies_within_its_slices_and_ignores_their_order(values: list[float], random: object) -> None:
    shuffled = values.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    result = study_probability(values)
    assert min(values) - 1e-12 <= result <= max(values) + 1e-12
    assert study_probability(shuffled) == result
