"""Skull fractures and scalp hematomas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plainscan.phantom.atlas import F32, cover, f32
from plainscan.phantom.lesion import Placed, Spot, Vector, Wobble
from plainscan.phantom.tissue import Edge, HeadFields, mix, slab


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
    """

    spot: Spot
    across: Vector
    width_mm: float
    length_mm: float
    depth_mm: float
    shape: Wobble

    def change_head(self, f: HeadFields) -> None:
        """Press the bone in on one side of the line."""
        if self.depth_mm:
            far = self.spot.around(f.x, f.y, f.z) / np.float32(self.length_mm / 2)
            off = self._off(f.x, f.y, f.z)
            f.cavity = f.cavity - self.depth_mm * np.clip(1 - far * far, 0, 1) * cover(off, 2.0)

    def _off(self, x: F32, y: F32, z: F32) -> F32:
        a, b, c = self.across.astype(np.float32)
        px, py, pz = self.spot.point_mm.astype(np.float32)
        off: F32 = a * (x - px) + b * (y - py) + c * (z - pz) + 1.2 * self.shape(x, y, z)
        return off

    def paint_head(self, f: HeadFields, hu: F32, edge: Edge) -> F32 | None:
        """Blood and soft tissue in the gap."""
        near = np.flatnonzero(self.spot.around(f.x, f.y, f.z) < self.length_mm / 2)
        if near.size == 0:
            return None
        off = self._off(f.x[near], f.y[near], f.z[near])
        cavity, wall = f.cavity[near], f.wall_mm[near]
        bone = cover(np.minimum(cavity + wall, -cavity) + 0.4, edge.pixel_mm) * cover(20 - np.abs(cavity), 2.0)
        part = hu[near]
        mix(part, slab(off, self.width_mm / 2, edge.pixel_mm) * bone, 45.0)
        hu[near] = part
        share = np.zeros_like(hu)
        share[near] = slab(off, max(self.width_mm / 2 + 1.2, 1.8), edge.pixel_mm) * bone
        return share


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

    def _thickness(self, f: HeadFields) -> F32:
        far = self.spot.around(f.x, f.y, f.z) / np.float32(self.radius_mm)
        held = np.clip((f.z - 12) / 12, 0, 1) * np.clip(-f.orbit / 4, 0, 1) * np.clip((-f.sinus - 1) / 4, 0, 1)
        bump = self.size_mm * np.clip(1 - far * far, 0, 1) * held
        near = np.clip((bump + 15 + f.cavity + f.wall_mm) / 3, 0, 1)  # far off the bone, distance to the skin is vague
        return f32(bump * near * np.clip((f.skin + bump + 4) / 3, 0, 1))

    def change_head(self, f: HeadFields) -> None:
        """Lift the skin."""
        f.skin = f.skin + self._thickness(f)

    def paint_head(self, f: HeadFields, hu: F32, edge: Edge) -> F32 | None:
        """Blood between bone and skin."""
        thick = self._thickness(f)
        above = -(f.cavity + f.wall_mm)
        inside = np.minimum(np.minimum(thick + 1.0 - above, above - 0.7), np.minimum(f.skin - 2.2, thick + 14 - f.skin))
        share = cover(inside.astype(np.float32), edge.pixel_mm) * (thick > 0.5)
        value = self.blood_hu + 8 * self.shape(f.x, f.y, f.z)
        mix(hu, share, value.astype(np.float32))
        return share
