"""A head as it is on the day of one study: person, lesions, variants, position; and one plane through it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from plainscan.phantom import tissue
from plainscan.phantom.anatomy import Patient
from plainscan.phantom.anatomy_brain import BRAIN_FIELDS
from plainscan.phantom.anatomy_head import HEAD_FIELDS
from plainscan.phantom.atlas import F32, Vector, f32
from plainscan.phantom.lesion import CAVITY, BrainView, Index, Placed
from plainscan.phantom.scanner import Geometry, Pose, rotation
from plainscan.phantom.tissue import BrainFields, Edge, HeadFields, Look
from plainscan.phantom.tissue_head import head_hu

RASTER_MM: Final = 14.0  # the rectangle around the head is found on such a raster
NODE_MM: Final = 3.0  # fields are sampled about this far apart and interpolated
_OUTSIDE_MM: Final = 24.0  # findings of the head reach this far beyond the skin
_INSIDE_MM: Final = 14.0  # and this far into the cavity
_HIDDEN_HU: Final = 150.0  # a pixel denser than this holds so much bone that nothing else is seen in it
PLANES_ABOVE_MM: Final = (9.0,)  # a slice thicker than this is the mean of one plane more
SKIN: Final = HEAD_FIELDS.index("skin")
CAVITY_RISE: Final = HEAD_FIELDS.index("cavity_rise")
MIDLINE: Final = BRAIN_FIELDS.index("depth")
Box: TypeAlias = tuple[slice, slice]  # rows and columns of a slice


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a scan of one study needs.

    Args:
        patient: The person.
        number: 0-based number of the study.
        look: The brain on that day: normal for the person, or widened by atrophy or hydrocephalus.
        lesions: Findings.
        pose: How the head lies.
        tilt_deg: Gantry tilt.
    """

    patient: Patient
    number: int
    look: Look
    lesions: tuple[Placed, ...]
    pose: Pose
    tilt_deg: float


def make_scene(rng: np.random.Generator, patient: Patient, lesions: tuple[Placed, ...], number: int) -> Scene:
    """Put a patient with these findings into a scanner."""
    look = patient.look
    for lesion in lesions:
        look = lesion.change_look(look)
    tilt = float(rng.choice([0.0, 0.0, 0.0, rng.uniform(-25, 25), rng.uniform(8, 22)]))
    toward_plane = float(rng.uniform(-6, 11))
    turn = rotation(tilt + toward_plane, float(rng.normal(0, 2.5)), float(rng.normal(0, 4)))
    shift = np.append(rng.normal(0, 3, 2), rng.uniform(-300, 300))
    return Scene(patient, number, look, lesions, Pose(turn, np.round(shift, 2)), round(tilt, 1))


def render_planes(scene: Scene, geometry: Geometry, blur_mm: float = 0.0) -> Iterator[tuple[F32, F32]]:
    """Ideal slices, one by one: each the mean of planes through its thickness, with edges as soft as they are thick.

    ``blur_mm`` is the scanner's, see ``tissue.Edge``.

    Yields:
        HU (rows, columns), float32, and (lesions, rows, columns), float32, share of each pixel filled.
    """
    for slice_index, box in enumerate(_boxes(scene, geometry)):
        hu = np.full(geometry.shape, tissue.AIR_HU, np.float32)
        shares = np.zeros((len(scene.lesions), *geometry.shape), np.float32)
        if box is not None:
            _render(scene, _slab(scene, geometry, slice_index, box, blur_mm), hu, shares)
        yield hu, shares


def _render(scene: Scene, slab: Slab, hu: F32, shares: F32) -> None:
    """The part of a slice that holds the head, in place."""
    head, brain = _at_nodes(scene, slab)
    total, parts = _paint(scene, slab, 0, head, brain)
    for plane in range(1, slab.count):
        more, filled = _paint(scene, slab, plane, head, brain)
        total += more
        parts += filled
    hu[slab.box] = slab.crop(total) / np.float32(slab.count)
    shares[(slice(None), *slab.box)] = slab.crop(parts) / np.float32(slab.count)
    shares[np.array([not lesion.in_bone for lesion in scene.lesions], np.bool_)] *= hu < _HIDDEN_HU


