"""What every finding in a synthetic head has in common, and the shapes they are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from plainscan.phantom.anatomy import Patient
from plainscan.phantom.anatomy_shape import CENTER_MM
from plainscan.phantom.atlas import F32, Numbers, f32
from plainscan.phantom.tissue import BrainFields, Edge, HeadFields, Look, Spaces
from plainscan.phantom.truth import Age, Side, Site

Vector: TypeAlias = NDArray[np.float64]
Index: TypeAlias = NDArray[np.intp]


@dataclass(slots=True)
class BrainView:
    """What a finding sees of intracranial points on a plane; it paints ``hu`` in place.

    Args:
        hu: Painted so far, (n,), float32.
        x: Head coordinates before mass effect, as y and z, (n,), float32, mm.
        y: The same.
        z: The same.
        fields: Fields after mass effect.
        spaces: CSF, ventricles, gray matter as they are.
        normal: The same as they would be with this person's normal widths.
        edge: Softness of edges.
    """

    hu: F32
    x: F32
    y: F32
    z: F32
    fields: BrainFields
    spaces: Spaces
    normal: Spaces
    edge: Edge


@dataclass(kw_only=True)
class Placed:
    """A finding placed in a head; subclasses override what they change. Shares are of a pixel, [0, 1].

    Args:
        finding: A key of ``findings.SPECIFIC_KEYS``.
        side: The patient's side.
        site: Where it lies.
        size_mm: As in ``truth.Lesion``.
        age: As in ``truth.Lesion``.
        mask_share: A pixel belongs to the mask when the finding fills this share of it.
        in_bone: Whether it is seen within bone; any other is hidden where bone takes more of a pixel.
        extra_axial: Whether it fills the room between bone and brain: what was drawn there before is then covered.
    """

    finding: str
    side: Side
    site: Site
    size_mm: float
    age: Age | None = None
    mask_share: float = 0.5
    in_bone: bool = False
    extra_axial: bool = False

    def change_look(self, look: Look) -> Look:
        """Widths of the spaces with this finding."""
        return look

    def push(self, x: F32, y: F32, z: F32) -> tuple[F32, F32, F32] | None:
        """Mass effect: where the tissue now at a point came from, minus the point, mm; None without any."""
        del x, y, z
        return None

    def press(self, x: F32, y: F32, z: F32, cavity: F32) -> tuple[F32, F32, F32] | None:
        """Like ``push``, by a collection at the bone, where nothing holds the tissue; ``cavity`` is the field there."""
        del x, y, z, cavity
        return None

    def change_brain(self, f: BrainFields, x: F32, y: F32, z: F32) -> None:
        """Alter brain fields in place; x, y, z are the points before mass effect."""

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Paint inside the cavity, in place; the share of each point, or None."""
        del view
        return None

    def change_head(self, f: HeadFields) -> None:
        """Alter skull and scalp fields in place."""

    def paint_head(self, f: HeadFields, hu: F32, edge: Edge) -> F32 | None:
        """Paint outside the brain, in place; the share of each point, or None."""
        del f, hu, edge
        return None


@dataclass(frozen=True, slots=True)
class Wobble:
    """A smooth random function of place, about -1 to 1: makes outlines irregular."""

    waves: Vector  # (terms, 3), radians per mm
    phases: Vector  # (terms,)

    def __call__(self, x: F32, y: F32, z: F32) -> F32:
        """Its value at points (n,), float32."""
        total = np.zeros_like(x)
        for (a, b, c), phase in zip(self.waves.astype(np.float32), self.phases.astype(np.float32), strict=True):
            total += np.sin(a * x + b * y + c * z + phase)
        return total / np.float32(np.sqrt(2 * len(self.phases)))


