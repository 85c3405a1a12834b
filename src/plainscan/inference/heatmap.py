"""From a finding's map to a heat map on the slice.

The graph gives its `maps` beside the logits, and a pool of a map plus a bias is the logit: a heat map costs no
backward pass. Under the pooling "mean" the maps are the class weights times the activations, which Grad-CAM at the
last convolution equals, up to a factor, then ReLU (Selvaraju 2017, section 3.1; Zhou 2016). Under "log_mean_exp" they
are log odds from layers of their own, and no Grad-CAM.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.bundle import Calibration, Pooling
from plainscan.ct.prepare import MARGIN, Box, restore
from plainscan.evaluation.calibration import sigmoid

FULL_LOGITS: Final = 8.0  # this far above the operating point the color is full


def pooled(maps: NDArray[np.float32], pooling: Pooling) -> NDArray[np.float32]:
    """What a head makes of its maps before it adds the bias: their mean, or the logarithm of their mean odds.

    Args:
        maps: (..., grid, grid).
        pooling: As the bundle's card says.

    Returns:
        (...).

    >>> pooled(np.array([[0.0, 4.0]], np.float32), "mean").item()
    2.0
    """
    if pooling == "mean":
        mean: NDArray[np.float32] = maps.mean(axis=(-2, -1))
        return mean
    highest = maps.max(axis=(-2, -1), keepdims=True)
    odds: NDArray[np.float32] = np.log(np.exp(maps - highest).mean(axis=(-2, -1))) + highest[..., 0, 0]
    return odds


def energy(maps: NDArray[np.float32], pooling: Pooling) -> NDArray[np.float32]:
    """What a score is made of, place by place: the odds under "log_mean_exp", the positive values under "mean".

    The pooled odds are the logit, so a place's share of their sum is its share of the score. The log odds themselves
    are no such share: they are negative nearly everywhere, and their positive part leaves out every place that is
    held for less likely than not, of which the whole score of a faint finding is made.

    Args:
        maps: (..., rows, columns).
        pooling: As the bundle's card says.

    Returns:
        (..., rows, columns), 0 or more; odds as multiples of the highest, so that nothing overflows.
    """
    if pooling == "mean":
        return np.maximum(maps, 0)
    odds: NDArray[np.float32] = np.exp(maps - maps.max(axis=(-2, -1), keepdims=True))
    return odds


def extent(maps: NDArray[np.float32], pooling: Pooling) -> NDArray[np.float32]:
    """How far a finding reaches: each cell's own probability under "log_mean_exp", as a share of the highest.

    Odds have no upper end: one sure place would make every other one small. A probability has: all places that are
    held for the finding are near 1.

    Args:
        maps: (..., rows, columns).
        pooling: As the bundle's card says; under "mean" the positive values stand for the probability.

    Returns:
        (..., rows, columns), [0, 1]; 0 everywhere where nothing is positive.
    """
    values = np.maximum(maps, 0) if pooling == "mean" else sigmoid(maps)  # float64: a faint finding is rounded least
    highest = values.max(axis=(-2, -1), keepdims=True)
    shares: NDArray[np.floating] = np.divide(values, highest, out=np.zeros_like(values), where=highest > 0)
    return shares.astype(np.float32)


def local_logits(maps: NDArray[np.float32], logits: NDArray[np.float32], pooling: Pooling) -> NDArray[np.float32]:
    """The logit that a slice would get if all of it looked like one place: the map plus the head's bias.

    The bias is what the logit has beyond the pooled map.

    Args:
        maps: (..., grid, grid).
        logits: (...), of the same slices and findings.
        pooling: As the bundle's card says.

    Returns:
        (..., grid, grid); pooled over the grid it is the logit.
    """
    bias = logits - pooled(maps, pooling)
    local: NDArray[np.float32] = maps + bias[..., None, None]
    return local


def heat(
    maps: NDArray[np.float32],
    logits: NDArray[np.float32],
    calibration: Calibration,
    threshold: float,
    pooling: Pooling = "mean",
) -> NDArray[np.float32]:
    """One scale for all pictures of a bundle: 0 at the operating point, 1 far above it.

    A slice that is called a finding has color somewhere, since the pool of its local logits is above the
    threshold; a slice without any evidence stays grey. Scaling each picture to its own maximum would paint
    red onto every normal slice.

    Args:
        maps: (slices, grid, grid), of one finding.
        logits: (slices,), of the same finding.
        calibration: Of that finding.
        threshold: Its operating point, a calibrated probability in (0, 1).
        pooling: As the bundle's card says.

    Returns:
        (slices, grid, grid), float32, [0, 1].
    """
    at = np.log(threshold / (1 - threshold)) if 0 < threshold < 1 else np.copysign(np.inf, threshold - 0.5)
    above = local_logits(maps, logits, pooling) * calibration.slope + calibration.intercept - at
    scaled: NDArray[np.float32] = np.clip(above / FULL_LOGITS, 0.0, 1.0).astype(np.float32)
    return scaled


def on_slice(values: NDArray[np.floating], box: Box, shape: tuple[int, int], size: int) -> NDArray[np.float32]:
    """A map put back on its source slice, each cell where it looked.

    A ResNet's strided convolutions are centered on the first of the pixels they step over, so cell i of a map of
    stride 32 is centered on pixel 32 i of the input, not on the middle of 32 pixels: without this, maps lie half a
    cell too far to the lower right.

    Args:
        values: (grid, grid), such as ``heat`` of one slice.
        box: The square that was cut from the slice.
        shape: (rows, columns) of the slice.
        size: Side of the network input that the map belongs to, in pixels.

    Returns:
        (rows, columns), float32; 0 outside the square.
    """
    return restore(values, box, shape, 0.5 * values.shape[0] / size)


def faded(values: NDArray[np.floating], box: Box, shape: tuple[int, int], size: int) -> NDArray[np.float32]:
    """As ``on_slice``, fading to nothing in the box's margin: an edge of the box is no edge in the head.

    Args:
        values: (grid, grid), heat of one slice.
        box: The square that was cut from the slice.
        shape: (rows, columns) of the slice.
        size: Side of the network input that the map belongs to, in pixels.

    Returns:
        (rows, columns), float32; 0 outside the square and at its edge.
    """
    rows = _fade(shape[0], box.top_px, box.side_px)
    columns = _fade(shape[1], box.left_px, box.side_px)
    return on_slice(values, box, shape, size) * rows[:, None] * columns


def _fade(length: int, start_px: float, side_px: float) -> NDArray[np.float32]:
    """0 at the box's edge and outside, 1 where the head begins."""
    at = (np.arange(length) + 0.5 - start_px) / side_px
    margin = MARGIN / (1 + 2 * MARGIN)
    shares: NDArray[np.float32] = np.clip(np.minimum(at, 1 - at) / margin, 0.0, 1.0).astype(np.float32)
    return shares
