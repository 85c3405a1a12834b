"""Skull, face and neck as fields of head coordinates.

Landmarks stand in millimetres in the frame of the orbitomeatal line: z = 0 at the ear canal, y = 0 at the ear
canal, x = 0 in the midline. They follow an adult of average size (head about 190 x 150 mm, ear canal to vertex
about 125 mm) and are warped per patient.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d

from plainscan.phantom.atlas import (
    F32,
    FAR_MM,
    Atlas,
    Grid,
    build,
    ellipsoid,
    f32,
    gauss,
    normalized,
    smooth_max,
    smooth_min,
    tube,
)

HEAD_GRID: Final = Grid((-92.0, -125.0, -110.0), 2.5, (75, 94, 99))
HEAD_FIELDS: Final = (
    "skin",
    "cavity",
    "wall_mm",
    "bones",
    "sinus",
    "airway",
    "orbit",
    "muscle",
    "mastoid",
    "texture",
    "skin_rise",
    "cavity_rise",
    "u",
    "v",
    "w",
)
AVERAGE_FIELDS: Final = (
    "body",
    "ear",
    "cranium",
    "cavity",
    "wall_share",
    "wall_base",
    "bones",
    "sinus",
    "frontal",
    "airway",
    "orbit",
    "muscle",
    "mastoid",
    "temporal",
    "skin_rise",
    "cavity_rise",
)


@cache
def average_head() -> Atlas:
    """The average head, ``AVERAGE_FIELDS``: made once per process; what differs per person comes on top of it.

    ``body`` is face and neck, ``cranium`` the distance to the calvaria's inner table; the wall is ``wall_base`` +
    calvarial thickness x ``wall_share`` mm thick.
    """
    x, y, z = (np.ascontiguousarray(axis) for axis in np.broadcast_arrays(*HEAD_GRID.axes()))
    step = HEAD_GRID.step_mm
    share, base = wall(x, y, z)
    cranium, inner = normalized(calvaria(x, y, z), step, 0.006), cavity(x, y, z, step)
    fields = {
        "body": body(x, y, z),
        "ear": ellipsoid(np.abs(x) - 0.45 * (y - 4), y, z, (72, 10, 2), (3.2, 15, 27)),
        "cranium": cranium,
        "cavity": inner,
        "wall_share": share,
        "wall_base": base,
        "bones": bones(x, y, z),
        "sinus": sinuses(x, y, z),
        "frontal": ellipsoid(np.abs(x), y, z, (11, -87, 24), (11, 4.5, 12)),
        "airway": airway(x, y, z),
        "orbit": orbit(x, y, z),
        "muscle": muscles(x, y, z),
        "mastoid": mastoid_cells(x, y, z),
        "temporal": gauss(y + 32, 24) * gauss(z - 14, 22) * np.clip(np.abs(x) / 60, 0, 1),
        "skin_rise": np.clip(np.abs(np.gradient(cranium, step, axis=2)), 0, 1) * np.clip(z / 20, 0, 1),
        "cavity_rise": np.clip(np.abs(np.gradient(inner, step, axis=2)), 0, 1),
    }
    return build(HEAD_GRID, [fields[name] for name in AVERAGE_FIELDS])


def calvaria(x: F32, y: F32, z: F32) -> F32:
    """Implicit function of the inner table above the skull base: positive inside, about 1 in the middle."""
    wide = 64.0 * (1 + 0.09 * np.tanh((y - 5) / 38) - 0.07 * gauss(y + 58, 16) * gauss(z - 30, 26))
    wide = wide * (1 - 0.05 * np.clip((20 - z) / 40, 0, 1))
    front_back = np.where(y > -4, 80.0 - 7.0 * np.clip((26 - z) / 40, 0, 1), 77.0)
    flat = (np.abs(x / wide) ** 2.35 + np.abs((y + 4) / front_back) ** 2.35) ** (2 / 2.35)
    high = np.where(z > 42, 72.0, 135.0)
    return f32(1 - flat - ((z - 42) / high) ** 2)


def floor_height(x: F32, y: F32) -> F32:
    """Height of the skull base above the ear canal, mm, over (x, y): three fossae, sella, clivus, petrous ridges."""
    ax = np.abs(x)
    ridge_y = -10 + 0.56 * ax  # petrous ridge, apex to sigmoid
    wing_y = -24 - 0.28 * ax  # lesser wing of the sphenoid
    front = 15 + 14 * gauss(ax - 29, 13) * gauss(y + 56, 16) - 6 * gauss(ax, 8) * gauss(y + 60, 18)
    front = front + 9 * np.clip((-y - 74) / 12, 0, 1.5)
    middle = -5 + 29 / (1 + np.exp((ax - 19) / 2.2)) + 8 * np.clip((ax - 50) / 12, 0, 1) ** 2
    middle = middle - 7 * gauss(ax, 7) * gauss(y + 19, 4.5) + 3 * gauss(ax, 9) * gauss(y + 10, 2.5)
    behind = (y - ridge_y) * 0.87
    crest = 15 + 3 * gauss(ax - 34, 14)
    back = -24 + 42 * np.clip((y - 34) / 46, 0, 1.2) ** 2 + 12 * np.clip((ax - 18) / 40, 0, 1) ** 2
    back = np.maximum(back, crest - 2.4 * np.clip(behind, 0, None))
    clivus = 26 - 3.9 * (y + 9)
    back = np.where(ax < 15, np.maximum(back * 0 - 24 + 42 * np.clip((y - 34) / 46, 0, 1.2) ** 2, clivus), back)
    canal = np.clip(1.1 - np.hypot(ax / 14, (y - 19) / 16), 0, 1)
    back = back - 400 * canal
    floor = np.where(
        y > ridge_y, back, np.where(y > wing_y, np.maximum(middle, crest - 2.1 * np.clip(-behind, 0, 30)), front)
    )
    wing = 24 - 1.9 * np.abs(y - wing_y)
    return f32(np.maximum(floor, np.where((ax < 56) & (y <= ridge_y), wing, -900.0)))


def wall(x: F32, y: F32, z: F32) -> tuple[F32, F32]:
    """Thickness of the bone around the cavity: thin at temple and orbital roof, thick at the petrous bone.

    Returns:
        Share of the calvarial thickness that holds at each point, and what the skull base adds, mm.
    """
    ax = np.abs(x)
    share = (
        1
        + 0.35 * gauss(y - 78, 14) * gauss(z - 25, 18)
        - 0.4 * gauss(ax - 62, 12) * gauss(y + 12, 26) * gauss(z - 25, 18)
    )
    share = share * (1 + 0.25 * gauss(y + 82, 12) * gauss(ax, 22))
    low = np.clip((24 - z) / 8, 0, 1)
    base = 4.5 + 9 * gauss(ax - 34, 16) * gauss(y - (-8 + 0.5 * ax), 9) + 10 * gauss(ax, 14) * gauss(y + 10, 14)
    base = base - 3.4 * gauss(ax - 28, 20) * gauss(y + 54, 22)
    return f32(share * (1 - low)), f32(low * base)


def cavity(x: F32, y: F32, z: F32, step_mm: float) -> F32:
    """Signed distance to the inner table and base, mm, positive inside."""
    upper = normalized(calvaria(x, y, z), step_mm, 0.006)
    floor = gaussian_filter1d(gaussian_filter1d(floor_height(x, y), 0.8, axis=0), 0.8, axis=1)
    slope = sum(np.square(part) for part in np.gradient(floor, np.float32(step_mm), axis=(0, 1)))
    lower = (z - floor) / np.sqrt(1 + np.minimum(slope, 16.0))
    canal = 12 + np.clip((z + 27) * 2.5, 0, 400) - np.hypot(x, 1.05 * (y - 19))
    return f32(np.minimum(smooth_min(upper, lower.astype(np.float32), 3.0), canal))


def body(x: F32, y: F32, z: F32) -> F32:
    """Signed distance to the skin of face, nose, lids and neck."""
    ax = np.abs(x)
    face = ellipsoid(ax, y, z, (0, -42, -38), (63, 55, 84))
    jaw = ellipsoid(ax, y, z, (0, -30, -62), (60, 58, 62))
    round_ = np.sqrt((ax / 60.0) ** 2 + ((y - 14) / 58) ** 2)
    neck = np.minimum((1 - round_) * 58, (4 - z) * 0.9).astype(np.float32)
    whole = smooth_max(smooth_max(face, jaw, 10.0), neck, 16.0)
    nose = ellipsoid(ax, y, z, (0, -96, -24), (13, 17, 20))
    bridge = tube(ax, y, z, (((0, -90, 6), 8.0), ((0, -102, -26), 8.0)))
    whole = smooth_max(whole, np.maximum(nose, bridge), 6.0)
    lid = ellipsoid(ax, y, z, (33, -84, 2), (17, 8, 13))
    return smooth_max(whole, lid, 5.0)


def bones(x: F32, y: F32, z: F32) -> F32:
    """Signed distance to the bones that are not the wall of the cavity: face, jaw, petrous mass, cervical spine."""
    ax = np.abs(x)
    parts = [
        ellipsoid(ax, y, z, (50, 14, -6), (13, 16, 18)),  # mastoid
        ellipsoid(ax - 0.0 * y, y, z, (50, -10, -9), (8, 4.5, 7)),  # condyle of the jaw
        ellipsoid(ax + 0.15 * z, y - 0.1 * z, z, (43, -14, -40), (3.2, 15, 34)),  # ramus
        tube(
            ax, y, z, (((63, -4, -6), 3.0), ((67, -30, -8), 3.2), ((56, -60, -10), 5.5), ((44, -74, -8), 4.5))
        ),  # zygoma
        tube(ax, y, z, (((44, -74, -8), 3.5), ((47, -68, 8), 3.5), ((46, -70, 24), 4.0))),  # lateral orbital rim
        ellipsoid(ax, y, z, (13, -28, -26), (2.4, 9, 18)),  # pterygoid plates
        tube(ax, y, z, (((4, -90, 12), 3.0), ((6, -94, -4), 2.4))),  # nasal bone
        ellipsoid(ax, y, z, (19, 8, -30), (7, 11, 7)),  # occipital condyle
        ellipsoid(ax, y, z, (22, 12, -45), (11, 10, 9)),  # lateral mass of the atlas
        ellipsoid(ax, y, z, (0, 3, -52), (5.5, 5.5, 22)),  # dens
        ellipsoid(ax, y, z, (0, 2, -88), (15, 9, 20)),  # C2-C3 body
    ]
    arch = 3.0 - np.abs(np.hypot(ax / 1.0, (y - 18) * 1.05) - 19)
    parts.append(np.minimum(arch, 4.5 - np.abs(z + 45)).astype(np.float32))
    parts.append(np.minimum(np.minimum(arch + 1, y - 18), 7.0 - np.abs(z + 68)).astype(np.float32))
    jaw = np.minimum(5.5 - np.abs(np.hypot(ax * 1.05, (y + 42) * 0.85) - 40), np.minimum(13 - np.abs(z + 86), -y - 26))
    teeth = np.minimum(5.0 - np.abs(np.hypot(ax * 1.1, (y + 60) * 0.9) - 25), np.minimum(13 - np.abs(z + 58), -y - 48))
    palate = np.minimum(np.minimum(1.8 - np.abs(z + 44), 24 - ax), np.minimum(-y - 42, y + 82))
    parts += [f32(part) for part in (jaw, teeth, palate)]
    return f32(
        np.maximum.reduce([np.broadcast_to(part, np.broadcast_shapes(x.shape, y.shape, z.shape)) for part in parts])
    )


def sinuses(x: F32, y: F32, z: F32) -> F32:
    """Signed distance to the air spaces with bony walls, without the frontal sinus, which differs most."""
    ax = np.abs(x)
    antrum = ellipsoid(ax + 0.25 * (z + 22), y, z, (28, -64, -22), (19, 21, 19))
    parts = [
        f32(np.minimum(antrum, np.minimum(ax - 15, 0.8 * (45 - ax) + 0.6 * (-74 - y)))),  # maxillary
        ellipsoid(ax, y, z, (7.5, -60, 3), (8, 22, 12)),  # ethmoid
        ellipsoid(ax, y, z, (8, -24, 8), (9.5, 12, 9)),  # sphenoid
        ellipsoid(ax, y, z, (0, -66, -26), (11.5, 30, 17)),  # nasal cavity
    ]
    return f32(np.maximum.reduce(parts))


def airway(x: F32, y: F32, z: F32) -> F32:
    """Signed distance to the air spaces without bony walls: pharynx and ear canal."""
    ax = np.abs(x)
    pharynx = ellipsoid(ax, y, z, (0, -21, -34), (13, 8, 20))
    throat = ellipsoid(ax, y, z, (0, -20, -82), (11, 6, 40))
    ear = tube(ax, y, z, (((76, 4, 0), 3.4), ((48, -3, 1), 3.0), ((43, -4, 3), 3.8)))
    return np.maximum(np.maximum(pharynx, throat), ear)


def orbit(x: F32, y: F32, z: F32) -> F32:
    """Signed distance to the orbits: cones from the optic canal to the rim."""
    ax = np.abs(x)
    cone = tube(ax, y, z, (((12, -36, 9), 2.5), ((27, -58, 5), 14.5), ((33, -76, 3), 18.0)))
    return np.minimum(cone, (y + 90).astype(np.float32))


def muscles(x: F32, y: F32, z: F32) -> F32:
    """Signed distance to the large muscles of head and neck."""
    ax = np.abs(x)
    parts = [
        ellipsoid(ax, y, z, (62, -32, 14), (9, 28, 36)),  # temporalis
        ellipsoid(ax, y, z, (56, -26, -45), (8, 20, 34)),  # masseter
        ellipsoid(ax, y, z, (30, -28, -30), (10, 16, 24)),  # pterygoids
        ellipsoid(ax, y, z, (13, -8, -50), (10, 8, 34)),  # prevertebral
        ellipsoid(ax, y, z, (17, 55, -40), (15, 20, 36)),  # semispinalis
        ellipsoid(ax, y, z, (40, 42, -45), (13, 20, 40)),  # splenius
        ellipsoid(ax, y, z, (54, 24, -48), (8, 16, 36)),  # sternocleidomastoid
        ellipsoid(ax, y, z, (14, 36, -36), (13, 9, 16)),  # suboccipital
        ellipsoid(ax, y, z, (0, -58, -68), (20, 30, 18)),  # tongue
        ellipsoid(ax, y, z, (55, 4, -38), (9, 12, 22)),  # parotid
    ]
    deepest = np.full_like(parts[0], -FAR_MM)
    second = deepest.copy()
    for part in parts:
        second = np.maximum(second, np.minimum(deepest, part))
        deepest = np.maximum(deepest, part)
    return f32(np.minimum(deepest, 0.6 * (deepest - second) - 0.8))  # a plane of fat lies between neighbors


def mastoid_cells(x: F32, y: F32, z: F32) -> F32:
    """Signed distance to the pneumatised part of the temporal bone."""
    ax = np.abs(x)
    return np.maximum(ellipsoid(ax, y, z, (51, 15, -4), (10, 13, 16)), ellipsoid(ax, y, z, (44, 4, 5), (8, 7, 5)))
