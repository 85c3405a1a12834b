"""Blood around the brain: epidural, subdural, subarachnoid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from plainscan.phantom.anatomy_shape import CENTER_MM
from plainscan.phantom.atlas import F32, cover, f32
from plainscan.phantom.lesion import BrainView, Index, Placed, Spot, Vector, Wobble, ball, sign, spread
from plainscan.phantom.tissue import BrainFields, mix, slab

PRESSED_MM: Final = 25.0  # as deep as this a collection presses the brain, falling to 1/e


def base_height(y: F32) -> F32:
    """Height below which the inner table is skull base: collections of the convexity end there, mm."""
    return f32(12 + 21 * np.clip((-y - 8) / 16, 0, 1))


@dataclass(frozen=True, slots=True)
class Mixture:
    """A second density within blood: not yet clotted, settled, fresh in old, or membranes.

    Args:
        second_hu: The other density.
        pattern: ``patchy`` swirls, a horizontal ``level`` with the second in front, ``septa`` of the second, or a
            ``shell`` of it around the first.
        grain: How much finer than the outline the pattern is; the shell's thickness in mm.
        level_mm: y of the level.
    """

    second_hu: float
    pattern: Literal["patchy", "level", "septa", "shell"]
    grain: float = 2.5
    level_mm: float = 0.0

    def at(self, first: F32, shape: Wobble, x: F32, y: F32, z: F32, inside: F32) -> F32:
        """HU at points (n,), float32; ``inside`` is the depth below the clot's surface, mm."""
        if self.pattern == "level":
            share = cover(self.level_mm - y, 1.5)
        elif self.pattern == "shell":
            share = cover(self.grain - inside, 0.8 * self.grain)
        else:
            g = np.float32(self.grain)
            fine = shape(g * x, g * y, g * z)
            share = cover(fine - 0.25, 0.5) if self.pattern == "patchy" else slab(fine, 0.16, 0.2)
        return f32(first + share * (self.second_hu - first))


@dataclass(kw_only=True)
class Epidural(Placed):
    """A lens between skull and dura that stops at sutures.

    Args:
        spot: Its middle on the inner table.
        radius_mm: Its extent along the bone.
        blood_hu: Clot.
        swirl_hu: Amplitude of unclotted streaks.
        sutures_mm: Range of y that its bone spans.
        shape: Irregularity.
        floor_mm: z where it ends below; None where the convexity does.
        mixed: A second density.
        press_mm: By how much it closes the subarachnoid space under it.
    """

    spot: Spot
    radius_mm: float
    blood_hu: float
    swirl_hu: float
    sutures_mm: tuple[float, float]
    shape: Wobble
    floor_mm: float | None = None
    mixed: Mixture | None = None
    press_mm: float = 0.0
    extra_axial: bool = True

    def _thickness(self, x: F32, y: F32, z: F32) -> F32:
        far = self.spot.around(x, y, z)
        lens = self.size_mm * (1 - np.square(far / np.float32(self.radius_mm)))
        low, high = self.sutures_mm
        side = np.where(np.abs(self.spot.point_mm[0]) > 12, x * np.sign(self.spot.point_mm[0]) - 2, 99)
        floor = base_height(y) - 12 if self.floor_mm is None else self.floor_mm
        edge = np.minimum(np.minimum(0.9 * (y - low), 0.9 * (high - y)), np.minimum(1.6 * side, 0.8 * (z - floor)))
        return f32(np.minimum(lens, edge))

    def press(self, x: F32, y: F32, z: F32, cavity: F32) -> tuple[F32, F32, F32] | None:
        """The brain under the lens gives way."""
        near = self.spot.near(x, y, z, self.radius_mm)
        if near.size == 0:
            return None
        thick = self._thickness(x[near], y[near], z[near])
        return given_way(near, thick, cavity, np.broadcast_to(self.spot.normal[:, None], (3, near.size)))

    def change_brain(self, f: BrainFields, x: F32, y: F32, z: F32) -> None:
        """The brain's surface is the clot's inner face."""
        near = self.spot.near(x, y, z, self.radius_mm)
        if near.size:
            f.cavity = f.cavity.copy()
            thick = np.clip(self._thickness(x[near], y[near], z[near]), 0, None)
            f.cavity[near] -= thick - closed(thick, self.press_mm)

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Clot between the bone and the brain's new surface."""
        near = self.spot.near(view.x, view.y, view.z, self.radius_mm)
        near = near[view.fields.cavity[near] < view.edge.pixel_mm + self.press_mm]
        if near.size == 0:
            return None
        x, y, z = view.x[near], view.y[near], view.z[near]
        thick = self._thickness(x, y, z)
        cavity = view.fields.cavity[near] - closed(thick, self.press_mm)
        share = cover(-cavity, bone_edge(view, near)) * (thick > 0.3)
        value = f32(self.blood_hu - self.swirl_hu * np.clip(self.shape(x, y, z) - 0.4, 0, 1))
        if self.mixed is not None:
            value = self.mixed.at(value, self.shape, x, y, z, thick + cavity)
        return paint(view, near, share, value, thick >= view.edge.seen_mm)


