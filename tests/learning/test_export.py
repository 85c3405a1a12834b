from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from plainscan.learning.export import to_onnx
from plainscan.learning.network import ResNet, build


def trained_looking(name: str, channels: int) -> ResNet:
    """A network whose batch norms are not the identity."""
    model = build(name, channels, findings=15, seed=0)
    rng = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.3, 1.0, generator=rng)
            for tensor in (module.bias, module.running_mean):
                nn.init.normal_(tensor, 0, 0.1, generator=rng)
    nn.init.normal_(model.fc.bias, generator=rng)
    return model.eval()


@pytest.mark.parametrize(
    ("name", "channels"), [("resnet18", 3), ("resnet34", 1), ("resnet50", 9), ("resnet18-fine", 3)]
)
def test_onnx_runtime_equals_torch(name: str, channels: int) -> None:
    model = trained_looking(name, channels)
    session = onnxruntime.InferenceSession(to_onnx(name, model.state_dict(), size=64))
    image = np.random.default_rng(0).random((3, channels, 64, 64), np.float32)
    logits, maps = session.run(["logits", "maps"], {"image": image})
    with torch.no_grad():
        expected = model(torch.from_numpy(image))
    np.testing.assert_allclose(logits, expected[0], atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(maps, expected[1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "resnet18-fine"])
def test_initializers_carry_the_state_dict_by_name(name: str) -> None:
    state = trained_looking(name, 3).state_dict()
    graph = onnx.load_from_string(to_onnx(name, state, 64)).graph
    found = {part.name: onnx.numpy_helper.to_array(part) for part in graph.initializer}
    counters = {key for key in state if key.endswith("num_batches_tracked")}
    assert set(found) == set(state) - counters
    assert all(np.array_equal(found[key], state[key].numpy()) for key in found)


def test_export_is_a_pure_function() -> None:
    state = trained_looking("resnet18", 3).state_dict()
    assert to_onnx("resnet18", state, 64) == to_onnx("resnet18", state, 64)
