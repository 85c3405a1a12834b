"""ONNX graphs read and written without the package onnx, which the small install does without.

Only the fields that our graphs use (onnx.proto3, IR version 9): a message is a list of numbered fields in protobuf's
wire format. What is not looked into, such as the shapes of inputs and outputs, is kept as bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.errors import BundleError

Array = NDArray[np.generic]
Attribute = int | float | str | Sequence[int] | Sequence[float] | Array
Message = dict[int, list[int | memoryview]]
# TensorProto.DataType, of the types that our graphs hold
TYPES: Final = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 10: np.float16}
CODES: Final = {np.dtype(kind): code for code, kind in TYPES.items()}
FLOAT, INT, STRING, TENSOR, FLOATS, INTS = 1, 2, 3, 4, 6, 7  # AttributeProto.AttributeType
CONTRIB: Final = "com.microsoft"  # operators that ONNX Runtime adds
CONTRIB_OPSET: Final = 1


@dataclass(frozen=True)
class Node:
    """One operator.

    Args:
        operator: Its ``op_type``.
        inputs: Names of tensors; "" for one that is left out.
        outputs: Names of tensors.
        attributes: By name.
        domain: "" for ONNX's own operators.
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    domain: str = ""


@dataclass(frozen=True)
class Graph:
    """A graph and what stands around it.

    Args:
        nodes: Each after those whose outputs it takes.
        tensors: The initialisers, by name.
        inputs: ``ValueInfoProto`` messages.
        outputs: Likewise.
        opset: Version of ONNX's own operators.
        ir_version: Of the file format.
    """

    nodes: tuple[Node, ...]
    tensors: Mapping[str, Array]
    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]
    opset: int
    ir_version: int


def read_graph(model: bytes) -> Graph:
    """Read a serialised ONNX model.

    Raises:
        BundleError: It is none, or holds a tensor or an attribute of another type than ours do.
    """
    try:
        whole = _message(model)
        graph = _message(_one(whole, 7))
        opsets = [_message(item) for item in _all(whole, 8)]
        opset = next(_int(item, 2) for item in opsets if not _text(item, 1))
        return Graph(
            tuple(_node(_message(item)) for item in _all(graph, 1)),
            dict(_tensor(_message(item)) for item in _all(graph, 5)),
            tuple(map(bytes, _all(graph, 11))),
            tuple(map(bytes, _all(graph, 12))),
            opset,
            _int(whole, 1),
        )
    except (ValueError, LookupError, StopIteration, struct.error) as error:
        raise BundleError(
            f"not a graph that can be read ({error})",
            where="model.onnx",
            expected="an ONNX model of plainscan",
            remedy="Use a bundle that `plainscan train` wrote.",
        ) from error


def write_graph(graph: Graph) -> bytes:
    """The serialised ONNX model: the same bytes for the same graph."""
    body = b"".join(
        [
            *(_put(1, _write_node(node)) for node in graph.nodes),
            _put(2, b"plainscan"),
            *(_put(5, _write_tensor(name, values)) for name, values in graph.tensors.items()),
            *(_put(11, item) for item in graph.inputs),
            *(_put(12, item) for item in graph.outputs),
        ]
    )
    opsets = (_put(2, graph.opset), _put(1, CONTRIB.encode()) + _put(2, CONTRIB_OPSET))
    return b"".join([_put(1, graph.ir_version), _put(7, body), *(_put(8, item) for item in opsets)])


def with_outputs(model: bytes, names: Sequence[str]) -> bytes:
    """The model with other tensors of it as its only outputs, float32 of any shape."""
    graph = read_graph(model)
    kind = _put(2, _put(1, _put(1, CODES[np.dtype(np.float32)])))
    return write_graph(replace(graph, outputs=tuple(_put(1, name.encode()) + kind for name in names)))


def value_name(value: bytes) -> str:
    """The name in a ``ValueInfoProto``."""
    return _text(_message(value), 1)


