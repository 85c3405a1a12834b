"""A head as it is on the day of one study: person, lesions, variants, position; and one plane through it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.phantom import tissue
from plainscan.phantom.anatomy import Patient
from plainscan.phantom.anatomy_brain import BRAIN_FIELDS
from plainscan.phantom.atlas import F32, cover, f32
from plainscan.phantom.lesion import CAVITY, BrainView, Index, Placed, Vector
from plainscan.phantom.scanner import Geometry, Pose, rotation
from plainscan.phantom.tissue import BrainFields, Edge, HeadFields, Look

BLOCK_PX: Final = 8  # the rectangle around the head is made of such blocks; rows and columns are multiples of it
NODE_MM: Final = 1.9  # fields are sampled this far apart, a little denser than the atlas, and interpolated
MIDLINE: Final = BRAIN_FIELDS.index("depth")


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


def render_plane(scene: Scene, geometry: Geometry, slice_index: int) -> tuple[F32, F32]:
    """One ideal slice: the mean of planes through its thickness.

    Returns:
        HU (rows, columns), float32, and (lesions, rows, columns), float32, share of each pixel filled.
    """
    thickness = float(geometry.thickness_mm[slice_index])
    count = int(np.clip(np.ceil(thickness / 2.2), 1, 4))
    total = np.zeros(geometry.shape, np.float32)
    shares = np.zeros((len(scene.lesions), *geometry.shape), np.float32)
    for offset in (np.arange(count) - (count - 1) / 2) * thickness / count:
        plane = _plane(scene, geometry, slice_index, float(offset))
        if plane is None:
            continue
        hu, parts = _paint(scene, plane, Edge(geometry.pixel_mm, thickness / count))
        total[plane.box] += hu.reshape(plane.shape) - np.float32(tissue.AIR_HU)
        if parts.size:
            shares[(slice(None), *plane.box)] += parts.reshape(-1, *plane.shape)
    return total / np.float32(count) + np.float32(tissue.AIR_HU), shares / np.float32(count)


@dataclass(frozen=True, slots=True)
class Plane:
    """A rectangle of a plane through the head, with the coarse nodes that smooth fields are sampled at.

    Args:
        box: Rows and columns of the rectangle.
        fine: Head coordinates of its pixels, (3, n), float32, mm.
        nodes: Head coordinates of the nodes, (3, m), float32, mm.
        node_shape: Rows and columns of nodes.
        step: Pixels from node to node.
    """

    box: tuple[slice, slice]
    fine: F32
    nodes: F32
    node_shape: tuple[int, int]
    step: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the rectangle."""
        return self.box[0].stop - self.box[0].start, self.box[1].stop - self.box[1].start

    def refine(self, values: F32) -> F32:
        """Fields at nodes (fields, m) to pixels (fields, n)."""
        at = values.reshape(-1, *self.node_shape)
        count, rows, columns = len(at), self.node_shape[0] - 1, self.node_shape[1] - 1
        tall = np.empty((count, rows, self.step, columns + 1), np.float32)
        wide = np.empty((count, rows * self.step, columns, self.step), np.float32)
        rise = np.diff(at, axis=1)
        for k in range(self.step):
            tall[:, :, k] = at[:, :-1] + rise * np.float32(k / self.step)
        long = tall.reshape(count, rows * self.step, columns + 1)
        rise = np.diff(long, axis=2)
        for k in range(self.step):
            wide[..., k] = long[..., :-1] + rise * np.float32(k / self.step)
        return wide.reshape(count, -1)


def _plane(scene: Scene, geometry: Geometry, slice_index: int, offset_mm: float) -> Plane | None:
    """The part of a plane that holds the head; None when there is none."""
    origin = geometry.positions_mm[slice_index] + geometry.normal() * offset_mm - scene.pose.shift_mm
    turn = scene.pose.turn
    start = turn @ origin
    right = turn @ np.array(geometry.row_direction) * geometry.pixel_mm
    down = turn @ np.array(geometry.column_direction) * geometry.pixel_mm
    stride = BLOCK_PX
    rows, columns = (np.arange(0, n, stride, dtype=np.float32) for n in geometry.shape)
    near = (scene.patient.head.sample(*_points(start, down, right, rows, columns))[0] > -20).reshape(len(rows), -1)
    if not near.any():
        return None
    box = (_extent(near.any(axis=1), stride, geometry.shape[0]), _extent(near.any(axis=0), stride, geometry.shape[1]))
    step = int(np.clip(2 ** round(math.log2(NODE_MM / geometry.pixel_mm)), 1, BLOCK_PX))
    fine = [np.arange(part.start, part.stop, dtype=np.float32) for part in box]
    nodes = [np.arange(part.start, part.stop + step, step, dtype=np.float32) for part in box]
    shape = (len(nodes[0]), len(nodes[1]))
    return Plane(box, _points(start, down, right, *fine), _points(start, down, right, *nodes), shape, step)