def given_way(near: Index, thick: F32, cavity: F32, outward: F32 | Vector) -> tuple[F32, F32, F32]:
    """Where tissue that a collection pressed inward came from, minus where it is, mm; 0 at points not ``near``.

    Args:
        near: Some of the points.
        thick: The collection's thickness over each of them, mm; 0 or less where there is none.
        cavity: Depth of all points under the bone, mm.
        outward: Unit vectors toward the bone, (3, n).
    """
    below = np.maximum(cavity[near] - thick, 0)
    moved = 0.8 * np.maximum(thick, 0) * np.exp(below * np.float32(-1 / PRESSED_MM))
    x, y, z = (spread(near, moved * part, cavity.size) for part in outward)
    return x, y, z


def bone_edge(view: BrainView, near: Index) -> F32:
    """Width of the edge of what lies level with the inner table, mm: soft where that slants through the plane."""
    return f32(view.edge.pixel_mm + view.fields.cavity_rise[near] * view.edge.plane_mm)


def closed(thick: F32, press_mm: float) -> F32:
    """By how much blood of a thickness presses the brain's surface against itself, mm, (n,), float32."""
    return f32(np.clip(0.6 * thick, 0, press_mm))


def paint(view: BrainView, near: Index, share: F32, value: float | F32, seen: NDArray[np.bool_] | None = None) -> F32:
    """Mix a value into some of a view's points; the share of every point, 0 where it is not ``seen``."""
    part = view.hu[near]
    mix(part, share, value)
    view.hu[near] = part
    return spread(near, share if seen is None else share * seen, view.x.size)


@dataclass(kw_only=True)
class Subdural(Placed):
    """A crescent along one hemisphere; it crosses sutures but not falx or tentorium.

    Args:
        spot: Its middle on the inner table.
        radius_mm: Its extent along the bone.
        blood_hu: Mean density.
        layer_hu: Gain from front to back, where cells settle.
        shape: Irregularity.
        mixed: A second density.
        press_mm: By how much it closes the subarachnoid space under it.
    """

    spot: Spot
    radius_mm: float
    blood_hu: float
    layer_hu: float
    shape: Wobble
    mixed: Mixture | None = None
    press_mm: float = 0.0
    extra_axial: bool = True

    def _thickness(self, f: BrainFields, near: Index, x: F32, y: F32, z: F32) -> F32:
        far = self.spot.around(x, y, z, 60.0) / np.float32(self.radius_mm)
        crescent = self.size_mm * (1 - np.square(np.square(far))) * (0.88 + 0.18 * self.shape(x, y, z))
        own = sign(self.side) * f.depth[near] - 1.5
        above = np.minimum(-f.infratentorial[near] - 1, 0.6 * (z - base_height(y)))
        above = np.minimum(above, np.abs(x) - 30 + 2 * np.maximum(z - 45, 0))  # none at the sella
        return f32(np.minimum(crescent, np.minimum(own, above)))

    def _near(self, f: BrainFields, x: F32, y: F32, z: F32, below_mm: float) -> Index:
        near = self.spot.near(x, y, z, self.radius_mm, 60.0)
        return near[(f.cavity[near] < below_mm) & (sign(self.side) * f.depth[near] > 0)]

    def press(self, x: F32, y: F32, z: F32, cavity: F32) -> tuple[F32, F32, F32] | None:
        """The hemisphere under the crescent gives way."""
        near = self.spot.near(x, y, z, self.radius_mm, 60.0)
        near = near[sign(self.side) * x[near] > 2]
        if near.size == 0:
            return None
        far = self.spot.around(x[near], y[near], z[near], 60.0) / np.float32(self.radius_mm)
        crescent = self.size_mm * (1 - np.square(np.square(far))) * np.clip((sign(self.side) * x[near] - 2) / 20, 0, 1)
        outward = np.stack([x[near], y[near], z[near]]) - CENTER_MM[:, None].astype(np.float32)
        outward /= np.maximum(np.linalg.norm(outward, axis=0), 1)
        return given_way(near, f32(crescent), cavity, outward)

    def change_brain(self, f: BrainFields, x: F32, y: F32, z: F32) -> None:
        """The brain's surface is the collection's inner face; sulci under it are pressed shut."""
        near = self._near(f, x, y, z, 1.3 * self.size_mm + 20)  # as deep as sulci reach
        if near.size:
            thick = np.clip(self._thickness(f, near, x[near], y[near], z[near]), 0, None)
            f.cavity = f.cavity.copy()
            f.cavity[near] -= thick - closed(thick, self.press_mm)
            f.sulcus[near] += np.sign(f.sulcus[near]) * 0.06 * thick

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Blood between the bone and the brain's new surface."""
        near = self._near(view.fields, view.x, view.y, view.z, view.edge.pixel_mm + self.press_mm)
        if near.size == 0:
            return None
        x, y, z = view.x[near], view.y[near], view.z[near]
        thick = self._thickness(view.fields, near, x, y, z)
        cavity = view.fields.cavity[near] - closed(thick, self.press_mm)
        share = cover(-cavity, bone_edge(view, near)) * (thick > 0.3)
        value = self.blood_hu + self.layer_hu * np.clip((y - self.spot.point_mm[1]) / 45, -1, 1)
        value = f32(value + 3 * self.shape(x, y, z))
        if self.mixed is not None:
            value = self.mixed.at(value, self.shape, x, y, z, thick + cavity)
        return paint(view, near, share, value, thick >= view.edge.seen_mm)


