"""Normal variants that a reader must not call findings: calcification, dense dura and vessels, wide CSF spaces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from plainscan.phantom.atlas import F32, Vector, cover, f32
from plainscan.phantom.tissue import BrainFields, Edge, mix, slab
from plainscan.phantom.truth import Side, VariantKind


@dataclass(frozen=True, slots=True)
class Speck:
    """A variant with the shape of an ellipsoid, or what of dura and vessels lies within one.

    Args:
        kind: Which.
        side: The patient's side.
        center_mm: Middle in head coordinates.
        radius_mm: Its half-axes.
        hu: Density before partial volume.
    """

    kind: VariantKind
    side: Side
    center_mm: tuple[float, float, float]
    radius_mm: tuple[float, float, float]
    hu: float

    def paint(self, hu: F32, f: BrainFields, edge: Edge) -> None:
        """Paint it, in place; a small one is as faint as the plane is thick."""
        near, pixel_mm = self._near(f, edge.plane_mm / 2), edge.pixel_mm
        if near.size == 0:
            return
        if self.kind == "dense_vessel":  # anywhere, but mostly it is not: most points need no further look
            likely = (f.cavity[near] < 8) | (np.abs(f.x[near]) < 4) | (np.abs(f.infratentorial[near]) < 3)
            near = near[likely | (f.cistern[near] > 0)]
        share = edge.filled(self._inside, f.x[near], f.y[near], f.z[near])
        if self.kind == "falx_calcification":
            share *= cover(f.falx[near] + 2, 1.0)
        elif self.kind == "dural_calcification":
            share *= slab(f.infratentorial[near], 1.2, pixel_mm) * (np.abs(f.tentorium[near]) < 6)
        elif self.kind == "dense_vessel":
            share = _vessels(f, near, pixel_mm)
        elif self.kind == "vascular_calcification":
            share *= cover(f.cavity[near] + 1, 1.0)
        part = hu[near]
        mix(part, share, self.hu)
        hu[near] = part

    def _inside(self, x: F32, y: F32, z: F32) -> F32:
        u, v, w = (
            (a - np.float32(c)) / np.float32(r)
            for a, c, r in zip((x, y, z), self.center_mm, self.radius_mm, strict=True)
        )
        return f32((1 - np.sqrt(u * u + v * v + w * w)) * np.float32(min(self.radius_mm)))

    def _near(self, f: BrainFields, beyond_mm: float) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        near = np.flatnonzero(np.abs(f.z - self.center_mm[2]) < self.radius_mm[2] + 1 + beyond_mm)
        for field, center, radius in zip((f.x, f.y), self.center_mm, self.radius_mm, strict=False):
            if near.size:
                near = near[np.abs(field[near] - center) < radius + 1 + beyond_mm]
        return near


def _vessels(f: BrainFields, near: np.ndarray[tuple[int], np.dtype[np.intp]], px: float) -> F32:
    """Share of pixels taken by dura, sinuses and the arteries of the base."""
    x, y, z, cavity, tentorium = (a[near] for a in (f.x, f.y, f.z, f.cavity, f.tentorium))
    below = f.infratentorial[near]
    falx = slab(x, 0.75, px) * cover(f.falx[near], 2.0) * cover(-below, 2.0)
    leaf = slab(below, 0.7, px) * cover(4 - np.abs(tentorium), 3.0) * cover(np.hypot(x, y - 9) - 19, 3.0)
    sagittal = np.clip(2.5 + 0.05 * (y + 20), 1.5, 6.5) - cavity - 0.8 * np.abs(x)
    sinus = np.maximum(np.minimum(sagittal, z - 25), np.minimum(3.4 - np.hypot(tentorium + 1, 0.7 * cavity), y - 24))
    sinus = np.maximum(sinus, np.minimum(2.6 - np.hypot(x, tentorium * 0.85), y - 33))
    off = np.hypot(x, y + 2.5 - 0.15 * (z - 10))
    artery = np.minimum(1.9 - off, 14 - np.abs(z - 12))
    middle = np.minimum(np.minimum(f.cistern[near] - 1.0, np.abs(x) - 9), np.minimum(27 - np.abs(x), -y - 6))
    vessel = cover(f32(np.maximum.reduce([sinus, artery, middle])), px + 0.3)
    return f32(np.maximum.reduce([falx, leaf, vessel]))


def draw_specks(rng: np.random.Generator, age_years: int, scale: Vector, wide: bool = False) -> tuple[Speck, ...]:
    """Calcifications of a person; all become more frequent with age. ``wide`` adds every other variant, evenly.

    In adults 71 % have it in the pineal gland, 66 % in the choroid plexus, 7 % in falx, tentorium or sagittal sinus
    (Daghighi et al., Folia Morphol 2007;66:115).
    """
    specks: list[Speck] = []
    old = float(np.clip((age_years - 20) / 40, 0.15, 1))

    def place(x: float, y: float, z: float) -> tuple[float, float, float]:
        return (float(x), float(y * scale[1]), float(z * scale[2]))

    if rng.random() < 0.85 * old:
        size = rng.uniform(1.2, 2.8)
        specks.append(
            Speck("pineal_calcification", "midline", place(0, 22, 47), (size, size, size), rng.uniform(110, 260))
        )
    if rng.random() < 0.8 * old:
        for side, x in (("left", 20.5), ("right", -20.5)):
            size = rng.uniform(1.2, 3.2)
            where = place(x * scale[0], 39 + rng.uniform(-2, 2), 60 + rng.uniform(-2, 2))
            half = (size * 0.7, size * 1.3, size)
            specks.append(Speck("choroid_plexus_calcification", side, where, half, rng.uniform(110, 280)))  # type: ignore[arg-type]  # both are sides
    if rng.random() < 0.09 * old:
        where = place(0, rng.uniform(-55, -30), rng.uniform(70, 95))
        specks.append(
            Speck(
                "falx_calcification",
                "midline",
                where,
                (1.2, rng.uniform(4, 10), rng.uniform(4, 8)),
                rng.uniform(180, 400),
            )
        )
    more = _more(rng) if wide else ()
    return (*specks, *(Speck(kind, side, place(*at), half, hu) for kind, side, at, half, hu in more))


_Drawn = tuple[VariantKind, Side, tuple[float, float, float], tuple[float, float, float], float]
_SIDES: tuple[tuple[Side, float], ...] = (("left", 1.0), ("right", -1.0))


def _more(rng: np.random.Generator) -> Iterator[_Drawn]:
    """Variants of a training's person. How dense and how large are choices, not measurements."""
    yield from _more_calcium(rng)
    u = rng.uniform
    if rng.random() < 0.3:  # high hematocrit, or a brain beside which normal blood looks dense
        yield "dense_vessel", "bilateral", (0, 0, 45), (90, 110, 90), float(u(52, 68))
    if rng.random() < 0.15:
        side, sign = _SIDES[int(rng.integers(2))]
        half = float(u(2.5, 5))
        at: tuple[float, float, float] = (
            (sign * 34, 66, 25) if rng.random() < 0.6 else (sign * 8, float(u(-30, 50)), 104)
        )
        yield "arachnoid_granulation", side, at, (half, half, half), float(u(4, 14))
    if rng.random() < 0.1:  # cavum septi pellucidi
        yield "prominent_csf_space", "midline", (0, -18, 59), (float(u(2.5, 6)), float(u(9, 16)), float(u(4, 7))), 7.0
    if rng.random() < 0.1:  # mega cisterna magna
        at = (float(u(-5, 5)), 64, float(u(-12, 0)))
        yield "prominent_csf_space", "midline", at, (float(u(14, 26)), float(u(8, 14)), float(u(9, 16))), 6.0
    if rng.random() < 0.12:  # perivascular space under the putamen
        side, sign = _SIDES[int(rng.integers(2))]
        half = float(u(1.5, 3))
        yield "prominent_csf_space", side, (sign * 21, float(u(-6, 2)), 38), (half, half * 1.3, half), 9.0


