from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from plainscan.inference.randomize import randomized


def _model() -> bytes:
    weight = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "weight", "bias"], ["y"])],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 7, 7])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(np.ones(2, np.float32), "bias")],
    )
    return bytes(helper.make_model(graph).SerializeToString())


def _weights(model: bytes) -> dict[str, np.ndarray]:
    return {t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(model).graph.initializer}


def test_weights_keep_their_values_and_lose_their_order() -> None:
    before, after = _weights(_model()), _weights(randomized(_model(), np.random.default_rng(0)))
    assert not np.array_equal(before["weight"], after["weight"])
    np.testing.assert_array_equal(np.sort(before["weight"].ravel()), np.sort(after["weight"].ravel()))
    np.testing.assert_array_equal(before["bias"], after["bias"])


def test_same_seed_same_model() -> None:
    assert randomized(_model(), np.random.default_rng(3)) == randomized(_model(), np.random.default_rng(3))


def test_a_share_is_shuffled_from_the_output_on() -> None:
    model = onnx.load_from_string(_model())
    first = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "first")
    model.graph.initializer.insert(0, first)
    before = _weights(model.SerializeToString())
    last, both = (_weights(randomized(model.SerializeToString(), np.random.default_rng(0), s)) for s in (0.0, 1.0))
    np.testing.assert_array_equal(before["first"], last["first"])
    assert not np.array_equal(before["weight"], last["weight"])
    assert not np.array_equal(before["first"], both["first"])
