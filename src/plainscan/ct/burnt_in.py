"""Burnt-in text: small signs in a row, of one value.

What a workstation draws into a slice is thin, of one height, side by side, and of one value. Noise spreads measured
tissue over many values, so that a drawn one stands out of the histogram. Outside the head, where there should be air
alone, a row of letter-like signs whose brightest value recurs is enough. Not found: text darker than what it lies on,
handwriting, fewer than four signs, and text over the head that went through lossy compression.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainscan.ct.hounsfield import AIR_HU

BRIGHT_HU: Final = -300  # letters are white; foam and blankets stay below
TISSUE_HU: Final = -300
HEAD_WINDOW: Final = 24  # the head is where a window of this fraction of the picture is nearly full
HEAD_FILLED: Final = 0.8
GLYPH_PX: Final = (4, 48)  # height
GLYPH_ASPECT: Final = 2.5  # widest letter over its height; two that touch are wider
FEWEST: Final = 4  # letters in a row
NEAR_TOP: Final = (0.1, 0.15)  # so close to a row's brightest value, from air, lie so many of its pixels at least
SPIKE_HU: Final = 100  # drawn values are above
SPIKE: Final = (20, 5.0)  # least pixels of a drawn value, and times as many as its neighbors have
NEIGHBORS_HU: Final = 8
SPIKES: Final = 4  # most drawn values that are followed up
CORE: Final = 0.12  # of a drawn sign's pixels have the drawn value; the others are its soft edge

Bool = NDArray[np.bool_]


class Glyph(NamedTuple):
    """The box of one sign: rows top to bottom and columns left to right, ends exclusive."""

    top: int
    bottom: int
    left: int
    right: int


def text_boxes(hu: NDArray[np.int16]) -> list[Glyph]:
    """Boxes of what looks like letters.

    Args:
        hu: (rows, columns), HU.

    Returns:
        A box for each sign that stands in a row of at least ``FEWEST``; empty where there is no text.
    """
    found: set[Glyph] = set()
    bright = (hu > BRIGHT_HU) & ~_head(hu)
    for row in _lines(bright):
        if _recurs(hu, bright, row):
            found.update(row)
    for value in _drawn_values(hu):
        half = (value + SPIKE_HU) // 2
        for row in _lines((hu > half) & (hu <= value)):
            if _share(hu == value, (hu > half) & (hu <= value), row) >= CORE:
                found.update(row)
    return sorted(found)


def _lines(mask: Bool) -> list[list[Glyph]]:
    """Rows of letter-like parts of a mask."""
    glyphs = [glyph for glyph in _components(mask) if _like_a_letter(glyph)] if mask.any() else []
    return [row for row in _rows(glyphs) if len(row) >= FEWEST]


def _drawn_values(hu: NDArray[np.int16]) -> list[int]:
    """Values that many more pixels have than have their neighbors, most frequent first."""
    values = hu[hu > SPIKE_HU].astype(np.int64) - SPIKE_HU
    if not len(values):
        return []
    counts = np.bincount(values, minlength=2 * NEIGHBORS_HU + 1)
    around = np.convolve(counts, np.ones(2 * NEIGHBORS_HU + 1, np.int64), "same") - counts
    spikes = np.flatnonzero((counts >= SPIKE[0]) & (counts * 2 * NEIGHBORS_HU >= SPIKE[1] * around))
    return [int(i) + SPIKE_HU for i in spikes[np.argsort(-counts[spikes], kind="stable")][:SPIKES]]


def text_mask(shape: tuple[int, int], boxes: list[Glyph]) -> Bool:
    """The boxes with what lies between neighbors: (rows, columns); wide enough for faint signs beside bright ones."""
    mask = np.zeros(shape, np.bool_)
    for top, bottom, left, right in boxes:
        high = bottom - top
        mask[max(0, top - high // 2) : bottom + high // 2 + 1, max(0, left - 2 * high) : right + 2 * high] = True
    return mask


def _head(hu: NDArray[np.int16]) -> Bool:
    """Where there is a solid body, a bit enlarged: letters are too thin to fill a window."""
    side = max(3, min(hu.shape) // HEAD_WINDOW) | 1
    filled = _window_sum(hu > TISSUE_HU, side) >= HEAD_FILLED * side * side
    return _window_sum(filled, 2 * (side // 2 + 1) + 1) > 0


def _window_sum(mask: Bool, side: int) -> NDArray[np.int32]:
    """Count in the square around each pixel; side is odd."""
    half = side // 2
    total = np.pad(mask, half).astype(np.int32)
    total = np.pad(total.cumsum(0), ((1, 0), (0, 0)))
    total = total[side:] - total[:-side]
    total = np.pad(total.cumsum(1), ((0, 0), (1, 0)))
    result: NDArray[np.int32] = total[:, side:] - total[:, :-side]
    return result


def _components(mask: Bool) -> list[Glyph]:
    """Boxes of the parts that hang together, corners included, from runs of each row."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    parent = list(range(len(rows)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first = np.searchsorted(rows, np.arange(mask.shape[0] + 1)).tolist()
    start, end, line = starts.tolist(), ends.tolist(), rows.tolist()
    for i, row in enumerate(line):
        for j in range(first[row - 1], first[row]) if row else ():
            if start[j] <= end[i] and start[i] <= end[j]:
                parent[root(i)] = root(j)
    boxes: dict[int, list[int]] = {}
    for i, row in enumerate(line):
        box = boxes.setdefault(root(i), [row, row + 1, start[i], end[i]])
        box[0], box[1] = min(box[0], row), max(box[1], row + 1)
        box[2], box[3] = min(box[2], start[i]), max(box[3], end[i])
    return [Glyph(*box) for box in boxes.values()]


def _like_a_letter(glyph: Glyph) -> bool:
    high, wide = glyph.bottom - glyph.top, glyph.right - glyph.left
    return GLYPH_PX[0] <= high <= GLYPH_PX[1] and wide <= GLYPH_ASPECT * high


def _rows(glyphs: list[Glyph]) -> list[list[Glyph]]:
    """Signs of like height that follow one another on a line."""
    rows: list[list[Glyph]] = []
    for glyph in sorted(glyphs, key=lambda g: g.left):
        row = next((row for row in rows if _follows(row[-1], glyph)), None)
        if row is None:
            rows.append([glyph])
        else:
            row.append(glyph)
    return rows


def _follows(last: Glyph, glyph: Glyph) -> bool:
    high, other = last.bottom - last.top, glyph.bottom - glyph.top
    overlap = min(last.bottom, glyph.bottom) - max(last.top, glyph.top)
    gap = glyph.left - last.right
    return (
        overlap >= 0.6 * min(high, other) and max(high, other) <= 2 * min(high, other) and gap <= 2 * max(high, other)
    )


def _recurs(hu: NDArray[np.int16], bright: Bool, row: list[Glyph]) -> bool:
    """Whether many of a row's pixels are near its brightest value, as drawn ones are and measured ones are not."""
    top = max(int(hu[g.top : g.bottom, g.left : g.right].max()) for g in row)
    return _share(hu >= top - NEAR_TOP[0] * (top - AIR_HU), bright, row) >= NEAR_TOP[1]


def _share(part: Bool, whole: Bool, row: list[Glyph]) -> float:
    """Share of the pixels of ``whole`` in the boxes of a row that are in ``part`` too."""
    boxes = [(slice(g.top, g.bottom), slice(g.left, g.right)) for g in row]
    return float(sum((part & whole)[box].sum() for box in boxes) / sum(whole[box].sum() for box in boxes))
