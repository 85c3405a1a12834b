from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from plainscan.errors import BundleError
from plainscan.inference import int8
from plainscan.inference.engine import open_session
from plainscan.inference.graph import read_graph, with_outputs
from plainscan.inference.int8 import FIRST_STAGES, Ranges, measured_tensors, to_int8
from plainscan.learning.export import to_onnx
from plainscan.learning.half import to_half
from plainscan.learning.network import build

SIZE = 64


@cache
def network(name: str = "resnet18-fine") -> bytes:
    """Random weights, batch norms away from the identity, stored in float16."""
    model, rng = build(name, 3, 4, seed=0), torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -0.4, 0.9, generator=rng)
            nn.init.normal_(module.bias, 0.1, 0.1, generator=rng)
            nn.init.normal_(module.running_mean, 0.0, 0.1, generator=rng)
            nn.init.uniform_(module.running_var, 0.5, 2.0, generator=rng)
    nn.init.normal_(model.fc.weight, std=0.1, generator=rng)
    return to_half(to_onnx(name, model.eval().state_dict(), SIZE))


def run(model: bytes, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    outputs: list[NDArray[np.float32]] = open_session(model).run(None, {"image": image})
    return outputs


def images(count: int = 3) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((count, 3, SIZE, SIZE), np.float32)


def ranges_of(model: bytes) -> Ranges:
    names = measured_tensors(model)
    found = run(with_outputs(model, names), images())
    return {name: (float(part.min()), float(part.max())) for name, part in zip(names, found, strict=True)}


@pytest.mark.parametrize("name", ["resnet18-fine", "resnet50-fine", "resnet18"])
def test_logits_and_maps_of_integers_are_near_those_of_floats(name: str) -> None:
    model = network(name)
    before, after = run(model, images()), run(to_int8(model, ranges_of(model)), images())
    for float_part, integer_part in zip(before, after, strict=True):
        assert integer_part.shape == float_part.shape
        assert np.abs(integer_part - float_part).max() < 0.1 * float_part.std() + 0.02
        assert np.corrcoef(integer_part.ravel(), float_part.ravel())[0, 1] > 0.98


def test_all_convolutions_but_the_head_s_last_are_of_integers() -> None:
    model = network()
    nodes = read_graph(to_int8(model, ranges_of(model))).nodes
    convolutions = [node for node in read_graph(model).nodes if node.operator == "Conv"]
    assert [node.outputs for node in nodes if node.operator == "Conv"] == [("maps",)]
    assert sum(node.operator == "QLinearConv" for node in nodes) == len(convolutions) - 1
    assert sum(node.operator == "QLinearAdd" for node in nodes) == 8  # one a residual block
    assert not [node for node in nodes if node.operator == "Relu" and node.outputs != ("fc.relu1",)]


def test_behind_a_beginning_in_floats_the_last_two_stages_alone_are_of_integers() -> None:
    model = network()
    nodes = read_graph(to_int8(model, ranges_of(model), FIRST_STAGES)).nodes
    stages = {
        operator: {node.outputs[0].split(".")[0] for node in nodes if node.operator == operator}
        for operator in ("Conv", "QLinearConv", "QLinearAdd")
    }
    assert stages["Conv"] == {"conv1", "layer1", "layer2", "maps"}
    assert stages["QLinearConv"] == {"layer3", "layer4", "fc"}
    assert stages["QLinearAdd"] == {"layer3", "layer4"}


def test_a_beginning_in_floats_is_that_of_the_floats_and_the_end_is_nearer_to_theirs() -> None:
    model, end = network(), "layer2.1.out"
    made = {"floats": model, "all": to_int8(model, ranges_of(model))}
    made["mixed"] = to_int8(model, ranges_of(model), FIRST_STAGES)
    begun = [run(with_outputs(made[name], [end]), images())[0] for name in ("mixed", "floats")]
    np.testing.assert_allclose(begun[0], begun[1], rtol=1e-4, atol=1e-5)
    logits = {name: run(graph, images())[0] for name, graph in made.items()}
    away = {name: np.abs(logits[name] - logits["floats"]).mean() for name in ("mixed", "all")}
    assert 0 < away["mixed"] < away["all"]


def test_the_graph_of_integers_is_a_valid_one_and_the_same_bytes_again() -> None:
    model, ranges = network(), ranges_of(network())
    made = to_int8(model, ranges)
    onnx.checker.check_model(onnx.load_from_string(made))
    assert to_int8(model, ranges) == made
    assert len(made) < 0.55 * len(model)  # a byte a weight, where the file has two


def two_convolutions(first: NDArray[np.float32], last: NDArray[np.float32], stride: int) -> bytes:
    weights = [numpy_helper.from_array(values, name) for name, values in (("first", first), ("last", last))]
    pads = [first.shape[2] // 2] * 4
    nodes = [
        helper.make_node(
            "Conv", ["image", "first"], ["a"], kernel_shape=first.shape[2:], strides=[stride] * 2, pads=pads
        ),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "last"], ["maps"], kernel_shape=[1, 1]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["slices", channels, None, None])
        for name, channels in (("image", first.shape[1]), ("maps", len(last)))
    ]
    graph = helper.make_graph(nodes, "two", ends[:1], ends[1:], weights)
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    )


