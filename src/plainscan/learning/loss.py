"""One binary cross-entropy a finding; what is not known does not count. Where masks are known, one a cell too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

HEAVIEST: Final = 8.0  # a rarer finding would make single slices rule the batch
SPOT_CELLS: Final = 16  # a false spot of so many cells weighs as much as a finding that was missed altogether
_NOTHING: Final = 1e-6  # below any mean count but 0, where the sum is 0 too
Average: TypeAlias = Callable[[Tensor], Tensor]
"""The mean of counts over the processes that share a batch; each of them sees other slices."""


def _alone(counts: Tensor) -> Tensor:
    return counts


def positive_weights(labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weight of a positive slice, finding by finding: the square root of negatives over positives, 1 to 8.

    The square root: half way (on the scale of log odds) between the training set's prevalence and balance, so
    that rare findings are learned without probabilities far from the truth; calibration mends the rest.

    Args:
        labels: (slices, findings), 1, 0 or NaN, of the training split.

    >>> labels = np.array([[1, np.nan]] + [[0, 0]] * 9, np.float32)
    >>> positive_weights(labels).tolist()
    [3.0, 1.0]
    """
    positive, negative = (labels == 1).sum(0), (labels == 0).sum(0)
    ratio = np.divide(negative, positive, out=np.ones(labels.shape[1]), where=positive > 0)
    weights: NDArray[np.float32] = np.clip(np.sqrt(ratio), 1.0, HEAVIEST).astype(np.float32)
    return weights


def masked_loss(logits: Tensor, labels: Tensor, weights: Tensor, average: Average = _alone) -> Tensor:
    """Cross-entropy of ``any_finding`` plus the mean over the other findings; each label counts where it is known.

    Args:
        logits: (slices, findings), any float type.
        labels: (slices, findings), float32: 1, 0, NaN.
        weights: (findings,), float32: weight of a positive.
        average: Over the processes, of the counts that the sums are divided by.

    Returns:
        A scalar, float32; 0 where nothing is known.
    """
    known = ~labels.isnan()
    target = torch.where(known, labels, 0.0)
    each = functional.binary_cross_entropy_with_logits(logits.float(), target, pos_weight=weights, reduction="none")
    return _first_and_others(each * known, known, average)


def _first_and_others(each: Tensor, counted: Tensor, average: Average) -> Tensor:
    """Sum of ``any_finding`` and sum of the others, (slices, findings), each over how many there are."""
    counts = average(torch.stack([counted[:, 0].sum(), counted[:, 1:].sum()]).float()).clamp(min=_NOTHING)
    return each[:, 0].sum() / counts[0] + each[:, 1:].sum() / counts[1]


def mask_loss(maps: Tensor, masks: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of a fine map's cells, so that a large finding does not outweigh a small one.

    A slice adds the mean over the cells of its finding plus the sum over all others, divided by ``SPOT_CELLS``.

    Args:
        maps: (slices, findings, grid, grid), log odds.
        masks: (slices, findings, grid, grid), float32, share of each cell that the finding fills, [0, 1].
        weights: (findings,), float32: weight of a finding's own cells.

    Returns:
        A scalar, float32: ``any_finding`` plus the mean over the others, as ``masked_loss``.
    """
    each = functional.binary_cross_entropy_with_logits(maps.float(), masks, reduction="none")
    own = (each * masks).sum((2, 3)) / masks.sum((2, 3)).clamp(min=1.0)
    spots = (each * (1 - masks)).sum((2, 3)) / SPOT_CELLS
    by_finding = (own * weights + spots).mean(0)
    return by_finding[0] + by_finding[1:].mean()


def overlap_loss(maps: Tensor, masks: Tensor, average: Average = _alone) -> Tensor:
    """How far the outlines are off where a finding is: one less the soft Dice coefficient (Milletari et al. 2016).

    ``mask_loss`` asks whether a finding was seen, and lets a large one be seen in part; this asks for all of it and no
    more.

    Args:
        maps: (slices, findings, grid, grid), log odds.
        masks: (slices, findings, grid, grid), float32, share of each cell that the finding fills, [0, 1].
        average: As in ``masked_loss``.

    Returns:
        A scalar, float32, [0, 2]: the mean over slices that show ``any_finding``, plus the mean over all pairs of a
        slice and another finding that it shows; 0 where there is none.
    """
    probability = maps.float().sigmoid()
    both, either = (probability * masks).sum((2, 3)), (probability + masks).sum((2, 3))
    shown = masks.sum((2, 3)) > 0
    off = torch.where(shown, 1 - 2 * both / either.clamp(min=1e-6), 0.0)
    return _first_and_others(off, shown, average)
