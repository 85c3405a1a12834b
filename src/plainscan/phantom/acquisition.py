"""How a department scans: pose of the head, planes, kernel, noise, flaws; drawn for a hospital or for a wide world.

The spreads of the wide world are choices: wide enough that a real scanner lies well inside, not measurements.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.phantom.artifact import Flaws
from plainscan.phantom.scanner import SOFT, Geometry, Kernel, Output, Pose, Scanner, rotation
from plainscan.phantom.scene import SKIN, Scene

SEARCHED_MM: Final = np.arange(60.0, 170.0, 2.0)
VERTEX_MM: Final = 122.0  # of the average head, above the ear canal
LOWEST_MM: Final = -88.0  # of a wide study: the upper neck
MIDDLE_MM: Final = (0.0, -4.0, 45.0)  # of the cranium; the origin lies between the ear canals
STEEP_SHARE: Final = 0.2  # of wide studies
MOST_STEEP_DEG: Final = 42.0
THICKNESSES_MM: Final = ((0.6, 1.25), (1.5, 3.0), (3.5, 6.0), (6.0, 10.0))
THICKNESS_SHARES: Final = (0.22, 0.2, 0.43, 0.15)


def turn_scene(rng: np.random.Generator, scene: Scene) -> Scene:
    """Lay the head down again, as widely as heads lie: tilted, rolled, turned in the plane."""
    tilt = float(rng.uniform(-25, 25)) if rng.random() < 0.4 else 0.0
    toward_plane = float(np.clip(rng.normal(3, 8), -18, 24))
    roll = float(rng.normal(0, 10 if rng.random() < 0.15 else 3.5))
    if rng.random() < STEEP_SHARE:  # half coronal, as heads lie that cannot be laid straight
        lean, way = float(rng.uniform(12, MOST_STEEP_DEG)), float(rng.uniform(0, 2 * np.pi))
        toward_plane, roll = lean * np.cos(way), lean * np.sin(way)
    yaw = float(rng.uniform(-27, 27)) if rng.random() < 0.3 else float(rng.normal(0, 5))
    shift = np.append(rng.normal(0, 6, 2), rng.uniform(-300, 300))
    pose = Pose(rotation(tilt + toward_plane, roll, yaw), np.round(shift, 2))
    return replace(scene, pose=pose, tilt_deg=round(tilt, 1))


def plan(rng: np.random.Generator, scene: Scene, size: int, slices: tuple[int, int], wide: bool) -> Geometry:
    """Choose the planes: tilt, field of view, range along the table, spacing, thickness."""
    count = int(rng.integers(slices[0], slices[1] + 1))
    heights, thickness = _wide_heights(rng, count, _top(scene)) if wide else _heights(rng, count)
    field, spread = (_wide_field(rng), (9.0, 9.0)) if wide else (float(rng.uniform(225, 250)), (2.3, 2.3))
    lean = np.deg2rad(scene.tilt_deg)
    pixel = field / size
    down = np.array([0.0, np.cos(lean), -np.sin(lean)])
    middle = np.stack([np.zeros(count), np.zeros(count), heights], axis=1)
    corner = middle - (size - 1) / 2 * pixel * (np.array([1.0, 0.0, 0.0]) + down)
    corner += scene.pose.shift_mm + np.array([*np.clip(rng.normal(0, spread), -35, 35), 0.0])
    if wide:
        aside, back, _ = scene.pose.turn.T @ np.array(MIDDLE_MM)
        corner += 0.8 * (aside * np.array([1.0, 0.0, 0.0]) + back * down)  # a head that leans lies beside the axis
    return Geometry(
        (size, size),
        pixel,
        (1.0, 0.0, 0.0),
        (0.0, float(down[1]), float(down[2])),
        np.round(corner, 4),
        np.round(thickness, 2),
        scene.tilt_deg,
    )


def _heights(rng: np.random.Generator, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middles and thicknesses from the skull base to the vertex, without gaps: even, or thin below and thick above."""
    bottom = float(rng.uniform(-48, -22))
    length = VERTEX_MM + float(rng.uniform(-8, 3)) - bottom
    spacing = np.full(count, round(length / count, 1))
    if count >= 12 and rng.random() < 0.25:
        base = round(count * 0.45)
        thin = length / (base + 1.6 * (count - base))
        spacing = np.where(np.arange(count) < base, round(thin, 1), round(1.6 * thin, 1))
    return bottom + np.cumsum(spacing) - spacing[0] / 2, spacing


def _top(scene: Scene) -> float:
    """Height of the vertex above the middle of the ear canals as the head lies, mm."""
    spread = np.array([(x, y) for x in (-20.0, 20.0) for y in (-40.0, -10.0, 20.0)])
    grid = np.array([(x, y, z) for z in SEARCHED_MM for x, y in spread])
    x, y, z = (scene.pose.turn @ grid.T).astype(np.float32)
    inside = (scene.patient.head.sample(x, y, z)[SKIN] > 0).reshape(len(SEARCHED_MM), -1).any(axis=1)
    return float(SEARCHED_MM[np.flatnonzero(inside)[-1]]) if inside.any() else VERTEX_MM


