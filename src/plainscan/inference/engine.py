"""A verified model bundle in ONNX Runtime: the only place that runs a network outside training.

The graph is run one slice at a time. A convolution library may choose another order of additions for
another batch size; with a fixed size of one, a slice has the same bits whatever is scored beside it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from plainscan.bundle import MODEL_FILE, Card, OperatingPoint, located, read_card
from plainscan.config import ShippedName
from plainscan.ct.window import Window
from plainscan.errors import BundleError, InternalError
from plainscan.findings import ANY_FINDING

INPUT: Final = "image"
OUTPUTS: Final = ("logits", "maps")


class Model:
    """A loaded bundle: its card and a session that runs its graph.

    Args:
        model: The bytes of `model.onnx`.
        card: The card that belongs to them; its hash is checked.
        threads: Threads for one slice; 0 takes every core this process may use.

    Raises:
        BundleError: The hash differs, the bytes are no ONNX model, or its inputs and outputs do not fit the card.
    """

    def __init__(self, model: bytes, card: Card, threads: int = 0) -> None:
        found = hashlib.sha256(model).hexdigest()
        if found != card.model_sha256:
            raise BundleError(f"SHA-256 {found}", where=MODEL_FILE, expected=card.model_sha256)
        self.card = card
        self.windows = tuple(Window(*pair) for pair in card.windows)
        self._session = _session(model, threads)
        _check_graph(self._session, card)

    def run(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run the graph on one slice.

        Args:
            image: (1, channels, size, size), float32, [0, 1], from ``ct.prepare.network_input``.

        Returns:
            Logits (findings,) and maps (findings, grid, grid), float32.
        """
        if image.shape[0] != 1:
            raise InternalError(f"a batch of {image.shape[0]}; the engine runs one slice at a time")
        logits, maps = self._session.run(list(OUTPUTS), {INPUT: image})
        return logits[0], maps[0]


def load(bundle: Path | ShippedName, threads: int = 0) -> Model:
    """Load and verify a bundle.

    Args:
        bundle: Folder with `model.onnx` and `card.json`, or "plainscan": the one that comes with it.
        threads: Threads for one slice; 0 takes every core this process may use.

    Raises:
        BundleError: The bundle is incomplete, altered or of another version.
    """
    folder = located(bundle)
    card = read_card(folder)
    return Model((folder / MODEL_FILE).read_bytes(), card, threads)


def operating_point(card: Card, level: str, finding: str = ANY_FINDING) -> OperatingPoint:
    """The frozen operating point of a level ("slice" or "study").

    Raises:
        BundleError: The card has none.
    """
    for point in card.operating_points:
        if (point.level, point.finding) == (level, finding):
            return point
    raise BundleError(
        f"no {level} operating point for {finding}",
        where=card.name,
        expected="an operating point chosen on the tuning set",
        remedy="Write the bundle again with `plainscan train`.",
    )


def _session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores to reading and drawing
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions have no common public base
        raise BundleError(
            "not a model that ONNX Runtime can load",
            where=MODEL_FILE,
            expected="a graph exported by `plainscan train`",
            remedy="Write the bundle again, or install a newer onnxruntime.",
        ) from error


def _check_graph(session: onnxruntime.InferenceSession, card: Card) -> None:
    inputs = {item.name: list(item.shape[1:]) for item in session.get_inputs()}
    outputs = {item.name: item.shape[1] for item in session.get_outputs()}
    size, findings = card.input_size, len(card.findings)
    expected_inputs = {INPUT: [card.channels(), size, size]}
    expected_outputs = dict.fromkeys(OUTPUTS, findings)
    if inputs != expected_inputs or outputs != expected_outputs:
        raise BundleError(
            f"inputs {inputs}, outputs {outputs}",
            where=MODEL_FILE,
            expected=f"inputs {expected_inputs}, outputs {expected_outputs}, as the card says",
        )
