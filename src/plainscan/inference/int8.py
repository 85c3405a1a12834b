"""The float graph of a bundle as one of 8-bit integers, made when the bundle is loaded: no second file of weights.

Convolutions, with their batch norm and ReLU, max pools and residual sums work on integers (Jacob et al., CVPR 2018):
activations uint8 with one scale a tensor, from ranges that were measured when the bundle was made and stand in its
card; weights int8 with one scale an output channel, from the weights themselves; sums int32, exact in any order.
Everything behind a head's last convolution stays in float32, and that convolution too: its maps are the result.
The engine `mixed` also leaves stem and first two stages there: most of what integers change is changed in them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainscan.errors import BundleError
from plainscan.inference.graph import CONTRIB, Array, Graph, Node, read_graph, value_name, write_graph

Ranges = Mapping[str, tuple[float, float]]
LARGEST: Final = 127  # of a weight: symmetric, so that its zero point is 0
STEPS: Final = 255  # of an activation
EPSILON: Final = 1e-5  # of a batch norm that states none, as ONNX has it
SMALLEST_SCALE: Final = 1e-12  # of what is 0 throughout
CELLS: Final = ".cells"  # what a picture is called as cells of 2 x 2 pixels
STEM: Final = {"kernel_shape": [7, 7], "pads": [3, 3, 3, 3], "strides": [2, 2]}
STEM_OF_CELLS: Final = {"kernel_shape": [4, 4], "pads": [2, 2, 1, 1], "strides": [1, 1]}
FIRST_STAGES: Final = ("conv1.", "bn1.", "relu", "layer1.", "layer2.")  # how the outputs of `mixed`'s floats begin
FOLLOWERS: Final = {"Conv": ("BatchNormalization", "Relu"), "Add": ("Relu",)}


class Step(NamedTuple):
    """Operators that become one: a convolution with its batch norm and ReLU, a sum with its ReLU, or one alone."""

    nodes: tuple[Node, ...]

    @property
    def node(self) -> Node:
        """The first."""
        return self.nodes[0]

    @property
    def norm(self) -> Node | None:
        """The batch norm, if there is one."""
        return next((node for node in self.nodes if node.operator == "BatchNormalization"), None)

    @property
    def output(self) -> str:
        """Name of the last one's output."""
        return self.nodes[-1].outputs[0]


class Scale(NamedTuple):
    """An activation is ``scale * (stored - zero)``."""

    scale: float
    zero: int


def to_int8(model: bytes, ranges: Ranges, floats: Sequence[str] = ()) -> bytes:
    """Quantise a model.

    Args:
        model: A float graph as ``learning.export`` writes it, its weights in float32 or float16.
        ranges: Lowest and highest value of each tensor of ``measured_tensors``.
        floats: What the outputs begin with of operators that stay in float32.

    Returns:
        A serialised ONNX model with the same inputs and outputs.

    Raises:
        BundleError: It cannot be read, or a range is missing.
    """
    graph = _of_cells(_plain(read_graph(model)))
    steps = _steps(graph)
    builder = _Builder(graph, _shown(steps, ranges), tuple(floats))
    for step in steps:
        builder.add(step)
    return write_graph(replace(graph, nodes=tuple(builder.nodes), tensors=builder.tensors))


def measured_tensors(model: bytes) -> list[str]:
    """Names of the tensors whose ranges ``to_int8`` asks for.

    Raises:
        BundleError: The model cannot be read.
    """
    graph, asked = _plain(read_graph(model)), _Asked()
    builder = _Builder(graph, asked)
    for step in _steps(graph):
        builder.add(step)
    return list(asked.names)


