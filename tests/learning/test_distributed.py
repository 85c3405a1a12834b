from __future__ import annotations

from typing import Literal

import pytest
import torch

from plainscan.learning.distributed import pick_precision

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("device", "found", "expected"),
    [
        (CPU, {"amx_bf16": True}, "bf16"),
        (CPU, {"amx_bf16": False, "avx512_bf16": True}, "bf16"),
        (CPU, {"amx_bf16": False, "avx512_bf16": False, "avx512_f": True}, "fp32"),
        (CPU, {}, "fp32"),
        (GPU, {}, "bf16"),
    ],
)
def test_auto_takes_bf16_only_where_the_hardware_multiplies_in_it(
    device: torch.device, found: dict[str, bool], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert pick_precision("auto", device) == expected


@pytest.mark.parametrize("wanted", ["bf16", "fp32"])
def test_a_precision_that_was_asked_for_is_taken(wanted: Literal["bf16", "fp32"]) -> None:
    assert pick_precision(wanted, CPU) == wanted
