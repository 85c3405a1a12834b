"""Claim: prediction by ONNX Runtime is at least as fast as eager torch on the same network, and scores alike.

Both in float32, one slice at a time as ``inference.predict`` runs them, with the same number of threads, in one
run and in turns; torch in inference mode.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import numpy as np
import onnxruntime
import torch
from torch import nn

from plainscan.learning.export import to_onnx
from plainscan.learning.network import build

LIMIT, LIMIT_DIFFERENCE = 1.0, 1e-4
SIZE, CHANNELS, FINDINGS = 160, 3, 15
ROUNDS = {"resnet18": 60, "resnet50": 40}


def compare(name: str) -> tuple[float, float]:
    """Torch's time over ONNX Runtime's, and the largest difference of a logit over the largest logit."""
    model = build(name, CHANNELS, FINDINGS, seed=0).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # away from the start, where the residual branches are 0
            nn.init.constant_(module.weight, 0.6)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(to_onnx(name, model.state_dict(), SIZE), options)
    image = np.random.default_rng(0).random((1, CHANNELS, SIZE, SIZE), np.float32)
    tensor = torch.from_numpy(image)
    times: tuple[list[float], list[float]] = [], []
    with torch.inference_mode():
        for _ in range(ROUNDS[name]):
            started = time.perf_counter()
            expected = model(tensor)[0]
            between = time.perf_counter()
            (logits,) = session.run(["logits"], {"image": image})
            times[0].append(between - started)
            times[1].append(time.perf_counter() - between)
    eager, runtime = (median(part[3:]) * 1e3 for part in times)
    print(f"{name}, {SIZE} px: {runtime:.1f} ms by ONNX Runtime, {eager:.1f} ms by torch", end=": ")
    print(f"ratio {eager / runtime:.2f} (limit {LIMIT})")
    return eager / runtime, float(np.abs(logits - expected.numpy()).max() / np.abs(logits).max())


def main() -> int:
    results = [compare(name) for name in ROUNDS]
    difference = max(result[1] for result in results)
    print(f"largest difference of a logit {difference:.1e} of the largest logit (limit {LIMIT_DIFFERENCE})")
    return int(min(result[0] for result in results) < LIMIT or difference > LIMIT_DIFFERENCE)


if __name__ == "__main__":
    sys.exit(main())
