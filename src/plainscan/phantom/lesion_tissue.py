"""Infarcts, masses, lacunes: what is wrong within the brain and is not blood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plainscan.phantom.atlas import F32, cover, f32
from plainscan.phantom.lesion import Blob, BrainView, Placed, spread
from plainscan.phantom.lesion_hemorrhage import paint
from plainscan.phantom.tissue import BrainFields, mix


@dataclass(kw_only=True)
class EarlyInfarct(Placed):
    """Swelling without much else: gray matter loses its lead over white, sulci close.

    Args:
        territory: Its extent.
        water_hu: Fall in density, 3 to 8.
        swelling_mm: By how much sulci narrow.
    """

    territory: Blob
    water_hu: float
    swelling_mm: float

    def change_brain(self, f: BrainFields, x: F32, y: F32, z: F32) -> None:
        """Sulci in the territory close."""
        near = self.territory.near(x, y, z)
        if near.size == 0:
            return
        share = cover(self.territory.inside(x[near], y[near], z[near]), 6.0)
        f.sulcus[near] += np.sign(f.sulcus[near]) * self.swelling_mm * share
        f.fissure[near] -= self.swelling_mm * share

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Gray matter falls by the full amount, white matter by less than half."""
        near = self.territory.near(view.x, view.y, view.z)
        if near.size == 0:
            return None
        inside = self.territory.inside(view.x[near], view.y[near], view.z[near])
        tissue = 1 - view.spaces.csf[near]
        share = cover(inside, 5.0) * tissue
        view.hu[near] -= share * self.water_hu * (0.45 + 0.55 * view.spaces.gray[near])
        return spread(near, cover(inside, 5.0) * (0.3 + 0.7 * tissue), view.x.size)


@dataclass(kw_only=True)
class DenseArtery(Placed):
    """A clot in the middle cerebral or the basilar artery, the earliest sign of an infarct.

    Args:
        blood_hu: Clot; above 43 and above the other side (Koo et al., AJNR 2000;21:1855, recalled, not looked up).
        radius_mm: Of the vessel.
    """

    blood_hu: float
    radius_mm: float

    def paint_brain(self, view: BrainView) -> F32 | None:
        """The core of the cistern in which the vessel runs."""
        f = view.fields
        near = np.flatnonzero((np.abs(view.z - 24) < 16) & (np.abs(f.y + 10) < 18))
        if near.size == 0:
            return None
        x, y = f.x[near], f.y[near]
        if self.site == "brainstem":
            off = np.hypot(x, y + 2.5 - 0.15 * (f.z[near] - 10))
            inside = np.minimum(self.radius_mm - off, 14 - abs(f.z[near] - 12))
        else:
            across = x if self.side == "left" else -x
            arm = f.cistern[near] - 2.6 + self.radius_mm  # the cistern's arm has a half-width of 2.2 to 3
            inside = np.minimum(np.minimum(arm, across - 9), 27 - across)
        return paint(view, near, cover(f32(inside), view.edge.pixel_mm), self.blood_hu)


@dataclass(kw_only=True)
class Cavity(Placed):
    """A defect near CSF density: a late infarct or an old lacune.

    Args:
        defect: Its extent.
        fluid_hu: Density.
        border_mm: Softness of its edge (gliosis).
        pial: Whether cortex and sulci lie in it, so that it reaches the brain's surface.
    """

    defect: Blob
    fluid_hu: float
    border_mm: float
    pial: bool

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Tissue is replaced by fluid."""
        near = self.defect.near(view.x, view.y, view.z)
        if near.size == 0:
            return None
        inside = self.defect.inside(view.x[near], view.y[near], view.z[near])
        if self.pial:  # the deep end narrows: a wedge with its base at the surface
            inside = np.minimum(inside, 26 - 0.9 * view.fields.cavity[near])
        tissue = 1 - 0.6 * view.spaces.csf[near]
        share = (cover(inside, view.edge.pixel_mm + self.border_mm)).astype(np.float32)
        part = view.hu[near]
        mix(part, share * 0.95, np.minimum(self.fluid_hu + 3 * view.spaces.gray[near], part))
        view.hu[near] = part
        return spread(near, share * tissue, view.x.size)


@dataclass(kw_only=True)
class Mass(Placed):
    """A tumor with vasogenic edema in the white matter around it; both belong to its mask.

    Args:
        tumor: Its shape.
        solid_hu: Of solid tissue.
        core_hu: Of the middle; equal to ``solid_hu`` when there is no necrosis.
        rim_mm: Thickness of the solid rim.
        edema_mm: Reach of the edema.
        edema_hu: Fall in density.
        calcified: Whether it holds specks of calcium.
        bleed_hu: Density of blood in parts of it; 0 for none.
    """

    tumor: Blob
    solid_hu: float
    core_hu: float
    rim_mm: float
    edema_mm: float
    edema_hu: float
    calcified: bool
    bleed_hu: float = 0.0

    def push(self, x: F32, y: F32, z: F32) -> tuple[F32, F32, F32] | None:
        """Tissue makes room, for the edema too."""
        return self.tumor.push(x, y, z, 0.8)

    def change_brain(self, f: BrainFields, x: F32, y: F32, z: F32) -> None:
        """Sulci around it close."""
        near = self.tumor.near(x, y, z, self.edema_mm)
        if near.size == 0:
            return
        share = cover(self.tumor.inside(x[near], y[near], z[near]) + self.edema_mm, 8.0)
        f.sulcus[near] += np.sign(f.sulcus[near]) * 0.6 * share

    def paint_brain(self, view: BrainView) -> F32 | None:
        """Edema first, then the tumor."""
        near = self.tumor.near(view.x, view.y, view.z, max(self.edema_mm, view.edge.plane_mm / 2))
        if near.size == 0:
            return None
        inside = self.tumor.inside(view.x[near], view.y[near], view.z[near])
        fringe = inside + self.edema_mm * (0.75 + 0.25 * view.fields.patchy[near])
        edema = cover(fringe, 3.0) * (1 - view.spaces.csf[near]) * (1 - 0.9 * view.spaces.gray[near])
        part = view.hu[near]
        part -= self.edema_hu * edema
        place = view.x[near], view.y[near], view.z[near]
        body = view.edge.filled(self.tumor.inside, *place, view.edge.pixel_mm + 0.6)
        body *= cover(view.fields.cavity[near] - 0.8, view.edge.pixel_mm)
        core = cover(inside - self.rim_mm, 2.0)
        value = self.solid_hu + core * (self.core_hu - self.solid_hu)
        if self.bleed_hu:
            fine = self.tumor.shape(*(1.6 * v[near] for v in (view.x, view.y, view.z)))
            value = value + cover(fine - 0.35, 0.4) * (self.bleed_hu - value)
        if self.calcified:
            value = value + 120 * np.clip(
                self.tumor.shape(*(3 * v[near] for v in (view.x, view.y, view.z))) - 0.9, 0, 1
            )
        mix(part, body, value.astype(np.float32))
        view.hu[near] = part
        return spread(near, np.maximum(body, edema), view.x.size)
