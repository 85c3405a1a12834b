"""Claims: a study of 32 slices takes at most 2 s on two cores; the shipped network on int8 outruns eager torch sixfold.

1. Slices a second of the shipped bundle by each engine and by eager torch (float32; one slice at a time, and eight),
   in turns, all on every core, at the shipped input size: int8 at least 6 x, fp32 at least 1 x torch, one at a
   time. Each also as a share of what a product of large float32 matrices reaches in the same run.
2. Whole commands, a process each, on a synthetic study of 512 x 512 pixels: from DICOM files to predictions and
   overlays; 3 s with the start of Python and the loading of the model; at most 700 MB.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from plainscan.bundle import MODEL_FILE, shipped
from plainscan.config import PhantomSettings
from plainscan.inference.engine import load
from plainscan.inference.predict import score
from plainscan.learning.network import build
from plainscan.setting_types import Engine
from plainscan.stages import phantom

ENGINES: tuple[Engine, ...] = ("int8", "mixed", "fp32")
LIMIT_INT8, LIMIT_FP32 = 6.0, 1.0
LIMIT_STUDY_S, LIMIT_COMMAND_S, LIMIT_MB = 2.0, 3.0, 700
SLICES, BATCH, SIDE = 32, 16, 2048
ROUNDS, COMMANDS = 7, 5
COMMAND = """
import sys, time
from pathlib import Path
from plainscan.config import PredictSettings
from plainscan.inference import classifier
from plainscan.stages import predict
loaded = classifier.load("plainscan", 0, sys.argv[3])
predict.load = lambda *_: loaded
ready = time.perf_counter()
predict.run(Path(sys.argv[2]), PredictSettings(source=Path(sys.argv[1])))
seconds = time.perf_counter() - ready
status = Path("/proc/self/status").read_text()  # a child's ru_maxrss begins with its parent's
print(seconds, int(status.split("VmHWM:")[1].split()[0]) / 1e3)
"""


def operations(model: torch.nn.Module, image: torch.Tensor) -> float:
    """Multiplications and additions of the convolutions for one slice."""
    total = 0.0

    def count(module: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, torch.nn.Conv2d):
            total += 2.0 * output[0].numel() * module.weight[0].numel()

    handles = [module.register_forward_hook(count) for module in model.modules()]
    model(image)
    for handle in handles:
        handle.remove()
    return total


def throughput() -> tuple[dict[str, float], dict[str, float]]:
    """Slices a second of each peer, and operations a second of each over those of a matrix product."""
    engines = {name: load("plainscan", engine=name) for name in ENGINES}
    card = engines["fp32"].card
    size, channels = card.input_size, card.channels()
    model = build(card.network, channels, len(card.findings), seed=0).eval()  # as fast as trained weights
    rng = np.random.default_rng(0)
    hu = rng.integers(-1000, 1000, (BATCH, 2 * card.neighbors + 1, size, size), np.int16)
    image, matrix = torch.rand(BATCH, channels, size, size), torch.rand(SIDE, SIDE)
    calls: dict[str, Callable[[], object]] = {
        "torch, one at a time": lambda: [model(image[i : i + 1]) for i in range(BATCH)],
        "torch, eight at a time": lambda: [model(image[i : i + 8]) for i in range(0, BATCH, 8)],
        **{name: lambda engine=engine: score(engine, hu) for name, engine in engines.items()},  # type: ignore[misc]
        "matrix product": lambda: matrix @ matrix,
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    with torch.inference_mode():
        work = operations(model, image[:1])
        for _ in range(ROUNDS):
            for name, call in calls.items():
                started = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - started)
    best = {name: median(part[1:]) for name, part in times.items()}
    peak = 2.0 * SIDE**3 / best.pop("matrix product")
    return {name: BATCH / s for name, s in best.items()}, {name: BATCH * work / s / peak for name, s in best.items()}


def command(archive: Path, folder: Path, engine: str) -> tuple[float, float, float]:
    """Seconds of the study alone, of the whole process, and its peak in MB."""
    words = [sys.executable, "-c", COMMAND, str(archive), str(folder), engine]
    environment = {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)}
    started = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    whole = time.perf_counter() - started
    study, peak = map(float, done.stdout.split()[-2:])
    return study, whole, peak


def study() -> bool:
    """Print what a whole command takes; whether the limits hold for the default engine."""
    results: dict[Engine, list[tuple[float, float, float]]] = {name: [] for name in ENGINES}
    with tempfile.TemporaryDirectory() as scratch:
        cohort = Path(scratch) / "cohort"
        phantom.run(cohort, PhantomSettings(patients=1, slices=(SLICES, SLICES), seed=5))
        for turn in range(COMMANDS):
            for engine, found in results.items():
                found.append(command(cohort / "dicom", Path(scratch) / f"{engine}{turn}", engine))
    for engine, found in results.items():
        alone, whole, peak = (median(part) for part in zip(*found, strict=True))
        print(
            f"a study of {SLICES} slices by {engine}: {alone:.2f} s (limit {LIMIT_STUDY_S}), with start and load "
            f"{whole:.2f} s (limit {LIMIT_COMMAND_S}), peak {peak:.0f} MB (limit {LIMIT_MB})"
        )
    default = load("plainscan").engine
    print(f"the limits are for the default, {default}")
    alone, whole, peak = (median(part) for part in zip(*results[default], strict=True))
    return bool(alone <= LIMIT_STUDY_S and whole <= LIMIT_COMMAND_S and peak <= LIMIT_MB)


def main() -> int:
    print(f"shipped weights, {(shipped() / MODEL_FILE).stat().st_size / 1e6:.0f} MB, {torch.get_num_threads()} threads")
    rates, shares = throughput()
    for name, rate in rates.items():
        ratio = rate / rates["torch, one at a time"]
        print(f"{name}: {rate:.1f} slices/s, {ratio:.2f} x torch, {shares[name]:.2f} of the matrix product's speed")
    eager = rates["torch, one at a time"]
    print(f"limits: int8 {LIMIT_INT8} x, fp32 {LIMIT_FP32} x torch, one at a time")
    fast = rates["int8"] >= LIMIT_INT8 * eager and rates["fp32"] >= LIMIT_FP32 * eager
    return int(not (study() and fast))


if __name__ == "__main__":
    sys.exit(main())
