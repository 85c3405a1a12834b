"""From a slice in Hounsfield units to the network's input, and from its grid back to the slice.

This is the only place where network input is made. Two steps:

1. ``prepare_slice``: find the head, cut a square around it, resample by area to ``size`` x ``size``,
   round to whole HU (int16). This is what the prepared shards hold.
2. ``network_input``: HU to windows, one channel each, in [0, 1].

The square comes from the slice itself, so one rule serves a DICOM study with known spacing and a
picture with none. Resampling is two matrix products with exact area weights: downscaling averages
every source pixel by the share of it that a target pixel covers, upscaling interpolates linearly.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from plainscan.ct.window import Window, scaled

PREPARATION: Final = "head-square-2"  # the name of these rules; change it with any change that moves a value
TISSUE_HU: Final = 5.0  # above water and fat, below brain (20-45 HU): also holds in an 8-bit brain window
EDGE: Final = 0.1  # the head ends where a row or column holds less than this share of the fullest one's tissue
COARSE: Final = 128  # cells a side, about, of the grid on which the head is told from thin things
SOLID: Final = 32  # a part thinner than this fraction of the picture is a headrest, a tube, a line: not the head
FILLED: Final = 0.8  # of a window: brain is noisy, fissures and ventricles are dark
MARGIN: Final = 0.05  # added on each side, as a share of the head
SMALLEST: Final = 0.5  # the square is never smaller than this share of the picture: the vertex stays small

HU: TypeAlias = NDArray[np.floating | np.integer]


class Box(NamedTuple):
    """A square in pixel coordinates of the source slice; may reach beyond its edges."""

    top_px: float
    left_px: float
    side_px: float


def head_box(hu: HU) -> Box:
    """Square around the head in a slice.

    Args:
        hu: One slice, (rows, columns), HU.

    Returns:
        The square; the largest centred square when there is no tissue on the slice.

    >>> hu = np.full((100, 100), -1000.0)
    >>> hu[20:80, 30:70] = 35.0
    >>> box = head_box(hu)
    >>> round(box.top_px + box.side_px / 2), round(box.left_px + box.side_px / 2), round(box.side_px)
    (50, 50, 66)
    """
    rows, columns = hu.shape
    tissue = hu > TISSUE_HU
    if not tissue.any():
        side = float(max(rows, columns))
        return Box((rows - side) / 2, (columns - side) / 2, side)
    counts = tissue.astype(np.float32)  # products of float32 are the quickest way to count, and exact
    down, across = _solid(counts)
    top, bottom = _extent(per_row(counts[:, across]), down)
    left, right = _extent(per_row(counts[down].T), across)
    side = max(bottom - top, right - left) * (1 + 2 * MARGIN)
    side = max(side, SMALLEST * min(rows, columns))
    return Box((top + bottom - side) / 2, (left + right - side) / 2, side)


def per_row(counts: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum of each row of whole numbers, (rows, columns); exact below 2**24."""
    return (counts @ np.ones(counts.shape[1], np.float32)).astype(np.float64)


