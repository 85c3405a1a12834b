"""5,000 mutated files: no crash, no hang over 5 s, at most 512 MB, no silent wrong value. `make fuzz` tries 100,000."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.dicom import fuzz, oracle

from plainscan.dicom.read import Slice

SEED = 1


@pytest.mark.slow
def test_five_thousand_mutated_files_give_right_values_or_refusals(needs_tool: Callable[[str], str]) -> None:
    pytest.importorskip("gdcm", reason="python-gdcm is an extra")
    for tool in {name for name in oracle.DECODERS.values() if name.startswith("dcm")}:
        needs_tool(tool)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.dicom.fuzz", "5000", str(SEED)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_the_same_seed_gives_the_same_mutations() -> None:
    first, again = ([fuzz.mutated(bytes(range(256)), random.Random(SEED)) for _ in range(3)] for _ in range(2))
    assert first == again


def test_a_wrong_value_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = fuzz.encode(fuzz.ct(fuzz.STORED))
    assert fuzz.wrong(data, tmp_path, Counter()) == ""
    one_more = Slice((fuzz.SMALL + (fuzz.SMALL == 70)).astype(np.int16), ())
    monkeypatch.setattr(fuzz.Reader, "read", lambda *_: one_more)
    assert fuzz.wrong(data, tmp_path, Counter()) == "accepted with other values"
    data = data.replace(b"\xe0\x7f\x10\0", b"\xe0\x7f\x11\0")
    with pytest.raises(oracle.NoAnswerError):
        oracle.hu(data, 0)
