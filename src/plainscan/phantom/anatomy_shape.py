"""What makes one head differ in shape from the average: a warp, bone and scalp on top, folds and irregularity.

Nothing is cached per person but a coarse warp: every point asked for is carried into the average head, and the fields
there are combined. So a person costs milliseconds, and the average head is made once per process.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.phantom import anatomy_brain as brain
from plainscan.phantom import anatomy_head as head
from plainscan.phantom.anatomy_wide import Build, Osteoma
from plainscan.phantom.atlas import (
    F32,
    Atlas,
    Grid,
    Vector,
    build,
    f32,
    gauss,
    periodic_noise,
    smooth_max,
    smooth_noise,
)

WARP_GRID: Final = Grid((-110.0, -145.0, -130.0), 10.0, (23, 29, 28))
NOISE_MM: Final = (5.0, 8.0, 11.0, 16.0)  # correlation: of texture, of the rough skull base, of patches, of outlines
CENTER_MM: Final = np.array([0.0, -2.0, 42.0])  # of the cranium, from which directions point
NOISE_SEED: Final = 8  # any number: the noise is shifted anew for each person
TEXTURE, ROUGH, PATCHY, WOBBLE = range(4)


@cache
def _noise() -> Atlas:
    return periodic_noise(np.random.default_rng(NOISE_SEED), 64, 2.5, NOISE_MM)


@dataclass(frozen=True, slots=True)
class Shape:
    """One person's shape.

    Args:
        warp: From the person to the average: three displacements, mm, on ``WARP_GRID``.
        noise_mm: Where in the random fields this person lies, (3,).
        fold_turn: Rotation of the sulcal pattern, (3, 3); times a zoom.
        build: What is a number.
    """

    warp: Atlas
    noise_mm: Vector
    fold_turn: Vector
    build: Build

    def locate(self, x: F32, y: F32, z: F32) -> Located:
        """Points of this person, (n,), mm, in the average head."""
        dx, dy, dz = self.warp.sample(x, y, z)
        x, y, z = x + dx, y + dy, z + dz
        a, b, c = self.noise_mm.astype(np.float32)
        return Located(x, y, z, _noise().sample_periodic(x + a, y + b, z + c))


def make_shape(rng: np.random.Generator, build_: Build) -> Shape:
    """Draw what is not a number: the warp, the folds, the irregularity."""
    x, y, z = np.broadcast_arrays(*WARP_GRID.axes())
    moves = [np.float32(build_.warp_mm) * smooth_noise(rng, WARP_GRID, 42.0) for _ in range(3)]
    low = np.clip((12 - z) / 30, 0, 1)  # the face differs in size from the cranium
    around = 1 + low * (1 / build_.face - 1)
    moves = [
        move + at * (around if i < 2 else np.ones_like(around)) / np.float32(s) - at
        for i, (move, at, s) in enumerate(zip(moves, (x, y, z), build_.scale, strict=True))
    ]
    moves[2] = moves[2] + np.minimum(z + 18, 0) * (1 / build_.face - 1)
    moves[1] = moves[1] + np.float32(build_.skew) * x * np.clip(np.abs(y) / 40, 0, 1)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return Shape(
        warp=build(WARP_GRID, moves),
        noise_mm=rng.uniform(0, 160, 3),
        fold_turn=turn * np.sign(np.linalg.det(turn)) * build_.fold_zoom,
        build=build_,
    )


@dataclass(frozen=True, slots=True)
class Located:
    """Points in the average head, (n,), mm, and the random fields ``NOISE_MM`` there, (4, n), float32."""

    x: F32
    y: F32
    z: F32
    noise: F32

    def at(self, points: NDArray[np.intp]) -> Located:
        """Some of the points."""
        return Located(self.x[points], self.y[points], self.z[points], self.noise[:, points])


def _hyperostosis(p: Located) -> F32:
    """Share of the greatest thickening: knobby, on both sides of the frontal bone, not at the midline or below."""
    side = np.clip(np.abs(p.x) / 10 - 0.4, 0, 1) * np.clip((-p.y - 15) / 25, 0, 1) * np.clip((p.z - 30) / 12, 0, 1)
    return f32(side * np.clip(0.7 + 0.5 * p.noise[ROUGH], 0, 1.4))


def _knob(p: Located, osteoma: Osteoma) -> F32:
    """Share of an osteoma's height at points."""
    away = [at - np.float32(c) for at, c in zip((p.x, p.y, p.z), CENTER_MM, strict=True)]
    along = sum(at * np.float32(d) for at, d in zip(away, osteoma.direction, strict=True))
    beside = sum(at * at for at in away) - np.square(along)
    return f32(np.exp(beside * np.float32(-0.5 / osteoma.radius_mm**2)) * (along > 0))


def _roof(p: Located) -> F32:
    """What the gyri of the frontal lobes press into the orbital roofs, -1 to 1: ridges from front to back."""
    ax = np.abs(p.x)
    here = np.clip((-p.y - 34) / 10, 0, 1) * np.clip((40 - p.z) / 10, 0, 1) * np.clip((ax - 5) / 5, 0, 1)
    return f32(here * np.sin(0.5 * ax + 1.3 * p.noise[ROUGH]))