def _points(start: Vector, down: Vector, right: Vector, rows: F32, columns: F32) -> F32:
    across = start[:, None, None] + down[:, None, None] * rows[:, None] + right[:, None, None] * columns
    return np.ascontiguousarray(across.reshape(3, -1), dtype=np.float32)


def _extent(hit: NDArray[np.bool_], stride: int, length: int) -> slice:
    where = np.flatnonzero(hit)
    return slice(int(max(where[0] * stride - stride, 0)), int(min(where[-1] * stride + 2 * stride, length)))


def _paint(scene: Scene, plane: Plane, edge: Edge) -> tuple[F32, F32]:
    coarse = scene.patient.head.sample(*plane.nodes)
    head = HeadFields(*plane.fine, *plane.refine(coarse))
    for lesion in scene.lesions:
        lesion.change_head(head)
    hu = tissue.head_hu(head, scene.look, edge)
    shares = np.zeros((len(scene.lesions), hu.size), np.float32)
    for row, lesion in zip(shares, scene.lesions, strict=True):
        part = lesion.paint_head(head, hu, edge)
        if part is not None:
            row[:] = part
    inside = np.flatnonzero(head.cavity > -2)
    if inside.size:
        view = _brain(scene, plane, coarse[CAVITY], head.cavity[inside], inside, edge)
        _fill_cavity(scene, view, hu, shares, inside, head.cavity[inside])
    return hu, shares


def _brain(scene: Scene, plane: Plane, coarse: F32, cavity: F32, inside: Index, edge: Edge) -> BrainView:
    """The healthy brain, displaced and pressed by the findings."""
    near = np.flatnonzero(coarse > -8)
    here = _pushed(scene, plane.nodes[:, near], coarse[near])
    at_nodes = np.zeros((3 + len(BRAIN_FIELDS), coarse.size), np.float32)
    at_nodes[:, near] = np.vstack([here, scene.patient.brain.sample(*here)])
    values = plane.refine(at_nodes)[:, inside]
    x, y, z = plane.fine[:, inside]
    fields = BrainFields(values[3 + MIDLINE], values[1], values[2], cavity, *values[3:])
    for lesion in scene.lesions:
        lesion.change_brain(fields, x, y, z)
    now = tissue.spaces(fields, scene.look, edge)
    normal = now if scene.look == scene.patient.look else tissue.spaces(fields, scene.patient.look, edge)
    hu = tissue.brain_hu(fields, now, scene.look, edge)
    for speck in scene.patient.specks:
        speck.paint(hu, fields, edge.pixel_mm)
    return BrainView(hu, x, y, z, fields, now, normal, edge)


def _fill_cavity(scene: Scene, view: BrainView, hu: F32, shares: F32, inside: Index, cavity: F32) -> None:
    level = 0.7 * np.clip((view.z - 48) / 60, 0, 1) * view.edge.plane_mm
    within = cover(cavity, view.edge.pixel_mm + level)
    for row, lesion in zip(shares, scene.lesions, strict=True):
        filled = lesion.paint_brain(view)
        if filled is not None:
            row[inside] = np.maximum(row[inside], filled * within)
    part = hu[inside]
    tissue.mix(part, within, view.hu)
    hu[inside] = part


def _pushed(scene: Scene, points: F32, cavity: F32) -> F32:
    """Where the tissue now at these points, (3, n), came from, (3, n), float32, mm; ``cavity`` is the field there."""
    moves = [move for lesion in scene.lesions if (move := lesion.push(*points)) is not None]
    if not moves:
        return points
    held = np.clip(cavity / 18, 0, 1)  # at the skull nothing moves
    return f32(points + held * np.sum(moves, axis=0, dtype=np.float32))
