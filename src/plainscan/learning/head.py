"""What turns a trunk's features into maps and logits. In both heads the logit is a pool of the map that is shown.

- ``MeanHead``: a 1 x 1 convolution of the last stage; the logit is the map's mean plus a bias (Zhou et al. 2016).
- ``FineHead``: the stages of stride 8, 16 and 32 joined at stride 8, after Lin et al., CVPR 2017 (feature pyramids);
  the logit is the logarithm of the map's mean odds plus a bias: one place with blood is enough. A mask, where one
  is known, says what each cell of its map should be (``loss.mask_loss``).
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

FINE_WIDTH: Final = 128
FINE_STRIDE: Final = 8
LATERALS: Final = (2, 3, 4)  # stages of the trunk that a fine head joins
RARE: Final = -4.0  # log odds that a cell of a fine map holds a finding, before anything is learned
GATHERED: Final = 3.0  # what a slice's logit is above its cells' mean odds, before anything is learned


class MeanHead(nn.Module):
    """One map a finding from the last stage; its mean plus the bias is the logit."""

    def __init__(self, channels: tuple[int, ...], findings: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(findings, channels[-1], 1, 1))
        self.bias = nn.Parameter(torch.zeros(findings))

    def forward(self, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Stages 1 to 4 to logits (slices, findings) and maps (slices, findings, size / 32, size / 32)."""
        maps = functional.conv2d(stages[-1], self.weight)
        return maps.mean((2, 3)) + self.bias, maps


class FineHead(nn.Module):
    """One map a finding at stride 8; its log-mean-exp plus the bias is the logit."""

    def __init__(self, channels: tuple[int, ...], findings: int) -> None:
        super().__init__()
        for number in LATERALS:
            self.add_module(f"lateral{number}", nn.Conv2d(channels[number - 1], FINE_WIDTH, 1, bias=False))
        self.bn1 = nn.BatchNorm2d(FINE_WIDTH)
        self.conv = nn.Conv2d(FINE_WIDTH, FINE_WIDTH, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(FINE_WIDTH)
        self.weight = nn.Parameter(torch.empty(findings, FINE_WIDTH, 1, 1))
        self.cell_bias = nn.Parameter(torch.full((findings,), RARE))
        self.bias = nn.Parameter(torch.full((findings,), GATHERED))

    def forward(self, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Stages 1 to 4 to logits (slices, findings) and maps (slices, findings, size / 8, size / 8), log odds."""
        near, middle, far = (self._lateral(stages, number) for number in LATERALS)
        joined = near + middle + far
        features = functional.relu(self.bn2(self.conv(functional.relu(self.bn1(joined), inplace=True))), inplace=True)
        maps = functional.conv2d(features, self.weight, self.cell_bias).float()
        cells = maps.shape[2] * maps.shape[3]
        return torch.logsumexp(maps, (2, 3)) - math.log(cells) + self.bias, maps

    def _lateral(self, stages: list[Tensor], number: int) -> Tensor:
        narrow: Tensor = self.get_submodule(f"lateral{number}")(stages[number - 1])
        larger = 2 ** (number - LATERALS[0])
        return functional.interpolate(narrow, scale_factor=larger, mode="nearest") if larger > 1 else narrow
