from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from plainscan.errors import StorageError
from plainscan.learning.checkpoint import Progress, load, restore, save, training_state

PROGRESS = Progress("abc", step=3, scored=1, best_epoch=1, best_score=0.75)


def stepped(steps: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch_rng = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for parameter in model.parameters():
        nn.init.normal_(parameter, generator=torch_rng)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    for _ in range(steps):
        step(model, optimizer)
    return model, optimizer


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    optimizer.zero_grad()
    model(x).square().sum().backward()
    optimizer.step()


def test_tensors_and_scalars_come_back_exactly(tmp_path: Path) -> None:
    model, optimizer = stepped(2)
    state = training_state(model, optimizer)
    save(tmp_path / "c.safetensors", state, PROGRESS)
    found = load(tmp_path / "c.safetensors")
    assert found is not None
    assert found[1] == PROGRESS
    assert found[0].keys() == state.keys()
    assert all(torch.equal(found[0][name], value) for name, value in state.items())


def test_a_restored_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    model, optimizer = stepped(2)
    save(tmp_path / "c.safetensors", training_state(model, optimizer), PROGRESS)
    step(model, optimizer)
    other, other_optimizer = stepped(0)
    found = load(tmp_path / "c.safetensors")
    assert found is not None
    restore(other, other_optimizer, found[0])
    step(other, other_optimizer)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint", b"\x08" + b"\0" * 7 + b"{}      "])
def test_a_file_that_is_none_of_ours_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "c.safetensors"
    if content is not None:
        path.write_bytes(content)
    assert load(path) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which only Linux has")
def test_an_older_checkpoint_stays_when_the_disk_is_full(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save(path, {"a": torch.ones(2)}, PROGRESS)
    (tmp_path / ".c.safetensors.partial").symlink_to("/dev/full")
    with pytest.raises(StorageError, match=r"c\.safetensors: No space left"):
        save(path, {"a": torch.zeros(2)}, PROGRESS)
    found = load(path)
    assert found is not None
    assert found[0]["a"].tolist() == [1, 1]
    assert os.listdir(tmp_path) == ["c.safetensors"]  # noqa: PTH208