def wobble(rng: np.random.Generator, wavelength_mm: float, terms: int = 6) -> Wobble:
    """Draw a ``Wobble`` of about this wavelength."""
    direction = rng.standard_normal((terms, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = wavelength_mm * rng.uniform(0.6, 1.5, (terms, 1))
    return Wobble(direction * 2 * np.pi / length, rng.uniform(0, 2 * np.pi, terms))


def ball(x: F32, y: F32, z: F32, center_mm: Vector, reach_mm: float) -> Index:
    """Points within ``reach_mm`` of a point, ascending; nearly free on an axial plane that lies farther away."""
    cx, cy, cz = np.asarray(center_mm, np.float32)
    layer = np.flatnonzero(np.abs(z - cz) < np.float32(reach_mm))
    if layer.size == 0:
        return layer
    off = np.square(x[layer] - cx) + np.square(y[layer] - cy) + np.square(z[layer] - cz)
    return np.asarray(layer[off < np.float32(reach_mm * reach_mm)])


@dataclass(frozen=True, slots=True)
class Blob:
    """An irregular ellipsoid.

    Args:
        center_mm: Middle, (3,).
        axes_mm: Half-axes, (3,).
        turn: Rotation to its own axes, (3, 3).
        rough_mm: Amplitude of the outline's irregularity.
        shape: The irregularity.
    """

    center_mm: Vector
    axes_mm: Vector
    turn: Vector
    rough_mm: float
    shape: Wobble

    def near(self, x: F32, y: F32, z: F32, beyond_mm: float = 0.0) -> Index:
        """Points that may lie inside or within ``beyond_mm`` of it."""
        return ball(x, y, z, self.center_mm, float(self.axes_mm.max()) + 2 * self.rough_mm + beyond_mm + 1)

    def inside(self, x: F32, y: F32, z: F32) -> F32:
        """Approximate signed distance, mm, positive inside."""
        offset = np.stack([x, y, z]) - self.center_mm[:, None].astype(np.float32)
        own = (self.turn.astype(np.float32) @ offset) / self.axes_mm[:, None].astype(np.float32)
        radius = np.sqrt(np.square(own).sum(axis=0))
        scale = np.float32(np.prod(self.axes_mm) ** (1 / 3))
        return f32((1 - radius) * scale + np.float32(self.rough_mm) * self.shape(x, y, z))

    def push(self, x: F32, y: F32, z: F32, effect: float) -> tuple[F32, F32, F32] | None:
        """Radial displacement of the tissue around it: what was a ball of ``effect`` times its volume made room.

        Volume is kept: a shell at r came from (r³ - effect R³)^(1/3). A plane that it would move by less than a
        third of a millimeter stays: None.
        """
        cx, cy, cz = self.center_mm.astype(np.float32)
        volume = effect * float(np.prod(self.axes_mm))
        if float(np.abs(z - cz).min()) > np.sqrt(volume):  # there the shift, R³ / 3r², is below 1/3 mm
            return None
        dx, dy, dz = x - cx, y - cy, z - cz
        cube = np.power(np.square(dx) + np.square(dy) + np.square(dz) + 1e-3, 1.5)
        share = np.cbrt(np.clip(1 - np.float32(volume) / cube, 0, 1)) - 1
        return dx * share, dy * share, dz * share


def blob(
    rng: np.random.Generator, center_mm: Vector, radius_mm: float, rough: float = 0.14, flat: float = 0.75
) -> Blob:
    """Draw an irregular ellipsoid of mean radius ``radius_mm``; ``flat`` is the least ratio of its axes."""
    axes = rng.uniform(flat, 1.0, 3)
    axes *= radius_mm / np.prod(axes) ** (1 / 3)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return Blob(np.asarray(center_mm, float), axes, turn, rough * radius_mm, wobble(rng, max(radius_mm * 1.3, 4.0)))


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on the inner table: the point and the unit normal that points outward."""

    point_mm: Vector
    normal: Vector

    def near(self, x: F32, y: F32, z: F32, radius_mm: float, depth_mm: float = 28.0) -> Index:
        """Points for which ``around`` may be below ``radius_mm``."""
        return ball(x, y, z, self.point_mm, math.hypot(radius_mm, depth_mm + radius_mm / 3) + 1)

    def around(self, x: F32, y: F32, z: F32, depth_mm: float = 28.0) -> F32:
        """Distance from the axis through the spot, mm; it grows fast deeper than ``depth_mm`` below the spot."""
        dx, dy, dz = (v - np.float32(c) for v, c in zip((x, y, z), self.point_mm, strict=True))
        nx, ny, nz = self.normal.astype(np.float32)
        along = dx * nx + dy * ny + dz * nz
        off = np.square(dx) + np.square(dy) + np.square(dz) - np.square(along)
        far: F32 = np.sqrt(np.maximum(off, 0)) + 3 * np.clip(-along - np.float32(depth_mm), 0, None)
        return far


def spot(patient: Patient, direction: Vector) -> Spot:
    """Where a ray from the cranium's middle meets the inner table."""
    direction = direction / np.linalg.norm(direction)
    reach = np.arange(25.0, 110.0, 0.5)
    ray = (CENTER_MM[:, None] + direction[:, None] * reach).astype(np.float32)
    cavity = patient.head.sample(*ray)[0 + CAVITY]
    outside = np.flatnonzero(cavity < 0)
    point = CENTER_MM + direction * reach[outside[0] if outside.size else -1]
    around = (point[:, None] + np.hstack([np.eye(3), -np.eye(3)]) * 4).astype(np.float32)
    values = patient.head.sample(*around)[CAVITY]
    slope = values[:3] - values[3:]
    return Spot(point, -slope.astype(float) / max(float(np.linalg.norm(slope)), 1e-6))


CAVITY = 1  # row of "cavity" in anatomy_head.HEAD_FIELDS


def spread(index: Index, values: Numbers, count: int) -> F32:
    """Values at some of ``count`` points, 0 elsewhere, float32."""
    full = np.zeros(count, np.float32)
    full[index] = values
    return full


def sign(side: Side) -> float:
    """+1 for the patient's left, where x grows; -1 for the right; 0 for the middle."""
    return {"left": 1.0, "right": -1.0}.get(side, 0.0)