def _ragged(p: Located, size: Build) -> F32:
    """By how much the inner table lies farther inward than it would if it were smooth, mm: pits and crests."""
    pits = np.float32(size.pits_mm) * np.sin(2.5 * p.noise[TEXTURE] + 1.5 * p.noise[ROUGH])
    behind, front = size.crests_mm
    if behind:
        pits += behind * gauss(p.x, 3.0) * gauss(p.z - 8, 16) * np.clip((p.y - 45) / 15, 0, 1)
    if front:
        pits += front * gauss(p.x, 2.6) * gauss(p.z - 32, 16) * np.clip((-p.y - 50) / 12, 0, 1)
    return f32(pits)


@dataclass(frozen=True, slots=True)
class PersonHead:
    """Fields ``anatomy_head.HEAD_FIELDS`` of one person."""

    shape: Shape

    def sample(self, x_mm: F32, y_mm: F32, z_mm: F32) -> F32:
        """Fields at points (n,), (fields, n), float32."""
        return self.located(self.shape.locate(x_mm, y_mm, z_mm))

    def located(self, p: Located) -> F32:
        """The same at points that were carried into the average head."""
        size = self.shape.build
        rough = p.z + 1.3 * p.noise[ROUGH] * np.clip((34 - p.z) / 14, 0, 1)
        rough += np.float32(size.roof_mm) * _roof(p)
        average = head.average_head().sample(p.x, p.y, f32(rough))
        f = dict(zip(head.AVERAGE_FIELDS, average, strict=True))
        even = 1 + np.float32(size.uneven) * np.clip(p.noise[WOBBLE], -2, 2)
        wall = np.float32(size.base) * f["wall_base"] + np.float32(size.calvaria_mm) * f["wall_share"] * even
        temporal = np.float32(size.temporal_mm) * f["temporal"]
        knobs = [(_knob(p, each), each) for each in size.osteomas]
        for share, each in knobs:
            wall = wall + share * np.float32(each.outward_mm)
        scalp = f["cranium"] + wall + np.float32(size.scalp_mm) + temporal
        ragged = _ragged(p, size)
        inner, wall = f["cavity"] - ragged, np.maximum(wall + ragged, 0.8)
        if size.hyperostosis_mm:
            thick = _hyperostosis(p) * np.float32(size.hyperostosis_mm)
            inner, wall = inner - thick, wall + thick
        for share, each in knobs:
            inner, wall = inner - share * np.float32(each.inward_mm), wall + share * np.float32(each.inward_mm)
        cells = np.float32(size.pneumatised_mm)
        sinus = np.maximum(
            f["sinus"] + np.clip(0.6 * cells, -7, 1.5), f["frontal"] - np.float32(4.5 * (1 - size.frontal))
        )
        fields = {
            "skin": np.maximum(smooth_max(f["body"], scalp, 14.0), f["ear"]),
            "cavity": inner,
            "wall_mm": wall,
            "bones": f["bones"],
            "sinus": sinus,
            "airway": f["airway"],
            "orbit": f["orbit"],
            "muscle": np.maximum(f["muscle"], np.minimum(temporal * 2 - 1, 8)),
            "mastoid": f["mastoid"] + cells,
            "texture": p.noise[TEXTURE],
            "skin_rise": f["skin_rise"],
            "cavity_rise": f["cavity_rise"],
            "u": p.x,
            "v": p.y,
            "w": p.z,
        }
        return f32(np.stack([fields[name] for name in head.HEAD_FIELDS]))


@dataclass(frozen=True, slots=True)
class PersonBrain:
    """Fields ``anatomy_brain.BRAIN_FIELDS`` of one person."""

    shape: Shape

    def sample(self, x_mm: F32, y_mm: F32, z_mm: F32) -> F32:
        """Fields at points (n,), (fields, n), float32."""
        return self.located(self.shape.locate(x_mm, y_mm, z_mm))

    def located(self, p: Located) -> F32:
        """The same at points that were carried into the average head."""
        off = 0.9 * p.noise[WOBBLE]
        average = brain.average_brain().sample(f32(p.x + off), p.y, f32(p.z + off))
        f = dict(zip(brain.AVERAGE_FIELDS, average, strict=True))
        turn = self.shape.fold_turn.astype(np.float32)
        u, v, w = turn @ np.stack(brain.round_point(p.x, p.y, p.z))
        folds = brain.folds().sample(u, v, w)
        here = np.where(p.x < 0, folds[4:], folds[:4])
        zoom = np.float32(np.cbrt(np.linalg.det(self.shape.fold_turn)))
        fields = f | {
            "sulcus": here[0] / zoom,
            "depth": p.x,
            "patchy": p.noise[PATCHY],
            "sulcus_rise": np.abs(turn[:, 2] @ here[1:]) / zoom,
        }
        return f32(np.stack([fields[name] for name in brain.BRAIN_FIELDS]))
