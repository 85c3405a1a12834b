from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper
from tests.learning.test_export import trained_looking

from plainscan.errors import InternalError
from plainscan.learning.export import to_onnx
from plainscan.learning.half import to_half


@pytest.fixture(scope="module", params=["resnet18", "resnet18-fine"])
def model(request: pytest.FixtureRequest) -> bytes:
    return to_onnx(request.param, trained_looking(request.param, 3).state_dict(), 64)


def rounded(model: bytes) -> bytes:
    """The oracle: float32 weights that were rounded to float16."""
    whole = onnx.load_from_string(model)
    for part in whole.graph.initializer:
        if len(part.dims) > 1:
            values = numpy_helper.to_array(part).astype(np.float16).astype(np.float32)
            part.CopyFrom(numpy_helper.from_array(values, part.name))
    return bytes(whole.SerializeToString())


def run(model: bytes) -> tuple[np.ndarray, np.ndarray]:
    image = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    logits, maps = onnxruntime.InferenceSession(model).run(["logits", "maps"], {"image": image})
    return logits, maps


def test_scores_and_maps_are_those_of_rounded_weights_to_the_bit(model: bytes) -> None:
    for found, expected in zip(run(to_half(model)), run(rounded(model)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_rounding_moves_a_score_little(model: bytes) -> None:
    np.testing.assert_allclose(run(to_half(model))[0], run(model)[0], atol=0.01)


def test_it_takes_little_more_than_half_the_bytes(model: bytes) -> None:
    assert len(to_half(model)) < 0.51 * len(model)


def test_names_stay_and_batch_norms_and_biases_stay_float32(model: bytes) -> None:
    before, after = (onnx.load_from_string(data).graph.initializer for data in (model, to_half(model)))
    assert [part.name for part in before] == [part.name for part in after]
    for part in after:
        assert part.data_type == (TensorProto.FLOAT16 if len(part.dims) > 1 else TensorProto.FLOAT), part.name


def test_halving_twice_is_halving_once(model: bytes) -> None:
    once = to_half(model)
    assert to_half(once) == once == to_half(model)


def test_a_weight_beyond_float16_is_refused_by_name() -> None:
    state = trained_looking("resnet18", 3).state_dict()
    state["layer1.0.conv1.weight"][0, 0, 0, 0] = 1e6
    with pytest.raises(InternalError, match=r"layer1\.0\.conv1\.weight: 1e\+06 is beyond float16, which ends at 65504"):
        to_half(to_onnx("resnet18", state, 64))
