"""Skull fractures and scalp hematomas."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from plainscan.phantom.atlas import F32, cover, f32
from plainscan.phantom.lesion import Blob, BrainView, Index, Placed, Spot, Vector, Wobble, ball, spread
from plainscan.phantom.lesion_hemorrhage import paint
from plainscan.phantom.tissue import AIR_HU, Edge, HeadFields, mix, slab


@dataclass(kw_only=True)
class Fracture(Placed):
    """A line through the calvaria, with or without depression.

    Args:
        spot: Its middle on the inner table.
        across: Unit vector along the bone, across the line.
        width_mm: Of the gap.
        length_mm: Of the line.
        depth_mm: By how much the bone beside it is pressed in; 0 for a linear fracture.
        shape: How the line wanders.
        bubbles: Air that came in through it; belongs to the mask.
        fluid: Whether blood stands in sinuses and mastoid cells nearby; it does not.
    """

    spot: Spot
    across: Vector
    width_mm: float
    length_mm: float
    depth_mm: float
    shape: Wobble
    bubbles: tuple[Blob, ...] = ()
    fluid: bool = False
    in_bone: bool = True

    def change_head(self, f: HeadFields) -> None:
        """Press the bone in on one side of the line."""
        near = self.spot.near(f.x, f.y, f.z, self.length_mm / 2) if self.depth_mm else np.arange(0)
        if near.size:
            x, y, z = f.x[near], f.y[near], f.z[near]
            far = self.spot.around(x, y, z) / np.float32(self.length_mm / 2)
            f.cavity = f.cavity.copy()
            f.cavity[near] -= self.depth_mm * np.clip(1 - far * far, 0, 1) * cover(self._off(x, y, z), 2.0)

    def _off(self, x: F32, y: F32, z: F32) -> F32:
        a, b, c = self.across.astype(np.float32)
        px, py, pz = self.spot.point_mm.astype(np.float32)
        off: F32 = a * (x - px) + b * (y - py) + c * (z - pz) + 1.2 * self.shape(x, y, z)
        return off

    def paint_head(self, f: HeadFields, hu: F32, edge: Edge) -> F32 | None:
        """Blood and soft tissue in the gap."""
        if self.fluid:
            self._flood(f, hu, edge)
        near = self.spot.near(f.x, f.y, f.z, self.length_mm / 2)
        near = near[self.spot.around(f.x[near], f.y[near], f.z[near]) < self.length_mm / 2]
        if near.size == 0:
            return None
        off = self._off(f.x[near], f.y[near], f.z[near])
        cavity, wall = f.cavity[near], f.wall_mm[near]
        bone = cover(np.minimum(cavity + wall, -cavity) + 0.4, edge.pixel_mm) * cover(20 - np.abs(cavity), 2.0)
        bone *= (f.sinus[near] < 0) & (f.airway[near] < 0)  # air spaces in it stay as they are
        part = hu[near]
        mix(part, slab(off, self.width_mm / 2, edge.pixel_mm) * bone, 45.0)
        hu[near] = part
        share = np.zeros_like(hu)
        share[near] = slab(off, max(self.width_mm / 2 + 1.2, 1.8), edge.pixel_mm) * bone
        return share

    def _flood(self, f: HeadFields, hu: F32, edge: Edge) -> None:
        """Blood stands in the back of sinuses and in mastoid cells within 60 mm, in place."""
        near = ball(f.x, f.y, f.z, self.spot.point_mm, 60.0)
        if near.size == 0:
            return
        level = self.spot.point_mm[1] + 4 * self.shape.phases[0] - 12
        low = cover(f32(np.minimum(f.sinus[near], f.y[near] - level)), edge.pixel_mm)
        part = hu[near]
        mix(part, np.maximum(low, cover(f.mastoid[near] + 0.5, 1.5)) * (part < 30), 45.0)
        hu[near] = part

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Air under the bone."""
        total: F32 | None = None
        for bubble in self.bubbles:
            near = bubble.near(view.x, view.y, view.z)
            if near.size:
                inside = bubble.inside(view.x[near], view.y[near], view.z[near])
                share = cover(np.minimum(inside, view.fields.cavity[near] - 0.3), view.edge.pixel_mm)
                filled = paint(view, near, share, AIR_HU)
                total = filled if total is None else np.maximum(total, filled)
        return total


@dataclass(kw_only=True)
class ScalpHematoma(Placed):
    """Blood under the scalp that lifts the skin.

    Args:
        spot: Its middle, on the inner table below it.
        radius_mm: Its extent.
        blood_hu: Density.
        shape: Unevenness.
    """

    spot: Spot
    radius_mm: float
    blood_hu: float
    shape: Wobble

    def _thickness(self, f: HeadFields, near: Index) -> F32:
        x, y, z, skin = f.x[near], f.y[near], f.z[near], f.skin[near]
        far = self.spot.around(x, y, z) / np.float32(self.radius_mm)
        held = np.clip((z - 12) / 12, 0, 1) * np.clip(-f.orbit[near] / 4, 0, 1)
        held *= np.clip((-f.sinus[near] - 1) / 4, 0, 1)
        bump = self.size_mm * np.clip(1 - far * far, 0, 1) * held
        off_bone = bump + 15 + f.cavity[near] + f.wall_mm[near]  # far off it, distance to the skin is vague
        return f32(bump * np.clip(off_bone / 3, 0, 1) * np.clip((skin + bump + 4) / 3, 0, 1))

    def _near(self, f: HeadFields) -> Index:
        near = ball(f.x, f.y, f.z, self.spot.point_mm, math.hypot(self.radius_mm, 36.0))
        return near[f.cavity[near] < 0]

    def change_head(self, f: HeadFields) -> None:
        """Lift the skin."""
        near = self._near(f)
        if near.size:
            f.skin = f.skin.copy()
            f.skin[near] += self._thickness(f, near)

    def paint_head(self, f: HeadFields, hu: F32, edge: Edge) -> F32 | None:
        """Blood between bone and skin."""
        near = self._near(f)
        if near.size == 0:
            return None
        thick, skin = self._thickness(f, near), f.skin[near]
        above = -(f.cavity[near] + f.wall_mm[near])
        inside = np.minimum(np.minimum(thick + 1.0 - above, above - 0.7), np.minimum(skin - 2.2, thick + 14 - skin))
        share = cover(f32(inside), edge.pixel_mm) * (thick > 0.5)
        value = self.blood_hu + 8 * self.shape(f.x[near], f.y[near], f.z[near])
        part = hu[near]
        mix(part, share, f32(value))
        hu[near] = part
        return spread(near, share, hu.size)
