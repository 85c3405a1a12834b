"""Claims: a heat map costs at most 3 % over the score alone, and less than a back-propagating Grad-CAM.

1. ONNX Runtime on the exported graph with both outputs, against the same graph without the output ``maps``.
2. Score and maps of a batch of 8 by ONNX Runtime, against captum's LayerGradCam at the last convolution; the two
   maps equal within 1e-4.

All in one run, in turns.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import onnx
import onnxruntime
import torch
from captum.attr import LayerGradCam
from numpy.typing import NDArray
from torch import nn

from plainscan.learning.export import to_onnx
from plainscan.learning.network import ResNet, build

LIMIT_COST, LIMIT_CAPTUM, LIMIT_DIFFERENCE = 1.03, 1.0, 1e-4
NAME, SIZE, CHANNELS, FINDINGS, BATCH = "resnet18", 160, 3, 15, 8
ROUNDS_COST, ROUNDS_CAPTUM = 300, 12


def make_model() -> ResNet:
    """Batch norms away from the identity, as after training."""
    model, rng = build(NAME, CHANNELS, FINDINGS, seed=0), torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.3, 0.9, generator=rng)
            nn.init.normal_(module.bias, 0.1, 0.1, generator=rng)
    nn.init.normal_(model.fc.weight, std=0.1, generator=rng)
    return model.eval()


def session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(model, options)


def without_maps(model: bytes) -> bytes:
    proto = onnx.load_from_string(model)
    del proto.graph.output[1]
    serialized: bytes = proto.SerializeToString()
    return serialized


def in_turns(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median milliseconds of each; whichever comes first changes from round to round."""
    times: dict[Callable[[], object], list[float]] = {first: [], second: []}
    for turn in range(rounds + 2):
        for call in (first, second) if turn % 2 else (second, first):
            started = time.perf_counter()
            call()
            times[call].append((time.perf_counter() - started) * 1e3)
    return median(times[first][2:]), median(times[second][2:])


def compare_outputs(image: NDArray[np.float32], exported: bytes) -> float:
    full, bare = session(exported), session(without_maps(exported))
    feed = {"image": image[:1]}
    both, alone = in_turns(lambda: full.run(None, feed), lambda: bare.run(None, feed), ROUNDS_COST)
    print(
        f"one slice: {both:.2f} ms with its maps, {alone:.2f} ms without: ratio {both / alone:.3f} (limit {LIMIT_COST})"
    )
    return both / alone


def compare_captum(model: ResNet, image: NDArray[np.float32], exported: bytes) -> tuple[float, float]:
    runner, tensor = session(exported), torch.from_numpy(image)
    oracle = LayerGradCam(lambda x: model(x)[0], model.get_submodule("layer4"))

    def captum() -> NDArray[np.float32]:
        maps = oracle.attribute(tensor, target=0, relu_attributions=True)
        result: NDArray[np.float32] = maps[:, 0].detach().numpy()
        return result

    def ours() -> NDArray[np.float32]:
        maps: NDArray[np.float32] = runner.run(["logits", "maps"], {"image": image})[1][:, 0]
        lit: NDArray[np.float32] = np.maximum(maps, 0) / maps[0].size
        return lit

    difference = float(np.abs(ours() - captum()).max() / captum().max())
    mine, theirs = in_turns(ours, captum, ROUNDS_CAPTUM)
    print(
        f"batch of {BATCH}: {mine:.0f} ms by ONNX Runtime, {theirs:.0f} ms by captum: ratio {mine / theirs:.3f}",
        end=" ",
    )
    print(f"(limit {LIMIT_CAPTUM})\nlargest difference of the maps {difference:.1e} of their maximum", end=" ")
    print(f"(limit {LIMIT_DIFFERENCE})")
    return mine / theirs, difference


def main() -> int:
    model = make_model()
    image = np.random.default_rng(0).random((BATCH, CHANNELS, SIZE, SIZE), np.float32)
    exported = to_onnx(NAME, model.state_dict(), SIZE)
    cost = compare_outputs(image, exported)
    speed, difference = compare_captum(model, image, exported)
    return int(cost > LIMIT_COST or speed > LIMIT_CAPTUM or difference > LIMIT_DIFFERENCE)


if __name__ == "__main__":
    sys.exit(main())
