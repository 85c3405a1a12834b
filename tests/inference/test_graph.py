from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.inference.tiny_bundle import OFFSET, tiny_model

from plainscan.errors import BundleError
from plainscan.inference.graph import Node, read_graph, value_name, with_outputs, write_graph


def every_kind() -> bytes:
    """A graph with each type of tensor and attribute that is read."""
    tensors = [
        numpy_helper.from_array(np.arange(6).reshape(2, 3).astype(kind), kind)
        for kind in ("float32", "float16", "uint8", "int8", "int32", "int64")
    ]
    tensors.append(numpy_helper.from_array(np.array(0.5, np.float32), "scalar"))
    value = numpy_helper.from_array(np.array([1.5, -2.0], np.float32))
    nodes = [
        helper.make_node("Conv", ["image", "", "float32"], ["a", "b"], "n", strides=[2, -3], epsilon=0.25, axis=-1),
        helper.make_node("Resize", ["a"], ["c"], mode="nearest", scales=[0.5, 2.0], value=value),
        helper.make_node("QLinearAdd", ["c"], ["logits"], domain="com.microsoft"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["slices", 3]) for name in ("image", "logits")]
    graph = helper.make_graph(nodes, "every", ends[:1], ends[1:], tensors)
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    )


def test_a_graph_written_again_is_the_same_to_the_package_onnx() -> None:
    before = onnx.load_from_string(every_kind())
    after = onnx.load_from_string(write_graph(read_graph(every_kind())))
    assert [(n.op_type, n.input, n.output, n.domain) for n in after.graph.node] == [
        (n.op_type, n.input, n.output, n.domain) for n in before.graph.node
    ]
    assert [helper.get_node_attr_value(after.graph.node[0], k) for k in ("strides", "epsilon", "axis")] == [
        [2, -3],
        0.25,
        -1,
    ]
    resize = after.graph.node[1]
    assert helper.get_node_attr_value(resize, "mode") == b"nearest"
    assert helper.get_node_attr_value(resize, "scales") == [0.5, 2.0]
    assert numpy_helper.to_array(helper.get_node_attr_value(resize, "value")).tolist() == [1.5, -2.0]
    for one, other in zip(after.graph.initializer, before.graph.initializer, strict=True):
        assert (one.name, one.dims, one.data_type, one.raw_data) == (
            other.name,
            other.dims,
            other.data_type,
            other.raw_data,
        )
    assert (after.graph.input, after.graph.output) == (before.graph.input, before.graph.output)
    assert after.ir_version == 9
    assert {item.domain: item.version for item in after.opset_import} == {"": 17, "com.microsoft": 1}


def test_a_graph_is_read_as_it_stands() -> None:
    graph = read_graph(every_kind())
    assert graph.nodes[0] == Node(
        "Conv", ("image", "", "float32"), ("a", "b"), {"strides": [2, -3], "epsilon": 0.25, "axis": -1}
    )
    assert graph.tensors["int64"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert graph.tensors["scalar"].shape == ()
    assert [value_name(value) for value in graph.inputs + graph.outputs] == ["image", "logits"]


def test_other_tensors_become_the_outputs() -> None:
    session = onnxruntime.InferenceSession(with_outputs(tiny_model(), ["activations", "maps"]))
    activations, maps = session.run(None, {"image": np.full((1, 3, 64, 64), 0.5, np.float32)})
    np.testing.assert_allclose(activations - OFFSET, maps, atol=1e-5)


@pytest.mark.parametrize("data", [b"", b"pickled or anything else", tiny_model()[:-9]])
def test_bytes_that_are_no_model_are_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match="not a graph that can be read"):
        read_graph(data)


def test_a_tensor_of_a_type_that_ours_do_not_have_is_refused() -> None:
    model = onnx.load_from_string(tiny_model())
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(2), "double"))
    with pytest.raises(BundleError, match="'double' of type 11"):
        read_graph(model.SerializeToString())
