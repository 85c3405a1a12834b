"""Which things lie beside and in a patient on one study: headrest, cloth, tubes, electrodes, metal, a hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np

from plainscan.phantom.atlas import Vector
from plainscan.phantom.objects import Cloth, Objects, Rod, Shell, Wrap
from plainscan.phantom.scene import SKIN, Scene
from plainscan.phantom.tissue import AIR_HU

Rng: TypeAlias = np.random.Generator
Rods: TypeAlias = tuple[Rod, ...]
MIDDLE_MM: Final = np.array([0.0, -8.0, 35.0])  # of the head, from which the skin is looked for


@dataclass(frozen=True, slots=True)
class Place:
    """Where things can lie: the head as it is in the scanner.

    Args:
        scene: Whose.
        middle_mm: Of the head in patient coordinates, (3,).
        back_mm: y of the back of the head.
        half_mm: Half the width of the head.
    """

    scene: Scene
    middle_mm: Vector
    back_mm: float
    half_mm: float

    def out(self, head_mm: Vector) -> tuple[float, float, float]:
        """Head to patient coordinates."""
        x, y, z = self.scene.pose.turn.T @ head_mm + self.scene.pose.shift_mm
        return float(x), float(y), float(z)

    def skin(self, direction: Vector, lift_mm: float = 0.0, start_mm: Vector = MIDDLE_MM) -> Vector:
        """The skin along a direction from the middle, in head coordinates, (3,), lifted off it."""
        unit = direction / np.linalg.norm(direction)
        return np.asarray(start_mm + unit * (float(reach(self.scene, unit[None], start_mm)[0]) + lift_mm))


def reach(scene: Scene, units: Vector, start_mm: Vector = MIDDLE_MM) -> Vector:
    """How far the skin is along unit vectors, (k, 3), in head coordinates; (k,), mm."""
    steps = np.arange(30, 150, 1.0)
    points = start_mm[:, None, None] + units.T[:, :, None] * steps
    x, y, z = points.reshape(3, -1).astype(np.float32)
    inside = (scene.patient.head.sample(x, y, z)[SKIN] > 0).reshape(len(units), -1)
    last = len(steps) - 1 - np.argmax(inside[:, ::-1], axis=1)
    return np.asarray(np.where(inside.any(axis=1), steps[last] + 0.5, steps[0]))


def look_for_place(scene: Scene) -> Place:
    """Find the head in the scanner."""
    turn, shift = scene.pose.turn, scene.pose.shift_mm
    aim = np.array([[x, 1.0, z] for x in (-0.2, 0.2) for z in (-0.2, 0.0, 0.2)] + [[s, 0.2, 0.0] for s in (-1.0, 1.0)])
    aim /= np.linalg.norm(aim, axis=1, keepdims=True)  # patient axes
    away = aim * reach(scene, aim @ turn.T)[:, None]
    middle = turn.T @ MIDDLE_MM + shift
    return Place(scene, middle, float(middle[1] + away[:-2, 1].max()), float(np.abs(away[-2:, 0]).max()))


def draw_objects(rng: Rng, scene: Scene, wide: bool) -> Objects:
    """Everything beside the patient on one study; a hospital shows a tenth of what the wide world does."""
    place = look_for_place(scene)
    still: list[Shell | Cloth] = []
    if rng.random() < (0.85 if wide else 0.97):
        still += _rest(rng, place)
    if wide or rng.random() < 0.15:
        still += _cloths(rng, place)
    rods: list[Rod] = []
    for share, make in THINGS:
        if rng.random() < (share if wide else 0.15 * share):
            rods += make(rng, place)
    wrap = _wrap(rng, place) if rng.random() < (0.07 if wide else 0.02) else None
    return Objects(tuple(still), tuple(rods), wrap)


def _rest(rng: Rng, place: Place) -> list[Shell | Cloth]:
    """The headrest, and sometimes the table below it."""
    x = float(place.middle_mm[0] + rng.normal(0, 4))
    half = float(place.half_mm + rng.uniform(4, 38))
    bend = float(rng.choice([half, half * rng.uniform(0.35, 0.9), rng.uniform(12, 30)], p=[0.4, 0.4, 0.2]))
    low = place.back_mm + float(rng.uniform(1.5, 22))
    rise = float(rng.uniform(0.25, 1.25) * half)
    gap = float(rng.uniform(15, 0.8 * half)) if rng.random() < 0.15 else 0.0
    thick = float(rng.uniform(0.8, 2.8))
    dense = float(rng.choice([rng.uniform(200, 2000), rng.uniform(-600, 200)], p=[0.75, 0.25]))
    foam = float(rng.uniform(-990, -880)) if rng.random() < 0.6 else AIR_HU
    made: list[Shell | Cloth] = [Shell((x, low), half, bend, rise, gap, thick, dense, foam)]
    if rng.random() < 0.3:  # a liner inside, or a second wall outside
        off = float(rng.choice([-1, 1]) * rng.uniform(3, 9))
        made.append(
            Shell((x, low + off), half + off, max(bend + off, 5), rise, gap, 0.8, float(rng.uniform(-600, 200)), AIR_HU)
        )
    if rng.random() < 0.25:
        wide = float(rng.uniform(150, 260))
        y = low + float(rng.uniform(12, 45))
        made.append(Shell((x, y), wide, wide * 0.7, float(rng.uniform(20, 70)), 0.0, thick, dense, AIR_HU))
    return made


def _cloths(rng: Rng, place: Place) -> list[Shell | Cloth]:
    """Tape or a strap over the forehead, folds of a blanket beside the head."""
    x, y = float(place.middle_mm[0]), float(place.middle_mm[1])
    made: list[Shell | Cloth] = []
    depth = place.back_mm - y
    if rng.random() < 0.12:
        radii = (place.half_mm + float(rng.uniform(2, 14)), depth + float(rng.uniform(4, 16)))
        hu = float(rng.uniform(-400, 120))
        made.append(Cloth((x, y), radii, (np.pi - 0.2, 2 * np.pi + 0.2), 0.0, 0.0, float(rng.uniform(0.4, 2.5)), hu))
    for _ in range(int(rng.choice([0, 0, 0, 1, 2, 4]))):
        start = float(rng.uniform(0, 2 * np.pi))
        radii = (place.half_mm + float(rng.uniform(8, 40)), depth + float(rng.uniform(8, 40)))
        span = (start, start + float(rng.uniform(0.3, 1.6)))
        fold, count = float(rng.uniform(0, 6)), float(rng.uniform(6, 30))
        made.append(Cloth((x, y), radii, span, fold, count, float(rng.uniform(0.8, 5)), float(rng.uniform(-850, -150))))
    return made


def _wrap(rng: Rng, place: Place) -> Wrap:
    low = float(place.middle_mm[2] + rng.uniform(-60, 30))
    high = low + float(rng.uniform(30, 130))
    return Wrap((low, high), float(rng.uniform(0.03, 0.3)), float(rng.uniform(-850, -150)), float(rng.uniform(0, 200)))


def _chain(points: list[tuple[float, float, float]], radius: float, hu: float, wall: float, inside: bool) -> Rods:
    return tuple(Rod(a, b, radius, hu, wall, inside) for a, b in pairwise(points))


def _electrodes(rng: Rng, place: Place) -> Rods:
    """EEG or monitor electrodes on the scalp, each with a stump of its wire."""
    made: list[Rod] = []
    hu = float(rng.choice([rng.uniform(300, 2000), rng.uniform(2700, 7000)], p=[0.75, 0.25]))
    for _ in range(int(rng.integers(1, 14))):
        direction = rng.normal(0, 1, 3) * (1, 1, 0.5) + (0, 0, 0.5)
        foot, tip = (place.out(place.skin(direction, lift)) for lift in (0.8, rng.uniform(2, 14)))
        made += [Rod(foot, foot, float(rng.uniform(0.8, 2.6)), hu), Rod(foot, tip, 0.6, float(rng.uniform(0, 2500)))]
    return tuple(made)


def _pins(rng: Rng, place: Place) -> Rods:
    """Hair pins, staples or sutures on the scalp."""
    made = []
    hu = float(rng.uniform(2700, 7000))
    about = rng.normal(0, 1, 3) + np.array([0, 0, 0.7])
    for _ in range(int(rng.integers(1, 9))):
        direction = about + rng.normal(0, 0.12, 3)
        a = place.skin(direction, rng.uniform(0, 3))
        made.append(Rod(place.out(a), place.out(a + rng.normal(0, 3.5, 3)), float(rng.uniform(0.25, 0.7)), hu))
    return tuple(made)


def _earrings(rng: Rng, place: Place) -> Rods:
    made = []
    hu = float(rng.uniform(2700, 8000))
    for side in (-1, 1):
        if rng.random() < 0.8:
            a = place.skin(
                np.array([side, 0.12, 0.0]), rng.uniform(2, 7), np.array([0.0, 0.0, -18 + rng.uniform(-8, 6)])
            )
            b = a + rng.normal(0, 2.0, 3)
            made.append(Rod(place.out(a), place.out(b), float(rng.uniform(0.5, 1.8)), hu))
    return tuple(made)


def _fillings(rng: Rng, place: Place) -> Rods:
    """Dental metal on the upper and lower arch."""
    made = []
    for _ in range(int(rng.integers(1, 8))):
        angle = rng.uniform(-1.3, 1.3)
        a = np.array([28 * np.sin(angle), -48 - 36 * np.cos(angle), rng.uniform(-66, -50)])
        b = a + rng.normal(0, 1.5, 3)
        made.append(
            Rod(place.out(a), place.out(b), float(rng.uniform(1.0, 3.5)), float(rng.uniform(3000, 9000)), 0, True)
        )
    return tuple(made)


def _clip(rng: Rng, place: Place) -> Rods:
    """An aneurysm clip or a mass of coils at the circle of Willis."""
    a = np.array([rng.choice([0.0, 8.0, -8.0, 24.0, -24.0]), rng.uniform(-32, -14), rng.uniform(22, 36)])
    if rng.random() < 0.5:
        return (
            Rod(place.out(a), place.out(a), float(rng.uniform(1.5, 4.0)), float(rng.uniform(5000, 10000)), 0, True),
        )
    b = a + rng.normal(0, 5, 3)
    return (Rod(place.out(a), place.out(b), float(rng.uniform(0.7, 1.4)), float(rng.uniform(5000, 9000)), 0, True),)


def _catheter(rng: Rng, place: Place) -> Rods:
    """A ventricular drain from a burr hole, or a pressure probe."""
    side = rng.choice([-1, 1])
    direction = np.array([side * rng.uniform(0.25, 0.5), rng.choice([-0.55, 0.6]), 1.0])
    outer = place.skin(direction, rng.uniform(0, 20))
    tip = np.array([side * rng.uniform(2, 10), rng.uniform(-20, 8), rng.uniform(44, 60)])
    if rng.random() < 0.3:
        tip = tip + (outer - tip) * 0.6
    hu = float(rng.uniform(120, 1500))
    return (Rod(place.out(outer), place.out(tip), float(rng.uniform(0.8, 1.6)), hu, 0, True),)


def _tube_in_throat(rng: Rng, place: Place) -> Rods:
    """An endotracheal or a gastric tube."""
    radius = float(rng.choice([rng.uniform(4.5, 6.0), rng.uniform(1.8, 3.0)]))
    x = rng.uniform(-6, 6)
    path = [(x * 2, -125, -68), (x, -95, -66), (x / 2, -60, -60), (0, -34, -72), (0, -28, -125)]
    if radius < 4 and rng.random() < 0.6:  # through the nose
        path = [(7, -125, -40), (7, -92, -34), (6, -50, -30), (0, -30, -50), (0, -22, -125)]
    points = [place.out(np.array(p, float)) for p in path]
    return _chain(points, radius, float(rng.uniform(40, 500)), min(1.5, 0.45 * radius), True)


def _tubing(rng: Rng, place: Place) -> Rods:
    """Oxygen tubing, a drip line or a monitor cable beside the head."""
    angle = rng.uniform(0, 2 * np.pi)
    away = place.half_mm + rng.uniform(14, 50)
    z = np.sort(place.middle_mm[2] + rng.uniform(-130, 100, 4))
    points = []
    for height in z:
        angle += rng.normal(0, 0.35)
        x, y = place.middle_mm[:2] + away * np.array([np.cos(angle), 1.15 * np.sin(angle)])
        points.append((float(x), float(y), float(height)))
    radius = float(rng.uniform(0.8, 4.0))
    wall = float(rng.choice([0.0, 0.3 * radius]))
    return _chain(points, radius, float(rng.choice([rng.uniform(-200, 300), rng.uniform(300, 2500)])), wall, False)


def _hand(rng: Rng, place: Place) -> Rods:
    """Fingers of the one who holds the head, or the patient's own: soft tissue around bone."""
    made: list[Rod] = []
    for side in (-1, 1) if rng.random() < 0.4 else (rng.choice([-1, 1]),):
        x = place.middle_mm[0] + side * (place.half_mm + rng.uniform(12, 24))
        y = place.middle_mm[1] + rng.uniform(-45, 35)
        z = place.middle_mm[2] + rng.uniform(-70, 40)
        lean = rng.normal(0, 12, 2)
        for k in range(int(rng.integers(2, 6))):
            base = np.array([x + rng.normal(0, 2.5), y + 20 * k, z + rng.normal(0, 8)])
            tip = base + np.array([lean[0], lean[1], rng.uniform(35, 75)])
            a, b = (float(base[0]), float(base[1]), float(base[2])), (float(tip[0]), float(tip[1]), float(tip[2]))
            made += [Rod(a, b, 8.5, 45.0), Rod(a, b, 4.2, 900.0, 1.6, True), Rod(a, b, 2.6, 150.0, 0, True)]
    return tuple(made)


THINGS: Final[tuple[tuple[float, Callable[[Rng, Place], Rods]], ...]] = (
    (0.07, _electrodes),
    (0.05, _pins),
    (0.09, _earrings),
    (0.2, _fillings),
    (0.025, _clip),
    (0.03, _catheter),
    (0.1, _tube_in_throat),
    (0.2, _tubing),
    (0.04, _hand),
)