@dataclass(frozen=True, slots=True)
class Slab:
    """A rectangle of a slice, as parallel planes through its thickness, with coarse nodes for the smooth fields.

    Args:
        box: Rows and columns of the rectangle in the slice.
        corners: Head coordinates of each plane's first pixel, (planes, 3), mm.
        down: Step from row to row, (3,), mm.
        right: Step from column to column, (3,), mm.
        node_shape: Rows and columns of nodes; the last ones may lie beyond the rectangle.
        step: Pixels from node to node.
        edge: Softness of edges on each plane.
    """

    box: Box
    corners: Vector
    down: Vector
    right: Vector
    node_shape: tuple[int, int]
    step: int
    edge: Edge

    @property
    def count(self) -> int:
        """Planes."""
        return len(self.corners)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of pixels between the nodes."""
        return (self.node_shape[0] - 1) * self.step, (self.node_shape[1] - 1) * self.step

    def crop(self, values: F32) -> F32:
        """Pixels between the nodes (..., n) to those of the rectangle (..., rows, columns)."""
        rows, columns = self.box[0].stop - self.box[0].start, self.box[1].stop - self.box[1].start
        cut: F32 = values.reshape(*values.shape[:-1], *self.shape)[..., :rows, :columns]
        return cut

    def nodes(self) -> F32:
        """Head coordinates of the nodes of all planes, (3, planes * m), float32, mm."""
        rows, columns = (np.arange(n, dtype=np.float32) * self.step for n in self.node_shape)
        planes = [_points(corner, self.down, self.right, rows, columns) for corner in self.corners]
        return np.concatenate(planes, axis=1)

    def pixels(self, plane: int, index: Index) -> F32:
        """Head coordinates of some of one plane's pixels, (3, n), float32, mm."""
        row, column = (part.astype(np.float32) for part in np.divmod(index, self.shape[1]))
        steps = [a.astype(np.float32)[:, None] for a in (self.corners[plane], self.down, self.right)]
        return f32(steps[0] + steps[1] * row + steps[2] * column)

    def refine(self, values: F32, index: Index | None = None) -> F32:
        """Fields at one plane's nodes (fields, m) to all or some of its pixels, (fields, n)."""
        low, high, width = 0, self.node_shape[0] - 1, self.shape[1]  # rows of nodes around the pixels that are wanted
        if index is not None and index.size:  # ascending
            low, high = int(index[0]) // width // self.step, int(index[-1]) // width // self.step + 1
            index = index - low * self.step * width
        at = values.reshape(-1, *self.node_shape)[:, low : high + 1]
        wide = np.empty((*at.shape[:2], at.shape[2] - 1, self.step), np.float32)
        _steps(np.moveaxis(wide, 3, 0), at[:, :, :-1], at[:, :, 1:])
        tall = np.empty((high - low, self.step, width), np.float32)  # of one field: small enough for the cache
        out = np.empty((len(at), tall.size if index is None else index.size), np.float32)
        for field, row in zip(wide.reshape(*at.shape[:2], width), out, strict=True):
            _steps(tall.swapaxes(0, 1), field[:-1], field[1:])
            if index is None:
                row[:] = tall.ravel()
            else:
                tall.ravel().take(index, out=row, mode="clip")  # any other mode works on a copy of ``row``
        return out


def _steps(out: F32, start: F32, end: F32) -> None:
    """From start on toward end, by equal steps along axis 0 of ``out``, in place; the last stops a step short."""
    rise = (end - start) * np.float32(1 / len(out))
    out[0] = start
    for k in range(1, len(out)):
        np.add(out[k - 1], rise, out=out[k])


