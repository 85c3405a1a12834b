"""One series UID may hold several volumes: taken apart by orientation, kernel, acquisition and wide gaps."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from plainscan.ct.geometry import SAME_PLACE_MM, Stack, normal, slice_position_mm, stack

Row = Mapping[str, Any]

SAME_DIRECTION: Final = 0.9998  # cosine of about one degree
OTHER_REGION_MM: Final = 100.0  # a wider gap is another body region, not a missing block


class Volume(NamedTuple):
    """Parallel slices of one series.

    Args:
        rows: Lowest first, one a place.
        stack: Their geometry; its order is that of ``rows``.
        odd: Slices of another matrix or pixel spacing.
        repeated: Slices at a place that another slice has.
    """

    rows: list[Row]
    stack: Stack
    odd: list[Row]
    repeated: list[Row]


def volumes(rows: Sequence[Row]) -> list[Volume]:
    """The volumes of one series.

    Args:
        rows: Catalogue rows with position and orientation, of one series, in any order.
    """
    groups = [list(rows)]
    for split in (_by_orientation, _by_kernel, _by_acquisition, _by_region):
        groups = [part for group in groups for part in split(group)]
    return [_volume(group) for group in groups]


def position_mm(row: Row) -> tuple[float, float, float]:
    """Image Position (Patient) of a catalogue row."""
    return row["position_x_mm"], row["position_y_mm"], row["position_z_mm"]


def _along_mm(row: Row) -> float:
    return slice_position_mm(position_mm(row), row["orientation"])


def _grouped(rows: Sequence[Row], key: Callable[[Row], object]) -> list[list[Row]]:
    groups: dict[object, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def _by_orientation(rows: list[Row]) -> list[list[Row]]:
    groups: list[tuple[np.ndarray[Any, Any], list[Row]]] = []
    for row in rows:
        direction = normal(row["orientation"])
        for first, group in groups:
            if float(direction @ first) >= SAME_DIRECTION:
                group.append(row)
                break
        else:
            groups.append((direction, [row]))
    return [group for _, group in groups]


def _by_kernel(rows: list[Row]) -> list[list[Row]]:
    return _grouped(rows, lambda row: row["convolution_kernel"])


def _by_acquisition(rows: list[Row]) -> list[list[Row]]:
    """Apart only when acquisitions interleave: a sequential scan counts one acquisition a slice or two."""
    groups = _grouped(rows, lambda row: row["acquisition_number"])
    if len(groups) == 1:
        return groups
    order = sorted(rows, key=lambda row: (round(_along_mm(row) / SAME_PLACE_MM), row["acquisition_number"] or 0))
    numbers = [row["acquisition_number"] for row in order]
    changes = sum(a != b for a, b in itertools.pairwise(numbers))
    return groups if changes > len(groups) - 1 else [rows]


def _by_region(rows: list[Row]) -> list[list[Row]]:
    order = sorted(rows, key=_along_mm)
    groups = [[order[0]]]
    for below, row in itertools.pairwise(order):
        if _along_mm(row) - _along_mm(below) > OTHER_REGION_MM:
            groups.append([])
        groups[-1].append(row)
    return groups


def _volume(rows: list[Row]) -> Volume:
    shape = Counter(map(_shape, rows)).most_common(1)[0][0]
    odd = [row for row in rows if _shape(row) != shape]
    order = sorted((row for row in rows if _shape(row) == shape), key=_place_then_name)
    kept: list[Row] = []
    repeated: list[Row] = []
    for row in order:
        same = kept and _along_mm(row) - _along_mm(kept[-1]) < SAME_PLACE_MM
        (repeated if same else kept).append(row)
    place = stack(
        [position_mm(row) for row in kept],
        kept[0]["orientation"],
        [row["slice_thickness_mm"] for row in kept],
        kept[0]["patient_position"] or "",
    )
    return Volume(kept, place, odd, repeated)


def _shape(row: Row) -> tuple[Any, ...]:
    spacing = row["pixel_spacing_row_mm"]
    return row["rows"], row["columns"], None if spacing is None else round(spacing, 3)


def _place_then_name(row: Row) -> tuple[Any, ...]:
    place = round(_along_mm(row) / SAME_PLACE_MM)
    return place, row["instance_number"] or 0, row["path"], row["frame"]
