"""A run folder small enough for tests: a few seeded studies, a bundle whose network is one convolution, masks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
from onnx import TensorProto, helper, numpy_helper

from plainscan import tables
from plainscan.bundle import Calibration, Card, OperatingPoint, write_bundle
from plainscan.findings import ANY_FINDING, FINDING_KEYS

SIZE, CELL = 64, 8
GRID = SIZE // CELL
BLEED = FINDING_KEYS.index("intraparenchymal_hemorrhage")


def network(rng: np.random.Generator) -> bytes:
    """Brightness in a blood window, summed per cell, as the map of every finding."""
    weight = rng.normal(0, 0.002, (len(FINDING_KEYS), 1, CELL, CELL)).astype(np.float32)
    weight[[0, BLEED]] += 8.0
    bias = np.full(len(FINDING_KEYS), -4.0, np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "weight"], ["maps"], kernel_shape=[CELL] * 2, strides=[CELL] * 2),
            helper.make_node("ReduceMean", ["maps"], ["mean"], axes=[2, 3], keepdims=0),
            helper.make_node("Add", ["mean", "bias"], ["logits"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, SIZE, SIZE])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(FINDING_KEYS)]),
            helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["n", len(FINDING_KEYS), GRID, GRID]),
        ],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def card(model: bytes, points: bool = True, provenance: dict[str, object] | None = None) -> Card:
    """A card with one window from 50 to 90 HU."""
    chosen = [
        OperatingPoint(
            level=level,
            finding=ANY_FINDING,
            threshold=0.05,
            rule="sensitivity at least 0.95",
            chosen_on="tune",
            sensitivity=0.96,
            specificity=0.8,
            n=100,
        )
        for level in ("slice", "study")
    ]
    return Card(
        name="tiny",
        plainscan="0",
        network="tiny",
        input_size=SIZE,
        windows=((70.0, 40.0),),
        neighbors=0,
        findings=FINDING_KEYS,
        calibration=tuple(
            Calibration(finding=key, fitted_on="none" if key == "mass" else "tune") for key in FINDING_KEYS
        ),
        operating_points=tuple(chosen) if points else (),
        provenance=provenance or {"data": "tiny"},
        model_sha256=hashlib.sha256(model).hexdigest(),
    )


def run_folder(folder: Path, *, patients: int = 30, masks: bool = True, test_label: int | None = None) -> Path:
    """Write prepared slices, labels, masks and a bundle; `test_label` forces every test label."""
    rng = np.random.default_rng(3)
    rows, pixels = [], []
    (folder / "truth").mkdir(parents=True)
    for patient in range(patients):
        study_pixels, study_masks = _study(rng, slices=8)
        split = ("train", "tune", "test")[patient % 3]
        np.savez_compressed(folder / "truth" / f"{patient}.npz", masks=study_masks)
        for i, bits in enumerate(study_masks):
            present = int(bits.any())
            if split == "test" and test_label is not None:
                present = test_label
            rows.append(_row(patient, i, split, present, len(pixels)))
            pixels.append(study_pixels[i])
    _write(folder, rows, np.stack(pixels)[:, None], masks)
    return folder


def unread(folder: Path, lost: pl.Expr) -> None:
    """Write a manifest of all prepared slices, and take some out of the prepared table, as if they were damaged."""
    frame = tables.read(folder, tables.PREPARED)
    tables.write(frame.select(list(tables.MANIFEST.columns)), folder, tables.MANIFEST)
    tables.write(frame.filter(~lost), folder, tables.PREPARED)


def _study(rng: np.random.Generator, slices: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2 + 0.5
    head = x**2 / 22**2 + y**2 / 28**2 < 1
    hu = np.where(head, 35, -1000) + rng.normal(0, 3, (slices, SIZE, SIZE))
    bits = np.zeros((slices, SIZE, SIZE), np.uint16)
    if rng.random() < 0.6:
        for i in range(3, 3 + int(rng.integers(1, 4))):
            blood = _disk(rng, x, y) & head
            hu[i][blood] += rng.uniform(15, 35)
            bits[i][blood] = 1 << BLEED
    for i in np.flatnonzero(rng.random(slices) < 0.3):  # bright, but no finding
        hu[i][_disk(rng, x, y)] += rng.uniform(10, 25)
    return np.rint(hu).astype(np.int16), bits


def _disk(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    cy, cx = rng.uniform(-14, 14, 2)
    return (x - cx) ** 2 + (y - cy) ** 2 < rng.uniform(3, 8) ** 2


def _row(patient: int, i: int, split: str, present: int, row: int) -> dict[str, object]:
    uid = f"1.2.{patient}"
    labels = dict.fromkeys(FINDING_KEYS, 0) | {ANY_FINDING: present, FINDING_KEYS[BLEED]: present}
    labels["lacune"] = None  # type: ignore[assignment]  # never labeled
    return {
        **dict.fromkeys(tables.PREPARED.columns),
        **labels,
        "patient_id": f"SECRET^NAME{patient}",
        "study_uid": uid,
        "series_uid": f"{uid}.1",
        "instance_uid": f"{uid}.1.{i}",
        "frame": 0,
        "rows": SIZE,
        "columns": SIZE,
        "slice_index": i,
        "slice_count": 8,
        "slice_height": i / 7,
        "split": split,
        "shard": "shard-0000.npy",
        "row": row,
        "box_top_px": 0.0,
        "box_left_px": 0.0,
        "box_side_px": float(SIZE),
    }


def _write(folder: Path, rows: list[dict[str, object]], pixels: np.ndarray, masks: bool) -> None:
    (folder / "prepared").mkdir()
    np.save(folder / "prepared" / "shard-0000.npy", pixels)
    frame = tables.from_rows(rows, tables.PREPARED)
    tables.write(frame, folder, tables.PREPARED)
    if masks:
        truth = frame.with_columns(
            (pl.col("study_uid").str.split(".").list.get(2) + ".npz").alias("mask"),
            pl.col("slice_index").alias("mask_index"),
        )
        tables.write(truth.select(list(tables.TRUTH.columns)), folder, tables.TRUTH)
    model = network(np.random.default_rng(1))
    write_bundle(_made(folder / "model"), model, card(model))


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
