"""Flaws of an image that are no finding: hardening, starved rays, motion, metal streaks, rings.

By the Fourier slice theorem the projection at one angle is a line through the slice's spectrum. An error of some
projections is therefore a factor on some angles of it: that is how streaks and ghosts are made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.phantom import hardening
from plainscan.phantom.atlas import F32, Numbers, f32

VIEWS: Final = 240  # projections of half a turn, coarse enough that a faulty one shows


@dataclass(frozen=True, slots=True)
class Flaws:
    """What goes wrong in an acquisition; all zero: nothing.

    Args:
        hardening: Strength of bars and bands by dense bone; negative where the scanner corrects too much.
        rim_hu: Brightening of what lies beside bone.
        rim_mm: How far that reaches.
        cup_hu: Error at the edge of the head against its middle.
        starvation: Noise of the rays that pass much bone.
        streak: Relative error of single projections.
        motion_mm: How far the head moves during a slice.
        motion_rate: Share of slices during which it does.
        metal: Strength of streaks around metal.
        ring_hu: Amplitude of rings.
    """

    hardening: float = 0.0
    rim_hu: float = 0.0
    rim_mm: float = 4.0
    cup_hu: float = 0.0
    starvation: float = 0.0
    streak: float = 0.0
    motion_mm: float = 0.0
    motion_rate: float = 0.0
    metal: float = 0.0
    ring_hu: float = 0.0

    def coarse_error(self, bone: F32, cell_mm: float) -> F32 | None:
        """Slowly varying error on the coarse grid of ``hardening``, HU; None without any."""
        if not (self.hardening or self.rim_hu or self.cup_hu):
            return None
        error = np.zeros_like(bone)
        if self.hardening:
            error += hardening.hardened(bone, cell_mm, self.hardening)
        if self.rim_hu:
            error += self.rim_hu * hardening.rim(bone, cell_mm, self.rim_mm)
        if self.cup_hu:
            away = (np.arange(hardening.SIDE) - (hardening.SIDE - 1) / 2) * cell_mm / 90
            error += self.cup_hu * f32(away[:, None] ** 2 + away**2)
        return np.clip(error, -90, 60)


NO_FLAWS: Final = Flaws()


def frequencies(shape: tuple[int, int], pixel_mm: float) -> tuple[Numbers, Numbers]:
    """Frequencies of a half spectrum, (rows, 1) and (1, columns // 2 + 1), 1/mm."""
    return np.fft.fftfreq(shape[0], pixel_mm)[:, None], np.fft.rfftfreq(shape[1], pixel_mm)[None, :]


def view_index(shape: tuple[int, int], pixel_mm: float) -> NDArray[np.int16]:
    """Which projection each frequency belongs to, (rows, columns // 2 + 1), 0 to VIEWS - 1; 0 is along the columns."""
    fy, fx = frequencies(shape, pixel_mm)
    turn = np.mod(np.arctan2(fx, fy), np.pi) / np.pi
    return np.minimum((turn * VIEWS).astype(np.int16), np.int16(VIEWS - 1))


def faulty_views(rng: np.random.Generator, strength: float, share: float) -> F32:
    """Relative error of each projection, (VIEWS,): most are right, a ``share`` is not."""
    wrong = rng.standard_normal(VIEWS, dtype=np.float32) * (rng.random(VIEWS) < share)
    return f32(strength * wrong)


def moved(
    rng: np.random.Generator, shape: tuple[int, int], pixel_mm: float, views: NDArray[np.int16], size_mm: float
) -> NDArray[np.complex64]:
    """Factor of the spectrum when the head moves by ``size_mm`` at some time during the turn."""
    direction = rng.uniform(0, 2 * np.pi)
    start, length = rng.uniform(0, VIEWS), rng.uniform(0.05, 0.4) * VIEWS
    when = np.mod(np.arange(VIEWS) - start, VIEWS)
    course = np.clip((when - (VIEWS - length)) / rng.uniform(2, 0.6 * length), 0, 1)  # away, and the turn ends
    if rng.random() < 0.3:  # a tremor
        course = 0.5 * np.sin(np.arange(VIEWS) * rng.uniform(0.03, 0.15) + start)
    shift = f32(-2 * np.pi * size_mm * course)[views]
    fy, fx = frequencies(shape, pixel_mm)
    phase = shift * f32(np.sin(direction) * fy + np.cos(direction) * fx)
    factor: NDArray[np.complex64] = np.exp(1j * phase).astype(np.complex64)
    return factor


def rings(rng: np.random.Generator, shape: tuple[int, int], pixel_mm: float) -> F32:
    """Rings of faulty detector elements around the isocenter, unit amplitude, (rows, columns)."""
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in shape)
    radius = np.hypot(rows[:, None], columns[None, :])
    element = rng.standard_normal(int(radius.max()) + 3) * (rng.random(int(radius.max()) + 3) < rng.uniform(0.05, 0.9))
    fade = np.exp(-np.arange(len(element)) * pixel_mm / rng.uniform(20, 120))  # an inner element errs for more pixels
    return f32(np.interp(radius.ravel(), np.arange(len(element)), element * fade).reshape(shape))
