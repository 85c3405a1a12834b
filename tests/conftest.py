"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

# As the command does, and before NumPy is loaded: with more threads last bits differ on some processors, and a test
# that calls the command would pass its one thread on to processes of later tests, which have to make the same bytes.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

IN_CI = os.environ.get("CI") == "true"


def absent(reason: str) -> None:
    """Skip on a laptop; fail in CI, where everything has to be present."""
    if IN_CI:
        pytest.fail(f"{reason}; CI must have it")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real data for measuring; tests that use it skip where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "real"
    folder = Path(os.environ.get("PLAINSCAN_REAL_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set PLAINSCAN_REAL_DATA")
    return folder


@pytest.fixture(scope="session")
def needs_tool() -> Callable[[str], str]:
    """Path of an external program, by name."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            absent(f"{name} is not installed")
        return str(path)

    return find
