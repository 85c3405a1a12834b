"""A verified model bundle in ONNX Runtime: the only place that runs a network outside training.

A slice is one run of the graph on one thread; several slices run side by side. A convolution library may choose
another order of additions for another batch size or number of threads: so a slice has the same bits whatever is scored
beside it, and for small images this is also the quickest way.

Three engines: `fp32`; `int8`, which is made from the same file by the ranges in the card (see ``int8``); and `mixed`,
integers behind a beginning in float32.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from plainscan.bundle import MODEL_FILE, Card, IntegerEngine, OperatingPoint, located, read_card
from plainscan.ct.window import Window
from plainscan.errors import BundleError, InternalError
from plainscan.findings import ANY_FINDING
from plainscan.inference.graph import with_outputs
from plainscan.inference.int8 import FIRST_STAGES, to_int8
from plainscan.setting_types import Engine, ShippedName

INPUT: Final = "image"
OUTPUTS: Final = ("logits", "maps")


class Model:
    """A loaded bundle: its card and a session that runs its graph.

    Args:
        model: The bytes of `model.onnx`.
        card: The card that belongs to them; its hash is checked.
        threads: Slices at a time, for ``score``; 0 takes every core this process may use.
        engine: See ``chosen``.

    Raises:
        BundleError: The hash differs, the bytes are no ONNX model, its inputs and outputs do not fit the card, or the
            card has nothing for the engine.
    """

    def __init__(self, model: bytes, card: Card, threads: int = 0, engine: Engine = "fp32") -> None:
        found = hashlib.sha256(model).hexdigest()
        if found != card.model_sha256:
            raise BundleError(
                f"SHA-256 {found}",
                where=MODEL_FILE,
                expected=card.model_sha256,
                remedy="The model was altered or belongs to another card; copy the bundle again.",
            )
        self.card = card
        self.windows = tuple(Window(*pair) for pair in card.windows)
        self.threads = threads or len(os.sched_getaffinity(0))
        self.engine = chosen(card, engine)
        if self.engine != "fp32" and card.int8:
            model = to_int8(model, card.int8.ranges, FIRST_STAGES if self.engine == "mixed" else ())
        self._session = open_session(model)
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


def probe(model: bytes, names: Sequence[str]) -> Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Reader of tensors inside a graph.

    Args:
        model: The bytes of `model.onnx`.
        names: Of the tensors; an input may be among them.

    Returns:
        A function of an image, (1, channels, size, size), that gives their values.

    Raises:
        BundleError: The model cannot be read.
    """
    session = open_session(with_outputs(model, names))
    return lambda image: list(session.run(None, {INPUT: image}))


def chosen(card: Card, engine: Engine) -> IntegerEngine | Literal["fp32"]:
    """The engine that scores.

    Args:
        card: Of the bundle.
        engine: "auto" is the quickest that the card's checks allow, where the processor multiplies 8-bit integers
            without a detour; elsewhere fp32.

    Raises:
        BundleError: int8 or mixed is asked for, and the card has no ranges.
    """
    if engine == "auto":
        return card.int8.default if card.int8 is not None and multiplies_bytes() else "fp32"
    if engine != "fp32" and card.int8 is None:
        raise BundleError(
            f"no ranges for {engine}",
            where=card.name,
            expected="a bundle whose ranges were measured",
            remedy="Use --engine fp32.",
        )
    return engine


@cache
def multiplies_bytes() -> bool:
    """Whether the processor has the instructions (VNNI) that make int8 quick.

    Without them int8 is right, by ONNX Runtime's way around sums that do not fit into 16 bits, but no quicker than
    float32. Only Linux on x86 is looked at; nothing else was measured.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return False
    return not {"avx512_vnni", "avx_vnni"}.isdisjoint(flags)


def load(bundle: Path | ShippedName, threads: int = 0, engine: Engine = "auto") -> Model:
    """Load and verify a bundle.

    Args:
        bundle: Folder with `model.onnx` and `card.json`, or "plainscan": the one that comes with it.
        threads: Slices at a time; 0 takes every core this process may use.
        engine: See ``chosen``.

    Raises:
        BundleError: The bundle is incomplete, altered or of another version, or has nothing for the engine.
    """
    folder = located(bundle)
    card = read_card(folder)
    return Model((folder / MODEL_FILE).read_bytes(), card, threads, engine)


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


def open_session(model: bytes) -> onnxruntime.InferenceSession:
    """A graph ready to run on one thread, whose integers are exact on this processor.

    Raises:
        BundleError: ONNX Runtime cannot load it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    if not multiplies_bytes():
        # Sums of two products of uint8 and int8 would be cut at 16 bits: the exact way, slower on every processor.
        options.add_session_config_entry("session.x64quantprecision", "1")
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
            remedy="Copy the bundle again, or write it again with `plainscan train`.",
        )
