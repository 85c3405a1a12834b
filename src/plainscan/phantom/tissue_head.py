"""From fields to Hounsfield units outside the brain: scalp, muscle, fat, bone, orbits, air spaces.

HU follow the table in ``tissue``; what has no source there is a choice that looks right.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.phantom.atlas import F32, Numbers, cover, f32
from plainscan.phantom.tissue import AIR_HU, MUSCLE_HU, SKIN_HU, Edge, HeadFields, Look, mix, slab

GALEA_HU: Final = 42.0
FLUID_HU: Final = 22.0  # of a filled sinus: between water and thick mucus
CORONAL_V: Final = -24.0  # coronal and lambdoid suture on the average head, as in ``place.LOBES``
LAMBDOID_V: Final = 48.0


def head_hu(f: HeadFields, look: Look, edge: Edge) -> F32:
    """HU of everything outside the brain; inside the cavity the value is only a stopgap. (n,), float32."""
    px = edge.pixel_mm
    hu = f32(look.fat_hu + 10 * f.texture)
    _muscle(hu, f, look)
    if look.galea_mm:
        _galea(hu, f, look)
    mix(hu, cover(1.8 - f.skin, 1.0), SKIN_HU)
    _orbit(hu, f, look, px)
    _bone(hu, f, look, edge)
    _air(hu, f, look, px)
    mix(hu, cover(-f.skin, px + f.skin_rise * edge.plane_mm), AIR_HU)
    return hu


def _muscle(hu: F32, f: HeadFields, look: Look) -> None:
    """The named muscles, and strands of unnamed tissue between them deep in face and neck."""
    deep = np.clip((f.skin - 6) / 8, 0, 1) * np.clip((20 - f.w) / 20, 0, 1)
    strands = cover(deep * (0.35 + look.lean) + 0.3 * f.texture - 0.95, 0.3)
    flesh = np.maximum(cover(f.muscle + 1.5 * (look.lean - 0.5) + 0.4 * f.texture, 1.6), strands)
    mix(hu, flesh * cover(f.skin - 3.0, 1.5), look.muscle_hu + 4 * f.texture)


def _galea(hu: F32, f: HeadFields, look: Look) -> None:
    """The layer on the vault's outer table, of uneven thickness; it thins out toward the base."""
    outward = -f.cavity - f.wall_mm
    mix(hu, cover(look.galea_mm * (1 + 0.3 * f.texture) - outward, 1.0) * cover(f.w - 15, 8.0), GALEA_HU)


def _bone(hu: F32, f: HeadFields, look: Look, edge: Edge) -> None:
    px = edge.pixel_mm
    width = px + f.cavity_rise * edge.plane_mm
    across = np.clip(-f.cavity / np.maximum(f.wall_mm, 0.5), 0, 1)
    marrow = np.clip(1.6 - 3.6 * np.abs(across - 0.5), 0, 1) * np.clip((f.wall_mm - 3.0) / 2.5, 0, 1)
    dense = look.bone_hu - marrow * (look.bone_hu - look.diploe_hu) + 60 * f.texture
    base = np.clip((22 - f.w) / 10, 0, 1)
    dense -= base * (260 * np.clip(f.texture + 0.3, -1, 1.5)) * np.clip(marrow + 0.3, 0, 1)
    dense -= _sutures(f, look, px) * (dense - 45)
    vault = cover(f.cavity + f.wall_mm, width)
    vault -= cover(f.cavity, width)
    mix(hu, np.maximum(vault, 0, out=vault), dense)
    mix(hu, cover(f.bones, px), look.bone_hu - 250 - np.clip(f.bones - 2.0, 0, 3) * 180)
    shell = slab(f.sinus, 0.6, px) * cover(f.skin - 3, 2.0)
    rim = 0.8 * slab(f.orbit + 0.8, 0.8, px) * cover(-f.v - 28, 2.0) * cover(f.skin - 5.0, 2.0)
    mix(hu, np.maximum(shell, rim), 0.6 * look.bone_hu)


def _sutures(f: HeadFields, look: Look, px: float) -> F32:
    """Share of a pixel in an open suture or fontanelle of the calvaria; they wander and slant with depth."""
    wander = 1.5 * f.texture + 0.3 * f.cavity
    half = look.suture_mm / 2
    sagittal = slab(f.u + wander, half, px) * cover(f.v - CORONAL_V, 2.0) * cover(LAMBDOID_V + 20 - f.v, 2.0)
    coronal = slab(f.v - CORONAL_V + 0.35 * (f.w - 90) + wander, half, px)
    lambdoid = slab(f.v - LAMBDOID_V - 0.45 * (90 - f.w) + wander, half, px)
    open_ = np.maximum(np.maximum(sagittal * cover(f.w - 70, 2.0), coronal), lambdoid) * cover(f.w - 25, 5.0)
    if look.fontanelle_mm:
        diamond = look.fontanelle_mm - np.abs(f.u) - np.abs(f.v - CORONAL_V + 8)
        open_ = np.maximum(open_, cover(diamond, px + 1) * cover(f.w - 80, 3.0))
    return f32(open_)