def _boxes(scene: Scene, geometry: Geometry) -> list[Box | None]:
    """The rectangle of each slice that holds the head; None where there is none."""
    turn = scene.pose.turn
    starts = (geometry.positions_mm - scene.pose.shift_mm) @ turn.T
    right, down = (turn @ np.array(d) * geometry.pixel_mm for d in (geometry.row_direction, geometry.column_direction))
    stride = max(int(RASTER_MM / geometry.pixel_mm), 1)
    rows, columns = (np.arange(0, n + stride - 1, stride, dtype=np.float32) for n in geometry.shape)
    points = np.concatenate([_points(start, down, right, rows, columns) for start in starts], axis=1)
    near = (scene.patient.head.sample(*points)[SKIN] > -_OUTSIDE_MM).reshape(len(starts), len(rows), len(columns))
    return [
        (_extent(one.any(axis=1), stride, geometry.shape[0]), _extent(one.any(axis=0), stride, geometry.shape[1]))
        if one.any()
        else None
        for one in near
    ]


def _slab(scene: Scene, geometry: Geometry, slice_index: int, box: Box, blur_mm: float) -> Slab:
    """The part of a slice that holds the head."""
    thickness = float(geometry.thickness_mm[slice_index])
    count = int(np.searchsorted(PLANES_ABOVE_MM, thickness) + 1)
    turn = scene.pose.turn
    start = turn @ (geometry.positions_mm[slice_index] - scene.pose.shift_mm)
    right = turn @ np.array(geometry.row_direction) * geometry.pixel_mm
    down = turn @ np.array(geometry.column_direction) * geometry.pixel_mm
    step = int(np.clip(round(NODE_MM / geometry.pixel_mm), 1, 8))
    offsets = (np.arange(count) - (count - 1) / 2) * thickness / count
    corner = start + down * box[0].start + right * box[1].start
    normal = turn @ geometry.normal()
    corners = corner + offsets[:, None] * normal
    shape = (-(-(box[0].stop - box[0].start) // step) + 1, -(-(box[1].stop - box[1].start) // step) + 1)
    edge = Edge(geometry.pixel_mm, thickness / count, (float(normal[0]), float(normal[1]), float(normal[2])), blur_mm)
    return Slab(box, corners, down, right, shape, step, edge)


def _points(start: Vector, down: Vector, right: Vector, rows: F32, columns: F32) -> F32:
    along = start[:, None].astype(np.float32) + down[:, None].astype(np.float32) * rows
    across = along[:, :, None] + (right[:, None].astype(np.float32) * columns)[:, None]
    points: F32 = across.reshape(3, -1)
    return points


def _extent(hit: NDArray[np.bool_], stride: int, length: int) -> slice:
    where = np.flatnonzero(hit) * stride
    return slice(int(max(where[0] - stride // 2, 0)), int(min(where[-1] + stride // 2 + 1, length)))


def _at_nodes(scene: Scene, slab: Slab) -> tuple[F32, F32]:
    """Fields at the nodes, displaced and pressed by the findings.

    Returns:
        Of the head, ``HEAD_FIELDS``, (fields, planes, m), float32; of the brain the points tissue came from,
        ``BRAIN_FIELDS`` and the cavity's rise, the same.
    """
    points = slab.nodes()
    located = scene.patient.head.shape.locate(*points)
    head = scene.patient.head.located(located)
    near = np.flatnonzero(head[CAVITY] > -8)
    brain = np.zeros((4 + len(BRAIN_FIELDS), points.shape[1]), np.float32)
    if near.size:
        here = _pushed(scene, points[:, near], head[CAVITY, near])
        where = located.at(near) if here is None else scene.patient.brain.shape.locate(*here)
        brain[:3, near] = points[:, near] if here is None else here
        brain[3:-1, near] = scene.patient.brain.located(where)
        brain[-1] = head[CAVITY_RISE]
    planes = (slab.count, -1)
    return head.reshape(len(head), *planes), brain.reshape(len(brain), *planes)


def _pushed(scene: Scene, points: F32, cavity: F32) -> F32 | None:
    """Where the tissue now at these points, (3, n), came from, (3, n), float32, mm; None when nothing moved.

    ``cavity`` is the field there.
    """
    x, y, z = points
    pushed = [move for lesion in scene.lesions if (move := lesion.push(x, y, z)) is not None]
    pressed = [move for lesion in scene.lesions if (move := lesion.press(x, y, z, cavity)) is not None]
    if not pushed and not pressed:
        return None
    held = np.clip(cavity / 18, 0, 1)  # at the skull nothing moves but what a collection there presses away
    nothing = np.zeros_like(points)
    return f32(points + held * sum(pushed, start=nothing) + sum(pressed, start=nothing))


def _paint(scene: Scene, slab: Slab, plane: int, head: F32, brain: F32) -> tuple[F32, F32]:
    """HU of one plane's pixels (n,), and the share of each that each lesion fills (lesions, n)."""
    skin, cavity = slab.refine(head[[SKIN, CAVITY], plane])
    hu = np.full(len(skin), tissue.AIR_HU, np.float32)
    shares = np.zeros((len(scene.lesions), len(skin)), np.float32)
    beyond, deep = _margins_mm(scene, slab.edge)
    outer = np.flatnonzero((skin > -beyond) & (cavity < deep))
    fields = HeadFields(*slab.pixels(plane, outer), *slab.refine(head[:, plane], outer))
    for lesion in scene.lesions:
        lesion.change_head(fields)
    part = head_hu(fields, scene.look, slab.edge)
    for row, lesion in zip(shares, scene.lesions, strict=True):
        filled = lesion.paint_head(fields, part, slab.edge)
        if filled is not None:
            row[outer] = filled
    hu[outer] = part
    cavity[outer] = fields.cavity
    inside = np.flatnonzero(cavity > -2)
    if inside.size:
        view, within, light = _brain(scene, slab, plane, brain[:, plane], cavity[inside], inside)
        _fill_cavity(scene, view, shares, inside, within)
        part = hu[inside]
        tissue.mix(part, within, view.hu + light)
        hu[inside] = part
    return hu, shares


def _margins_mm(scene: Scene, edge: Edge) -> tuple[float, float]:
    """How far beyond the skin and into the cavity anything but air and brain may lie: with no finding there, an edge.

    An edge reaches half its width to both sides; fields change by 1 mm per mm of height at most.
    """
    kinds = {type(lesion) for lesion in scene.lesions}
    if any((kind.change_head, kind.paint_head) != (Placed.change_head, Placed.paint_head) for kind in kinds):
        return _OUTSIDE_MM, _INSIDE_MM
    soft = 0.5 * (edge.pixel_mm + edge.plane_mm) + 0.1
    return soft, max(soft, 2.0)


def _brain(
    scene: Scene, slab: Slab, plane: int, at_nodes: F32, cavity: F32, inside: Index
) -> tuple[BrainView, F32, F32]:
    """The brain on one plane before the findings are painted, the share of each pixel inside the skull, bone's light.

    The last two are taken before extra-axial blood moves the brain's surface, which is then no longer the bone's.
    """
    values = slab.refine(at_nodes, inside)
    points = slab.pixels(plane, inside)
    fields = BrainFields(values[3 + MIDLINE], values[1], values[2], cavity.copy(), *values[3:])
    edge = slab.edge
    within, light = tissue.inside_share(fields, edge), tissue.bone_light(fields, scene.look)
    for lesion in scene.lesions:
        lesion.change_brain(fields, *points)
    now = tissue.spaces(fields, scene.look, edge)
    normal = now if scene.look == scene.patient.look else tissue.spaces(fields, scene.patient.look, edge)
    hu = tissue.brain_hu(fields, now, scene.look, edge)
    for speck in scene.patient.specks:
        speck.paint(hu, fields, edge)
    return BrainView(hu, points[0], points[1], points[2], fields, now, normal, edge), within, light


def _fill_cavity(scene: Scene, view: BrainView, shares: F32, inside: Index, within: F32) -> None:
    for i, lesion in enumerate(scene.lesions):
        filled = lesion.paint_brain(view)
        if filled is None:
            continue
        shares[i, inside] = np.maximum(shares[i, inside], filled * within)
        for j in range(i) if lesion.extra_axial else ():
            if scene.lesions[j].extra_axial:
                shares[j, inside] *= 1 - filled
