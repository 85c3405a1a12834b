"""Each kind of blood in all its ages, sizes and sites, drawn evenly: what a training wants to see, not a hospital.

Densities before partial volume, HU. All figures without "looked up" are recalled from the cited text, not looked up.

=====================  ========  ====================================================================================
blood                  HU        source
=====================  ========  ====================================================================================
hyperacute, unclotted  30..50    swirl of fresh blood within clot: Zimmerman and Bilaniuk, Radiology 1982;144:83
acute clot             50..85    New and Aronow, Radiology 1976;121:635
acute in anemia        38..50    isodense below a hemoglobin of about 80-100 g/l: Smith et al., J Neurosurg 1981;54:81
loss with age          1.5/day   from the rim inward: Dolinskas et al., AJR 1977;129:681
subdural by age        as below  Scotti et al., J Neurosurg 1977;47:311; septa and levels: Nomura et al., J Neurosurg
                                 1994;81:910
=====================  ========  ====================================================================================
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from plainscan.phantom.anatomy import Patient
from plainscan.phantom.lesion import Placed, Spot, Vector, blob, sign, spot, wobble
from plainscan.phantom.lesion_clot import Intraparenchymal, Intraventricular, Petechiae
from plainscan.phantom.lesion_hemorrhage import DuralSubdural, Epidural, Mixture, Subarachnoid, Subdural
from plainscan.phantom.place import DEEP, LOBES, Rng, deep, draw_side, inward, midline_shift
from plainscan.phantom.truth import Age, Side, Site

# Site, direction from the cranium's middle (left side), y range of the bone, lowest z (None: end of the convexity).
EPIDURALS: Final[tuple[tuple[Site, tuple[float, float, float], tuple[float, float], float | None], ...]] = (
    ("frontal", *LOBES["frontal"], None),
    ("parietal", *LOBES["parietal"], None),
    ("temporal", *LOBES["temporal"], None),
    ("occipital", *LOBES["occipital"], None),
    ("temporal", (0.66, -0.48, -0.36), (-60.0, -8.0), -12.0),  # the pole
    ("temporal", (0.8, -0.2, -0.42), (-45.0, 14.0), -14.0),  # the middle fossa
    ("posterior_fossa", (0.55, 0.75, -0.5), (12.0, 99.0), -40.0),
    ("vertex", (0.15, 0.1, 1.0), (-70.0, 70.0), None),
)
CONTUSIONS: Final[tuple[tuple[Site, tuple[float, float, float]], ...]] = (
    ("frontal", (0.32, -0.8, -0.12)),
    ("frontal", (0.5, -0.75, 0.1)),
    ("temporal", (0.66, -0.48, -0.36)),
    ("temporal", (0.88, -0.1, -0.4)),
    ("occipital", (0.45, 0.88, 0.0)),
)
CISTERNS: Final[tuple[tuple[Site, tuple[float, float, float], tuple[float, float]], ...]] = (
    ("basal_cisterns", (0, -8, 32), (18.0, 42.0)),
    ("basal_cisterns", (0, -2, 29), (7.0, 12.0)),  # interpeduncular
    ("basal_cisterns", (0, -6, 8), (8.0, 16.0)),  # in front of the pons
    ("basal_cisterns", (16, 12, 36), (7.0, 14.0)),  # ambient
    ("basal_cisterns", (0, 28, 43), (8.0, 14.0)),  # quadrigeminal
    ("sylvian_fissure", (42, -8, 43), (9.0, 30.0)),
    ("interhemispheric_fissure", (0, -50, 52), (12.0, 34.0)),
)
BESIDE_BONE_HU: Final = 5.0  # of what was measured in blood at the bone, bone's own light: it is added by the scene
LEAST_CONTRAST_HU: Final = 9.0  # a layer that differs less from cortex is seen by what it displaces alone
EASILY_SEEN_MM: Final = 8.0  # and it displaces enough from this thickness on: both are choices by looking
SHEAR: Final[tuple[tuple[Site, tuple[float, float, float]], ...]] = (
    ("frontal", (26, -42, 72)),
    ("parietal", (30, 10, 84)),
    ("corpus_callosum", (8, 0, 73)),
    ("temporal", (40, -10, 30)),
    ("brainstem", (6, 12, 22)),
)


def even(rng: Rng, low: float, high: float) -> float:
    """A size drawn evenly over its logarithm: small ones come as often as large ones."""
    return float(low * (high / low) ** rng.random())


def acute_hu(rng: Rng, pale: float = 0.12) -> float:
    """Density of an acute clot; with chance ``pale`` that of an anemic patient."""
    return float(rng.uniform(40, 50) if rng.random() < pale else np.clip(rng.normal(63, 8), 50, 85))


def _beside_bone(patient: Patient, blood_hu: float, thick_mm: float = 0.0) -> float:
    """Density before bone's light of blood that was measured beside bone; a thin layer is denser than cortex."""
    least = patient.look.gray_hu + LEAST_CONTRAST_HU if thick_mm < EASILY_SEEN_MM else 0.0
    return max(blood_hu - BESIDE_BONE_HU, least)


