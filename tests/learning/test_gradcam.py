from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from plainscan.errors import InternalError
from plainscan.learning.gradcam import evaluating, grad_cam
from plainscan.learning.network import ResNet, build


@pytest.fixture(scope="module")
def model() -> ResNet:
    model = build("resnet18", channels=3, findings=5, seed=0)
    rng = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if "bn" in name or "fc" in name:
            nn.init.normal_(parameter, 0.5 if name.endswith("weight") and "bn" in name else 0.0, 0.2, generator=rng)
    return model


def image() -> Tensor:
    return torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("finding", range(3))
def test_at_the_last_convolution_it_equals_the_maps(model: ResNet, finding: int) -> None:
    cam = grad_cam(model, model.get_submodule("layer4"), image(), lambda logits: logits[:, finding])
    with evaluating(model), torch.no_grad():
        maps = model(image())[1][:, finding]
    assert cam.max() > 0
    torch.testing.assert_close(cam, torch.relu(maps) / maps[0].numel(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("layer", ["layer2", "layer4"])
def test_equals_captum(model: ResNet, layer: str) -> None:
    attr = pytest.importorskip("captum.attr")
    with evaluating(model):
        oracle = attr.LayerGradCam(lambda x: model(x)[0], model.get_submodule(layer))
        expected = oracle.attribute(image(), target=1, relu_attributions=True)[:, 0].detach()
    cam = grad_cam(model, model.get_submodule(layer), image(), lambda logits: logits[:, 1])
    torch.testing.assert_close(cam, expected, atol=1e-4, rtol=1e-4)


def test_leaves_no_trace(model: ResNet) -> None:
    model.train()
    model.bn1.eval()
    layer = model.get_submodule("layer3")
    grad_cam(model, layer, image(), lambda logits: logits[:, 0])
    assert model.training
    assert not model.bn1.training
    assert not layer._forward_hooks
    assert all(p.grad is None for p in model.parameters())


def test_hook_and_mode_are_restored_after_an_error(model: ResNet) -> None:
    model.train()
    layer = model.get_submodule("layer3")
    with pytest.raises(IndexError):
        grad_cam(model, layer, image(), lambda logits: logits[:, 99])
    assert model.training
    assert not layer._forward_hooks


def test_a_layer_that_does_not_run_is_an_error(model: ResNet) -> None:
    with pytest.raises(InternalError, match="ran 0 times"):
        grad_cam(model, nn.Conv2d(1, 1, 1), image(), lambda logits: logits[:, 0])
