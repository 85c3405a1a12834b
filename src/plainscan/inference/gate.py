"""The gatekeeper: which slices of a series are scored, and with which code the others are not.

Each slice is judged by its own HU (``ct.gate``), before it is scored. Its series then says what a refusal means:

1. Of a series of three slices or more, up to nine spread over it are looked at first. None of it is scored when
   fewer than a quarter of them can be head (``not_head_series``, or the code that all of them share), when a quarter
   and at least two have the noise of a bone kernel or values that are no HU (``sharp_kernel``, ``wrong_values``), or
   when the median slice amid brain holds contrast medium (``contrast_seen``).
2. A refused slice below the first that can be head is neck, one above the last the top of the skull or the scalp:
   ``outside_brain``, which is no loss. Above, this holds only for a slice with less than 0.6 of the tissue of the
   fullest slice seen: the upper half of a head is never called outside of it.
3. Between two slices that can be head, one that is refused for its anatomy is scored all the same, unless it is
   twice as far from a head as a slice alone may be: its neighbors vouch for it.
4. Any other refused slice keeps its own code, and the study is incomplete without it.
5. Where the lowest or the highest slice that is not air can be head and shows 0.8 of the soft tissue of the fullest
   slice seen, the head goes on beyond it: slices are missing there, or hold nothing (``cut_below``, ``cut_above``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from statistics import median
from typing import Final, NamedTuple

import numpy as np

from plainscan.ct import gate
from plainscan.ct.gate_measure import Measures, measure
from plainscan.ct.prepare import HU

NO_HEAD: Final = "no_head"
OUTSIDE_BRAIN: Final = "outside_brain"
NOT_HEAD_SERIES: Final = "not_head_series"
# Share of a slice's pixels. The least of 1,247 slices of 41 real heads is 1.1 %; air or a blank picture has none.
HEAD_SHARE: Final = 0.005
NOT_ANALYZED: Final = {
    NO_HEAD: f"fewer than {HEAD_SHARE:.1%} of its pixels lie between 5 and 100 HU: air, a blank picture",
    OUTSIDE_BRAIN: "below the lowest or above the highest slice of its series that can be brain in skull",
    NOT_HEAD_SERIES: "fewer than a quarter of the slices looked at can be plain head CT",
    **gate.REFUSALS,
}
NO_LOSS: Final = (NO_HEAD, OUTSIDE_BRAIN)  # at the ends of a series
CUT_BELOW, CUT_ABOVE = "cut_below", "cut_above"  # remarks on a series that ends amid the head
ANATOMY: Final = (gate.NO_SKULL, gate.NO_BRAIN, gate.NOT_ONE_HEAD, gate.NOT_FRAMED, gate.NOT_HEAD_SIZE)
OF_THE_SERIES: Final = (gate.WRONG_VALUES, gate.SHARP)
SERIES, SAMPLES, LEAST, CAP = 3, 9, 0.25, 0.6
# Of the fullest slice's soft tissue: of 40 real heads the lowest slice that can be head has at most 0.70, the highest
# 0.37.
AMID_HEAD: Final = 0.8
FEWEST: Final = 2  # slices that speak for their series
AMID: Final = 2 * gate.ENOUGH
# Median over slices amid brain: of 92 synthetic plain series of 16 slices or more and a real one the most is 0.004.
VESSELS: Final = 0.02
REMEDY: Final = "Only plain head CT in HU is analyzed; of a picture, check that --window is the one burnt in."


class Verdict(NamedTuple):
    """What a slice's own HU say.

    Args:
        code: Of a refusal; None when it can be head.
        tissue: Share of the picture that is not air.
        shown: Share of it that is soft tissue.
        strain: How far it is from a head; refused from ``gate.ENOUGH``.
        vessels: Share of what it encloses that is as dense as filled vessels; None where bone hides them.
    """

    code: str | None
    tissue: float
    shown: float
    strain: float
    vessels: float | None


def judge(hu: HU, pixel_mm: float | None = None) -> Verdict:
    """Judge one slice by itself.

    Args:
        hu: (rows, columns), HU; of a picture what its window left.
        pixel_mm: Side of a pixel; None when unknown.
    """
    measures = measure(hu, pixel_mm)
    code = gate.refusal(measures) if measures.shown >= HEAD_SHARE else NO_HEAD
    strain = sum(gate.strains(measures).values())
    return Verdict(code, measures.tissue, measures.shown, strain, _vessels(measures))


def _vessels(measures: Measures) -> float | None:
    return measures.vessels if gate.amid_brain(measures) else None


def spread(count: int) -> list[int]:
    """Which slices of a series are looked at first: up to ``SAMPLES``, the ends too.

    >>> spread(3), spread(17)
    ([0, 1, 2], [0, 2, 4, 6, 8, 10, 12, 14, 16])
    """
    chosen: list[int] = np.unique(np.linspace(0, count - 1, SAMPLES).round().astype(int)).tolist()
    return chosen


def vessels(hu: HU) -> float | None:
    """Share of what a slice encloses that is as dense as filled vessels; None where bone hides them.

    Args:
        hu: (rows, columns), HU.
    """
    return _vessels(measure(hu))


def holds_contrast(shares: Sequence[float | None]) -> bool:
    """Whether a series holds contrast medium, whatever its header says.

    Filled vessels show on nearly every slice of the brain. Of a head without, bone that a thick slice has only in part
    looks like them near the skull base and the vertex, and nothing does between.

    Args:
        shares: ``vessels`` of slices spread over it.

    >>> holds_contrast([0.05, 0.04, None]), holds_contrast([0.05, None, None]), holds_contrast([0.05, 0.0, 0.0])
    (True, False, False)
    >>> holds_contrast([0.14, 0.0, 0.0, 0.04, 0.16])
    False
    """
    known = sorted(share for share in shares if share is not None)
    if len(known) < max(FEWEST, LEAST * len(shares)):
        return False
    return median(known) > VESSELS and known[len(known) // 4] > 0


class SeriesGate:
    """Judges the slices of one series, each once.

    Args:
        count: Slices of the series.
        verdict: Judges slice i; None when it cannot be read.
    """

    def __init__(self, count: int, verdict: Callable[[int], Verdict | None]) -> None:
        self._count = count
        self._judge = verdict
        self._known: dict[int, Verdict | None] = {}

    def code(self, i: int) -> str | None:
        """Why slice i is not scored; None when it is."""
        own = self._verdict(i)
        if own is None or own.code == NO_HEAD or self._count < SERIES:
            return own.code if own else None
        if of_all := self._series_code:
            return of_all
        return self._in_context(i, own) if own.code in ANATOMY or own.code == gate.CONTRAST else own.code

    def cut(self, i: int) -> str | None:
        """At which end slice i, which is scored, ends the series amid the head; None where it does not."""
        own = self._verdict(i)
        if own is None or self._count < SERIES or self._series_code or not self._can_be_head(i):
            return None
        below = any(map(self._shows, range(i - 1, -1, -1)))
        if below and any(map(self._shows, range(i + 1, self._count))):
            return None
        fullest = max(verdict.shown for verdict in self._known.values() if verdict)
        if own.shown < AMID_HEAD * fullest:
            return None
        return CUT_ABOVE if below else CUT_BELOW

    def _shows(self, i: int) -> bool:
        """Whether there is anything but air on slice i, as far as it can be read."""
        verdict = self._verdict(i)
        return verdict is not None and verdict.code != NO_HEAD

    def _in_context(self, i: int, own: Verdict) -> str | None:
        below = any(self._can_be_head(j) for j in range(i - 1, -1, -1))
        above = any(self._can_be_head(j) for j in range(i + 1, self._count))
        if own.code == gate.CONTRAST or (below and above and own.strain < AMID):
            return None  # bone of the skull base looks like vessels; the series as a whole has none
        fullest = max(verdict.tissue for verdict in self._known.values() if verdict)
        outside = not below or (not above and own.tissue < CAP * fullest)
        return OUTSIDE_BRAIN if outside else own.code

    def _verdict(self, i: int) -> Verdict | None:
        if i not in self._known:
            self._known[i] = self._judge(i)
        return self._known[i]

    def _can_be_head(self, i: int) -> bool:
        verdict = self._verdict(i)
        return verdict is not None and verdict.code in (None, gate.CONTRAST)

    @cached_property
    def _series_code(self) -> str | None:
        """Why no slice of the series is scored; None when it is a head."""
        looked = spread(self._count)
        verdicts = [verdict for verdict in map(self._verdict, looked) if verdict]
        codes = [verdict.code for verdict in verdicts]
        enough = max(FEWEST, LEAST * len(looked))
        for code in OF_THE_SERIES:
            if codes.count(code) >= enough:
                return code
        if holds_contrast([verdict.vessels for verdict in verdicts]):
            return gate.CONTRAST
        heads = sum(code in (None, gate.CONTRAST) for code in codes)
        if heads >= LEAST * len(verdicts):
            return None
        shared = set(codes) - {NO_HEAD}
        return shared.pop() if len(shared) == 1 else NOT_HEAD_SERIES
