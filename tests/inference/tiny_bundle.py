"""A model bundle small enough for any test: one strided convolution, exact by hand, no training.

The map of "any finding" is ``GAIN`` times the mean of the subdural window in each 8 x 8 cell, minus
``OFFSET``; the other findings get a share of it. So a slice of brain stays below the operating point and a
bright patch rises above it, and every figure can be worked out on paper.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from plainscan import bundle
from plainscan.bundle import Calibration, Card, Int8, Int8Check, OperatingPoint, write_bundle, write_sums
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.stages.lineage import PATIENTS

CELL, GAIN, OFFSET, BIAS = 8, 40.0, 6.0, 0.5
WINDOWS = ((40.0, 80.0), (80.0, 200.0), (600.0, 2800.0))


def tiny_weights(channels: int) -> NDArray[np.float32]:
    """(findings, channels, 8, 8), float32: the mean of the middle plane's subdural window, times a gain."""
    weights = np.zeros((len(FINDING_KEYS), channels, CELL, CELL), np.float32)
    subdural = channels // (2 * len(WINDOWS)) * len(WINDOWS) + 1 if channels >= len(WINDOWS) else 0
    for i in range(len(FINDING_KEYS)):
        weights[i, subdural] = GAIN / (i + 1) / CELL**2
    return weights


def tiny_model(channels: int = 3, size: int = 64, bias: float = BIAS) -> bytes:
    """The graph: image -> convolution -> maps; their mean plus bias -> logits."""
    findings, grid = len(FINDING_KEYS), size // CELL
    constants = {
        "weights": tiny_weights(channels),
        "offset": np.full((1, findings, 1, 1), OFFSET, np.float32),
        "bias": np.full((1, findings), bias, np.float32),
        "axes": np.array([2, 3], np.int64),
    }
    nodes = [
        helper.make_node(
            "Conv", ["image", "weights"], ["activations"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]
        ),
        helper.make_node("Sub", ["activations", "offset"], ["maps"]),
        helper.make_node("ReduceMean", ["maps", "axes"], ["means"], keepdims=0),
        helper.make_node("Add", ["means", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["slices", channels, size, size])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["slices", findings]),
            helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["slices", findings, grid, grid]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def tiny_card(model: bytes, *, size: int = 64, neighbors: int = 0, **changes: Any) -> Card:
    """A card that fits the model; `changes` replaces its fields."""
    point = {
        "finding": ANY_FINDING,
        "threshold": 0.6,
        "rule": "highest specificity with sensitivity >= 0.95",
        "chosen_on": "tune",
        "sensitivity": 0.95,
        "specificity": 0.8,
        "n": 100,
    }
    fields: dict[str, Any] = {
        "name": "tiny",
        "plainscan": "0",
        "network": "tiny",
        "input_size": size,
        "windows": WINDOWS,
        "neighbors": neighbors,
        "findings": FINDING_KEYS,
        "calibration": tuple(Calibration(finding=key, fitted_on="tune") for key in FINDING_KEYS),
        "operating_points": (OperatingPoint(level="slice", **point), OperatingPoint(level="study", **point)),
        "provenance": {"made_by": "tests"},
        "model_sha256": hashlib.sha256(model).hexdigest(),
    }
    return Card(**{**fields, **changes})


def tiny_int8(**changes: Any) -> Int8:
    """Ranges of the tiny model; `changes` replaces fields of its check of int8, that of mixed holds."""
    check = {"data": "tests", "n": 9, "n_positive": 4, "auc_fall": 0.0, "decisions_changed": 0.0}
    check["largest_logit_change"] = 0.1
    checks = (Int8Check(**{**check, **changes}), Int8Check(**{**check, "engine": "mixed"}))
    return Int8(ranges={"image": (0.0, 1.0), "activations": (0.0, GAIN)}, measured_on="tests", checks=checks)


def tiny_bundle(folder: Path, *, size: int = 64, neighbors: int = 0, **changes: Any) -> Path:
    """Write the bundle and return its folder."""
    model = tiny_model(len(WINDOWS) * (2 * neighbors + 1), size)
    write_bundle(folder, model, tiny_card(model, size=size, neighbors=neighbors, **changes))
    return folder


def ship_tiny(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Path:
    """A tiny bundle in place of the one that comes with plainscan."""
    shipped = tiny_bundle(folder / "plainscan" / "weights", provenance={PATIENTS: []}, world="world-0", **changes)
    write_sums(shipped)
    monkeypatch.setattr(bundle, "SHIPPED_FOLDER", shipped)
    return shipped


def grey_head(patches: Sequence[tuple[int, int, int]] = ()) -> NDArray[np.uint8]:
    """``head_slice`` as a picture in the window 40/120, with the noise of a scanner, 5 HU."""
    noise = np.random.default_rng(5).normal(0, 5, (128, 128))
    grey: NDArray[np.uint8] = np.clip((head_slice(patches=patches) + noise + 20) * 255 / 120, 0, 255).astype(np.uint8)
    return grey


def head_slice(size: int = 128, patches: Sequence[tuple[int, int, int]] = (), brain: float = 0.40) -> NDArray[np.int16]:
    """A disc of brain (35 HU) in a bright skull, in air; each patch (row, column, radius) is blood at 75 HU.

    ``brain`` is the disc's radius, as a share of the side: at the ends of a head it is small.
    """
    row, column = np.mgrid[:size, :size]
    hu = np.full((size, size), -1000, np.int16)
    distance = np.hypot(row - size / 2, column - size / 2)
    hu[distance < 1.1 * brain * size] = 1200
    hu[distance < brain * size] = 35
    for top, left, radius in patches:
        hu[np.hypot(row - top, column - left) < radius] = 75
    return hu
