"""Atrophy, hydrocephalus, midline shift: findings of the spaces. Their masks mark what is widened or displaced."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from plainscan.phantom.atlas import F32, cover, f32
from plainscan.phantom.lesion import BrainView, Placed, sign
from plainscan.phantom.tissue import Look


@dataclass(kw_only=True)
class Atrophy(Placed):
    """Sulci and ventricles wider than this age has them.

    Args:
        sulcus_mm: Added to the half-width of sulci.
        gap_mm: Added to the subarachnoid space.
        ventricle_mm: Added to the ventricles on each side.
    """

    sulcus_mm: float
    gap_mm: float
    ventricle_mm: float
    mask_share: float = 0.35

    def change_look(self, look: Look) -> Look:
        """Widen everything."""
        return replace(
            look,
            sulcus_mm=look.sulcus_mm + self.sulcus_mm,
            gap_mm=look.gap_mm + self.gap_mm,
            ventricle_mm=look.ventricle_mm + self.ventricle_mm,
        )

    def paint_brain(self, view: BrainView) -> F32 | None:
        """CSF that is there and would normally not be."""
        return f32(np.clip(view.spaces.csf - view.normal.csf, 0, 1))


@dataclass(kw_only=True)
class Hydrocephalus(Placed):
    """Ventricles wide out of proportion to the sulci.

    Args:
        ventricle_mm: Added to the ventricles on each side.
        tight: Share of their width that sulci keep.
    """

    ventricle_mm: float
    tight: float

    def change_look(self, look: Look) -> Look:
        """Widen the ventricles, press the sulci."""
        return replace(
            look,
            sulcus_mm=look.sulcus_mm * self.tight,
            gap_mm=look.gap_mm * (0.4 + 0.6 * self.tight),
            ventricle_mm=look.ventricle_mm + self.ventricle_mm,
        )

    def paint_brain(self, view: BrainView) -> F32 | None:
        """The ventricles where they are wider than normal, and a faint halo where CSF seeps out."""
        halo = cover(view.fields.ventricle + self.ventricle_mm + 3, 4.0) * (1 - view.spaces.csf)
        view.hu -= 3.0 * halo * view.spaces.supra
        return view.spaces.ventricle


@dataclass(kw_only=True)
class MidlineShift(Placed):
    """The middle of the brain displaced to ``side`` by ``size_mm``.

    Args:
        middle_mm: y and z where the displacement is greatest.
    """

    middle_mm: tuple[float, float]

    def _share(self, x: F32, y: F32, z: F32) -> F32:
        across = np.clip(1 - 0.011 * sign(self.side) * x, 0.2, 1.5)  # more on the side of the lesion
        high = np.exp(-np.square((y - self.middle_mm[0]) / 52) - np.square((z - self.middle_mm[1]) / 36))
        return f32(across * high)

    def push(self, x: F32, y: F32, z: F32) -> tuple[F32, F32, F32] | None:
        """Displace toward ``side``."""
        moved = np.float32(-sign(self.side) * self.size_mm) * self._share(x, y, z)
        zero = np.zeros_like(moved)
        return moved, zero, zero

    def paint_brain(self, view: BrainView) -> F32 | None:
        """A band along the displaced midline, wherever it has moved by 2 mm or more."""
        moved = self.size_mm * self._share(view.x, view.y, view.z) * np.clip(view.fields.cavity / 18, 0, 1)
        band = cover(3.0 - np.abs(view.fields.depth), view.edge.pixel_mm)
        return f32(band * (moved >= 2.0) * view.spaces.supra)
