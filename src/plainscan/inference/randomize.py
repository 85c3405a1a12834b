"""The same network with its weights shuffled: what maps look like when nothing was learned."""

from __future__ import annotations

import hashlib

import numpy as np

from plainscan.errors import MissingPartError
from plainscan.inference.engine import Model


def randomized(model: bytes, rng: np.random.Generator) -> bytes:
    """Shuffle the entries of every weight tensor with two or more axes; each tensor keeps its values.

    Args:
        model: An ONNX model.
        rng: Where the order comes from.

    Raises:
        MissingPartError: The `onnx` package is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingPartError(
            "the package onnx is not installed",
            expected="the extra `study` or `train`",
            remedy="pip install 'plainscan[study]'",
        ) from error
    graph = onnx.load_from_string(model)
    for tensor in graph.graph.initializer:
        if len(tensor.dims) >= 2:
            values = numpy_helper.to_array(tensor)
            shuffled = rng.permutation(values.ravel()).reshape(values.shape)
            tensor.CopyFrom(numpy_helper.from_array(shuffled, tensor.name))
    result: bytes = graph.SerializeToString()
    return result


def randomized_model(model: bytes, trained: Model, rng: np.random.Generator) -> Model:
    """A second model under the first one's card, with its own hash."""
    shuffled = randomized(model, rng)
    card = trained.card.model_copy(update={"model_sha256": hashlib.sha256(shuffled).hexdigest()})
    return Model(shuffled, card)
