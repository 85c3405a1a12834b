"""People varied further than a hospital's patients: what weights that are to hold everywhere are trained on.

The ranges are choices, wider than what adults have, after the idea of SynthSeg (Billot et al., Med Image Anal 2023,
86:102789, cited from memory): a real head shall be one more draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from plainscan.phantom.atlas import Vector
from plainscan.phantom.tissue import LENS_HU, NO_FLUID, Look

CHILD_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Osteoma:
    """A benign knob of bone, which may stand inward as an epidural hemorrhage does; it is no finding here.

    Args:
        direction: Unit vector from the middle of the average cranium.
        radius_mm: Standard deviation of its outline along the bone.
        inward_mm: Height on the inner table.
        outward_mm: Height on the outer table.
    """

    direction: tuple[float, float, float]
    radius_mm: float
    inward_mm: float
    outward_mm: float


@dataclass(frozen=True, slots=True)
class Build:
    """What of a person's shape is a number.

    Args:
        scale: Size along x, y, z; 1 is average.
        skew: How far one side of the back and the other of the front are flat: plagiocephaly.
        face: Size of face and neck relative to the cranium.
        warp_mm: Spread of the smooth random warp.
        fold_zoom: Density of sulci.
        calvaria_mm: Thickness of the calvaria.
        scalp_mm: Thickness of the scalp.
        temporal_mm: Thickness of the temporal muscle.
        frontal: Size of the frontal sinus.
        hyperostosis_mm: Thickening of the frontal bone's inner table.
        osteomas: Knobs of dense bone on the vault.
        uneven: Spread of the calvaria's thickness around the vault, as a share of it.
        pits_mm: Depth of the small impressions in the inner table.
        crests_mm: Height of the internal occipital and frontal crest.
        roof_mm: Depth of the gyri's impressions in the orbital roofs.
        base: Thickness of the skull base; 1 is an adult's.
        pneumatised_mm: By how much mastoid cells and sinuses are larger than average; negative is smaller.
    """

    scale: Vector
    skew: float = 0.0
    face: float = 1.0
    warp_mm: float = 1.9
    fold_zoom: float = 1.0
    calvaria_mm: float = 5.0
    scalp_mm: float = 5.0
    temporal_mm: float = 5.0
    frontal: float = 1.0
    hyperostosis_mm: float = 0.0
    osteomas: tuple[Osteoma, ...] = ()
    uneven: float = 0.1
    pits_mm: float = 0.5
    crests_mm: tuple[float, float] = (0.0, 0.0)
    roof_mm: float = 2.0
    base: float = 1.0
    pneumatised_mm: float = 0.0


def draw_age(rng: np.random.Generator) -> int:
    """Age in years: adults of all ages alike, and some children, among them many infants, whose skulls differ most."""
    return int(15 * rng.random() ** 2) if rng.random() < CHILD_SHARE else int(rng.integers(15, 98))


def draw_build(rng: np.random.Generator, age: int, sex: Literal["F", "M"]) -> Build:
    """The shape of a head of this age."""
    grown = float(0.74 + 0.26 * np.clip(age / 9, 0, 1) ** 0.5)
    scale = np.clip(rng.normal(1.0, (0.055, 0.05, 0.04)), 0.87, 1.13) * grown * (0.975 if sex == "F" else 1.01)
    adult = min(age / 16, 1.0)
    thick = float(np.clip(3.1 * np.exp(rng.normal(0, 0.42)), 1.6, 10.0))
    old_woman = age > 45 and sex == "F"
    return Build(
        scale=scale,
        skew=float(rng.normal(0, 0.035) if rng.random() < 0.7 else rng.normal(0, 0.09)),
        face=float(np.clip(rng.normal(1, 0.05), 0.88, 1.12) * (0.8 + 0.2 * adult)),
        warp_mm=float(rng.uniform(1.2, 3.2)),
        fold_zoom=float(np.exp(rng.normal(0, 0.16))),
        calvaria_mm=float(np.clip(1.6 + (thick - 1.6) * adult, 1.5, 10.0)),
        scalp_mm=float(np.clip(6.0 * np.exp(rng.normal(0, 0.6)), 1.5, 18.0)),
        temporal_mm=float(rng.uniform(1.5, 8.5) * (0.5 + 0.5 * adult)),
        frontal=float(rng.uniform(0.1, 1.5) * adult),
        hyperostosis_mm=float(rng.uniform(2, 8)) if rng.random() < (0.15 if old_woman else 0.03) else 0.0,
        osteomas=_osteomas(rng) if age > 15 else (),
        pneumatised_mm=float(rng.normal(0, 2.0) - 5 * (1 - adult)),
        uneven=float(rng.uniform(0.05, 0.22)),
        pits_mm=float(rng.uniform(0.1, 1.4) * (0.1 + 0.9 * adult)),
        crests_mm=(_crest(rng, 7.0 * adult), _crest(rng, 6.0 * adult)),
        roof_mm=float(rng.uniform(0.5, 4.0)),
        base=0.4 + 0.6 * adult,
    )


def _osteomas(rng: np.random.Generator) -> tuple[Osteoma, ...]:
    """Mostly none; each on either table or on both, above the skull base."""
    made: list[Osteoma] = []
    for _ in range(int(rng.choice([0, 1, 3], p=[0.9, 0.08, 0.02]))):
        toward = rng.normal(0, 1, 3)
        x, y, z = (float(part) for part in toward / np.linalg.norm(toward))
        inner, outer = ((1.0, 0.0), (0.0, 1.0), (1.0, 0.7))[int(rng.integers(3))]
        high = float(rng.uniform(2, 10))
        made.append(Osteoma((x, y, abs(z)), float(rng.uniform(3, 11)), inner * high, outer * high))
    return tuple(made)


def _crest(rng: np.random.Generator, most_mm: float) -> float:
    return float(rng.uniform(0.2, 1.0) * most_mm) if rng.random() < 0.6 else 0.0


def draw_look(rng: np.random.Generator, age: int) -> Look:
    """Widths and densities; as wide as is still no finding, for this age."""
    old = float(np.clip((age - 30) / 55, 0, 1.15))
    white = float(np.clip(rng.normal(29.8, 3.6), 20, 39))
    gray = white + float(np.clip(rng.normal(11.3, 2.7), 5.5, 17.0) if age > 2 else rng.uniform(0.5, 6.0))
    ventricle = float(-1.0 + 2.4 * old + rng.normal(0, 0.7))
    globe = float(rng.uniform(2, 18))
    return Look(
        sulcus_mm=float(np.clip(0.05 + 1.1 * old**1.3 + rng.normal(0.15, 0.2), 0.0, 2.0)),
        gap_mm=float(np.clip(1.8 * old * rng.random() + rng.normal(0.15, 0.3) + (1.2 if age < 2 else 0), 0.0, 3.2)),
        ventricle_mm=ventricle,
        white_hu=white,
        gray_hu=gray,
        **_bone(rng, age),
        sinus_mm=_sinuses(rng),
        csf_hu=float(np.clip(rng.normal(8.5, 3.5), 0, 16)),
        blood_hu=float(rng.uniform(40, 70)),
        fat_hu=float(rng.uniform(-115, -75)),
        muscle_hu=float(rng.uniform(38, 66)),
        lean=float(rng.uniform(0.25, 0.95)),
        ventricle_skew_mm=float(rng.normal(0, 0.5)),
        cavum_mm=float(rng.uniform(0.8, 3.5)) if rng.random() < 0.1 else 0.0,
        leukoaraiosis=float(rng.uniform(0, 0.9)) if rng.random() < 0.9 * old else 0.0,
        cisterna_mm=float(rng.normal(-1.3 * (1 - min(old, 1.0)), 0.5)),
        folia_hu=float(rng.uniform(1.5, 7.0)),
        rim_hu=float(rng.uniform(0, 18)),
        rim_mm=float(rng.uniform(2.5, 12)),
        base_hu=float(rng.uniform(-3, 12)),
        filled=_filled(rng),
        mucosa_mm=float(rng.uniform(0.5, 5)) if rng.random() < 0.3 else 0.0,
        lens_hu=(_lens(rng, age, globe), _lens(rng, age, globe)),
        globe_hu=(_globe(rng, globe), _globe(rng, globe)),
        galea_mm=float(np.clip(1.8 * np.exp(rng.normal(0, 0.6)), 0.3, 7.0)),
    )


def _bone(rng: np.random.Generator, age: int) -> dict[str, float]:
    """Densities of the skull and widths of what is open in it; keys as in ``Look``."""
    adult = min(age / 16, 1.0)
    bone = float(rng.uniform(1000, 2100) * (0.55 + 0.45 * adult))
    diploe = bone - float(rng.uniform(400, 1100) if rng.random() < 0.8 else rng.uniform(0, 200)) * adult
    infant = age < 2
    return {
        "bone_hu": bone,
        "diploe_hu": max(diploe, 220.0),
        "suture_mm": float(rng.uniform(1.0, 3.0) if infant else rng.uniform(0.0, 0.9)),
        "fontanelle_mm": float(rng.uniform(4, 16)) if infant else 0.0,
    }


def _sinuses(rng: np.random.Generator) -> tuple[float, float]:
    """Radius of the transverse sinuses; the right one is more often the larger (a convention of textbooks)."""
    wide = float(rng.uniform(2.2, 5.2))
    narrow = wide * float(rng.choice([1.0, 0.9, 0.75, 0.5, 0.3]))
    return (wide, narrow) if rng.random() < 0.65 else (narrow, wide)


def _filled(rng: np.random.Generator) -> tuple[float, float, float, float, float]:
    if rng.random() < 0.6:
        return NO_FLUID
    full = rng.random(5) < 0.4
    parts = np.where(full, np.where(rng.random(5) < 0.4, 1.5, rng.uniform(0.1, 0.9, 5)), 0.0)
    return (float(parts[0]), float(parts[1]), float(parts[2]), float(parts[3]), float(parts[4]))


def _lens(rng: np.random.Generator, age: int, globe_hu: float) -> float:
    gone = age > 55 and rng.random() < 0.25  # an artificial lens is thin and hardly seen
    return globe_hu + 20 if gone else LENS_HU + float(rng.normal(0, 12))


def _globe(rng: np.random.Generator, globe_hu: float) -> float:
    """Inside an eye: fluid; rarely silicone oil or a prosthesis."""
    return float(rng.uniform(90, 400)) if rng.random() < 0.012 else globe_hu
