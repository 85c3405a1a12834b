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

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from plainscan.phantom.atlas import F32, Numbers, cover, ellipsoid

AIR_HU: Final = -1000.0
FAT_HU: Final = -95.0
SKIN_HU: Final = 45.0
MUSCLE_HU: Final = 52.0
CSF_HU: Final = 6.0
DURA_HU: Final = 48.0
SINUS_HU: Final = 54.0
GLOBE_HU: Final = 12.0
LENS_HU: Final = 75.0
_SOLID_STEP_MM: Final = 2.5  # a small solid is looked at this often through the thickness of a plane
NO_FLUID: Final = (0.0, 0.0, 0.0, 0.0, 0.0)


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
        csf_hu: Cerebrospinal fluid.
        blood_hu: Venous sinuses and the basilar artery.
        fat_hu: Fat under the skin and between muscles.
        muscle_hu: Muscle.
        lean: Share of the neck that is muscle rather than fat, 0 to 1.
        ventricle_skew_mm: By how much more the left lateral ventricle is wide than the right one.
        cavum_mm: Half-width of a cavum of the septum pellucidum; 0 is none.
        leukoaraiosis: Low density of white matter around the ventricles, 0 to 1.
        cisterna_mm: By how much the cisterns are wider than usual.
        folia_hu: Contrast of the cerebellum's folia.
        rim_hu: By how much brain beside bone is brighter: what beam hardening and scatter leave uncorrected.
        rim_mm: How deep that reaches.
        base_hu: By how much brain at the skull base is brighter for the same reason.
        suture_mm: Width of the cranial sutures.
        fontanelle_mm: Radius of the anterior fontanelle; 0 when closed.
        filled: Share of the maxillary sinuses (right, left), ethmoid cells, sphenoid and frontal sinus full of fluid.
        mucosa_mm: Thickness of their lining.
        lens_hu: Lens of the right and left eye; near ``globe_hu`` after removal.
        globe_hu: Inside the eyes.
        galea_mm: Tendon and loose tissue between the vault's bone and the scalp's fat; thick when swollen.
    """

    sulcus_mm: float
    gap_mm: float
    ventricle_mm: float
    white_hu: float
    gray_hu: float
    bone_hu: float
    diploe_hu: float
    sinus_mm: tuple[float, float]
    csf_hu: float = CSF_HU
    blood_hu: float = SINUS_HU
    fat_hu: float = FAT_HU
    muscle_hu: float = MUSCLE_HU
    lean: float = 0.5
    ventricle_skew_mm: float = 0.0
    cavum_mm: float = 0.0
    leukoaraiosis: float = 0.0
    cisterna_mm: float = 0.0
    folia_hu: float = 3.0
    rim_hu: float = 8.0
    rim_mm: float = 7.0
    base_hu: float = 5.0
    suture_mm: float = 0.3
    fontanelle_mm: float = 0.0
    filled: tuple[float, float, float, float, float] = NO_FLUID
    mucosa_mm: float = 0.0
    lens_hu: tuple[float, float] = (LENS_HU, LENS_HU)
    globe_hu: tuple[float, float] = (GLOBE_HU, GLOBE_HU)
    galea_mm: float = 0.0


@dataclass(frozen=True, slots=True)
class Edge:
    """How soft edges are on a plane.

    Args:
        pixel_mm: Size of a pixel.
        plane_mm: The step between planes, for surfaces level with them.
        normal: Unit vector across the planes, in head coordinates.
        blur_mm: Standard deviation of the scanner's point spread, which comes later: what it will hide is in no mask.
    """

    pixel_mm: float
    plane_mm: float
    normal: tuple[float, float, float] = (0.0, 0.0, 1.0)
    blur_mm: float = 0.0

    @property
    def seen_mm(self) -> float:
        """Thinner than this, blood along bone or dura is lost in their edge: a choice by looking."""
        return 1.5 + 1.2 * self.blur_mm

    def filled(
        self, inside: Callable[[F32, F32, F32], F32], x: F32, y: F32, z: F32, soft_mm: float | None = None
    ) -> F32:
        """Share of each pixel that a small solid fills through the thickness of the plane, (n,), float32, [0, 1].

        Args:
            inside: Signed distance at points, mm, positive inside.
            x: Points on the plane's middle, as y and z, (n,), float32, mm.
            y: The same.
            z: The same.
            soft_mm: Width of the solid's edge in the plane; that of a pixel when not given.
        """
        count = max(1, math.ceil(self.plane_mm / _SOLID_STEP_MM))
        total = np.zeros(x.shape, np.float32)
        for i in range(count):
            away = np.float32(((i + 0.5) / count - 0.5) * self.plane_mm)
            dx, dy, dz = (away * np.float32(part) for part in self.normal)
            total += cover(inside(x + dx, y + dy, z + dz), soft_mm or self.pixel_mm)
        return total / np.float32(count)


def mix(hu: F32, share: Numbers, value: float | Numbers) -> None:
    """Replace ``share`` of what is there by ``value``, in place."""
    hu += share * (value - hu)


def slab(distance: Numbers, half_mm: float | Numbers, pixel_mm: float | Numbers) -> F32:
    """Share of a pixel covered by a sheet of half-width ``half_mm`` at ``distance``; right for sheets below a pixel."""
    share = cover(half_mm - distance, pixel_mm)
    share -= cover(-half_mm - distance, pixel_mm)
    return share


@dataclass(slots=True)
class BrainFields:
    """Fields at intracranial points, after mass effect; all (n,), float32, mm.

    ``..._rise`` is by how much a field changes per mm of height: edges that lie level with a plane are soft.
    """

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
    ventricle_rise: F32
    sulcus_rise: F32
    cavity_rise: F32


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
    wider = look.ventricle_mm + look.ventricle_skew_mm * np.clip(f.depth / 6, -1, 1)
    soft = px + f.ventricle_rise * edge.plane_mm
    ventricle = cover(f.ventricle + wider * np.clip(1 + 0.04 * f.ventricle, 0.25, 1), soft)
    septum = slab(np.abs(f.x) - look.cavum_mm, 0.5, px) if look.cavum_mm else slab(f.x, 0.5, px)
    if look.cavum_mm:
        cavum = ellipsoid(f.x, f.y, f.z, (0, -10, 60), (look.cavum_mm, 22, 9))
        ventricle = np.maximum(ventricle, cover(cavum, px))
    ventricle *= 1 - 0.8 * septum * cover(f.z - 56, 3.0)  # septum pellucidum
    midline = np.where(f.falx > -1, np.abs(f.x), 99.0).astype(np.float32)
    surface = np.minimum(f.cavity - look.gap_mm, midline)
    reach = 17 + 4 * f.patchy
    half = look.sulcus_mm * np.clip(1.2 - surface / reach, 0, 1.3) * np.clip(1 + 0.3 * f.patchy, 0.2, 2)
    csf = slab(f.sulcus, half, px + f.sulcus_rise * edge.plane_mm)
    csf = np.maximum(csf, cover(look.gap_mm * (1 + 0.4 * f.patchy) - f.cavity, px + 0.6))
    csf = np.maximum(csf, cover(0.5 + 0.8 * look.sulcus_mm - midline, px))
    gap = 0.35 + 1.3 * look.sulcus_mm * (1 + 0.4 * f.patchy)
    csf = np.maximum(csf, slab(f.fissure, gap, px + 0.5 * edge.plane_mm))  # it slants, so thick planes blur it
    csf *= supra
    tissue = np.maximum(np.minimum(f.hindbrain, f.cavity - 0.6 - 0.5 * look.gap_mm), f.brainstem)
    tissue = np.minimum(tissue, f.cavity - 0.5)
    csf = np.maximum(csf, (1 - supra) * cover(-tissue, px + 0.5))
    csf = np.maximum(np.maximum(csf, cover(f.cistern + 0.5 * look.gap_mm + look.cisterna_mm, px)), ventricle)
    sheet = np.where(surface < reach + 2, np.abs(f.sulcus) - half, 99.0)
    ribbon = np.minimum(np.minimum(surface, sheet), -f.fissure - 1.5)
    gray = np.maximum(cover(3.0 - ribbon, px + 1.5 + 0.5 * f.sulcus_rise * edge.plane_mm), cover(f.deep_gray, px + 0.6))
    return Spaces(csf.astype(np.float32), ventricle, gray.astype(np.float32), supra)


def inside_share(f: BrainFields, edge: Edge) -> F32:
    """Share of a pixel inside the inner table, (n,), float32; the rest of it is bone."""
    return cover(f.cavity, edge.pixel_mm + f.cavity_rise * edge.plane_mm)


def brain_hu(f: BrainFields, s: Spaces, look: Look, edge: Edge) -> F32:
    """HU of the healthy brain at intracranial points, before ``bone_light``, (n,), float32."""
    px = edge.pixel_mm
    hu = look.white_hu + s.gray * (look.gray_hu - look.white_hu)
    folia = look.gray_hu - 2.5 + 0.5 * look.folia_hu * np.sin(f.hindbrain * 1.7 + 2 * f.patchy)
    folia -= 9 * look.sulcus_mm * np.clip(np.sin(f.hindbrain * 1.1 + 2.5 * f.patchy) - 0.4, 0, 1)
    stem = cover(f.brainstem + 1, 3.0)
    folia += stem * (look.white_hu + 4.0 - folia)
    hu += (1 - s.supra) * (folia - hu)
    hu += 0.5 * f.patchy
    if look.leukoaraiosis:
        around = np.clip(1 + (f.ventricle + look.ventricle_mm) / (7 + 9 * look.leukoaraiosis + 3 * f.patchy), 0, 1)
        hu -= 11 * look.leukoaraiosis * around * (1 - s.gray) * s.supra
    mix(hu, s.csf, look.csf_hu)
    _dura(hu, f, look, px)
    return hu.astype(np.float32)


def bone_light(f: BrainFields, look: Look) -> F32:
    """By how much everything beside bone is brighter, brain and blood alike, (n,), float32, HU.

    What beam hardening and scatter leave uncorrected; ``f`` before extra-axial blood moves the brain's surface.
    """
    light = look.rim_hu * np.exp(np.maximum(f.cavity, 0) * np.float32(-1 / look.rim_mm))
    light += look.base_hu * np.clip((30 - f.z) / 30, 0, 1)
    return light.astype(np.float32)


def _dura(hu: F32, f: BrainFields, look: Look, px: float) -> None:
    """Falx, tentorium, venous sinuses, in place."""
    mix(hu, slab(f.x, 0.55, px) * cover(f.falx, 2.0) * cover(-f.infratentorial, 2.0), DURA_HU)
    leaf = (
        slab(f.infratentorial, 0.6, px) * cover(4 - np.abs(f.tentorium), 3.0) * cover(np.hypot(f.x, f.y - 9) - 19, 3.0)
    )
    mix(hu, leaf * 0.6, DURA_HU - 3)
    size = np.clip(2.5 + 0.05 * (f.y + 20), 1.5, 6.5)
    sagittal = size - f.cavity - 0.8 * np.abs(f.x)
    mix(hu, cover(np.minimum(sagittal, np.maximum(f.z - 24, 0) - 1), px + 0.5), look.blood_hu)
    radius = np.where(f.x < 0, look.sinus_mm[0], look.sinus_mm[1])
    transverse = radius - np.hypot(f.tentorium + 1, 0.7 * f.cavity)
    mix(hu, cover(np.minimum(transverse, f.y - 24), px + 0.5), look.blood_hu)
    straight = 2.2 - np.hypot(f.x, f.tentorium * 0.85)
    mix(hu, cover(np.minimum(straight, f.y - 33), px + 0.5), look.blood_hu - 4)
    basilar = 1.8 - np.hypot(f.x, f.y + 2.5 - 0.15 * (f.z - 10))
    mix(hu, cover(np.minimum(basilar, 14 - np.abs(f.z - 12)), px), look.blood_hu - 10)


@dataclass(slots=True)
class HeadFields:
    """Fields of skull and face at points, (n,), float32, mm.

    ``texture`` is a unit-variance random field; u, v, w are the points carried into the average head.
    """

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
    skin_rise: F32
    cavity_rise: F32
    u: F32
    v: F32
    w: F32