def _fresh(rng: Rng, share: float) -> Mixture | None:
    """Unclotted swirls, in some."""
    return Mixture(float(rng.uniform(30, 46)), "patchy", float(rng.uniform(1, 3))) if rng.random() < share else None


def any_epidural(rng: Rng, patient: Patient) -> tuple[list[Placed], Spot, Side, Site]:
    """An epidural hemorrhage of any size anywhere, the shift it causes, and where it lies."""
    site, direction, sutures, floor = EPIDURALS[int(rng.integers(len(EPIDURALS)))]
    side = draw_side(rng)
    place = spot(patient, np.array(direction) * (sign(side), 1, 1) + rng.normal(0, 0.12, 3))
    thick = float(rng.uniform(3.2, 6.5)) if rng.random() < 0.45 else even(rng, 5, 26)
    lens = Epidural(
        finding="epidural_hemorrhage",
        side=side,
        site=site,
        size_mm=thick,
        age="acute",
        spot=place,
        radius_mm=float(12 + (1.8 * thick + 8) * rng.uniform(0.8, 1.5)),
        blood_hu=_beside_bone(patient, acute_hu(rng, 0.1 * (thick > 6)), thick),
        swirl_hu=0.0,
        sutures_mm=sutures,
        shape=wobble(rng, 14),
        floor_mm=floor,
        mixed=_fresh(rng, 0.25 * (thick > 6)),
        press_mm=float(rng.uniform(0, 3)),
    )
    shift = midline_shift(rng, side, 0.4 * thick - 2, (float(place.point_mm[1]) * 0.4, 58.0))
    return [lens, *(shift if site not in ("vertex", "posterior_fossa") else [])], place, side, site


def any_subdural(rng: Rng, patient: Patient, side: Side | None = None) -> list[Placed]:
    """A subdural hemorrhage of the convexity: thin or thick, fresh, isodense, old, or one in the other."""
    side = side or draw_side(rng)
    age, first, mixed = _subdural_blood(rng, patient)
    faint = abs(first - 36) < 10 and mixed is None  # like brain: seen by the pressed sulci, so never thin
    thick = (
        even(rng, 6, 20) if faint or age == "chronic" else even(rng, 2.3, 5) if rng.random() < 0.5 else even(rng, 4, 24)
    )
    if mixed is not None:
        thick = max(thick, 6.0)
    place = spot(patient, np.array([sign(side) * 0.9, rng.uniform(-0.6, 0.6), rng.uniform(-0.05, 0.6)]))
    collection = Subdural(
        finding="subdural_hemorrhage",
        side=side,
        site="convexity",
        size_mm=thick,
        age=age,
        spot=place,
        radius_mm=float(rng.uniform(30, 66) + thick),
        blood_hu=first,
        layer_hu=float(rng.uniform(4, 14)) if age != "acute" and mixed is None and rng.random() < 0.4 else 0.0,
        shape=wobble(rng, 45, 4),
        mixed=mixed,
        press_mm=float(rng.uniform(0, 3)),
    )
    room = 0.1 * max(patient.age_years - 40, 0)
    return [collection, *midline_shift(rng, side, 0.7 * thick - 2 - room, (float(place.point_mm[1]) * 0.4, 58.0))]


def _subdural_blood(rng: Rng, patient: Patient) -> tuple[Age, float, Mixture | None]:
    """Age and densities of a subdural hemorrhage."""
    kind = rng.random()
    old, fresh = float(rng.uniform(10, 24)), float(rng.uniform(50, 72))
    if kind < 0.5:
        return "acute", _beside_bone(patient, acute_hu(rng, 0.08)), _fresh(rng, 0.1)
    if kind < 0.62:
        return "subacute", float(rng.uniform(28, 44)), None
    if kind < 0.72:
        return "chronic", old, None
    if kind < 0.82:  # cells settle: dense behind
        return "subacute", fresh - 6, Mixture(old + 6, "level", 1.0, float(rng.uniform(-15, 35)))
    if kind < 0.91:
        return "chronic", old, Mixture(fresh, "patchy", float(rng.uniform(1.5, 3)))
    return "chronic", old + 4, Mixture(fresh - 8, "septa", float(rng.uniform(2, 3.5)))


