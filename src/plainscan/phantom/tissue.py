"""From fields to Hounsfield units: what the head is made of at given points.

HU at 120 kV. Where sources give a range, the value lies in it and varies per patient. Partial volume does the rest.

=====================  ==========  =============================================================================
tissue                 HU          source
=====================  ==========  =============================================================================
air, water             -1000, 0    definition of the scale: Hounsfield, Br J Radiol 1973;46:1016
fat                    -100..-50   Buzug, Computed Tomography, Springer 2008, p. 475; Prokop, Spiral and
                                   Multislice Computed Tomography of the Body, Thieme 2003
white matter           20..30      the same
gray matter            37..45      the same; a little less on thick slices by partial volume with CSF
flowing blood          45..65      the same; proportional to hematocrit: New and Aronow, Radiology 1976;121:635
hematoma               40..90      the same two
bone, tables           700..3000   the same
cerebrospinal fluid    0..15       common tables; 15 is the upper end because of partial volume with brain
muscle                 35..55      common tables
diploe                 300..900    common tables for cancellous bone (300-400) and cortical bone, mixed
early infarct          -3..-8      1 % more water is about 2 HU less: Unger et al., AJNR 1988;9:687;
                                   Dzialowski et al., J Neuroimaging 2004;14:42
subdural, by age       see right   acute dense, subacute mostly like brain, chronic mostly below it: Scotti et al.,
                                   J Neurosurg 1977;47:311 (100 %, 70 %, 76 %)
physiological calcium  110..400    above blood, below bone: a choice, not a measurement
=====================  ==========  =============================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.phantom.atlas import F32, Numbers, cover, f32

AIR_HU: Final = -1000.0
FAT_HU: Final = -95.0
SKIN_HU: Final = 45.0
MUSCLE_HU: Final = 52.0
CSF_HU: Final = 6.0
DURA_HU: Final = 48.0
SINUS_HU: Final = 54.0
GLOBE_HU: Final = 12.0
LENS_HU: Final = 75.0


@dataclass(frozen=True, slots=True)
class Look:
    """What of one person's brain is a matter of degree rather than of shape.

    Args:
        sulcus_mm: Half-width of a sulcus at the surface.
        gap_mm: Width of the subarachnoid space under the calvaria.
        ventricle_mm: Distance by which the ventricular wall moves outward from the young adult's.
        white_hu: White matter.
        gray_hu: Gray matter.
        bone_hu: Tables of the skull.
        diploe_hu: Between the tables.
        sinus_mm: Radius of the transverse sinus on the patient's right and left.
    """

    sulcus_mm: float
    gap_mm: float
    ventricle_mm: float
    white_hu: float
    gray_hu: float
    bone_hu: float
    diploe_hu: float
    sinus_mm: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Edge:
    """How soft edges are on a plane: pixel size and, for surfaces level with the plane, the step between planes."""

    pixel_mm: float
    plane_mm: float


def mix(hu: F32, share: Numbers, value: float | Numbers) -> None:
    """Replace ``share`` of what is there by ``value``, in place."""
    hu += share * (value - hu)


def slab(distance: Numbers, half_mm: float | Numbers, pixel_mm: float) -> F32:
    """Share of a pixel covered by a sheet of half-width ``half_mm`` at ``distance``; right for sheets below a pixel."""
    upper = np.clip((half_mm - distance) / pixel_mm + 0.5, 0, 1)
    lower = np.clip((-half_mm - distance) / pixel_mm + 0.5, 0, 1)
    share: F32 = (upper - lower).astype(np.float32)
    return share


@dataclass(slots=True)
class BrainFields:
    """Fields at intracranial points, after mass effect; all (n,), float32, mm."""

    x: F32
    y: F32
    z: F32
    cavity: F32
    ventricle: F32
    sulcus: F32
    fissure: F32
    cistern: F32
    deep_gray: F32
    tentorium: F32
    infratentorial: F32
    hindbrain: F32
    brainstem: F32
    falx: F32
    depth: F32
    patchy: F32


@dataclass(slots=True)
class Spaces:
    """Shares of a pixel, (n,), float32: what paints the brain and what lesions ask for."""

    csf: F32
    ventricle: F32
    gray: F32
    supra: F32


def spaces(f: BrainFields, look: Look, edge: Edge) -> Spaces:
    """CSF, ventricles and gray matter at intracranial points."""
    px = edge.pixel_mm
    supra = cover(-f.infratentorial, px)
    ventricle = cover(f.ventricle + look.ventricle_mm * np.clip(1 + 0.04 * f.ventricle, 0.25, 1), px)
    ventricle *= 1 - 0.8 * slab(f.x, 0.5, px) * cover(f.z - 56, 3.0)  # septum pellucidum
    midline = np.where(f.falx > -1, np.abs(f.x), 99.0).astype(np.float32)
    surface = np.minimum(f.cavity - look.gap_mm, midline)
    reach = 15 + 4 * f.patchy
    half = look.sulcus_mm * np.clip(1.2 - surface / reach, 0, 1.3) * np.clip(1 + 0.45 * f.patchy, 0.1, 2)
    csf = slab(f.sulcus, half, px)
    csf = np.maximum(csf, cover(look.gap_mm * (1 + 0.4 * f.patchy) - f.cavity, px + 0.6))
    csf = np.maximum(csf, cover(0.5 + 0.8 * look.sulcus_mm - midline, px))
    csf = np.maximum(csf, cover(f.fissure + 0.35 + 1.3 * look.sulcus_mm * (1 + 0.4 * f.patchy), px))
    csf *= supra
    tissue = np.maximum(np.minimum(f.hindbrain, f.cavity - 0.6 - 0.5 * look.gap_mm), f.brainstem)
    tissue = np.minimum(tissue, f.cavity - 0.5)
    csf = np.maximum(csf, (1 - supra) * cover(-tissue, px + 0.5))
    csf = np.maximum(np.maximum(csf, cover(f.cistern + 0.5 * look.gap_mm, px)), ventricle)
    sheet = np.where(surface < reach + 2, np.abs(f.sulcus) - half, 99.0)
    ribbon = np.minimum(np.minimum(surface, sheet), -f.fissure - 1.5)
    gray = np.maximum(cover(3.0 - ribbon, px + 1.0), cover(f.deep_gray, px + 0.6))
    return Spaces(csf.astype(np.float32), ventricle, gray.astype(np.float32), supra)


def brain_hu(f: BrainFields, s: Spaces, look: Look, edge: Edge) -> F32:
    """HU of the healthy brain at intracranial points, (n,), float32."""
    px = edge.pixel_mm
    hu = look.white_hu + s.gray * (look.gray_hu - look.white_hu)
    folia = look.gray_hu - 2.5 + 1.6 * np.sin(f.hindbrain * 1.7 + 2 * f.patchy)
    stem = cover(f.brainstem + 1, 3.0)
    folia += stem * (look.white_hu + 4.0 - folia)
    hu += (1 - s.supra) * (folia - hu)
    hu += 0.5 * f.patchy
    mix(hu, s.csf, CSF_HU)
    _dura(hu, f, look, px)
    return hu.astype(np.float32)


def _dura(hu: F32, f: BrainFields, look: Look, px: float) -> None:
    """Falx, tentorium, venous sinuses, in place."""
    mix(hu, slab(f.x, 0.55, px) * cover(f.falx, 2.0) * cover(-f.infratentorial, 2.0), DURA_HU)
    leaf = (
        slab(f.infratentorial, 0.6, px) * cover(4 - np.abs(f.tentorium), 3.0) * cover(np.hypot(f.x, f.y - 9) - 19, 3.0)
    )
    mix(hu, leaf * 0.8, DURA_HU - 3)
    size = np.clip(2.5 + 0.05 * (f.y + 20), 1.5, 6.5)
    sagittal = size - f.cavity - 0.8 * np.abs(f.x)
    mix(hu, cover(np.minimum(sagittal, np.maximum(f.z - 24, 0) - 1), px + 0.5), SINUS_HU)
    radius = np.where(f.x < 0, look.sinus_mm[0], look.sinus_mm[1])
    transverse = radius - np.hypot(f.tentorium + 1, 0.7 * f.cavity)
    mix(hu, cover(np.minimum(transverse, f.y - 24), px + 0.5), SINUS_HU)
    straight = 2.2 - np.hypot(f.x, f.tentorium * 0.85)
    mix(hu, cover(np.minimum(straight, f.y - 33), px + 0.5), SINUS_HU - 4)
    basilar = 1.8 - np.hypot(f.x, f.y + 2.5 - 0.15 * (f.z - 10))
    mix(hu, cover(np.minimum(basilar, 14 - np.abs(f.z - 12)), px), 42.0)


@dataclass(slots=True)
class HeadFields:
    """Fields of skull and face at points, (n,), float32, mm; ``texture`` is a unit-variance random field."""

    x: F32
    y: F32
    z: F32
    skin: F32
    cavity: F32
    wall_mm: F32
    bones: F32
    sinus: F32
    airway: F32
    orbit: F32
    muscle: F32
    mastoid: F32
    texture: F32


def head_hu(f: HeadFields, look: Look, edge: Edge) -> F32:
    """HU of everything outside the brain; inside the cavity the value is only a stopgap. (n,), float32."""
    px = edge.pixel_mm
    level = f32(np.clip((f.z - 48) / 60, 0, 1) * edge.plane_mm)
    hu = np.full_like(f.skin, FAT_HU)
    hu += 12 * f.texture
    deep = np.clip((f.skin - 5) / 8, 0, 1) * np.clip((20 - f.z) / 20, 0, 1)
    mix(
        hu,
        np.maximum(cover(f.muscle, 2.5), cover(deep + 0.35 * f.texture - 0.62, 0.35)) * cover(f.skin - 3.0, 1.5),
        MUSCLE_HU + 6 * f.texture,
    )
    mix(hu, 0.55 * cover(0.10 - np.abs(f.texture - 0.5), 0.12) * deep, FAT_HU)
    mix(hu, cover(2.0 - f.skin, 1.0), SKIN_HU)
    _orbit(hu, f, px)
    _bone(hu, f, look, edge, level)
    _air(hu, f, px)
    mix(hu, cover(-f.skin, px + level), AIR_HU)
    return hu


def _bone(hu: F32, f: HeadFields, look: Look, edge: Edge, level: F32) -> None:
    px = edge.pixel_mm
    wall = f.cavity + f.wall_mm
    width = px + 0.7 * level
    across = np.clip(-f.cavity / f.wall_mm, 0, 1)
    marrow = np.clip(1.6 - 3.6 * np.abs(across - 0.5), 0, 1) * np.clip((f.wall_mm - 3.5) / 2.5, 0, 1)
    dense = look.bone_hu - marrow * (look.bone_hu - look.diploe_hu) + 60 * f.texture
    base = np.clip((22 - f.z) / 10, 0, 1)
    dense -= base * (260 * np.clip(f.texture + 0.3, -1, 1.5)) * np.clip(marrow + 0.3, 0, 1)
    mix(hu, cover(np.minimum(wall, -f.cavity), width), dense)
    mix(hu, cover(f.bones, px), look.bone_hu - 250 - np.clip(f.bones - 2.0, 0, 3) * 180)
    shell = slab(f.sinus, 0.75, px) * cover(f.skin - 3, 2.0)
    mix(
        hu,
        np.maximum(shell, 0.8 * slab(f.orbit + 0.8, 0.8, px) * cover(-f.y - 28, 2.0) * cover(f.skin - 5.0, 2.0)),
        look.bone_hu - 500,
    )


def _orbit(hu: F32, f: HeadFields, px: float) -> None:
    inside = cover(f.orbit, px)
    near = np.flatnonzero(f.orbit > -2)
    if near.size == 0:
        return
    mix(hu, inside, FAT_HU)
    ax, y, z = np.abs(f.x[near]), f.y[near], f.z[near]
    part = hu[near]
    along = np.clip((-y - 36) / 34, 0, 1)
    axis_x, axis_z = 13 + 19 * along, 8 - 5 * along
    nerve = 2.1 - np.hypot(ax - axis_x - 1.2 * np.sin(along * 3), z - axis_z)
    mix(part, cover(np.minimum(nerve, np.minimum(y + 73, -y - 38)), px), 38.0)
    spread = 2.0 + 11.5 * np.sin(np.clip(along * 1.15, 0, 1.1) * 1.5)
    for side_x, side_z in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        muscle = 1.7 - np.hypot(
            (ax - axis_x - side_x * spread) * (0.7 if side_z else 1),
            (z - axis_z - side_z * spread) * (0.7 if side_x else 1),
        )
        mix(part, cover(np.minimum(muscle, np.minimum(y + 80, -y - 42)), px), 45.0)
    globe = 12.0 - np.sqrt((ax - 33) ** 2 + (y + 77) ** 2 + (z - 3) ** 2)
    mix(part, cover(globe, px), GLOBE_HU)
    mix(part, slab(globe - 0.7, 0.8, px), 45.0)
    lens = 1 - np.sqrt(((ax - 33) / 4.4) ** 2 + ((y + 86) / 2.0) ** 2 + ((z - 3) / 4.4) ** 2)
    mix(part, cover(lens * 2.4, px), LENS_HU)
    hu[near] = part


def _air(hu: F32, f: HeadFields, px: float) -> None:
    mix(hu, cover(np.minimum(f.sinus - 0.7, f.skin - 2), px), AIR_HU)
    nose = np.flatnonzero((f.sinus > -1) & (np.abs(f.x) < 17))
    if nose.size:
        _septa(hu, f, nose, px)
    mix(hu, cover(f.airway, px), AIR_HU)
    cells = np.flatnonzero(f.mastoid > -1)
    if cells.size:
        x, y, z = f.x[cells], f.y[cells], f.z[cells]
        u, v, w = x + 0.6 * y, y - 0.5 * x + 0.4 * z, z + 0.5 * x
        texture = f.texture[cells]
        bubble = np.sin(u * 0.9 + texture) * np.sin(v * 0.8 + 1.3 * texture) * np.sin(w * 0.75) + 0.25 * texture
        open_ = cover(np.abs(bubble) - 0.22, 0.3) * cover(f.mastoid[cells], 1.5) * cover(-f.cavity[cells] - 1.5, 1.0)
        part = hu[cells]
        mix(part, open_ * 0.9, AIR_HU)
        hu[cells] = part


def _septa(hu: F32, f: HeadFields, nose: NDArray[np.intp], px: float) -> None:
    x, y, z = f.x[nose], f.y[nose], f.z[nose]
    part = hu[nose]
    cells = slab(np.abs(x) - 7.5 - 0.6 * np.sin(y * 0.6), 0.5, px) + slab(6 * np.sin(y * 0.42 + np.sign(x)), 0.9, px)
    mix(part, np.clip(cells, 0, 1) * cover(z + 8, 1.0) * cover(-y - 40, 2.0), 250.0)
    turbinate = 2.2 - np.abs(np.hypot((np.abs(x) - 7.5) * 1.1, (np.mod(z + 40, 11) - 5.5) * 0.8) - 2.6)
    low = cover(-10 - z, 2.0) * cover(28 - np.abs(y + 66), 2.0)
    mix(part, cover(np.minimum(turbinate, f.sinus[nose] + 1), px) * low, 40.0)
    mix(part, slab(x - 1.2 * np.sin(y * 0.05 + 1), 0.7, px) * cover(f.sinus[nose], 2.0), 180.0)
    hu[nose] = part
