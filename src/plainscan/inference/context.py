"""A slice among its neighbors: what the next slices show too is likelier to be there.

A finding is mostly thicker than a slice; noise and partial volume are not. So the logit of a slice becomes the mean of
the logits of the slices of its series that lie less than ``REACH_MM`` from it, weighted by how near they are: 1 at the
slice itself, falling evenly to 0 at that distance. Slices 5 mm apart count one half, slices 10 mm apart not at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

REACH_MM: Final = 10.0
USUAL_STEP_MM: Final = 5.0  # between the slices of a series that do not say where they lie, as in sets of pictures

Item = TypeVar("Item")
Logits = NDArray[np.float32]


class Place(NamedTuple):
    """Where a slice lies: its series, and its position along it in mm; None where it stands alone."""

    series: Hashable
    position_mm: float | None


def place_of(series: Hashable, position_mm: float | None, index: int | None) -> Place:
    """A slice's place from what is known of it; without a position its index counts, without either it stands alone."""
    if position_mm is None and index is not None:
        position_mm = USUAL_STEP_MM * index
    return Place(series, position_mm)


def among_neighbors(logits: Logits, places: Sequence[Place], reach_mm: float) -> Logits:
    """Logits of slices among their neighbors.

    Args:
        logits: (slices, findings), of each slice alone.
        places: One per slice, in any order.
        reach_mm: The card's `context_mm`; 0 leaves every slice alone.

    Returns:
        (slices, findings), float32.
    """
    mixed = np.array(logits)
    order = sorted(range(len(places)), key=lambda i: (str(places[i].series), places[i].position_mm or 0.0))
    for i, found in with_neighbors(order, places.__getitem__, logits.__getitem__, reach_mm):
        mixed[i] = found
    return mixed


def with_neighbors(
    items: Iterable[Item], place: Callable[[Item], Place], logits: Callable[[Item], Logits | None], reach_mm: float
) -> Iterator[tuple[Item, Logits | None]]:
    """As ``among_neighbors``, for a stream: an item is held back until all its neighbors have come.

    Args:
        items: A series' slices one after the other, lowest first.
        place: Where an item lies.
        logits: (findings,) of an item alone; None where it has no score.
        reach_mm: See there.

    Yields:
        Each item in its order, with its logits among its neighbors; None where it has none of its own.
    """
    for _, series in groupby(items, lambda item: place(item).series):
        waiting: deque[Item] = deque()
        near: deque[tuple[float, Logits]] = deque()  # scored slices that a waiting one may lie near
        for item in series:
            waiting.append(item)
            newest_mm, own = place(item).position_mm, logits(item)
            if newest_mm is not None and own is not None:
                near.append((newest_mm, own))
            while waiting and _complete(place(waiting[0]).position_mm, newest_mm, reach_mm):
                yield _settled(waiting.popleft(), place, logits, near, reach_mm)
        for item in waiting:
            yield _settled(item, place, logits, near, reach_mm)


def _complete(position_mm: float | None, newest_mm: float | None, reach_mm: float) -> bool:
    """Whether nothing that is still to come lies near a waiting slice."""
    return position_mm is None or (newest_mm is not None and newest_mm - position_mm >= reach_mm)


def _settled(
    item: Item,
    place: Callable[[Item], Place],
    logits: Callable[[Item], Logits | None],
    near: deque[tuple[float, Logits]],
    reach_mm: float,
) -> tuple[Item, Logits | None]:
    own, position_mm = logits(item), place(item).position_mm
    if own is None or position_mm is None or reach_mm <= 0:
        return item, own
    while near[0][0] <= position_mm - reach_mm:
        near.popleft()
    return item, _mean(near, position_mm, reach_mm)


def _mean(near: Iterable[tuple[float, Logits]], position_mm: float, reach_mm: float) -> Logits:
    """Mean by nearness, summed in float64 in the order of the slices: the same bits from a stream as from a table."""
    weighted = [(1 - abs(other_mm - position_mm) / reach_mm, logits) for other_mm, logits in near]
    counted = [(weight, weight * logits.astype(np.float64)) for weight, logits in weighted if weight > 0]
    total = np.sum([part for _, part in counted], axis=0)
    mean: Logits = (total / sum(weight for weight, _ in counted)).astype(np.float32)
    return mean