def _more_calcium(rng: np.random.Generator) -> Iterator[_Drawn]:
    u = rng.uniform
    if rng.random() < 0.2:  # large choroid plexus calcification, down into the occipital horns
        for side, sign in _SIDES:
            if rng.random() < 0.85:
                size = float(u(2.5, 6))
                at = (sign * float(u(20, 25)), float(u(36, 50)), float(u(54, 62)))
                yield "choroid_plexus_calcification", side, at, (0.8 * size, 1.3 * size, size), float(u(60, 260))
    if rng.random() < 0.18:
        size, hu = float(u(1.8, 6)), float(u(55, 150))
        for side, sign in _SIDES:
            at = (sign * float(u(17, 24)), float(u(-10, 0)), float(u(45, 50)))
            yield "basal_ganglia_calcification", side, at, (0.6 * size, size, size), hu * float(u(0.85, 1.1))
    for _ in range(int(rng.choice([0, 1, 3], p=[0.7, 0.2, 0.1]))):
        at, half = (0.0, float(u(-62, 50)), float(u(66, 104))), (float(u(1, 2.2)), float(u(3, 14)), float(u(3, 10)))
        yield "falx_calcification", "midline", at, half, float(u(90, 500))
    if rng.random() < 0.2:
        side, sign = _SIDES[int(rng.integers(2))]
        half = (float(u(4, 12)), float(u(4, 12)), 6.0)
        yield "dural_calcification", side, (sign * float(u(12, 34)), float(u(-6, 40)), float(u(22, 34))), half, 300.0
    if rng.random() < 0.2:  # carotid siphons, vertebral arteries
        for side, sign in _SIDES:
            where: tuple[float, float, float] = (
                (sign * 11, float(u(-18, -10)), 25.0) if rng.random() < 0.6 else (sign * 8, 2.0, -12.0)
            )
            size = float(u(1, 2.2))
            yield "vascular_calcification", side, where, (size, 1.6 * size, size), float(u(150, 600))
