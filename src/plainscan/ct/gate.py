"""Whether a slice can be a plain head CT: how far its measures (``ct.gate_measure``) are from what heads show.

No measure decides by the extreme of the heads seen so far. Each has a value that heads keep to (``usual``) and one
that heads hardly reach (``alien``); its *strain* grows from 0 at the first to 1 at the second. A slice is refused when
its strains add up to 1: one measure all wrong, or several half wrong. ``benchmarks/gate.py`` prints what is refused
and how near heads come to it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from plainscan.ct.gate_measure import AIR_HU, AMID_BRAIN, BONE_HU, NOISY, Measures

NOT_FRAMED, NOT_ONE_HEAD, NOT_HEAD_SIZE = "not_framed", "not_one_head", "not_head_size"
NO_SKULL, NO_BRAIN = "no_skull", "no_brain"
WRONG_VALUES, SHARP, CONTRAST = "wrong_values", "sharp_kernel", "contrast_seen"
REFUSALS: Final = {
    WRONG_VALUES: "values that cannot be HU: bone but no air at -1000 HU, as in MR or with a wrong intercept",
    SHARP: "noise of a bone or lung kernel in soft tissue",
    CONTRAST: "contrast medium: many values of filled vessels, 130 to 500 HU, amid brain",
    NOT_FRAMED: "no air around it, or not round: a photo, a text page, a picture that was inverted",
    NOT_ONE_HEAD: "several objects, a speckled outline or one wider than a head: tiled slices, ultrasound, a trunk",
    NOT_HEAD_SIZE: "by its pixel spacing larger or smaller than a head",
    NO_SKULL: "no smooth ring of bone near the skin: another body part, MR, PET, X-ray, a wrong window",
    NO_BRAIN: "what the bone encloses has not the HU of brain, or there is next to nothing enclosed",
}


class Rule(NamedTuple):
    """One measure, the value that heads keep to, the value that heads hardly reach, and the code it speaks for."""

    measure: str
    usual: float
    alien: float
    code: str


RULES: Final = (
    Rule("edge_air", 0.80, 0.50, NOT_FRAMED),
    Rule("corner_air", 0.80, 0.55, NOT_FRAMED),
    Rule("beside", 0.20, 0.60, NOT_ONE_HEAD),
    Rule("skin_rough", 2.0, 5.0, NOT_ONE_HEAD),
    Rule("wide", 1.10, 1.40, NOT_ONE_HEAD),
    Rule("long_mm", 250.0, 320.0, NOT_HEAD_SIZE),
    Rule("long_mm", 80.0, 40.0, NOT_HEAD_SIZE),
    Rule("closed", 0.70, 0.40, NO_SKULL),
    Rule("rough", 0.10, 0.20, NO_SKULL),
    Rule("dark", 0.50, 0.90, NO_SKULL),
    Rule("lined", 0.45, 0.15, NO_BRAIN),
    Rule("inside", 0.10, 0.05, NO_BRAIN),
    Rule("core_brain", 0.25, 0.09, NO_BRAIN),
    Rule("brain", 0.35, 0.10, NO_BRAIN),
    Rule("spread_hu", 6.0, 3.0, NO_BRAIN),
)
MOST_STRAIN: Final = 1.5  # of one measure
ENOUGH: Final = 1.0  # strain of a slice that is refused
VESSELS: Final = 0.08  # of a slice alone; skull base has as much in one slice in a hundred


def strains(m: Measures) -> dict[str, float]:
    """How far a slice is from what heads show, by code; what cannot be measured does not count."""
    found: dict[str, float] = {}
    for rule in RULES:
        value = getattr(m, rule.measure)
        strain = (value - rule.usual) / (rule.alien - rule.usual)
        if strain > 0:  # False for nan
            found[rule.code] = found.get(rule.code, 0.0) + min(strain, MOST_STRAIN)
    return found


def refusal(m: Measures) -> str | None:
    """The code of ``REFUSALS`` for a measured slice; None when it can be a plain head CT.

    Slices of the neck or the topmost of the skull are refused as well: ``inference.gate`` tells them by their series.
    """
    if m.high_hu > 2 * BONE_HU and m.low_hu > AIR_HU + 100:
        return WRONG_VALUES
    found = strains(m)
    if sum(found.values()) >= ENOUGH:
        return max(found, key=found.__getitem__)
    if m.noise_hu > NOISY[0] and m.fine_noise > NOISY[1]:
        return SHARP
    return CONTRAST if m.vessels > VESSELS and amid_brain(m, 0.02) else None


def amid_brain(m: Measures, bone: float = AMID_BRAIN[1]) -> bool:
    """Whether the ring holds brain and at most a share of compact bone or air, so that vessels would show."""
    return m.core_brain > AMID_BRAIN[0] and m.core_other < bone
