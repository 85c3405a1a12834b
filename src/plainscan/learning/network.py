"""The ResNet family (He et al., CVPR 2016) with a head whose map and score are one thing.

State-dict keys equal torchvision's (``conv1``, ``bn1``, ``layer1.0.conv1`` … ``downsample.0``, ``fc``), so that
ImageNet and RadImageNet files load. As there, the stride of a bottleneck sits on its 3 x 3 convolution. The logit is
a pool of the head's map (see ``head``), so the heat map costs no backward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from plainscan.bundle import Pooling
from plainscan.learning.head import FINE_STRIDE, FineHead, MeanHead

LAST_STRIDE: Final = 32


@dataclass(frozen=True)
class Design:
    """One member of the family.

    Args:
        blocks: Residual blocks in each of the four stages.
        bottleneck: 1 x 1, 3 x 3, 1 x 1 convolutions a block, four times as wide at the end; else two 3 x 3.
        fine: Maps at stride 8 from three stages; else at stride 32 from the last.
    """

    blocks: tuple[int, int, int, int]
    bottleneck: bool
    fine: bool = False

    @property
    def expansion(self) -> int:
        """Channels of a block's output over its width."""
        return 4 if self.bottleneck else 1

    @property
    def pooling(self) -> Pooling:
        """How its head makes a logit of a map, as a card says it."""
        return "log_mean_exp" if self.fine else "mean"

    @property
    def stride(self) -> int:
        """Input pixels from one cell of the maps to the next."""
        return FINE_STRIDE if self.fine else LAST_STRIDE

    def kernels(self, width: int, channels: int, stride: int) -> list[tuple[int, int, int, int]]:
        """(channels in, channels out, kernel, stride) of each convolution of a block's residual branch."""
        if self.bottleneck:
            return [(channels, width, 1, 1), (width, width, 3, stride), (width, 4 * width, 1, 1)]
        return [(channels, width, 3, stride), (width, width, 3, 1)]


DESIGNS: Final = {
    "resnet18": Design((2, 2, 2, 2), bottleneck=False),
    "resnet34": Design((3, 4, 6, 3), bottleneck=False),
    "resnet50": Design((3, 4, 6, 3), bottleneck=True),
    "resnet18-fine": Design((2, 2, 2, 2), bottleneck=False, fine=True),
    "resnet50-fine": Design((3, 4, 6, 3), bottleneck=True, fine=True),
}
WIDTHS: Final = (64, 128, 256, 512)


class Block(nn.Module):
    """A residual block: convolution, batch norm, ReLU …; the input is added before the last ReLU."""

    def __init__(self, design: Design, width: int, channels: int, stride: int) -> None:
        super().__init__()
        kernels = design.kernels(width, channels, stride)
        self.depth = len(kernels)
        for number, (source, target, kernel, step) in enumerate(kernels, start=1):
            self.add_module(f"conv{number}", nn.Conv2d(source, target, kernel, step, kernel // 2, bias=False))
            self.add_module(f"bn{number}", nn.BatchNorm2d(target))
        outer = width * design.expansion
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != outer:
            self.downsample = nn.Sequential(nn.Conv2d(channels, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))

    def forward(self, x: Tensor) -> Tensor:
        """(slices, channels, rows, columns) to (slices, width * expansion, rows / stride, columns / stride)."""
        branch = x
        for number in range(1, self.depth + 1):
            branch = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(branch))
            if number < self.depth:
                branch = functional.relu(branch, inplace=True)
        return functional.relu(branch + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A slice classifier.

    Args:
        name: A key of ``DESIGNS``.
        channels: Input channels: windows times planes.
        findings: Logits.
    """

    def __init__(self, name: str, channels: int, findings: int) -> None:
        super().__init__()
        self.name, self.channels = name, channels
        design = DESIGNS[name]
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        widths = (64, *(width * design.expansion for width in WIDTHS))
        for number, (source, target) in enumerate(pairwise(widths), start=1):
            width, stride = WIDTHS[number - 1], 1 if number == 1 else 2
            blocks = [Block(design, width, source, stride)]
            blocks += [Block(design, width, target, 1) for _ in range(1, design.blocks[number - 1])]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.fc = (FineHead if design.fine else MeanHead)(widths[1:], findings)

    def stages(self, image: Tensor) -> list[Tensor]:
        """Activations of the four stages, (slices, channels, side, side): strides 4, 8, 16, 32."""
        x = functional.relu(self.bn1(self.conv1(image)), inplace=True)
        x = functional.max_pool2d(x, 3, 2, 1)
        found = []
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
            found.append(x)
        return found

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Score slices.

        Args:
            image: (slices, channels, size, size), float32, [0, 1], as ``ct.prepare.as_channels`` makes it.

        Returns:
            Logits (slices, findings) and maps (slices, findings, size / stride, size / stride).
        """
        result: tuple[Tensor, Tensor] = self.fc(self.stages(image))
        return result


def frozen_parts(model: ResNet, stages: int) -> list[nn.Module]:
    """The modules up to and with a stage of the trunk; none for 0."""
    names = ["conv1", "bn1", *(f"layer{number}" for number in range(1, stages + 1))] if stages else []
    return [model.get_submodule(name) for name in names]


def build(name: str, channels: int, findings: int, seed: int) -> ResNet:
    """A network with fresh weights: a pure function of its arguments; the global generator is left as it was.

    Convolutions after He et al. 2015 (fan out). The last batch norm of each residual branch starts at 0, so that
    every block starts as the identity (Goyal et al. 2017, section 5.1).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ResNet(name, channels, findings)
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, Block):
                nn.init.zeros_(module.get_parameter(f"bn{module.depth}.weight"))
            elif isinstance(module, MeanHead | FineHead):
                nn.init.normal_(module.weight, std=0.01)
    return model