class _Asked(dict[str, tuple[float, float]]):
    """Any range, and which were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}

    def __missing__(self, name: str) -> tuple[float, float]:
        self.names[name] = None
        return 0.0, 1.0


def _plain(graph: Graph) -> Graph:
    """The graph without the casts of its weights: these are widened where they are used."""
    tensors, nodes = dict(graph.tensors), []
    for node in graph.nodes:
        if node.operator == "Cast" and node.inputs[0] in tensors:
            tensors[node.outputs[0]] = tensors[node.inputs[0]]
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


def _of_cells(graph: Graph) -> Graph:
    """The graph, its 7 x 7 convolution of every second pixel as one of 4 x 4 cells, their pixels as channels.

    The same products, summed where they lie closer together: with 3 channels the convolution alone takes a tenth of
    the network's time, and so half of that. A picture has an even number of rows and columns.
    """
    images, tensors, nodes = {value_name(value) for value in graph.inputs}, dict(graph.tensors), []
    for node in graph.nodes:
        stem = node.operator == "Conv" and dict(node.attributes) == STEM
        if stem and node.inputs[0] in images and node.inputs[1] in tensors:
            image, weights, *bias = node.inputs
            nodes.append(Node("SpaceToDepth", (image,), (f"{image}{CELLS}",), {"blocksize": 2}))
            nodes.append(
                replace(node, inputs=(f"{image}{CELLS}", f"{weights}{CELLS}", *bias), attributes=STEM_OF_CELLS)
            )
            tensors[f"{weights}{CELLS}"] = _weights_of_cells(tensors[weights])
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


def _weights_of_cells(weights: Array) -> Array:
    """(out, in, 7, 7) to (out, 4 * in, 4, 4): a row and a column of 0 before them, cells in SpaceToDepth's order."""
    out, channels = weights.shape[:2]
    padded = np.pad(weights, ((0, 0), (0, 0), (1, 0), (1, 0))).reshape(out, channels, 4, 2, 4, 2)
    return padded.transpose(0, 3, 5, 1, 2, 4).reshape(out, 4 * channels, 4, 4)


