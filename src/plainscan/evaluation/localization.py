"""Does the heat map point at the finding? Figures against masks that nobody used in training.

All arrays lie on one grid: the caller brings map and mask there, and says how the map is to be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

TOLERANCE: Final = 0.03  # of the grid's side: 15 of 512 pixels, as in Zhang et al. 2018 (pointing game)
IOU_THRESHOLD: Final = 0.5  # of the map's maximum
THRESHOLDS: Final = tuple(round(0.02 * i, 2) for i in range(1, 50))  # of the map's maximum, to choose from on tune
# Areas of a finding on one slice, from (mm², included) to (excluded): circles of 8, 16 and 32 mm lie between them.
SIZES: Final = (("tiny", 0.0, 50.0), ("small", 50.0, 200.0), ("medium", 200.0, 800.0), ("large", 800.0, float("inf")))


class Drawn(NamedTuple):
    """One map in its three readings, each (size, size).

    Args:
        values: As the network gave it, brought to this grid; the highest is where it points.
        energy: What the score is made of, 0 or more, any scale.
        extent: How far the finding reaches, [0, 1]; the highest is 1, or 0 where nothing speaks for the finding.
    """

    values: NDArray[np.floating]
    energy: NDArray[np.floating]
    extent: NDArray[np.floating]


@dataclass(frozen=True)
class Localization:
    """What one heat map did on one slice with one finding.

    Args:
        hit: 1 when the map's maximum lies in the mask or within the tolerance of it.
        hit_by_chance: The chance that a random point of the head does.
        energy: Share of the energy inside the mask.
        energy_by_chance: Share of the head inside the mask.
        iou: Intersection over union of the mask and the map at or above half its maximum.
        ious: (thresholds,), the same at each of ``THRESHOLDS``.
        dices: (thresholds,), twice the intersection over the sum of both.
        area_mm2: Of the finding on the slice; None where the size of a pixel is not known.
    """

    hit: float
    hit_by_chance: float
    energy: float
    energy_by_chance: float
    iou: float
    ious: NDArray[np.float64]
    dices: NDArray[np.float64]
    area_mm2: float | None = None


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


def localize(
    drawn: Drawn, mask: NDArray[np.bool_], head: NDArray[np.bool_], area_mm2: float | None = None
) -> Localization | None:
    """Judge one heat map.

    Args:
        drawn: The map.
        mask: (size, size), where the finding is.
        head: (size, size), where the head is; chance is taken over it and the mask together.
        area_mm2: Of the finding on the slice, where known.

    Returns:
        None when the mask is empty on this grid.
    """
    if not mask.any():
        return None
    target, place = near(mask, TOLERANCE * mask.shape[0]), head | mask
    total = float(drawn.energy.sum(dtype=np.float64))
    ious, dices = overlaps(drawn.extent, mask)
    return Localization(
        hit=float(target[np.unravel_index(int(np.argmax(drawn.values)), mask.shape)]),
        hit_by_chance=float((target & place).sum() / place.sum()),
        energy=float(drawn.energy[mask].sum(dtype=np.float64) / total) if total > 0 else 0.0,
        energy_by_chance=float(mask.sum() / place.sum()),
        iou=float(ious[THRESHOLDS.index(IOU_THRESHOLD)]),
        ious=ious,
        dices=dices,
        area_mm2=area_mm2,
    )


def overlaps(extent: NDArray[np.floating], mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """IoU and Dice of a mask and the map at or above each of ``THRESHOLDS``.

    Args:
        extent: (size, size), [0, 1].
        mask: (size, size), not empty.

    Returns:
        Two arrays (thresholds,).
    """
    step = np.searchsorted(THRESHOLDS, extent.ravel(), side="right")  # how many thresholds a pixel reaches
    steps = len(THRESHOLDS) + 1
    hot = np.bincount(step, minlength=steps)[::-1].cumsum()[::-1][1:]
    inside = np.bincount(step[mask.ravel()], minlength=steps)[::-1].cumsum()[::-1][1:]
    area = int(mask.sum())
    return inside / (hot + area - inside), 2 * inside / (hot + area)


def best_threshold(found: list[Localization]) -> int | None:
    """Place in ``THRESHOLDS`` of the one with the highest mean IoU; the middle one of equals, None without a map."""
    if not found:
        return None
    mean = np.mean([one.ious for one in found], axis=0)
    best = np.flatnonzero(mean >= mean.max() - 1e-9)
    return int(best[len(best) // 2])


def size_class(area_mm2: float) -> str:
    """Name of the size of a finding on a slice.

    >>> size_class(49.9), size_class(50.0), size_class(5000.0)
    ('tiny', 'small', 'large')
    """
    return next(name for name, low, high in SIZES if low <= area_mm2 < high)
