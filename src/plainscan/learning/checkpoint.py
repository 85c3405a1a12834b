"""Where a training stands, in one file that is whole or absent: tensors as safetensors, scalars as its JSON header.

No pickle. A run that is killed at any moment finds its last checkpoint and goes on to the same weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.optim import Optimizer

from plainscan.storage import whole_file

CHECKPOINT_FILE: Final = "checkpoint.safetensors"
BEST_FILE: Final = "best.safetensors"
_HEADER: Final = "plainscan"


@dataclass(frozen=True)
class Progress:
    """The scalars of a training.

    Args:
        fingerprint: Of everything that decides the result; another one starts afresh.
        step: Steps done, over all epochs.
        scored: Epochs whose tuning score is known.
        best_epoch: The epoch, from 1, whose weights `best.safetensors` holds; 0 for none.
        best_score: Its tuning score.
    """

    fingerprint: str
    step: int = 0
    scored: int = 0
    best_epoch: int = 0
    best_score: float = float("-inf")


def save(path: Path, tensors: Mapping[str, Tensor], progress: Progress) -> None:
    """Write tensors and scalars; the old file stays until the new one is complete."""
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with whole_file(path) as partial:
        # not save_file: its error does not say that a disk is full
        partial.write_bytes(to_bytes(plain, metadata={_HEADER: json.dumps(asdict(progress))}))


def load(path: Path) -> tuple[dict[str, Tensor], Progress] | None:
    """Tensors and scalars; None when there is no file or it is not one of ours."""
    try:
        with safe_open(str(path), framework="pt") as file:
            progress = Progress(**json.loads(file.metadata()[_HEADER]))
            return {name: file.get_tensor(name) for name in file.keys()}, progress  # noqa: SIM118  # not a dict
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def training_state(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Everything that a step changes, by name."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    return tensors


def restore(model: nn.Module, optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put ``training_state`` back, memory layouts included."""
    model.load_state_dict({n.removeprefix("model."): v for n, v in tensors.items() if n.startswith("model.")})
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, part = name.split(".")
            state.setdefault(int(index), {})[part] = _like(value, parameters[int(index)])
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """The value in the parameter's memory layout: fused optimizers walk both side by side."""
    if value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