def _steps(graph: Graph) -> list[Step]:
    takers: dict[str, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        for name in node.inputs:
            takers[name].append(node)
    ends, steps = {value_name(value) for value in graph.outputs}, []
    taken: set[str] = set()
    for node in graph.nodes:
        if node.outputs[0] in taken:
            continue
        step = Step((node,))
        for operator in FOLLOWERS.get(node.operator, ()):
            following = takers[step.output]
            if step.output not in ends and len(following) == 1 and following[0].operator == operator:
                step = Step((*step.nodes, following[0]))
                taken.add(step.output)
        steps.append(step)
    return steps


def _shown(steps: Sequence[Step], ranges: Ranges) -> Ranges:
    """The ranges, those of a sum's inputs cut to what the ReLU behind it can show.

    What the other input cannot lift above 0 comes out as 0 however low it is, so that the cut changes no output and
    makes the steps finer: a shortcut of a residual block that changes its channels goes far below.
    """
    shown, uses = dict(ranges), Counter(name for step in steps for name in step.node.inputs)
    for step in steps:
        if step.node.operator != "Add" or len(step.nodes) == 1 or any(name not in ranges for name in step.node.inputs):
            continue
        for name, other in (step.node.inputs, step.node.inputs[::-1]):
            low, high = ranges[name]
            if uses[name] == 1:
                shown[name] = max(low, -ranges[other][1]), high
    return shown


@dataclass(frozen=True)
class _Folded:
    """A convolution with its batch norm: weights (out, in, rows, columns), and per output channel factor and bias."""

    weights: NDArray[np.float32]
    factor: NDArray[np.float32]
    bias: NDArray[np.float32]


class _Builder:
    """Adds step after step; a tensor is held as float32 under its name, as uint8 under its name with ".uint8"."""

    def __init__(self, graph: Graph, ranges: Ranges, kept: tuple[str, ...] = ()) -> None:
        self.graph, self.ranges, self.kept = graph, ranges, kept
        self.ends = {value_name(value) for value in graph.outputs}
        self.nodes: list[Node] = []
        self.tensors: dict[str, Array] = {}
        self.scales: dict[str, Scale] = {}  # of what is held as uint8
        self.floats = {value_name(value) for value in graph.inputs}

    def add(self, step: Step) -> None:
        """Add one step in integers where it can and may be, else in float32."""
        operator, inputs = step.node.operator, step.node.inputs
        if step.node.outputs[0].startswith(self.kept):
            self._as_it_is(step)
        elif operator == "Conv" and step.output not in self.ends and inputs[1] in self.graph.tensors:
            self._convolve(step)
        elif operator == "Add" and all(name in self.scales for name in inputs):
            self._sum(step)
        elif operator == "MaxPool" and inputs[0] in self.scales:
            self.scales[step.output] = self.scales[inputs[0]]
            self._node(operator, (f"{inputs[0]}.uint8",), f"{step.output}.uint8", step.node)
        else:
            self._as_it_is(step)

    def _convolve(self, step: Step) -> None:
        folded = self._folded(step)
        source = self._integers(step.node.inputs[0])
        step_in = self.scales[step.node.inputs[0]].scale
        largest = np.abs(folded.weights).max(axis=(1, 2, 3)) * np.abs(folded.factor)
        # A channel whose weights are nearly 0 is its bias, which has to fit into 32 bits.
        scale = np.maximum(np.maximum(largest / LARGEST, np.abs(folded.bias) / step_in / 2**30), SMALLEST_SCALE)
        weights = np.rint(folded.weights * (folded.factor / scale)[:, None, None, None]).astype(np.int8)
        name = step.node.inputs[1]
        self.tensors[f"{name}.int8"] = weights
        self.tensors[f"{name}.scale"] = scale.astype(np.float32)
        self.tensors[f"{name}.zero"] = np.zeros(len(scale), np.int8)
        self.tensors[f"{name}.bias"] = np.rint(folded.bias / scale / step_in).astype(np.int32)
        constants = (f"{name}.int8", f"{name}.scale", f"{name}.zero", *self._output(step.output), f"{name}.bias")
        self._node("QLinearConv", (*source, *constants), f"{step.output}.uint8", step.node)

    def _folded(self, step: Step) -> _Folded:
        weights, *biases = (self._values(name) for name in step.node.inputs[1:])
        bias = biases[0] if biases else np.zeros(len(weights), np.float32)
        factor = np.ones(len(weights), np.float32)
        if step.norm is not None:
            scale, shift, mean, variance = (self._values(name) for name in step.norm.inputs[1:])
            epsilon = step.norm.attributes.get("epsilon")
            factor = scale / np.sqrt(variance + (epsilon if isinstance(epsilon, float) else EPSILON))
            bias = (bias - mean) * factor + shift
        return _Folded(weights, factor, bias)

    def _values(self, name: str) -> NDArray[np.float32]:
        values: NDArray[np.float32] = self.graph.tensors[name].astype(np.float32)
        return values

    def _sum(self, step: Step) -> None:
        parts = [part for name in step.node.inputs for part in self._integers(name)]
        output = self._output(step.output)
        self.nodes.append(Node("QLinearAdd", (*parts, *output), (f"{step.output}.uint8",), domain=CONTRIB))

    def _as_it_is(self, step: Step) -> None:
        for node in step.nodes:
            for name in node.inputs:
                self._float(name)
            self.nodes.append(node)
            self.floats.update(node.outputs)

    def _node(self, operator: str, inputs: tuple[str, ...], output: str, like: Node) -> None:
        self.nodes.append(Node(operator, inputs, (output,), like.attributes))

    def _integers(self, name: str) -> tuple[str, str, str]:
        """Names of a tensor as uint8, its scale and its zero point."""
        if name not in self.scales:
            parts = self._output(name)
            self.nodes.append(Node("QuantizeLinear", (name, *parts), (f"{name}.uint8",)))
        return f"{name}.uint8", *self._constants(name)

    def _output(self, name: str) -> tuple[str, str]:
        """Decide on a tensor's scale; names of it and its zero point."""
        try:
            low, high = self.ranges[name.removesuffix(CELLS)]  # the same values
        except KeyError as error:
            raise BundleError(
                f"no range of {name}",
                where="card.json: int8",
                expected="one per tensor",
                remedy="Use --engine fp32, or measure them again with `python -m plainscan.stages.quantize`.",
            ) from error
        low, high = min(low, 0.0), max(high, 0.0)  # 0 is exact: what is padded, and what a ReLU gives
        scale = max((high - low) / STEPS, SMALLEST_SCALE)
        self.scales[name] = Scale(scale, round(-low / scale))
        return self._constants(name)

    def _constants(self, name: str) -> tuple[str, str]:
        scale, zero = self.scales[name]
        self.tensors[f"{name}.scale"] = np.array(scale, np.float32)
        self.tensors[f"{name}.zero"] = np.array(zero, np.uint8)
        return f"{name}.scale", f"{name}.zero"

    def _float(self, name: str) -> None:
        """Make sure that a tensor is held as float32."""
        if name in self.graph.tensors:
            values = self.graph.tensors[name]
            self.tensors[name] = values.astype(np.float32) if values.dtype == np.float16 else values
        elif name in self.scales and name not in self.floats:
            self.nodes.append(Node("DequantizeLinear", self._integers(name), (name,)))
            self.floats.add(name)
