"""Normal variants that a reader must not call findings: physiological calcification, asymmetric sinuses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plainscan.phantom.atlas import F32, Vector, cover
from plainscan.phantom.tissue import BrainFields, mix
from plainscan.phantom.truth import Side, VariantKind


@dataclass(frozen=True, slots=True)
class Speck:
    """A calcification.

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

    def paint(self, hu: F32, f: BrainFields, pixel_mm: float) -> None:
        """Paint it, in place."""
        cx, cy, cz = self.center_mm
        rx, ry, rz = self.radius_mm
        near = np.flatnonzero((np.abs(f.x - cx) < rx + 1) & (np.abs(f.y - cy) < ry + 1) & (np.abs(f.z - cz) < rz + 1))
        if near.size == 0:
            return
        u, v, w = (f.x[near] - cx) / rx, (f.y[near] - cy) / ry, (f.z[near] - cz) / rz
        share = cover(((1 - np.sqrt(u * u + v * v + w * w)) * min(self.radius_mm)).astype(np.float32), pixel_mm)
        if self.kind == "falx_calcification":
            share *= cover(f.falx[near] + 2, 1.0)
        part = hu[near]
        mix(part, share, self.hu)
        hu[near] = part


def draw_specks(rng: np.random.Generator, age_years: int, scale: Vector) -> tuple[Speck, ...]:
    """Calcifications of a person; all become more frequent with age.

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
    return tuple(specks)