def any_dural(rng: Rng, side: Side | None = None) -> Placed:
    """A sheet along falx or tentorium, mostly thin."""
    site: Site = "falx" if rng.random() < 0.5 else "tentorium"
    y = float(rng.uniform(-50, 60)) if site == "falx" else float(rng.uniform(28, 58))
    return DuralSubdural(
        finding="subdural_hemorrhage",
        side=side or draw_side(rng),
        site=site,
        size_mm=even(rng, 2.3, 8.0),
        age="acute",
        blood_hu=acute_hu(rng, 0.0),
        middle_mm=(y, float(rng.uniform(70, 100)) if site == "falx" else float(rng.uniform(25, 36))),
        radius_mm=even(rng, 22, 60),
    )


def _subarachnoid(rng: Rng, side: Side, site: Site, middle: Vector, radius: float) -> Placed:
    return Subarachnoid(
        finding="subarachnoid_hemorrhage",
        side=side,
        site=site,
        size_mm=2 * radius,
        age="acute",
        mask_share=0.4,
        blood_hu=float(np.clip(rng.normal(63, 7), 52, 80)),
        middle_mm=(float(middle[0]), float(middle[1]), float(middle[2])),
        radius_mm=radius,
        shape=wobble(rng, max(0.7 * radius, 8)),
        open_mm=float(rng.uniform(1.0, 1.7)),
    )


def sulcal(rng: Rng, patient: Patient, side: Side | None = None) -> Placed:
    """Blood in one sulcus or in several."""
    side = side or draw_side(rng)
    lobe = list(LOBES)[int(rng.integers(4))]
    return _subarachnoid(
        rng, side, "sulci", inward(rng, patient, side, lobe, float(rng.uniform(3, 9))), even(rng, 9, 32)
    )


def cisternal(rng: Rng) -> Placed:
    """Blood in a cistern or a fissure: a trace or all of it."""
    site, middle, radii = CISTERNS[int(rng.integers(len(CISTERNS)))]
    side = draw_side(rng) if middle[0] else "bilateral"
    return _subarachnoid(rng, side, site, np.array(middle) * (sign(side) or 1, 1, 1), even(rng, *radii))


def aneurysmal(rng: Rng) -> list[Placed]:
    """All basal cisterns, and fissures beside them, of one density."""
    bleed = _subarachnoid(rng, "bilateral", "basal_cisterns", np.array([0, -8, 32]), float(rng.uniform(24, 44)))
    found, side = [bleed], draw_side(rng)
    if rng.random() < 0.7:
        middle = np.array([sign(side) * 42, -8, 43])
        found.append(_subarachnoid(rng, side, "sylvian_fissure", middle, float(rng.uniform(16, 32))))
    if rng.random() < 0.4:
        middle = np.array([0, -50, 52])
        found.append(_subarachnoid(rng, "bilateral", "interhemispheric_fissure", middle, float(rng.uniform(18, 34))))
    return found


def any_clot(rng: Rng, patient: Patient) -> list[Placed]:
    """A clot of any site, size and age, with the shift it causes."""
    side = draw_side(rng)
    sites: tuple[Site, ...] = (*LOBES, "basal_ganglia", "thalamus", "cerebellum", "brainstem")
    site = sites[int(rng.choice(8, p=[0.1, 0.1, 0.1, 0.1, 0.2, 0.14, 0.16, 0.1]))]
    largest = {"brainstem": 9.0, "thalamus": 16.0, "cerebellum": 20.0, "basal_ganglia": 26.0}.get(site, 28.0)
    radius = even(rng, 3.4, largest)
    if site in DEEP:
        center = deep(rng, side, site, 3.0)
    else:
        center = inward(rng, patient, side, site, radius + float(rng.uniform(2, 22)))
    found = [hematoma(rng, side, site, center, radius)]
    if site in ("cerebellum", "brainstem"):
        return found
    return found + midline_shift(rng, side, 0.55 * (radius - 9), (float(center[1]) * 0.4, 55.0))


def hematoma(rng: Rng, side: Side, site: Site, center: Vector, radius: float) -> Placed:
    """A clot at a point: hyperacute, acute, with a level, or fading from its rim."""
    age, blood, mixed, edema = "acute", acute_hu(rng), None, float(rng.uniform(0.4, 3) + 0.2 * radius * rng.random())
    kind = rng.random()
    if kind < 0.25:
        mixed = _fresh(rng, 1.0)
    elif kind < 0.33 and radius > 8:
        mixed = Mixture(float(rng.uniform(24, 40)), "level", 1.0, float(center[1] + rng.uniform(-0.4, 0.4) * radius))
    elif kind < 0.55:  # a week or more old
        age, blood = "subacute", float(rng.uniform(46, 64))
        mixed = Mixture(float(rng.uniform(24, 36)), "shell", radius * float(rng.uniform(0.15, 0.5)))
        edema = float(rng.uniform(2, 5) + 0.3 * radius)
    return Intraparenchymal(
        finding="intraparenchymal_hemorrhage",
        side=side,
        site=site,
        size_mm=2 * radius,
        age=age,  # type: ignore[arg-type]  # one of two ages
        clot=blob(rng, center, radius, rough=float(rng.uniform(0.08, 0.34)), flat=float(rng.uniform(0.4, 0.8))),
        blood_hu=blood,
        edema_mm=edema,
        mixed=mixed,
        edema_hu=float(rng.uniform(5, 12)),
        mask_share=0.4 if radius < 5 else 0.5,
    )


