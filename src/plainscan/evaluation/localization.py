"""Does the heat map point at the finding? Figures against masks that nobody used in training.

All arrays lie on one grid: the caller brings map and mask there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

TOLERANCE: Final = 0.03  # of the grid's side: 15 of 512 pixels, as in Zhang et al. 2018 (pointing game)
IOU_THRESHOLD: Final = 0.5  # of the map's maximum


@dataclass(frozen=True)
class Localization:
    """What one heat map did on one slice with one finding.

    Args:
        hit: 1 when the map's maximum lies in the mask or within the tolerance of it.
        hit_by_chance: The chance that a random point of the head does.
        energy: Share of the map's positive values inside the mask.
        energy_by_chance: Share of the head inside the mask.
        iou: Intersection over union of the mask and the map at or above half its maximum.
    """

    hit: float
    hit_by_chance: float
    energy: float
    energy_by_chance: float
    iou: float


def near(mask: NDArray[np.bool_], radius_px: float) -> NDArray[np.bool_]:
    """The mask and every pixel within ``radius_px`` of it (Euclidean).

    >>> near(np.eye(1, 5, 2, dtype=bool), 1).tolist()
    [[False, True, True, True, False]]
    """
    grown = mask.copy()
    reach = int(radius_px)
    padded = np.pad(mask, reach)
    rows, columns = mask.shape
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if dy * dy + dx * dx <= radius_px * radius_px:
                grown |= padded[reach + dy : reach + dy + rows, reach + dx : reach + dx + columns]
    return grown


def localize(heat: NDArray[np.floating], mask: NDArray[np.bool_], head: NDArray[np.bool_]) -> Localization | None:
    """Judge one heat map.

    Args:
        heat: (size, size), any unit; values below 0 speak against the finding and count as 0.
        mask: (size, size), where the finding is.
        head: (size, size), where the head is; chance is taken over it and the mask together.

    Returns:
        None when the mask is empty on this grid.
    """
    if not mask.any():
        return None
    target, place = near(mask, TOLERANCE * mask.shape[0]), head | mask
    warm = np.clip(heat, 0, None).astype(np.float64)
    peak, total = float(warm.max()), float(warm.sum())
    hot = warm >= IOU_THRESHOLD * peak if peak > 0 else np.zeros_like(mask)
    return Localization(
        hit=float(target[np.unravel_index(int(np.argmax(heat)), heat.shape)]),
        hit_by_chance=float((target & place).sum() / place.sum()),
        energy=float(warm[mask].sum() / total) if total > 0 else 0.0,
        energy_by_chance=float(mask.sum() / place.sum()),
        iou=float((hot & mask).sum() / (hot | mask).sum()),
    )
