"""The same network with its weights shuffled: what maps look like when nothing was learned.

Adebayo et al. (2018) draw new weights layer by layer, from the output towards the input (the cascade). Here the entries
of each tensor change places instead: a layer keeps its range of values and loses what they said.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

from plainscan.errors import MissingPartError
from plainscan.inference.engine import Model


def randomized(model: bytes, rng: np.random.Generator, share: float = 1.0) -> bytes:
    """Shuffle the entries of weight tensors with two or more axes; each tensor keeps its values.

    Biases and the parts of batch norms stay: they move a whole channel, not a place.

    Args:
        model: An ONNX model.
        rng: Where the order comes from.
        share: Which of these tensors: this share of them, the nearest to the output; at least one.

    Raises:
        MissingPartError: The `onnx` package is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingPartError(
            "the package onnx is not installed",
            where="maps of shuffled weights",
            expected="the extra `study` or `train`",
            remedy="pip install 'plainscan[study]'",
        ) from error
    graph = onnx.load_from_string(model)
    tensors = [tensor for tensor in graph.graph.initializer if len(tensor.dims) >= 2]  # from input to output
    for tensor in tensors[-max(1, math.ceil(share * len(tensors))) :]:
        values = numpy_helper.to_array(tensor)
        shuffled = rng.permutation(values.ravel()).reshape(values.shape)
        tensor.CopyFrom(numpy_helper.from_array(shuffled, tensor.name))
    result: bytes = graph.SerializeToString()
    return result


def randomized_model(model: bytes, trained: Model, rng: np.random.Generator, share: float = 1.0) -> Model:
    """A second model under the first one's card, with its own hash; ``share`` as in ``randomized``."""
    shuffled = randomized(model, rng, share)
    card = trained.card.model_copy(update={"model_sha256": hashlib.sha256(shuffled).hexdigest()})
    return Model(shuffled, card)
