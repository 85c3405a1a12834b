"""Logits that outlive a kill: what a long scoring has so far lies in one file, and the same scoring goes on from it."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np

from plainscan.inference.context import Logits
from plainscan.storage import SAVE_SECONDS, whole_file

Keep: TypeAlias = Callable[[Callable[[int], Iterator[Logits]]], Logits]  # ``kept`` with its file


def kept(path: Path, of: str, scored_from: Callable[[int], Iterator[Logits]], seconds: float = SAVE_SECONDS) -> Logits:
    """All logits (slices, findings) of a scoring; at most ``seconds`` of it, and one part, are lost to a kill.

    Args:
        path: Where they lie until all are there; then the file is removed.
        of: What decides the logits: a file of anything else is not taken up.
        scored_from: From how many slices are done to the logits of those that follow, in parts (k, findings).
        seconds: From one saving to the next.
    """
    parts = _found(path, of)
    saved = time.monotonic()
    for part in scored_from(sum(map(len, parts))):
        parts.append(part)
        if time.monotonic() - saved > seconds:
            with whole_file(path) as partial, partial.open("wb") as stream:
                np.savez(stream, of=np.array(of), logits=np.concatenate(parts))
            saved = time.monotonic()
    path.unlink(missing_ok=True)
    return np.concatenate(parts)


def _found(path: Path, of: str) -> list[Logits]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return [file["logits"]] if str(file["of"]) == of else []
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return []