@pytest.mark.parametrize(("side", "stride"), [(7, 2), (3, 1)])
def test_whole_numbers_go_through_unrounded(side: int, stride: int) -> None:
    """Image, weights and activations lie on the steps of their scales."""
    rng = np.random.default_rng(1)
    first = rng.integers(-1, 2, (8, 3, side, side)).astype(np.float32) * 127
    first[:, 0, 0, 0] = 127
    last = np.ones((1, 8, 1, 1), np.float32)
    image = (rng.random((1, 3, 32, 32)) < 0.02).astype(np.float32)
    model = two_convolutions(first, last, stride)
    ranges = {"image": (0.0, 1.0), "b": (0.0, 255 * 127.0)}
    assert measured_tensors(model) == ["image", "b"]
    (before,), (after,) = run(model, image), run(to_int8(model, ranges), image)
    assert before.max() > 0
    np.testing.assert_allclose(after, before, rtol=1e-5)


def test_a_first_convolution_of_cells_is_the_same_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    ranges = ranges_of(model)
    cells = to_int8(model, ranges)
    monkeypatch.setattr(int8, "STEM", {"kernel_shape": [0, 0]})  # no convolution is such a one
    plain = to_int8(model, ranges)
    first = {node.operator: node for node in reversed(read_graph(cells).nodes)}
    assert first["SpaceToDepth"].inputs == ("image",)
    assert first["QLinearConv"].attributes["kernel_shape"] == [4, 4]
    assert "SpaceToDepth" not in {node.operator for node in read_graph(plain).nodes}
    for rearranged, part in zip(run(cells, images()), run(plain, images()), strict=True):
        np.testing.assert_array_equal(rearranged, part)


def test_a_channel_without_weights_is_its_bias() -> None:
    model = onnx.load_from_string(
        two_convolutions(np.zeros((8, 3, 3, 3), np.float32), np.ones((1, 8, 1, 1), np.float32), 1)
    )
    model.graph.initializer.append(numpy_helper.from_array(np.arange(8, dtype=np.float32), "bias"))
    model.graph.node[0].input.append("bias")
    made = to_int8(model.SerializeToString(), {"image": (0.0, 1.0), "b": (0.0, 25.5)})
    (maps,) = run(made, images(1))
    np.testing.assert_allclose(maps, np.full_like(maps, 28.0), rtol=1e-5)


def residual(shortcut: NDArray[np.float32], branch: NDArray[np.float32], *, shown: bool = False) -> bytes:
    """Two convolutions of an image, their sum behind a ReLU, and the sum of its channels; `shown` adds the first."""
    ones = np.ones((1, len(shortcut), 1, 1), np.float32)
    weights = [
        numpy_helper.from_array(values[:, :, None, None] if values.ndim == 2 else values, name)
        for name, values in (("u", shortcut), ("v", branch), ("w", ones))
    ]
    nodes = [
        helper.make_node("Conv", ["image", "u"], ["a"], kernel_shape=[1, 1]),
        helper.make_node("Conv", ["image", "v"], ["b"], kernel_shape=[1, 1]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Conv", ["d", "w"], ["maps"], kernel_shape=[1, 1]),
    ]
    if shown:
        nodes.append(helper.make_node("Conv", ["a", "w"], ["seen"], kernel_shape=[1, 1]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["slices", channels, None, None])
        for name, channels in (("image", 1), ("maps", 1), *((("seen", 1),) if shown else ()))
    ]
    graph = helper.make_graph(nodes, "sum", ends[:1], ends[1:], weights)
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    )


SHORTCUT = np.array([[-1000.0], [1.0]], np.float32)  # one channel far below what the other input, at most 1, can lift
BRANCH = np.array([[1.0], [0.5]], np.float32)
SUM_RANGES = {"image": (0.0, 1.0), "a": (-1000.0, 1.0), "b": (0.0, 1.0), "d": (0.0, 1.5)}


def test_a_sum_s_input_is_as_fine_as_its_relu_shows_it() -> None:
    image = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    model = residual(SHORTCUT, BRANCH)
    (before,), (after,) = run(model, image), run(to_int8(model, SUM_RANGES), image)
    assert np.abs(after - before).max() < 0.02  # steps of a: 2 / 255, of the whole range they would be 4


def test_a_sum_s_input_that_is_used_elsewhere_keeps_its_range() -> None:
    image = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    model = residual(SHORTCUT, BRANCH, shown=True)
    before, after = run(model, image)[1], run(to_int8(model, SUM_RANGES), image)[1]
    assert before.min() == pytest.approx(-999.0)
    np.testing.assert_allclose(after, before, atol=5)


def test_a_range_that_is_missing_is_named() -> None:
    ranges = dict(ranges_of(network()))
    del ranges["layer2.0.out"]
    with pytest.raises(BundleError, match=r"no range of layer2\.0\.out"):
        to_int8(network(), ranges)