@dataclass(kw_only=True)
class DuralSubdural(Placed):
    """A subdural sheet along falx or tentorium.

    Args:
        blood_hu: Density.
        middle_mm: Its middle along y and z.
        radius_mm: Its extent.
    """

    blood_hu: float
    middle_mm: tuple[float, float]
    radius_mm: float

    def paint_brain(self, view: BrainView) -> F32 | None:
        """A layer on one face of the dura."""
        f, px = view.fields, view.edge.pixel_mm
        away = f.x if self.site == "falx" else f.tentorium
        near = np.flatnonzero((np.abs(away) < self.size_mm + 9) & (np.abs(view.z - self.middle_mm[1]) < self.radius_mm))
        if near.size == 0:
            return None
        far = np.hypot(view.y[near] - self.middle_mm[0], view.z[near] - self.middle_mm[1]) / self.radius_mm
        thick = self.size_mm * np.clip(1 - np.square(far), 0, 1)
        across, below = sign(self.side) * f.x[near], f.infratentorial[near]
        if self.site == "falx":
            inside = np.minimum(thick - across, np.minimum(across, f.falx[near]))
            share = cover(f32(inside), px)
        else:
            inside = 7 - np.abs(f.tentorium[near])
            notch = np.hypot(f.x[near], f.y[near] - 9) - 21
            inside = np.minimum(inside, np.minimum(np.minimum(across - 6, notch), f.y[near] - 4))
            soft = px + 0.7 * view.edge.plane_mm  # it slants through the plane
            share = cover(f32(inside), px) * slab(thick / 2 + below, thick / 2, soft)
        return paint(view, near, f32(share * (thick > 0.3)), self.blood_hu, thick >= view.edge.seen_mm)


@dataclass(kw_only=True)
class Subarachnoid(Placed):
    """Blood in sulci, Sylvian fissures, basal cisterns or between the hemispheres.

    Args:
        blood_hu: Where it fills a space.
        middle_mm: Middle of the region.
        radius_mm: Its extent.
        shape: Patchiness.
        open_mm: Half-width to which it holds a sulcus open.
    """

    blood_hu: float
    middle_mm: tuple[float, float, float]
    radius_mm: float
    shape: Wobble
    open_mm: float = 0.9

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Blood takes the place of CSF, and holds sulci a little open."""
        f, px = view.fields, view.edge.pixel_mm
        middle = np.array(self.middle_mm)
        near = ball(view.x, view.y, view.z, middle, 1.5 * self.radius_mm + 3)
        if near.size == 0:
            return None
        x, y, z = view.x[near], view.y[near], view.z[near]
        far = np.sqrt(sum(np.square(v - c) for v, c in zip((x, y, z), middle, strict=True)))
        region = cover(self.radius_mm * (1 + 0.3 * self.shape(x, y, z)) - far, min(6.0, 0.4 * self.radius_mm))
        filled = view.spaces.csf[near] - view.spaces.ventricle[near]
        if self.site == "sulci":
            soft = px + f.sulcus_rise[near] * view.edge.plane_mm
            sheet = slab(f.sulcus[near], self.open_mm, soft) * cover(15 - f.cavity[near], 4.0)
        elif self.site == "interhemispheric_fissure":
            sheet = slab(f.x[near], self.open_mm, px) * cover(f.falx[near] + 4, 3.0)
        else:
            sheet = slab(np.minimum(f.fissure[near], 0), 1.6, px + 0.5 * view.edge.plane_mm)
        share = f32(np.clip(np.maximum(filled, sheet * view.spaces.supra[near]), 0, 1) * region)
        return paint(view, near, share, self.blood_hu)
