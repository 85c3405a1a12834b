"""Which series of a study show a face, and the plane that cuts it off."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainscan.ct.deface import GRID_MM, Frame, Plane, face_plane
from plainscan.dicom.read import Place, Reader
from plainscan.errors import DicomError, MissingPartError

AXIAL: Final = 0.7  # least part of the slice normal along the patient
FEWEST: Final = 8  # slices of a volume
SAME_PLACE_MM: Final = 0.05
EVEN: Final = 1.6  # largest over usual spacing, above which slices are missing

Row = dict[str, object]


class Stack(NamedTuple):
    """The slices of a series, lowest first.

    Args:
        places: Where their pixels are.
        positions_mm: (slices, 3), of the first pixels; patient coordinates.
        row: Direction of increasing column.
        column: Direction of increasing row.
        pixel_mm: Row spacing, column spacing.
        spacing_mm: Usual distance of two slices; infinite for one slice.
        whole: Equally spaced, of one size, and enough to be a volume.
    """

    places: list[Place]
    positions_mm: NDArray[np.float64]
    row: NDArray[np.float64]
    column: NDArray[np.float64]
    pixel_mm: tuple[float, float]
    spacing_mm: float
    whole: bool

    @property
    def axial(self) -> bool:
        """Whether the slices lie across the patient."""
        return bool(abs(np.cross(self.row, self.column)[2]) >= AXIAL)


def face_planes(rows: Sequence[Row], references: dict[str, str], thin_mm: float) -> dict[str, Plane | None]:
    """The plane of each series that shows a face; None where one is needed and none was found.

    A series that is no volume by itself, such as a reformat, takes the plane of one in the same frame of reference.

    Args:
        rows: The study's rows of the catalogue.
        references: Frame of Reference UID by Series Instance UID.
        thin_mm: Slices no farther apart show a face; slices in other planes always do.
    """
    stacks = {uid: stack for uid, group in _by_series(rows) if (stack := _stack(group)) is not None}
    needed = [uid for uid, _ in _by_series(rows) if uid not in stacks or shows_face(stacks[uid], thin_mm)]
    own: dict[str, Plane | None] = {}
    shared: dict[str, Plane] = {}

    def plane_of(uid: str) -> Plane | None:
        if uid not in own:
            own[uid] = _plane(stacks[uid])
        return own[uid]

    result: dict[str, Plane | None] = {}
    for uid in needed:
        reference = references.get(uid, "")
        plane = plane_of(uid) if uid in stacks and stacks[uid].axial and stacks[uid].whole else None
        if plane is None and reference:
            if reference not in shared:
                others = [o for o, s in stacks.items() if references.get(o) == reference and s.axial and s.whole]
                others.sort(key=lambda other: stacks[other].spacing_mm)
                found = next((p for other in others if (p := plane_of(other)) is not None), None)
                shared |= {reference: found} if found else {}
            plane = shared.get(reference)
        result[uid] = plane
    return result


def shows_face(stack: Stack, thin_mm: float) -> bool:
    """Whether a face can be told from a series: thin slices, or slices along the patient."""
    return not stack.axial or stack.spacing_mm <= thin_mm


def _by_series(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    ordered = sorted(rows, key=lambda row: str(row["series_uid"]))
    return [(uid, list(group)) for uid, group in groupby(ordered, key=lambda row: str(row["series_uid"]))]


def _stack(rows: list[Row]) -> Stack | None:
    """The slices in order; None where no geometry is known."""
    first = rows[0]
    orientation, names = first["orientation"], ("position_x_mm", "position_y_mm", "position_z_mm")
    spacing = (first["pixel_spacing_row_mm"], first["pixel_spacing_column_mm"])
    placed = [row for row in rows if all(isinstance(row[name], float) for name in names)]
    if (
        not isinstance(orientation, list)
        or not all(isinstance(v, float) and v > 0 for v in spacing)
        or len(placed) < len(rows)
    ):
        return None
    row, column = np.array(orientation[:3], np.float64), np.array(orientation[3:], np.float64)
    normal = np.cross(row, column)
    if normal[np.abs(normal).argmax()] < 0:
        normal = -normal
    positions = np.array([[one[name] for name in names] for one in placed], np.float64)
    along = positions @ normal
    order = [int(i) for i in np.argsort(along, kind="stable")]
    order = [i for n, i in enumerate(order) if n == 0 or along[i] - along[order[n - 1]] > SAME_PLACE_MM]
    gaps = np.diff(along[order])
    usual = float(np.median(gaps)) if len(gaps) else np.inf
    same = all(
        one["orientation"] == orientation and (one["rows"], one["columns"]) == (first["rows"], first["columns"])
        for one in rows
    )
    whole = same and len(order) >= FEWEST and bool((gaps <= EVEN * usual).all())
    places = [Place(str(placed[i]["source"]), str(placed[i]["path"]), int(str(placed[i]["frame"]))) for i in order]
    pixel_mm = (float(str(spacing[0])), float(str(spacing[1])))
    return Stack(places, positions[order], row, column, pixel_mm, usual, whole)


def _plane(stack: Stack) -> Plane | None:
    stride = max(1, int(GRID_MM / stack.spacing_mm))
    try:
        with Reader() as reader:
            hu = np.stack([reader.read(place).hu for place in stack.places[::stride]])
    except (DicomError, MissingPartError, ValueError):  # slices that are refused say so when they are written
        return None
    positions = stack.positions_mm[::stride]
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    return face_plane(hu, Frame(positions[0], stack.row, stack.column, step, stack.pixel_mm))