def contusions(rng: Rng, patient: Patient, side: Side | None = None) -> list[Placed]:
    """One to three bruises beside rough bone: blood and edema like salt and pepper, or small clots."""
    found: list[Placed] = []
    for _ in range(int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))):
        here = side or draw_side(rng)
        site, direction = CONTUSIONS[int(rng.integers(len(CONTUSIONS)))]
        place = spot(patient, np.array(direction) * (sign(here), 1, 1) + rng.normal(0, 0.1, 3))
        radius = even(rng, 3.2, 15)
        pepper = Mixture(float(rng.uniform(16, 30)), "patchy", float(rng.uniform(1.2, 2.2)))
        found.append(
            Intraparenchymal(
                finding="intraparenchymal_hemorrhage",
                side=here,
                site=site,
                size_mm=2 * radius,
                age="acute",
                clot=blob(rng, place.point_mm - (0.75 * radius + 1.5) * place.normal, radius, rough=0.25, flat=0.55),
                blood_hu=acute_hu(rng, 0.0),
                edema_mm=float(rng.uniform(0, 5)),
                effect=0.4,
                mask_share=0.4,
                mixed=pepper if radius > 4 and rng.random() < 0.7 else None,
            )
        )
    return found


def petechiae(rng: Rng) -> Placed:
    """Shear bleeds of a few millimeters where gray meets white matter, in corpus callosum and brainstem."""
    site, middle = SHEAR[int(rng.integers(len(SHEAR)))]
    side = draw_side(rng)
    count = int(rng.integers(2, 7))
    reach = 4.0 if site in ("brainstem", "corpus_callosum") else 13.0
    centers = np.array(middle) * (sign(side), 1, 1) + rng.normal(0, reach, (count, 3))
    return Petechiae(
        finding="intraparenchymal_hemorrhage",
        side=side,
        site=site,
        size_mm=4.0,
        age="acute",
        centers_mm=centers,
        radii_mm=rng.uniform(1.8, 3.6, count),
        blood_hu=float(rng.uniform(54, 76)),
    )


def any_intraventricular(rng: Rng) -> Placed:
    """A trace behind in the occipital horns, a level, a cast of one ventricle, or of all."""
    side = draw_side(rng)
    kind = int(rng.choice(5, p=[0.3, 0.2, 0.25, 0.15, 0.1]))
    level = (float(rng.uniform(40, 51)), float(rng.uniform(28, 42)), 99.0, 99.0, 99.0)[kind]
    middle = ((0, 0, 0), (0, 0, 0), (sign(side) * 13, rng.uniform(-20, 25), 62), (0, 12, 30), (0, 5, 50))[kind]
    radius = (1.0, 1.0, even(rng, 10, 34), float(rng.uniform(16, 34)), 70.0)[kind]
    both = kind > 2 or (kind < 2 and rng.random() < 0.6)
    site: Site = "fourth_ventricle" if kind == 3 else "lateral_ventricle"
    return Intraventricular(
        finding="intraventricular_hemorrhage",
        side="bilateral" if both else side,
        site=site,
        size_mm=0.0,
        age="acute",
        mask_share=0.4,
        blood_hu=acute_hu(rng, 0.05),
        level_mm=level,
        cast=blob(rng, np.array(middle, float), radius, rough=0.12) if kind > 1 else None,
        one_sided=not both,
    )


def broken_in(rng: Rng, found: list[Placed]) -> list[Placed]:
    """Blood in the ventricle beside a deep clot that is large enough to break in, sometimes."""
    clot = found[0]
    if clot.site not in ("basal_ganglia", "thalamus") or rng.random() > 0.1 + 0.03 * clot.size_mm / 2:
        return []
    middle = np.array([sign(clot.side) * 12, float(rng.uniform(-18, 20)), 61])
    cast = blob(rng, middle, even(rng, 8, 30)) if rng.random() < 0.6 else None
    blood = clot.blood_hu if isinstance(clot, Intraparenchymal) else 60.0
    return [
        Intraventricular(
            finding="intraventricular_hemorrhage",
            side=clot.side,
            site="lateral_ventricle",
            size_mm=0.0,
            age="acute",
            mask_share=0.4,
            blood_hu=max(blood, 46.0),
            level_mm=float(rng.uniform(38, 56)),
            cast=cast,
            one_sided=math.isclose(rng.random(), 0.5, abs_tol=0.2),
        )
    ]