def _wide_heights(
    rng: np.random.Generator, count: int, top_mm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middles and thicknesses of a wide study: the whole head, a run of neighbors, or any planes through it."""
    low = float(np.clip(rng.normal(-38, 18), LOWEST_MM, 0))
    high = top_mm + float(np.clip(rng.normal(-7, 7), -25, 10))
    thickness = float(rng.uniform(*THICKNESSES_MM[int(rng.choice(len(THICKNESSES_MM), p=THICKNESS_SHARES))]))
    way = rng.random()
    heights: NDArray[np.float64]
    if way < 0.3:
        heights = np.asarray(np.linspace(low, high, count), np.float64)
    elif way < 0.5:
        step = max(2.0, thickness * float(rng.choice([0.5, 1.0, 1.0, 1.2, 1.5])))
        step = min(step, (high - low) / max(count - 1, 1))
        room = high - low - step * (count - 1)
        heights = low + room * rng.random() + step * np.arange(count, dtype=np.float64)
    else:
        apart = min(0.6, 0.5 * (high - low) / count)
        heights = np.sort(rng.uniform(low, high - apart * count, count)) + apart * np.arange(count)
    return heights, np.full(count, thickness)


def _wide_field(rng: np.random.Generator) -> float:
    """Side of the image, mm: mostly a head's, sometimes cutting it, sometimes much air around it."""
    return float(rng.choice([rng.uniform(180, 208), rng.uniform(208, 260), rng.uniform(260, 320)], p=[0.1, 0.75, 0.15]))


def draw_scanner(rng: np.random.Generator, thickness_mm: float, wide: bool) -> Scanner:
    """A scanner and how it was set."""
    if wide:
        return Scanner(_wide_kernel(rng, thickness_mm), 1.0, _wide_flaws(rng), _wide_output(rng))
    flaws = Flaws(
        hardening=float(rng.choice([0.0, 0.5, 1.0])),
        streak=0.004,
        starvation=0.5,
        motion_mm=float(rng.uniform(0.5, 2.5)) if rng.random() < 0.06 else 0.0,
        motion_rate=0.25,
        metal=0.2,
    )
    return Scanner(SOFT, dose=float(rng.uniform(0.75, 1.35)), flaws=flaws)


def _wide_kernel(rng: np.random.Generator, thickness_mm: float) -> Kernel:
    """Very smooth to sharp; noise low, as in brain images, and grown less than by the root of thin slices' dose."""
    sharpen = float(rng.uniform(0.1, 0.7)) if rng.random() < 0.25 else 0.0
    low, high = (0.4, 0.8) if sharpen else (0.45, 1.1) if rng.random() < 0.8 else (1.1, 1.7)
    blur = float(rng.uniform(low, high))
    noise_hu = float(np.clip(np.exp(rng.normal(np.log(4.2), 0.42)), 0.8, 9.0) * (0.62 / blur) ** 0.4)
    grown = (5.0 / thickness_mm) ** 0.25 / np.sqrt(5.0 / thickness_mm)
    return Kernel(blur, sharpen, max(0.2, float(0.32 / blur * rng.uniform(0.8, 1.7))), float(noise_hu * grown))


def _wide_flaws(rng: np.random.Generator) -> Flaws:
    def at(share: float, low: float, high: float) -> float:
        return float(rng.uniform(low, high)) if rng.random() < share else 0.0

    return Flaws(
        hardening=at(0.8, -0.5, 2.0),
        rim_hu=at(0.65, -3.0, 12.0),
        rim_mm=float(rng.uniform(2.0, 7.0)),
        cup_hu=at(0.4, -4.0, 4.0),
        starvation=at(0.7, 0.1, 1.5),
        streak=at(0.6, 0.001, 0.015),
        motion_mm=at(0.12, 0.5, 5.0),
        motion_rate=float(rng.uniform(0.1, 0.6)),
        metal=float(rng.uniform(0.02, 0.3)),
        ring_hu=at(0.05, 0.5, 5.0),
    )


def _wide_output(rng: np.random.Generator) -> Output:
    circle = float(rng.choice([-1000, -1024, -1500, -2048])) if rng.random() < 0.6 else None
    least = int(rng.choice([-1024, -1000]))
    greatest = int(rng.choice([3071, 3071, 2500, 1500]))
    return Output(
        offset_hu=float(np.clip(rng.normal(0, 2.0), -6, 6)),
        bone_gain=float(rng.uniform(0.85, 1.2)),
        circle_hu=circle,
        range_hu=(least, greatest),
    )
