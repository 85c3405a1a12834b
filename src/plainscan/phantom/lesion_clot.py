"""Blood within the brain: clots and contusions, petechiae, blood in the ventricles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from plainscan.phantom.atlas import F32, cover, f32
from plainscan.phantom.lesion import Blob, BrainView, Index, Placed, Vector, ball, sign, spread
from plainscan.phantom.lesion_hemorrhage import Mixture, paint
from plainscan.phantom.tissue import mix


@dataclass(kw_only=True)
class Intraparenchymal(Placed):
    """A clot in the brain with a rim of edema; only the clot belongs to its mask: a slice of edema shows no blood.

    Args:
        clot: Its shape.
        blood_hu: Density.
        edema_mm: Width of the rim.
        effect: Share of its volume that pushed tissue away.
        mixed: A second density.
        edema_hu: Fall in density within the rim.
    """

    clot: Blob
    blood_hu: float
    edema_mm: float
    effect: float = 0.7
    mixed: Mixture | None = None
    edema_hu: float = 9.0

    def push(self, x: F32, y: F32, z: F32) -> tuple[F32, F32, F32] | None:
        """Tissue makes room."""
        return self.clot.push(x, y, z, self.effect)

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Rim first, then the clot."""
        near = self.clot.near(view.x, view.y, view.z, max(self.edema_mm, view.edge.plane_mm / 2))
        if near.size == 0:
            return None
        x, y, z = view.x[near], view.y[near], view.z[near]
        inside = self.clot.inside(x, y, z)
        brain = 1 - view.spaces.csf[near] * (inside < 0)
        part = view.hu[near]
        rim = cover(inside + self.edema_mm, 2.0) * brain * (1 - 0.5 * view.spaces.gray[near])
        part -= self.edema_hu * rim
        value = f32(self.blood_hu + 2 * self.clot.shape(x, y, z))
        if self.mixed is not None:
            value = self.mixed.at(value, self.clot.shape, x, y, z, inside)
        within = cover(self._bound(view, near), view.edge.pixel_mm)
        mix(part, within * view.edge.filled(self.clot.inside, x, y, z, view.edge.pixel_mm + 0.4), value)
        view.hu[near] = part
        return spread(near, within * view.edge.filled(self.clot.inside, x, y, z), view.x.size)

    def _bound(self, view: BrainView, near: Index) -> F32:
        """Distance to what a clot does not cross: bone, the tentorium, the falx; mm, positive on its own side."""
        f = view.fields
        bound = f.cavity[near] - 0.5
        if self.site == "brainstem":
            return f32(bound)
        tentorium = f.infratentorial[near] if self.site == "cerebellum" else -f.infratentorial[near]
        bound = np.minimum(bound, tentorium - 0.5)
        if sign(self.side) and self.site != "cerebellum":
            bound = np.minimum(bound, np.where(f.falx[near] > -1, sign(self.side) * f.depth[near] - 0.5, 99))
        return f32(bound)


@dataclass(kw_only=True)
class Petechiae(Placed):
    """Several bleeds of a few millimeters, as shearing leaves them.

    Args:
        centers_mm: Their middles, (k, 3).
        radii_mm: (k,).
        blood_hu: Density before partial volume.
    """

    centers_mm: Vector
    radii_mm: Vector
    blood_hu: float

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Small balls; none in CSF."""
        total: F32 | None = None
        for center, radius in zip(self.centers_mm, self.radii_mm, strict=True):
            near = ball(view.x, view.y, view.z, center, float(radius) + 1 + view.edge.plane_mm / 2)
            if near.size:
                sphere = partial(_sphere, center=center.astype(np.float32), radius=np.float32(radius))
                x, y, z = view.x[near], view.y[near], view.z[near]
                share = view.edge.filled(sphere, x, y, z, view.edge.pixel_mm + 0.3)
                share = f32(share * cover(view.fields.cavity[near] - 1, 1.0) * (1 - view.spaces.csf[near]))
                filled = paint(view, near, share, self.blood_hu)
                total = filled if total is None else np.maximum(total, filled)
        return total


def _sphere(x: F32, y: F32, z: F32, center: F32, radius: np.float32) -> F32:
    return f32(radius - np.sqrt(np.square(x - center[0]) + np.square(y - center[1]) + np.square(z - center[2])))


@dataclass(kw_only=True)
class Intraventricular(Placed):
    """Blood in the ventricles: a level in the dependent horns, or a cast.

    Args:
        blood_hu: Density.
        level_mm: y behind which blood lies (the patient lies on the back).
        cast: The part that clotted instead; None for a level alone.
        one_sided: Whether the level is on ``side`` only.
    """

    blood_hu: float
    level_mm: float
    cast: Blob | None
    one_sided: bool = False

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Blood takes the place of ventricular CSF."""
        near = np.flatnonzero(view.spaces.ventricle > 0)
        if near.size == 0:
            return None
        x, y, z = view.x[near], view.y[near], view.z[near]
        where = cover(y - self.level_mm, 1.2) * (z > 30)
        if self.one_sided:
            where *= x * sign(self.side) > 2
        if self.cast is not None:
            where = np.maximum(where, cover(self.cast.inside(x, y, z), 2.0))
        return paint(view, near, f32(view.spaces.ventricle[near] * where), self.blood_hu)