def _solid(mask: NDArray[np.float32]) -> tuple[slice, slice]:
    """Rows and columns of the largest solid part of a mask (rows, columns), 0 or 1: a headrest, a tube, a line is thin.

    Looked for on a coarse grid: windows that are nearly full, then the run of rows and columns around the fullest.
    """
    step = max(1, min(mask.shape) // COARSE)
    filled = _window_sum(mask, step, step)
    thick = max(2, COARSE // SOLID)
    full = _window_sum(filled, thick) >= FILLED * (thick * step) ** 2
    grown = (_spread(full, thick) if full.any() else filled > 0).astype(np.float32)
    top, bottom = _extent(per_row(grown), slice(None))
    left, right = _extent(per_row(grown[int(top) : int(bottom)].T), slice(None))
    return slice(int(top) * step, int(bottom) * step), slice(int(left) * step, int(right) * step)


def _window_sum(counts: NDArray[np.float32], side: int, stride: int = 1) -> NDArray[np.float32]:
    """Sum over each window of ``side`` cells a side, one every ``stride`` cells; exact, as counts are whole."""
    rows, columns = ((n - side) // stride + 1 for n in counts.shape)
    down = counts[: rows * stride : stride].copy()
    for k in range(1, side):
        down += counts[k : k + rows * stride : stride]
    across = down[:, : columns * stride : stride].copy()
    for k in range(1, side):
        across += down[:, k : k + columns * stride : stride]
    return across


def _spread(full: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """The cells of all full windows, from (rows, columns) of windows to those of cells."""
    rows, columns = (n + side - 1 for n in full.shape)
    cells = np.zeros((rows, columns), np.bool_)
    down = np.zeros((rows, full.shape[1]), np.bool_)
    for k in range(side):
        down[k : k + full.shape[0]] |= full
    for k in range(side):
        cells[:, k : k + full.shape[1]] |= down
    return cells


def _extent(profile: NDArray[np.float64], within: slice) -> tuple[float, float]:
    """The run of full rows around the fullest within a range: a caption or a tube apart from it is left out."""
    fullest = profile[within].max()
    thin = np.flatnonzero(profile < EDGE * fullest)
    at = int(np.searchsorted(thin, (within.start or 0) + profile[within].argmax()))
    start = thin[at - 1] + 1 if at > 0 else 0
    end = thin[at] if at < len(thin) else len(profile)
    return float(start), float(end)


@lru_cache(maxsize=8)
def weights(length: int, start_px: float, extent_px: float, size: int) -> NDArray[np.float32]:
    """Resampling matrix (size, length): row i holds the share of each source pixel in target pixel i.

    A target pixel covers ``extent_px / size`` source pixels (at least one: below that, the box turns into
    linear interpolation). Rows sum to 1 inside the source and to less where the target reaches beyond it.

    >>> weights(4, 0.0, 4.0, 2).tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    step = extent_px / size
    centers = start_px + (np.arange(size)[:, None] + 0.5) * step
    half = max(step, 1.0) / 2
    # Few source pixels touch a target pixel: only those are worked out.
    edges = np.floor(centers - half) + np.arange(int(2 * half) + 2)
    overlap = np.minimum(centers + half, edges + 1) - np.maximum(centers - half, edges)
    shares = np.clip(overlap, 0.0, None) / (2 * half) * ((edges >= 0) & (edges < length))
    if step < 1:  # the widened box reaches over the source's edge: the edge pixel stands for what lies beyond
        inside = ((centers > 0) & (centers < length))[:, 0]
        shares[inside] /= shares[inside].sum(axis=1, keepdims=True)
    result = np.zeros((size, length), np.float32)
    row, near = np.nonzero(shares)
    result[row, edges[row, near].astype(np.intp)] = shares[row, near]
    result.flags.writeable = False  # the cache hands out the same one again
    return result


def resample(values: HU, box: Box, size: int, fill: float) -> NDArray[np.float32]:
    """Cut ``box`` out of a slice and resample it by area.

    Args:
        values: (rows, columns), any unit.
        box: The square to cut.
        size: Side of the result in pixels.
        fill: Value outside the source.

    Returns:
        (size, size), float32, the unit of ``values``.
    """
    rows = weights(values.shape[0], box.top_px, box.side_px, size)
    columns = weights(values.shape[1], box.left_px, box.side_px, size)
    inside = rows @ (values.astype(np.float32) - np.float32(fill)) @ columns.T
    result: NDArray[np.float32] = (inside + np.float32(fill)).astype(np.float32)
    return result


def restore(
    values: NDArray[np.floating], box: Box, shape: tuple[int, int], first_center: float = 0.5
) -> NDArray[np.float32]:
    """Put a square grid back onto the source slice: linear interpolation, 0 outside the square.

    Args:
        values: (grid, grid), such as a heat map.
        box: The square it covers.
        shape: (rows, columns) of the source slice.
        first_center: Where the first cell's center lies from the square's edge, in cells.

    Returns:
        (rows, columns), float32.
    """
    grid = values.shape[0]
    rows = _linear(shape[0], box.top_px, box.side_px, grid, first_center)
    columns = _linear(shape[1], box.left_px, box.side_px, grid, first_center)
    result: NDArray[np.float32] = (rows @ values.astype(np.float32) @ columns.T).astype(np.float32)
    return result


def _linear(length: int, start_px: float, extent_px: float, grid: int, first_center: float) -> NDArray[np.float32]:
    share = (np.arange(length) + 0.5 - start_px) / extent_px
    at = np.clip(share * grid - first_center, 0, grid - 1)
    hat = np.clip(1 - np.abs(at[:, None] - np.arange(grid)), 0, None)
    inside = (share >= 0) & (share <= 1)
    result: NDArray[np.float32] = (hat * inside[:, None]).astype(np.float32)
    return result


def prepare_slice(planes: Sequence[HU], size: int, box: Box | None = None) -> NDArray[np.int16]:
    """Prepare one slice and its neighbours.

    Args:
        planes: The slice itself in the middle, its neighbours around it in anatomical order (an odd
            number; one plane when the network takes no neighbours). Each (rows, columns), HU. At the end
            of a study the last slice is repeated.
        size: Side of the network input in pixels.
        box: The square; by default the head's on the middle plane.

    Returns:
        (planes, size, size), int16, HU.
    """
    middle = planes[len(planes) // 2]
    box = box or head_box(middle)
    cut = [resample(plane, box, size, float(plane.min())) for plane in planes]
    return np.clip(np.rint(np.stack(cut)), -1024, 3071).astype(np.int16)


def network_input(hu: NDArray[np.int16], windows: Sequence[Window]) -> NDArray[np.float32]:
    """Windows as channels.

    Args:
        hu: (slices, planes, size, size), int16, HU.
        windows: At least one.

    Returns:
        (slices, planes * windows, size, size), float32, [0, 1]; all windows of the first plane first.

    >>> network_input(np.zeros((2, 1, 8, 8), np.int16), [Window(40, 80), Window(80, 200)]).shape
    (2, 2, 8, 8)
    """
    low = np.array([[window.low_hu for window in windows]], np.float32)
    width = np.array([[window.width_hu for window in windows]], np.float32)
    channels: NDArray[np.float32] = as_channels(hu.astype(np.float32), low, width)
    return channels


def as_channels(hu: Any, low_hu: Any, width_hu: Any) -> Any:
    """Windows as channels, for NumPy arrays and torch tensors alike; training may shift windows slice by slice.

    Args:
        hu: (slices, planes, size, size), float32, HU.
        low_hu: (slices or 1, windows), float32, HU.
        width_hu: (slices or 1, windows), float32, HU.

    Returns:
        (slices, planes * windows, size, size), float32, [0, 1]; all windows of the first plane first.
    """
    slices, planes, rows, columns = hu.shape
    windows = low_hu.shape[1]
    low, width = low_hu.reshape(-1, 1, windows, 1, 1), width_hu.reshape(-1, 1, windows, 1, 1)
    return scaled(hu.reshape(slices, planes, 1, rows, columns), low, width).reshape(slices, -1, rows, columns)


def planes_around(series: Sequence[HU | None], index: int, neighbors: int) -> list[HU]:
    """A slice between its neighbours: the planes of ``prepare_slice``.

    Beyond an end of the series the last slice is repeated; a neighbour that could not be read is replaced by
    the next one towards the middle.

    Args:
        series: Slices in anatomical order, (rows, columns), HU; None where one could not be read.
        index: The middle one; readable.
        neighbors: On each side.

    Returns:
        ``2 * neighbors + 1`` planes.

    >>> a, b = np.zeros((1, 1)), np.ones((1, 1))
    >>> [int(plane[0, 0]) for plane in planes_around([a, b, None], 1, 2)]
    [0, 0, 1, 1, 1]
    """
    middle = series[index]
    if middle is None:
        raise ValueError(f"slice {index} was not read")
    before, after = [middle], [middle]
    for side, step in ((before, -1), (after, 1)):
        for distance in range(1, neighbors + 1):
            at = index + step * distance
            plane = series[at] if 0 <= at < len(series) else None
            side.append(side[-1] if plane is None else plane)
    return [*before[:0:-1], *after]
