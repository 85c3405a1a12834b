"""A state dict as an ONNX model, node by node, with torchvision's names kept on every initialiser.

The ONNX file is the canonical weight file: batch norm stays separate, so that training can start from it again
(ONNX Runtime folds it into the convolution when it loads the graph). Two outputs: ``logits`` and ``maps``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from plainscan.learning.head import LATERALS
from plainscan.learning.network import DESIGNS, WIDTHS

OPSET: Final = 17
IR_VERSION: Final = 9  # the newest that ONNX Runtime 1.20 reads
EPSILON: Final = 1e-5  # torch.nn.BatchNorm2d's default


class _Graph:
    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.state = state
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def weight(self, name: str) -> str:
        values = self.state[name].detach().cpu().float().contiguous().numpy()
        self.initializers.append(numpy_helper.from_array(np.array(values), name))
        return name

    def constant(self, name: str, values: list[float]) -> str:
        """Numbers that belong to the graph, not to the weights: no initialiser, so that they are not read as one."""
        tensor = numpy_helper.from_array(np.array(values, np.float32), name)
        return self.add("Constant", [], name, value=tensor)

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def conv_bn(self, x: str, conv: str, bn: str, kernel: int, stride: int) -> str:
        pads = [kernel // 2] * 4
        out = self.add(
            "Conv",
            [x, self.weight(f"{conv}.weight")],
            f"{conv}.out",
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=pads,
        )
        return self.batch_norm(out, bn)

    def batch_norm(self, x: str, bn: str) -> str:
        parts = [self.weight(f"{bn}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
        return self.add("BatchNormalization", [x, *parts], f"{bn}.out", epsilon=EPSILON)

    def block(self, x: str, name: str, kernels: list[tuple[int, int, int, int]], stride: int) -> str:
        branch = x
        for number, (_, _, kernel, step) in enumerate(kernels, start=1):
            branch = self.conv_bn(branch, f"{name}.conv{number}", f"{name}.bn{number}", kernel, step)
            if number < len(kernels):
                branch = self.add("Relu", [branch], f"{name}.relu{number}")
        if f"{name}.downsample.0.weight" in self.state:
            x = self.conv_bn(x, f"{name}.downsample.0", f"{name}.downsample.1", 1, stride)
        return self.add("Relu", [self.add("Add", [branch, x], f"{name}.sum")], f"{name}.out")

    def mean_head(self, stages: list[str]) -> None:
        """As ``head.MeanHead``."""
        self.add("Conv", [stages[-1], self.weight("fc.weight")], "maps", kernel_shape=[1, 1])
        pooled = self.add("ReduceMean", ["maps"], "fc.mean", axes=[2, 3], keepdims=0)
        self.add("Add", [pooled, self.weight("fc.bias")], "logits")

    def fine_head(self, stages: list[str], cells: int) -> None:
        """As ``head.FineHead``; the maps have ``cells`` cells."""
        near, middle, far = (self._lateral(stages, number) for number in LATERALS)
        joined = self.add("Add", [self.add("Add", [near, middle], "fc.near"), far], "fc.joined")
        x = self.add("Relu", [self.batch_norm(joined, "fc.bn1")], "fc.relu1")
        x = self.add("Relu", [self.conv_bn(x, "fc.conv", "fc.bn2", 3, 1)], "fc.relu2")
        self.add("Conv", [x, self.weight("fc.weight"), self.weight("fc.cell_bias")], "maps", kernel_shape=[1, 1])
        odds = self.add("ReduceLogSumExp", ["maps"], "fc.odds", axes=[2, 3], keepdims=0)
        mean = self.add("Sub", [odds, self.constant("fc.cells", [math.log(cells)])], "fc.mean")
        self.add("Add", [mean, self.weight("fc.bias")], "logits")

    def _lateral(self, stages: list[str], number: int) -> str:
        name = f"fc.lateral{number}"
        narrow = self.add("Conv", [stages[number - 1], self.weight(f"{name}.weight")], name, kernel_shape=[1, 1])
        larger = 2.0 ** (number - LATERALS[0])
        if larger == 1:
            return narrow
        scales = self.constant(f"{name}.scales", [1.0, 1.0, larger, larger])
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.add("Resize", [narrow, "", scales], f"{name}.large", **how)


def to_onnx(name: str, state: Mapping[str, Tensor], size: int) -> bytes:
    """Export a network.

    Args:
        name: A key of ``network.DESIGNS``.
        state: Its state dict.
        size: Side of the input in pixels.

    Returns:
        A serialised ONNX model: ``image`` (slices, channels, size, size) float32 to ``logits`` (slices, findings)
        and ``maps`` (slices, findings, size / stride, size / stride).
    """
    design, graph, stages = DESIGNS[name], _Graph(state), []
    x = graph.add("Relu", [graph.conv_bn("image", "conv1", "bn1", 7, 2)], "relu")
    x = graph.add("MaxPool", [x], "maxpool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for stage, (blocks, width) in enumerate(zip(design.blocks, WIDTHS, strict=True), start=1):
        for number in range(blocks):
            stride = 2 if stage > 1 and number == 0 else 1
            x = graph.block(x, f"layer{stage}.{number}", design.kernels(width, width, stride), stride)
        stages.append(x)
    grid = -(-size // design.stride)
    if design.fine:
        graph.fine_head(stages, grid * grid)
    else:
        graph.mean_head(stages)
    return _serialize(graph, state, name, size, grid)


def _serialize(graph: _Graph, state: Mapping[str, Tensor], name: str, size: int, grid: int) -> bytes:
    channels, findings = state["conv1.weight"].shape[1], state["fc.bias"].shape[0]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["slices", channels, size, size])
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["slices", findings]),
        helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["slices", findings, grid, grid]),
    ]
    body = helper.make_graph(graph.nodes, name, [image], outputs, graph.initializers)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="plainscan")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized
