"""This process among those that `torchrun` started; alone without it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from plainscan.errors import ConfigError

Wanted = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "bf16", "fp32"]
BF16_INSTRUCTIONS: Final = ("amx_bf16", "avx512_bf16")  # of x86, as torch names them; each does two products in one


@dataclass(frozen=True)
class Group:
    """The processes that train together.

    Args:
        device: Where this one computes.
        rank: This one's number; 0 writes.
        world: How many.
    """

    device: torch.device
    rank: int = 0
    world: int = 1

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model, its gradients averaged over the group."""
        if self.world == 1:
            return model
        ids = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=ids)

    def average(self, counts: Tensor) -> Tensor:
        """The mean of each number over the group, of the same shape, on every rank; waits for all."""
        if self.world == 1:
            return counts
        total = counts.clone()
        distributed.all_reduce(total)
        return total / self.world

    def agree(self, number: int) -> int:
        """Rank 0's number, on every rank; waits for all."""
        if self.world == 1:
            return number
        value = torch.tensor([number], dtype=torch.int64, device=self.device)
        distributed.broadcast(value, src=0)
        return int(value.item())


def pick_device(wanted: Wanted) -> torch.device:
    """The device asked for; ``auto`` takes a GPU when there is one.

    Raises:
        ConfigError: A GPU was asked for and torch finds none.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError(
            "torch finds no CUDA device",
            where="train.device: cuda",
            expected="a GPU with its driver, and a torch built for it",
            remedy="Use --device cpu or --device auto.",
        )
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def pick_precision(wanted: Precision, device: torch.device) -> Literal["bf16", "fp32"]:
    """The precision asked for; ``auto`` takes bf16 where the hardware multiplies in it, which else is slower."""
    if wanted != "auto":
        return wanted
    found = torch.cpu.get_capabilities()
    made_for_it = device.type == "cuda" or any(found.get(name, False) for name in BF16_INSTRUCTIONS)
    return "bf16" if made_for_it else "fp32"


@contextmanager
def process_group(wanted: Wanted) -> Iterator[Group]:
    """Join the group that the environment describes (RANK, WORLD_SIZE, MASTER_ADDR …); leave it afterwards."""
    device, world = pick_device(wanted), int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Group(device)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Group(device, distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()
