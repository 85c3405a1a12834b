"""Things on a slice that are not the patient: headrest, cushion, cloth, tubes, metal, a hand. None is a finding.

All lie in patient coordinates, so neighboring slices show the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter

from plainscan.phantom import hardening
from plainscan.phantom.atlas import F32, Numbers, Vector, cover, f32
from plainscan.phantom.scanner import Geometry
from plainscan.phantom.tissue import AIR_HU, mix

METAL_HU: Final = 2600.0  # denser than enamel and bone: streaks start here


@dataclass(frozen=True, slots=True)
class Rod:
    """A straight piece with round ends; a bead where both ends are one point.

    Args:
        start_mm: One end, patient coordinates.
        end_mm: The other.
        radius_mm: Outer.
        hu: Of the material.
        wall_mm: Of a tube; 0 is solid.
        inside: Whether it lies in the body and takes the place of tissue; otherwise only of air.
    """

    start_mm: tuple[float, float, float]
    end_mm: tuple[float, float, float]
    radius_mm: float
    hu: float
    wall_mm: float = 0.0
    inside: bool = False


@dataclass(frozen=True, slots=True)
class Shell:
    """A trough around the back of the head, the same on every slice: headrest, table, cushion.

    Args:
        center_mm: x of its middle and y of its lowest point, patient coordinates.
        half_width_mm: From the middle to a side wall.
        corner_mm: Radius of the bend; ``half_width_mm`` gives a round trough, little a box.
        rise_mm: How far the walls rise above the lowest point.
        gap_mm: Half-width of an opening at the bottom.
        shell_mm: Thickness.
        shell_hu: Of the shell.
        fill_hu: Of what fills the trough: air, foam.
    """

    center_mm: tuple[float, float]
    half_width_mm: float
    corner_mm: float
    rise_mm: float
    gap_mm: float
    shell_mm: float
    shell_hu: float
    fill_hu: float

    def paint(self, layer: F32, x: F32, y: F32, pixel_mm: float) -> None:
        """Lay it over ``layer``, (rows, columns), HU, in place."""
        side = np.abs(x - np.float32(self.center_mm[0])) - np.float32(self.half_width_mm - self.corner_mm)
        low = y - np.float32(self.center_mm[1] - self.corner_mm)
        round_ = np.hypot(np.maximum(side, 0), np.maximum(low, 0)) + np.minimum(np.maximum(side, low), 0)
        depth = f32(self.corner_mm - round_)
        below_top = cover(y - np.float32(self.center_mm[1] - self.rise_mm), pixel_mm + 2)
        if self.fill_hu > AIR_HU:
            mix(layer, cover(depth, pixel_mm) * below_top, self.fill_hu)
        wall = thin(depth, self.shell_mm / 2, pixel_mm) * below_top
        if self.gap_mm:
            wall *= cover(np.abs(x - np.float32(self.center_mm[0])) - np.float32(self.gap_mm), pixel_mm)
        mix(layer, wall, self.shell_hu)


@dataclass(frozen=True, slots=True)
class Cloth:
    """A fold of blanket, a towel, tape or a strap: a wavy band beside or over the head, the same on every slice.

    Args:
        center_mm: Of the arc it follows, patient coordinates x, y.
        radii_mm: Half-axes of the arc.
        span_rad: From where to where it runs; 0 is toward +x, pi / 2 toward +y (the back).
        wave_mm: Height of its folds.
        waves: How many on a full turn.
        thick_mm: Thickness.
        hu: Of the cloth.
    """

    center_mm: tuple[float, float]
    radii_mm: tuple[float, float]
    span_rad: tuple[float, float]
    wave_mm: float
    waves: float
    thick_mm: float
    hu: float

    def paint(self, layer: F32, x: F32, y: F32, pixel_mm: float) -> None:
        """Lay it over ``layer``, (rows, columns), HU, in place."""
        u, v = (x - self.center_mm[0]) / self.radii_mm[0], (y - self.center_mm[1]) / self.radii_mm[1]
        angle = np.arctan2(v, u)
        away = (np.hypot(u, v) - 1) * min(self.radii_mm) + self.wave_mm * np.sin(self.waves * angle)
        start, end = self.span_rad
        turn = np.mod(angle - start, 2 * np.pi)
        share = thin(f32(away), self.thick_mm / 2, pixel_mm) * (turn < end - start)
        mix(layer, share, self.hu)


@dataclass(frozen=True, slots=True)
class Wrap:
    """A bandage or hair around the head.

    Args:
        heights_mm: From where to where, along z of the patient.
        outer: Share of the blurred body where it ends: less is thicker.
        hu: Of the material.
        rough_hu: Spread of its density.
    """

    heights_mm: tuple[float, float]
    outer: float
    hu: float
    rough_hu: float


@dataclass(frozen=True, slots=True)
class Objects:
    """Everything beside the patient on one study.

    Args:
        still: What is the same on every slice, painted in this order.
        rods: What is not.
        wrap: A bandage.
    """

    still: tuple[Shell | Cloth, ...] = ()
    rods: tuple[Rod, ...] = ()
    wrap: Wrap | None = None


NOTHING: Final = Objects()


def thin(distance: F32, half_mm: float, pixel_mm: float) -> F32:
    """Share of a pixel covered by a sheet; right for sheets thinner than a pixel."""
    width = np.float32(1 / pixel_mm)
    upper = np.clip((half_mm - distance) * width + np.float32(0.5), 0, 1)
    return f32(upper - np.clip((-half_mm - distance) * width + np.float32(0.5), 0, 1))


def background(objects: Objects, geometry: Geometry) -> F32 | None:
    """What stays the same on every slice, (rows, columns), HU, with air between; None without any."""
    if not objects.still:
        return None
    rows, columns = (np.arange(n, dtype=np.float32) * np.float32(geometry.pixel_mm) for n in geometry.shape)
    x0, y0, _ = (float(p) for p in geometry.positions_mm[0])
    x = x0 + columns[None, :] * np.float32(geometry.row_direction[0]) + np.zeros_like(rows)[:, None]
    y = y0 + rows[:, None] * np.float32(geometry.column_direction[1]) + np.zeros_like(columns)
    layer = np.full(geometry.shape, AIR_HU, np.float32)
    for thing in objects.still:
        thing.paint(layer, f32(x), f32(y), geometry.pixel_mm)
    for edge in (layer[:2], layer[-2:], layer[:, :2], layer[:, -2:]):
        edge[:] = AIR_HU  # the blur wraps: nothing may touch the border
    return layer


def add_objects(
    hu: F32, objects: Objects, still: F32 | None, geometry: Geometry, index: int, rng: np.random.Generator
) -> F32 | None:
    """Put everything on one ideal slice, in place.

    Args:
        hu: (rows, columns).
        objects: Of the study.
        still: From ``background``.
        geometry: Of the series.
        index: Of the slice.
        rng: For what is rough.

    Returns:
        HU of the metal alone, (rows, columns); None without any.
    """
    if objects.wrap is not None:
        _wrap(hu, objects.wrap, float(geometry.positions_mm[index, 2]), rng)
    if still is not None:
        hu += (still - np.float32(AIR_HU)) * emptiness(hu)
    metal = None
    for rod in objects.rods:
        found = rod_share(rod, geometry, index)
        if found is None:
            continue
        box, share = found
        if not rod.inside:
            share = share * emptiness(hu[box])
        hu[box] += share * (np.float32(rod.hu) - hu[box])
        if rod.hu >= METAL_HU:
            metal = np.zeros_like(hu) if metal is None else metal
            metal[box] = np.maximum(metal[box], share * np.float32(rod.hu))
    return metal


def emptiness(hu: F32) -> F32:
    """How empty a pixel is: 1 in air and foam, 0 in tissue."""
    empty: F32 = np.clip((hu + np.float32(500)) * np.float32(-1 / 450), 0, 1)
    return empty


def rod_share(rod: Rod, geometry: Geometry, index: int) -> tuple[tuple[slice, slice], F32] | None:
    """Share of each pixel that a rod fills on a slice, with the rectangle it lies in; None when it is elsewhere."""
    pixel, thick = geometry.pixel_mm, float(geometry.thickness_mm[index])
    axes = np.stack([geometry.column_direction, geometry.row_direction, geometry.normal()])
    a, b = (axes @ (np.array(p) - geometry.positions_mm[index]) for p in (rod.start_mm, rod.end_mm))
    reach = rod.radius_mm + pixel
    if min(a[2], b[2]) - rod.radius_mm > thick / 2 or max(a[2], b[2]) + rod.radius_mm < -thick / 2:
        return None
    ends = _near_part(a, b, thick / 2 + reach)
    low = np.maximum(np.floor((ends.min(axis=0)[:2] - reach) / pixel), 0).astype(int)
    high = np.minimum(np.ceil((ends.max(axis=0)[:2] + reach) / pixel) + 1, geometry.shape).astype(int)
    if (low >= high).any():
        return None
    y = np.arange(low[0], high[0], dtype=np.float32)[None, :, None] * np.float32(pixel) - np.float32(a[0])
    x = np.arange(low[1], high[1], dtype=np.float32)[None, None, :] * np.float32(pixel) - np.float32(a[1])
    count = int(np.clip(np.ceil(thick / max(rod.radius_mm, 0.8)), 1, 5))
    z = f32((np.arange(count) - (count - 1) / 2) * thick / count - a[2])[:, None, None]
    away = _distance(y, x, z, b - a)
    share = cover(rod.radius_mm - away, pixel)
    if rod.wall_mm:
        share -= cover(rod.radius_mm - rod.wall_mm - away, pixel)
    return (slice(low[0], high[0]), slice(low[1], high[1])), f32(share.mean(axis=0))


def _near_part(a: Vector, b: Vector, half_mm: float) -> Vector:
    """Ends of the part of a segment within ``half_mm`` of height 0, (2, 3): a long rod fills few pixels of a slice."""
    rise = b[2] - a[2]
    if abs(rise) < 1e-6:
        return np.stack([a, b])
    along = np.sort([(-half_mm - a[2]) / rise, (half_mm - a[2]) / rise]).clip(0, 1)
    return np.asarray(a + along[:, None] * (b - a))


def _distance(y: F32, x: F32, z: F32, axis: Vector) -> Numbers:
    """Distance to a segment from the origin along ``axis``."""
    square = max(float(axis @ axis), 1e-6)
    dy, dx, dz = (np.float32(part) for part in axis)
    along = np.clip((y * dy + x * dx + z * dz) * np.float32(1 / square), 0, 1)
    return f32(np.sqrt((y - along * dy) ** 2 + (x - along * dx) ** 2 + (z - along * dz) ** 2))


def _wrap(hu: F32, wrap: Wrap, height_mm: float, rng: np.random.Generator) -> None:
    if not wrap.heights_mm[0] < height_mm < wrap.heights_mm[1]:
        return
    body = gaussian_filter(hardening.coarse((hu > -300).astype(np.float32)), 1.6, truncate=3.0)
    near = hardening.fine(f32(body), hu.shape)
    weave = hardening.fine(rng.standard_normal((hardening.SIDE, hardening.SIDE), dtype=np.float32), hu.shape)
    share = np.clip((near - wrap.outer) * 12, 0, 1) * emptiness(hu)
    mix(hu, share, f32(np.clip(wrap.hu + wrap.rough_hu * weave, AIR_HU, 300)))
