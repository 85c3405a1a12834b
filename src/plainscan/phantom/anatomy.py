"""One person: sex, age, shape of head and brain. The same in all of a patient's studies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from plainscan.phantom.anatomy_shape import PersonBrain, PersonHead, make_shape
from plainscan.phantom.anatomy_wide import Build, draw_age, draw_build, draw_look
from plainscan.phantom.tissue import Look
from plainscan.phantom.variant import Speck, draw_specks


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
    head: PersonHead
    brain: PersonBrain
    look: Look
    specks: tuple[Speck, ...]


def make_patient(rng: np.random.Generator, number: int = 0, wide: bool = False) -> Patient:
    """Draw a person; ``wide`` varies everything further than a hospital's patients do."""
    sex: Literal["F", "M"] = "F" if rng.random() < 0.47 else "M"
    if wide:
        age = draw_age(rng)
        build_, look = draw_build(rng, age, sex), draw_look(rng, age)
    else:
        age = int(np.clip(rng.normal(56, 19), 18, 94))
        build_, look = _build(rng, sex), _look(rng, age)
    shape = make_shape(rng, build_)
    specks = draw_specks(rng, age, build_.scale, wide)
    return Patient(number, sex, age, PersonHead(shape), PersonBrain(shape), look, specks)


def _build(rng: np.random.Generator, sex: Literal["F", "M"]) -> Build:
    return Build(
        scale=np.clip(rng.normal(1.0, 0.03, 3), 0.92, 1.08) * (0.975 if sex == "F" else 1.01),
        calvaria_mm=float(rng.uniform(2.4, 4.6)),
        scalp_mm=float(rng.uniform(3.5, 7.5)),
        frontal=float(rng.choice([0.3, 0.7, 0.9, 1.0, 1.2])),
    )


def _look(rng: np.random.Generator, age: int) -> Look:
    old = np.clip((age - 30) / 55, 0, 1.1)
    white = rng.uniform(27.0, 31.0)
    bone = rng.uniform(1350, 1950)
    right = rng.uniform(2.6, 4.4)
    return Look(
        sulcus_mm=float(0.15 + 0.75 * old**1.3 + rng.uniform(0, 0.22)),
        cisterna_mm=float(-1.0 * (1 - min(old, 1.0))),
        gap_mm=float(0.5 + 1.1 * old + rng.uniform(-0.15, 0.35)),
        ventricle_mm=float(-0.8 + 2.4 * old + rng.normal(0, 0.45)),
        white_hu=float(white),
        gray_hu=float(white + rng.uniform(8.5, 11.5)),
        bone_hu=float(bone),
        diploe_hu=float(bone - rng.uniform(500, 1000)),
        sinus_mm=(float(right), float(right * rng.choice([1.0, 1.0, 0.9, 0.8, 0.45]))),
        lean=float(rng.uniform(0.45, 0.85)),
        rim_hu=float(rng.uniform(5, 12)),
        rim_mm=float(rng.uniform(5, 10)),
    )
