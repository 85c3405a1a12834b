"""Blood: epidural, subdural, subarachnoid, intraparenchymal, intraventricular."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plainscan.phantom.atlas import F32, cover, f32
from plainscan.phantom.lesion import Blob, BrainView, Placed, Spot, Wobble, sign, spread
from plainscan.phantom.tissue import BrainFields, mix, slab


def _base(y: F32) -> F32:
    """Height below which the inner table is skull base: collections of the convexity end there, mm."""
    return f32(12 + 21 * np.clip((-y - 8) / 16, 0, 1))


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
    """

    spot: Spot
    radius_mm: float
    blood_hu: float
    swirl_hu: float
    sutures_mm: tuple[float, float]
    shape: Wobble

    def _thickness(self, x: F32, y: F32, z: F32) -> F32:
        far = self.spot.around(x, y, z)
        lens = self.size_mm * (1 - np.square(far / np.float32(self.radius_mm)))
        low, high = self.sutures_mm
        side = np.where(np.abs(self.spot.point_mm[0]) > 12, x * np.sign(self.spot.point_mm[0]) - 2, 99)
        edge = np.minimum(
            np.minimum(1.6 * (y - low), 1.6 * (high - y)), np.minimum(1.6 * side, 0.8 * (z - _base(y) + 12))
        )
        return f32(np.minimum(lens, edge))

    def change_brain(self, f: BrainFields, x: F32, y: F32, z: F32) -> None:
        """The brain's surface is the clot's inner face."""
        f.cavity = f.cavity - np.clip(self._thickness(x, y, z), 0, None)

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Clot between the bone and the brain's new surface."""
        thick = self._thickness(view.x, view.y, view.z)
        share = cover(-view.fields.cavity, view.edge.pixel_mm) * (thick > 0.3)
        value = self.blood_hu - self.swirl_hu * np.clip(self.shape(view.x, view.y, view.z) - 0.4, 0, 1)
        mix(view.hu, share, value.astype(np.float32))
        return share


@dataclass(kw_only=True)
class Subdural(Placed):
    """A crescent along one hemisphere; it crosses sutures but not falx or tentorium.

    Args:
        spot: Its middle on the inner table.
        radius_mm: Its extent along the bone.
        blood_hu: Mean density.
        layer_hu: Gain from front to back, where cells settle.
        shape: Irregularity.
    """

    spot: Spot
    radius_mm: float
    blood_hu: float
    layer_hu: float
    shape: Wobble

    def _thickness(self, f: BrainFields, x: F32, y: F32, z: F32) -> F32:
        far = self.spot.around(x, y, z, 60.0) / np.float32(self.radius_mm)
        crescent = self.size_mm * (1 - np.square(np.square(far))) * (0.88 + 0.18 * self.shape(x, y, z))
        own = sign(self.side) * f.depth - 1.5
        above = np.minimum(-f.infratentorial - 1, 0.6 * (z - _base(y)))
        return f32(np.minimum(crescent, np.minimum(own, above)))

    def change_brain(self, f: BrainFields, x: F32, y: F32, z: F32) -> None:
        """The brain's surface is the collection's inner face; sulci under it are pressed shut."""
        thick = np.clip(self._thickness(f, x, y, z), 0, None)
        f.cavity = f.cavity - thick
        f.sulcus = f32(f.sulcus + np.sign(f.sulcus) * 0.06 * thick)

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Blood between the bone and the brain's new surface."""
        thick = self._thickness(view.fields, view.x, view.y, view.z)
        share = cover(-view.fields.cavity, view.edge.pixel_mm) * (thick > 0.3)
        value = self.blood_hu + self.layer_hu * np.clip((view.y - self.spot.point_mm[1]) / 45, -1, 1)
        mix(view.hu, share, (value + 3 * self.shape(view.x, view.y, view.z)).astype(np.float32))
        return share


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
        f = view.fields
        far = np.hypot(view.y - self.middle_mm[0], view.z - self.middle_mm[1]) / self.radius_mm
        thick = self.size_mm * np.clip(1 - np.square(far), 0, 1)
        if self.site == "falx":
            inside = np.minimum(thick - sign(self.side) * f.x, np.minimum(sign(self.side) * f.x, f.falx))
        else:
            inside = np.minimum(np.minimum(thick + f.infratentorial, -f.infratentorial), 7 - np.abs(f.tentorium))
            inside = np.minimum(inside, np.minimum(sign(self.side) * f.x - 6, np.hypot(f.x, f.y - 9) - 21))
        share = cover(inside.astype(np.float32), view.edge.pixel_mm) * (thick > 0.3)
        mix(view.hu, share, self.blood_hu)
        return f32(share)


