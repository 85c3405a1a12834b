"""Weights in half the bytes: float16 in the file, float32 in every computation.

What rounding to the 11 bits that float16 keeps does to the scores is measured whenever weights are shipped
(``stages.ship``). Batch norms and biases are few, and their variances may leave the range of float16: they stay as they
are.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from plainscan.errors import InternalError

ENDING: Final = ".float32"  # of the name under which the graph sees a weight again


def to_half(model: bytes) -> bytes:
    """Store every weight with two or more axes as float16, cast to float32 where it is used.

    Initialisers keep their names, so that training can start from the file. ONNX Runtime folds the casts when it
    loads the graph: the result is that of a float32 graph with rounded weights.

    Args:
        model: An ONNX model with float32 initialisers, as ``export.to_onnx`` writes it.

    Returns:
        A serialised ONNX model: the same bytes for the same model; a model that was halved before as it is.

    Raises:
        InternalError: A weight is beyond the range of float16.
    """
    whole = onnx.load_from_string(model)
    graph = whole.graph
    halved = [part for part in graph.initializer if part.data_type == TensorProto.FLOAT and len(part.dims) > 1]
    names = [part.name for part in halved]
    for part in halved:
        part.CopyFrom(_rounded(part))
    for node in graph.node:
        node.input[:] = [name + ENDING if name in names else name for name in node.input]
    casts = [helper.make_node("Cast", [name], [name + ENDING], f"{name}.cast", to=TensorProto.FLOAT) for name in names]
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(whole)
    serialized: bytes = whole.SerializeToString()
    return serialized


def _rounded(part: Any) -> Any:
    values = numpy_helper.to_array(part)
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    if not np.isfinite(half).all():
        largest = np.abs(values).max()
        raise InternalError(f"{part.name}: {largest:g} is beyond float16, which ends at {np.finfo(np.float16).max:g}")
    return numpy_helper.from_array(half, part.name)