def _message(data: bytes | memoryview) -> Message:
    found: Message = {}  # views, so that a large model is not copied again at every level
    view, at = memoryview(data), 0
    while at < len(view):
        key, at = _varint(view, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(view, at)
            found.setdefault(number, []).append(value)
            continue
        length, at = _varint(view, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
        if at + length > len(view):
            raise ValueError("ends early")
        found.setdefault(number, []).append(view[at : at + length])
        at += length
    return found


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value - (1 << 64) if value >> 63 else value, at


def _put(number: int, value: int | float | bytes) -> bytes:
    if isinstance(value, bytes):
        return _write_varint(number << 3 | 2) + _write_varint(len(value)) + value
    if isinstance(value, float):
        return _write_varint(number << 3 | 5) + struct.pack("<f", value)
    return _write_varint(number << 3) + _write_varint(value & (1 << 64) - 1)


def _write_varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _all(message: Message, number: int) -> Iterator[memoryview]:
    for value in message.get(number, []):
        if isinstance(value, int):
            raise ValueError(f"field {number} is a number")
        yield value


def _one(message: Message, number: int) -> memoryview:
    return next(_all(message, number), memoryview(b""))


def _text(message: Message, number: int) -> str:
    return str(_one(message, number), "utf-8")


def _ints(message: Message, number: int) -> list[int]:
    """A repeated integer, packed or not."""
    values: list[int] = []
    for value in message.get(number, []):
        if isinstance(value, int):
            values.append(value)
            continue
        at = 0
        while at < len(value):
            one, at = _varint(value, at)
            values.append(one)
    return values


def _int(message: Message, number: int) -> int:
    return next(iter(_ints(message, number)), 0)


def _floats(message: Message, number: int) -> list[float]:
    """A repeated float32, packed or not."""
    values: list[float] = np.frombuffer(b"".join(_all(message, number)), "<f4").astype(float).tolist()
    return values


def _node(message: Message) -> Node:
    inputs, outputs = (tuple(str(item, "utf-8") for item in _all(message, number)) for number in (1, 2))
    attributes = {_text(item, 1): _attribute(item) for item in map(_message, _all(message, 5))}
    return Node(_text(message, 4), inputs, outputs, attributes, _text(message, 7))


def _attribute(message: Message) -> Attribute:
    kind = _int(message, 20)
    if kind == INT:
        return _int(message, 3)
    if kind == STRING:
        return _text(message, 4)
    if kind == INTS:
        return _ints(message, 8)
    if kind == TENSOR:
        return _tensor(_message(_one(message, 5)))[1]
    if kind in (FLOAT, FLOATS):
        floats = _floats(message, 2 if kind == FLOAT else 7)
        return floats[0] if kind == FLOAT else floats
    raise ValueError(f"attribute {_text(message, 1)!r} of type {kind}")


def _tensor(message: Message) -> tuple[str, Array]:
    code, shape = _int(message, 2), _ints(message, 1)
    if code not in TYPES or 9 not in message:
        raise ValueError(f"tensor {_text(message, 8)!r} of type {code}, not as raw bytes of a type that ours have")
    dtype = np.dtype(TYPES[code]).newbyteorder("<")
    return _text(message, 8), np.frombuffer(_one(message, 9), dtype).reshape(shape)


def _write_node(node: Node) -> bytes:
    parts = [_put(1, name.encode()) for name in node.inputs]
    parts += [_put(2, name.encode()) for name in node.outputs]
    parts += [_put(3, node.outputs[0].encode()), _put(4, node.operator.encode())]
    parts += [_put(5, _put(1, name.encode()) + _write_attribute(value)) for name, value in node.attributes.items()]
    return b"".join([*parts, *([_put(7, node.domain.encode())] if node.domain else [])])


def _write_attribute(value: Attribute) -> bytes:
    if isinstance(value, np.ndarray):
        return _put(5, _write_tensor("", value)) + _put(20, TENSOR)
    if isinstance(value, str):
        return _put(4, value.encode()) + _put(20, STRING)
    if isinstance(value, int):
        return _put(3, value) + _put(20, INT)
    if isinstance(value, float):
        return _put(2, value) + _put(20, FLOAT)
    if all(isinstance(item, int) for item in value):
        return b"".join(_put(8, int(item)) for item in value) + _put(20, INTS)
    return b"".join(_put(7, float(item)) for item in value) + _put(20, FLOATS)


def _write_tensor(name: str, values: Array) -> bytes:
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    parts = [_put(1, int(side)) for side in values.shape]
    return b"".join([*parts, _put(2, CODES[values.dtype]), _put(8, name.encode()), _put(9, little.tobytes())])