@dataclass(kw_only=True)
class Subarachnoid(Placed):
    """Blood in sulci, Sylvian fissures or basal cisterns.

    Args:
        blood_hu: Where it fills a space.
        middle_mm: Middle of the region.
        radius_mm: Its extent.
        shape: Patchiness.
    """

    blood_hu: float
    middle_mm: tuple[float, float, float]
    radius_mm: float
    shape: Wobble

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Blood takes the place of CSF, and holds sulci a little open."""
        f, px = view.fields, view.edge.pixel_mm
        far = np.sqrt(sum(np.square(v - c) for v, c in zip((view.x, view.y, view.z), self.middle_mm, strict=True)))
        region = cover(self.radius_mm * (1 + 0.3 * self.shape(view.x, view.y, view.z)) - far, 6.0)
        filled = view.spaces.csf - view.spaces.ventricle
        sheet = slab(f.sulcus, 0.9, px) * cover(15 - f.cavity, 4.0) * view.spaces.supra
        if self.site != "sulci":
            sheet = cover(f.fissure + 1.6, px) * view.spaces.supra
        share = (np.clip(np.maximum(filled, sheet), 0, 1) * region).astype(np.float32)
        mix(view.hu, share, self.blood_hu)
        return f32(share)


@dataclass(kw_only=True)
class Intraparenchymal(Placed):
    """A clot in the brain with a rim of edema; both belong to its mask.

    Args:
        clot: Its shape.
        blood_hu: Density.
        edema_mm: Width of the rim.
        effect: Share of its volume that pushed tissue away.
    """

    clot: Blob
    blood_hu: float
    edema_mm: float
    effect: float = 0.7

    def push(self, x: F32, y: F32, z: F32) -> tuple[F32, F32, F32] | None:
        """Tissue makes room."""
        return self.clot.push(x, y, z, self.effect)

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Rim first, then the clot."""
        near = self.clot.near(view.x, view.y, view.z, self.edema_mm)
        if near.size == 0:
            return None
        inside = self.clot.inside(view.x[near], view.y[near], view.z[near])
        brain = 1 - view.spaces.csf[near] * (inside < 0)
        part = view.hu[near]
        rim = cover(inside + self.edema_mm, 2.0) * brain * (1 - 0.5 * view.spaces.gray[near])
        part -= 9.0 * rim
        bounded = np.minimum(inside, view.fields.cavity[near] - 0.5)
        mix(
            part,
            cover(bounded, view.edge.pixel_mm + 0.4),
            self.blood_hu + 2 * self.clot.shape(view.x[near], view.y[near], view.z[near]),
        )
        view.hu[near] = part
        return spread(near, np.maximum(cover(bounded, view.edge.pixel_mm), rim * (self.edema_mm > 1)), view.x.size)


@dataclass(kw_only=True)
class Intraventricular(Placed):
    """Blood in the ventricles: a level in the dependent horns, or a cast.

    Args:
        blood_hu: Density.
        level_mm: y behind which blood lies (the patient lies on the back).
        cast: The part that clotted instead; None for a level alone.
    """

    blood_hu: float
    level_mm: float
    cast: Blob | None

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Blood takes the place of ventricular CSF."""
        where = cover(view.y - self.level_mm, 2.0) * (view.z > 30)
        if self.cast is not None:
            where = np.maximum(where, cover(self.cast.inside(view.x, view.y, view.z), 2.0))
        share = (view.spaces.ventricle * where).astype(np.float32)
        mix(view.hu, share, self.blood_hu)
        return share
