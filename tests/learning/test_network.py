from __future__ import annotations

import pytest
import torch

from plainscan.learning.network import DESIGNS, Block, build

# Learnable parameters of torchvision's models with their 1000-class head of a linear layer.
TORCHVISION = {"resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032}


@pytest.mark.parametrize("name", TORCHVISION)
def test_parameter_count_equals_torchvision(name: str) -> None:
    model = build(name, channels=3, findings=1000, seed=0)
    assert sum(p.numel() for p in model.parameters()) == TORCHVISION[name]


def test_state_dict_keys_are_torchvisions() -> None:
    keys = set(build("resnet50", 3, 15, seed=0).state_dict())
    for key in (
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.conv3.weight",
        "layer1.0.downsample.0.weight",
        "layer4.2.bn3.num_batches_tracked",
        "fc.weight",
        "fc.bias",
    ):
        assert key in keys
    assert len(keys) == 320
    assert len(build("resnet18", 3, 15, seed=0).state_dict()) == 122


def test_mean_of_maps_plus_bias_is_the_logit() -> None:
    model = build("resnet18", channels=2, findings=4, seed=1).eval()
    torch.nn.init.normal_(model.fc.bias, generator=torch.Generator().manual_seed(0))
    logits, maps = model(torch.rand(3, 2, 96, 64))
    assert maps.shape == (3, 4, 3, 2)
    torch.testing.assert_close(maps.mean((2, 3)) + model.fc.bias, logits)


def test_stride_of_a_bottleneck_sits_on_its_middle_convolution() -> None:
    block = build("resnet50", 3, 2, seed=0).get_submodule("layer2.0")
    strides = [block.get_submodule(f"conv{i}").stride for i in (1, 2, 3)]
    assert strides == [(1, 1), (2, 2), (1, 1)]


def test_blocks_start_as_the_identity() -> None:
    block = build("resnet18", 3, 2, seed=0).get_submodule("layer1.1")
    assert isinstance(block, Block)
    x = torch.rand(2, 64, 8, 8)
    torch.testing.assert_close(block(x), x)


def test_same_seed_same_weights_and_the_global_generator_is_untouched() -> None:
    before = torch.random.get_rng_state()
    first, second, other = (build("resnet18", 3, 2, seed=seed).conv1.weight for seed in (5, 5, 6))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(("name", "cell"), [("resnet18", (3, 4)), ("resnet18", (5, 3)), ("resnet18-fine", (16, 20))])
def test_a_cell_of_the_map_looks_where_the_heat_map_is_drawn(name: str, cell: tuple[int, int]) -> None:
    model = build(name, channels=1, findings=1, seed=3).eval()
    seen = torch.zeros(288, 288)
    for seed in range(4):
        image = torch.rand(1, 1, 288, 288, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        _, maps = model(image)
        (gradient,) = torch.autograd.grad(maps[0, 0, cell[0], cell[1]], image)
        seen += gradient[0, 0].square()
    pixels = torch.arange(288) + 0.5
    center = [(seen.sum(1) @ pixels / seen.sum()).item(), (seen.sum(0) @ pixels / seen.sum()).item()]
    expected = [DESIGNS[name].stride * i + 0.5 for i in cell]
    assert center == pytest.approx(expected, abs=DESIGNS[name].stride if DESIGNS[name].fine else 5)
