"""Which heat maps are marked "not reliable": what can be told from one map, without running the network again.

A mark does not touch the score. The limits were set on tuning slices of the synthetic world with the shipped weights
(`docs/experiments.md`, 2026-11-25); `evaluate` measures on every run how often marked and other maps point at the
finding.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.bundle import Card, Pooling
from plainscan.ct.prepare import HU, Box, resample
from plainscan.evaluation.localization import near
from plainscan.evaluation.sanity import verdicts
from plainscan.inference.heatmap import energy, heat
from plainscan.inference.predict import calibrated

HEAD_HU: Final = -200  # above air
HALF: Final = 0.5  # a cell belongs to the head when this share of it does
REACH: Final = 1.5  # cells around the head: a cell at its edge is centered up to half a cell outside and has neighbors
OUTSIDE: Final = 0.05  # share of the energy
# Cells that an even map of the same energy would fill, as a share of the head's. Beyond 0.4 maps on tune pointed at the
# finding as often as chance does. For coarse maps under "mean" no limit was measured: flat is one without energy.
FLAT: Final[dict[Pooling, float]] = {"log_mean_exp": 0.4, "mean": math.inf}
# Heat on a slice that is called free: half the color scale, 4 logits above its operating point.
CONTRADICTS: Final = 0.5
WORDS: Final = {
    "outside_head": "evidence outside the head",
    "flat": "evidence spread over the head",
    "contradicts_score": "strong evidence, but no finding by the score",
    "bundle_failed_checks": "the bundle's maps failed their checks",
}


def head_cells(hu: HU, box: Box, grid: int) -> NDArray[np.bool_]:
    """Cells of a map that lie on the head, what it encloses filled: air in sinuses belongs to it.

    Args:
        hu: A slice, (rows, columns), HU.
        box: The square that the map covers.
        grid: Its side, cells.

    Returns:
        (grid, grid).
    """
    solid = resample((hu > HEAD_HU).astype(np.float32), box, grid, 0.0) >= HALF
    forth = [np.logical_or.accumulate(solid, axis) for axis in (0, 1)]
    back = [np.flip(np.logical_or.accumulate(np.flip(solid, axis), axis), axis) for axis in (0, 1)]
    filled: NDArray[np.bool_] = np.logical_and.reduce([*forth, *back])
    return filled


def outside_share(energies: NDArray[np.float32], head: NDArray[np.bool_]) -> float:
    """Share of a map's energy (grid, grid) farther than ``REACH`` from the head (grid, grid); 0 without energy."""
    total = float(energies.sum(dtype=np.float64))
    return float(energies[~near(head, REACH)].sum(dtype=np.float64)) / total if total > 0 else 0.0


def spread(energies: NDArray[np.float32], head: NDArray[np.bool_]) -> float:
    """Cells that an even map of the same energy would fill, as a share of the head's cells; infinite without.

    That number is 1 / sum of squared shares (the effective number of Hill 1973, of order 2).
    """
    total = float(energies.sum(dtype=np.float64))
    if total <= 0 or not head.any():
        return math.inf
    shares = energies.astype(np.float64) / total
    return float(1 / (shares**2).sum() / head.sum())


def not_reliable(
    maps: NDArray[np.float32], logits: NDArray[np.float32], hu: HU, box: Box, card: Card, threshold: float
) -> tuple[str, ...]:
    """Codes of what speaks against showing the heat map of any finding as one to rely on.

    Args:
        maps: (findings, grid, grid), of one slice.
        logits: (findings,).
        hu: The slice, (rows, columns), HU.
        box: The square that the maps cover.
        card: Of the bundle.
        threshold: The slice operating point of any finding.

    Returns:
        Keys of ``WORDS``; empty when nothing does.
    """
    energies, head = energy(maps[0], card.pooling), head_cells(hu, box, maps.shape[-1])
    found = ["bundle_failed_checks"] if failed_checks(card) else []
    if calibrated(logits[None], card.calibration)[0, 0] >= threshold:
        if outside_share(energies, head) > OUTSIDE:
            found.append("outside_head")
        if spread(energies, head) >= FLAT[card.pooling]:
            found.append("flat")
    elif heat(maps[None, 0], logits[None, 0], card.calibration[0], threshold, card.pooling).max() >= CONTRADICTS:
        found.append("contradicts_score")
    return tuple(found)


def failed_checks(card: Card) -> list[str]:
    """Figures on the card that are beyond the limits of ``evaluation.sanity``; empty also where none was measured."""
    measured = [{"figure": item.figure, "value": item.value} for item in card.figures]
    return [str(one["figure"]) for one in verdicts(measured) if not one["passed"]]
