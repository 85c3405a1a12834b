"""One person: sex, age, shape of head and brain. The same in all of a patient's studies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from plainscan.phantom import anatomy_brain as brain
from plainscan.phantom import anatomy_head as head
from plainscan.phantom.atlas import F32, Atlas, Grid, Vector, build, gauss, normalized, smooth_noise
from plainscan.phantom.tissue import Look
from plainscan.phantom.variant import Speck, draw_specks

WARP_GRID: Final = Grid((-100.0, -135.0, -120.0), 10.0, (21, 27, 27))
WARP_MM: Final = 1.9  # spread of the shape from person to person beside plain scaling


@dataclass(frozen=True, slots=True)
class Patient:
    """A person as the generator knows them.

    Args:
        number: 0-based place in the cohort.
        sex: As in the DICOM tag.
        age_years: At the first study.
        head: Fields ``anatomy_head.HEAD_FIELDS``.
        brain: Fields ``anatomy_brain.BRAIN_FIELDS``.
        look: Widths and HU normal for this person's age.
        specks: Physiological calcifications.
    """

    number: int
    sex: Literal["F", "M"]
    age_years: int
    head: Atlas
    brain: Atlas
    look: Look
    specks: tuple[Speck, ...]


def make_patient(rng: np.random.Generator, number: int = 0) -> Patient:
    """Draw a person."""
    sex: Literal["F", "M"] = "F" if rng.random() < 0.47 else "M"
    age = int(np.clip(rng.normal(56, 19), 18, 94))
    scale = np.clip(rng.normal(1.0, 0.03, 3), 0.92, 1.08) * (0.975 if sex == "F" else 1.01)
    warp = build(WARP_GRID, [np.float32(WARP_MM) * smooth_noise(rng, WARP_GRID, 42.0) for _ in range(3)])
    look = _look(rng, age)
    specks = draw_specks(rng, age, scale)
    return Patient(number, sex, age, _head(rng, warp, scale), _brain(rng, warp, scale), look, specks)


def _look(rng: np.random.Generator, age: int) -> Look:
    old = np.clip((age - 30) / 55, 0, 1.1)
    white = rng.uniform(25.0, 28.5)
    bone = rng.uniform(1350, 1950)
    right = rng.uniform(2.6, 4.4)
    return Look(
        sulcus_mm=float(0.15 + 0.75 * old**1.3 + rng.uniform(0, 0.22)),
        gap_mm=float(0.5 + 1.1 * old + rng.uniform(-0.15, 0.35)),
        ventricle_mm=float(-0.8 + 2.4 * old + rng.normal(0, 0.45)),
        white_hu=float(white),
        gray_hu=float(white + rng.uniform(10.0, 12.5)),
        bone_hu=float(bone),
        diploe_hu=float(bone - rng.uniform(500, 1000)),
        sinus_mm=(float(right), float(right * rng.choice([1.0, 1.0, 0.9, 0.8, 0.45]))),
    )


def _warped(grid: Grid, warp: Atlas, scale: Vector) -> tuple[F32, F32, F32]:
    """Where in the average head each node of a person's grid lies; three (nx, ny, nz), float32, mm."""
    axes = np.broadcast_arrays(*grid.axes())
    points = [np.ascontiguousarray(axis).ravel() for axis in axes]
    moved = warp.sample(points[0], points[1], points[2])
    x, y, z = ((p / np.float32(s) + d).reshape(grid.shape) for p, s, d in zip(points, scale, moved, strict=True))
    return x, y, z


def _head(rng: np.random.Generator, warp: Atlas, scale: Vector) -> Atlas:
    grid, step = head.HEAD_GRID, head.HEAD_GRID.step_mm
    x, y, z = _warped(grid, warp, scale)
    upper = normalized(head.calvaria(x, y, z), step, 0.006)
    wall = head.wall_thickness(x, y, z, float(rng.uniform(3.8, 6.8)))
    scalp = float(rng.uniform(3.5, 7.5))
    temporal = 5.0 * gauss(y + 32, 24) * gauss(z - 14, 22) * np.clip(np.abs(x) / 60, 0, 1)
    frontal = float(rng.choice([0.3, 0.7, 0.9, 1.0, 1.2]))
    fields = {
        "skin": head.skin(x, y, z, upper + wall + scalp + temporal),
        "cavity": head.cavity(x, y, z, step, 1.3 * smooth_noise(rng, grid, 8.0)),
        "wall_mm": wall,
        "bones": head.bones(x, y, z),
        "sinus": head.sinuses(x, y, z, frontal),
        "airway": head.airway(x, y, z),
        "orbit": head.orbit(x, y, z),
        "muscle": np.maximum(head.muscles(x, y, z), np.minimum(temporal * 2 - 1, 8)),
        "mastoid": head.mastoid_cells(x, y, z),
        "texture": smooth_noise(rng, grid, 5.0),
    }
    return build(grid, [fields[name] for name in head.HEAD_FIELDS])


def _brain(rng: np.random.Generator, warp: Atlas, scale: Vector) -> Atlas:
    grid = brain.BRAIN_GRID
    x, y, z = _warped(grid, warp, scale)
    wobble = 1.1 * smooth_noise(rng, grid, 16.0)
    stem = brain.brainstem(x, y, z)
    below = brain.infratentorial(x, y, z)
    fields = {
        "ventricle": brain.ventricles(x + wobble, y, z),
        "sulcus": brain.sulci(rng, x, y, z),
        "fissure": brain.fissures(x + wobble, y, z),
        "cistern": brain.cisterns(x, y, z + wobble, stem),
        "deep_gray": brain.deep_gray(x + 0.5 * wobble, y, z),
        "tentorium": z - brain.tentorium_height(x, y),
        "infratentorial": below,
        "hindbrain": brain.hindbrain(x, y, z, below),
        "brainstem": stem,
        "falx": brain.falx(y, z),
        "depth": x,  # the midline itself, warped with the person
        "patchy": smooth_noise(rng, grid, 11.0),
    }
    return build(grid, [fields[name] for name in brain.BRAIN_FIELDS])
