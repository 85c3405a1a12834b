"""The gatekeeper: which slices of a series are scored, and with which code the others are not.

Each slice is judged by its own HU (``ct.gate``), before it is scored. Its series then says what a refusal means:

1. Of a series of three slices or more, up to nine spread over it are looked at first. When fewer than a quarter of
   them can be head, none of the series is scored: ``not_head_series``. When a quarter, and at least two, have the
   noise of a bone kernel or contrast medium, none is scored either: ``sharp_kernel``, ``contrast_seen``.
2. A refused slice below the first that can be head is neck, one above the last the top of the skull or the scalp:
   ``outside_brain``, which is no loss. Above, this holds only for a slice with less than 0.6 of the tissue of the
   fullest slice seen: the upper half of a head is never called outside of it.
3. Any other refused slice keeps its own code, and the study is incomplete without it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from plainscan.ct import gate
from plainscan.ct.prepare import HU

NO_HEAD: Final = "no_head"
OUTSIDE_BRAIN: Final = "outside_brain"
NOT_HEAD_SERIES: Final = "not_head_series"
TISSUE_HU: Final = (5.0, 100.0)  # above air, fat and water, below bone: brain, muscle, blood
# Share of a slice's pixels. The least of 1,247 slices of 41 real heads is 1.1 %; air or a blank picture has none.
HEAD_SHARE: Final = 0.005
NOT_ANALYZED: Final = {
    NO_HEAD: f"fewer than {HEAD_SHARE:.1%} of its pixels lie between 5 and 100 HU: air, a blank picture",
    OUTSIDE_BRAIN: "below the lowest or above the highest slice of its series that can be brain in skull",
    NOT_HEAD_SERIES: "fewer than a quarter of the slices looked at can be plain head CT",
    **gate.REFUSALS,
}
NO_LOSS: Final = (NO_HEAD, OUTSIDE_BRAIN)  # at the ends of a series
ANATOMY: Final = (gate.NO_SKULL, gate.NO_BRAIN, gate.NOT_ONE_HEAD, gate.NOT_FRAMED)  # neck, vertex, shoulders
OF_THE_SERIES: Final = (gate.SHARP, gate.CONTRAST)
SERIES, SAMPLES, LEAST, CAP = 3, 9, 0.25, 0.6
REMEDY: Final = "Only plain head CT in HU is analyzed; of a picture, check that --window is the one burnt in."


class Verdict(NamedTuple):
    """What a slice's own HU say: the code of a refusal, None when it can be head; tissue as a share of the picture."""

    code: str | None
    tissue: float = 0.0


def shows_head(hu: HU) -> bool:
    """Whether a slice holds anything to judge.

    Pixels at the slice's own lowest and highest value are not counted: in a picture these are the black and the
    white that stand for "this or beyond", whatever its window.

    Args:
        hu: (rows, columns), HU.

    >>> shows_head(np.full((64, 64), -1000)), shows_head(np.linspace(0, 80, 4096).reshape(64, 64))
    (False, True)
    """
    low, high = max(TISSUE_HU[0], float(hu.min())), min(TISSUE_HU[1], float(hu.max()))
    return float(np.mean((hu > low) & (hu < high))) >= HEAD_SHARE


def judge(hu: HU) -> Verdict:
    """Judge one slice, (rows, columns), HU, by itself."""
    measures = gate.measure(hu)
    code = NO_HEAD if not shows_head(hu) else gate.refusal(measures)
    return Verdict(code, measures.tissue)


class SeriesGate:
    """Judges the slices of one series, each once.

    Args:
        count: Slices of the series.
        pixels: Reads slice i, (rows, columns), HU; None when it cannot be read.
    """

    def __init__(self, count: int, pixels: Callable[[int], HU | None]) -> None:
        self._count = count
        self._pixels = pixels
        self._known: dict[int, Verdict | None] = {}

    def code(self, i: int) -> str | None:
        """Why slice i is not scored; None when it is."""
        own = self._verdict(i)
        if own is None or self._count < SERIES:
            return own.code if own else None
        if of_all := self._series_code:
            return own.code if own.code == NO_HEAD else of_all
        return OUTSIDE_BRAIN if own.code in ANATOMY and self._outside(i, own) else own.code

    def _verdict(self, i: int) -> Verdict | None:
        if i not in self._known:
            hu = self._pixels(i)
            self._known[i] = None if hu is None else judge(hu)
        return self._known[i]

    def _can_be_head(self, i: int) -> bool:
        verdict = self._verdict(i)
        return verdict is not None and verdict.code is None

    @cached_property
    def _series_code(self) -> str | None:
        """Why no slice of the series is scored; None when it is a head."""
        looked = np.unique(np.linspace(0, self._count - 1, SAMPLES).round().astype(int)).tolist()
        codes = [verdict.code for verdict in map(self._verdict, looked) if verdict]
        enough = max(2.0, LEAST * len(looked))
        for code in OF_THE_SERIES:
            if codes.count(code) >= enough:
                return code
        return NOT_HEAD_SERIES if codes.count(None) < LEAST * len(looked) else None

    def _outside(self, i: int, own: Verdict) -> bool:
        if not any(self._can_be_head(j) for j in range(i)):
            return True
        fullest = max(verdict.tissue for verdict in self._known.values() if verdict)
        return own.tissue < CAP * fullest and not any(self._can_be_head(j) for j in range(i + 1, self._count))
