"""A killed scoring goes on where it was saved, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from plainscan.inference.context import Logits
from plainscan.inference.kept import kept
from plainscan.storage import SAVE_SECONDS

ALL = np.arange(20, dtype=np.float32).reshape(10, 2)
NEVER, ALWAYS = 1e9, -1.0  # seconds from one saving to the next


def parts_until(stop: int, asked: list[int], start: int) -> Iterator[Logits]:
    """Slices one by one; at `stop` the process is killed. Notes where a scoring began."""
    asked.append(start)
    for index in range(start, len(ALL)):
        if index == stop:
            raise KeyboardInterrupt
        yield ALL[index : index + 1]


def killed(path: Path, of: str, stop: int, seconds: float) -> None:
    with pytest.raises(KeyboardInterrupt):
        kept(path, of, lambda start: parts_until(stop, [], start), seconds)


def begun_at(path: Path, of: str) -> int:
    """Where the next scoring begins; it ends with all logits, and leaves no file."""
    asked: list[int] = []
    assert np.array_equal(kept(path, of, lambda start: parts_until(-1, asked, start)), ALL)
    assert not path.exists()
    return asked[0]


def test_a_killed_scoring_goes_on_after_its_last_saving(tmp_path: Path) -> None:
    path = tmp_path / "logits.npz"
    killed(path, "a", 4, ALWAYS)
    killed(path, "a", 7, ALWAYS)
    assert begun_at(path, "a") == 7
    assert begun_at(path, "a") == 0


def test_nothing_is_written_before_it_is_time(tmp_path: Path) -> None:
    killed(tmp_path / "logits.npz", "a", 4, NEVER)
    assert not list(tmp_path.iterdir())


def test_logits_of_another_scoring_are_not_taken_up(tmp_path: Path) -> None:
    killed(tmp_path / "logits.npz", "a", 4, ALWAYS)
    assert begun_at(tmp_path / "logits.npz", "b") == 0


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_file_that_is_not_whole_is_not_taken_up(tmp_path: Path, share: float) -> None:
    path = tmp_path / "logits.npz"
    killed(path, "a", 4, ALWAYS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert begun_at(path, "a") == 0


def test_no_more_than_five_minutes_are_ever_at_stake() -> None:
    assert SAVE_SECONDS <= 300