def _orbit(hu: F32, f: HeadFields, look: Look, px: float) -> None:
    inside = cover(f.orbit, px)
    near = np.flatnonzero(f.orbit > -2)
    if near.size == 0:
        return
    mix(hu, inside, look.fat_hu)
    ax, y, z = np.abs(f.u[near]), f.v[near], f.w[near]
    left = f.u[near] > 0
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
    mix(part, cover(globe, px), np.where(left, look.globe_hu[1], look.globe_hu[0]))
    mix(part, slab(globe - 0.7, 0.8, px), 45.0)
    lens = 1 - np.sqrt(((ax - 33) / 4.4) ** 2 + ((y + 86) / 2.0) ** 2 + ((z - 3) / 4.4) ** 2)
    mix(part, cover(lens * 2.4, px), np.where(left, look.lens_hu[1], look.lens_hu[0]))
    hu[near] = part


def _air(hu: F32, f: HeadFields, look: Look, px: float) -> None:
    near = np.flatnonzero(f.sinus > -1)
    if near.size:
        part = hu[near]
        inside = np.minimum(f.sinus[near] - 0.6, f.skin[near] - 2)
        mix(part, cover(inside, px), _content(f, near, look, inside))
        hu[near] = part
    nose = near[np.abs(f.u[near]) < 17]
    if nose.size:
        _septa(hu, f, nose, px)
    mix(hu, cover(f.airway, px), AIR_HU)
    cells = np.flatnonzero(f.mastoid > -1)
    if cells.size:
        _cells(hu, f, cells)


def _content(f: HeadFields, near: NDArray[np.intp], look: Look, inside: F32) -> Numbers | float:
    """Air, fluid that lies at the back of a sinus (the patient lies supine), or a thick lining."""
    if not (any(look.filled) or look.mucosa_mm):
        return AIR_HU
    u, v, w = f.u[near], f.v[near], f.w[near]
    where = np.where(u > 0, 1, 0)  # maxillary, right and left
    where = np.where((w > -8) & (v < -36), 2, where)
    where = np.where((w > -8) & (v >= -36), 3, where)
    where = np.where((w > 8) & (v < -70), 4, where)
    front = np.array([-82.0, -82.0, -84.0, -37.0, -93.0])[where]
    depth = np.array([36.0, 36.0, 46.0, 26.0, 11.0])[where]
    share = np.array(look.filled)[where]
    nose = (np.abs(u) < 13) & (w < -8)
    wet = cover(v - front - (1 - share) * depth, 1.0) * (share > 0) * ~nose
    wet = np.maximum(
        wet, cover(look.mucosa_mm * (1 + 0.5 * f.texture[near]) - inside - 0.5, 1.0) * (look.mucosa_mm > 0)
    )
    return f32(AIR_HU + wet * (FLUID_HU - AIR_HU))


def _cells(hu: F32, f: HeadFields, cells: NDArray[np.intp]) -> None:
    x, y, z = f.u[cells], f.v[cells], f.w[cells]
    u, v, w = x + 0.6 * y, y - 0.5 * x + 0.4 * z, z + 0.5 * x
    texture = f.texture[cells]
    bubble = np.sin(u * 0.9 + texture) * np.sin(v * 0.8 + 1.3 * texture) * np.sin(w * 0.75) + 0.25 * texture
    open_ = cover(np.abs(bubble) - 0.22, 0.3) * cover(f.mastoid[cells], 1.5) * cover(-f.cavity[cells] - 1.5, 1.0)
    part = hu[cells]
    mix(part, open_ * 0.9, AIR_HU)
    hu[cells] = part


def _septa(hu: F32, f: HeadFields, nose: NDArray[np.intp], px: float) -> None:
    """Walls of the ethmoid cells, conchae of the nose and its septum."""
    x, y, z = f.u[nose], f.v[nose], f.w[nose]
    part = hu[nose]
    cells = slab(np.abs(x) - 7.5 - 0.6 * np.sin(y * 0.6), 0.5, px) + slab(6 * np.sin(y * 0.42 + np.sign(x)), 0.9, px)
    mix(part, np.clip(cells, 0, 1) * cover(z + 8, 1.0) * cover(-y - 40, 2.0), 250.0)
    middle = np.abs(np.abs(x) - 6.0 - 0.8 * np.sin(0.11 * y + 0.3 * z)) + 0.35 * np.abs(np.mod(z + 41, 12) - 6)
    low = cover(-9 - z, 2.0) * cover(25 - np.abs(y + 64), 3.0)
    mix(part, cover(np.minimum(3.4 - middle, f.sinus[nose] + 1), px) * low, MUSCLE_HU - 8)
    mix(part, slab(x - 1.2 * np.sin(y * 0.05 + 1), 1.0, px) * cover(f.sinus[nose], 2.0), 130.0)
    hu[nose] = part
