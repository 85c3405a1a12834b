"""One radiology report per synthetic study: what is there, what is not, in one of several departmental styles.

The wording is this package's own, written without the phrase lists of ``plainscan.reports``; what the two share is
the vocabulary of radiology. Every lesion is named in the conclusion, some with a
hedge; a normal variant is at most mentioned as such; what is denied is truly absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np

from plainscan.findings import HEMORRHAGE_KEYS
from plainscan.phantom import report_chinese, report_english
from plainscan.phantom.report_words import Words
from plainscan.phantom.truth import Lesion, StudyTruth

WORDS: Final = {"zh": report_chinese.WORDS, "en": report_english.WORDS}
T = TypeVar("T")

# Findings that readers often leave open on a plain CT, and how often the conclusion does so here.
_OFTEN_OPEN: Final = frozenset({"early_infarct", "subarachnoid_hemorrhage", "skull_fracture", "mass"})
_HEDGED_OFTEN, _HEDGED_SELDOM = 0.25, 0.03
_FEW_SLICES: Final = 2


def write_report(truth: StudyTruth, language: str, rng: np.random.Generator) -> str:
    """The report of a study.

    Args:
        truth: What is there.
        language: ``zh`` or ``en``.
        rng: Chooses style and wording.

    Returns:
        Several lines of text, ended by a line feed.
    """
    words = WORDS[language]
    style = _pick(words.styles, rng)
    findings = [
        *(_describe(lesion, words, rng) for lesion in truth.lesions),
        *_negatives(truth, words, rng),
        *_variants(truth, words, rng),
    ]
    text = style.template.format(
        technique=_pick(words.technique, rng).format(thickness=f"{truth.thickness_mm:g}"),
        comparison=_pick(words.compared if truth.comparison else words.not_compared, rng),
        findings=style.join.join(findings),
        conclusion=_conclusion(truth, words, style.numbered, rng),
    )
    return text.strip() + "\n"


def _describe(lesion: Lesion, words: Words, rng: np.random.Generator) -> str:
    template = _pick(words.descriptions[_variety(lesion, words.descriptions)], rng)
    sentence = template.format(place=_place(lesion, words), **_numbers(lesion, words, rng))
    return _capital(sentence + _reference(lesion, words, rng))


def _conclusion(truth: StudyTruth, words: Words, numbered: bool, rng: np.random.Generator) -> str:
    if not truth.lesions:
        items = [_pick(words.normal, rng)]
    else:
        items = list(dict.fromkeys(_conclude(lesion, words, rng) for lesion in truth.lesions))
    present = {lesion.finding for lesion in truth.lesions}
    if present and not present & set(HEMORRHAGE_KEYS) and rng.random() < 0.4:
        items.append(_pick(words.no_hemorrhage, rng))
    if rng.random() < 0.3:
        items.append(_pick(words.advice, rng))
    if not numbered or len(items) == 1:
        return words.join_conclusion.join(items)
    return "\n".join(words.number.format(i, item) for i, item in enumerate(items, start=1))


def _conclude(lesion: Lesion, words: Words, rng: np.random.Generator) -> str:
    named = _pick(words.conclusions[_variety(lesion, words.conclusions)], rng)
    named = named.format(place=_place(lesion, words), **_numbers(lesion, words, rng))
    rate = _HEDGED_OFTEN if _is_open(lesion) else _HEDGED_SELDOM
    hedged = _pick(words.hedges, rng).format(named) if rng.random() < rate else named + words.stop
    return _capital(hedged)


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _is_open(lesion: Lesion) -> bool:
    return lesion.finding in _OFTEN_OPEN or len(lesion.slices) <= _FEW_SLICES


def _variety(lesion: Lesion, templates: dict[str, tuple[str, ...]]) -> str:
    """The most telling key that has templates: finding with age, else finding."""
    aged = f"{lesion.finding}.{lesion.age}"
    return aged if aged in templates else lesion.finding


def _place(lesion: Lesion, words: Words) -> str:
    return words.place(lesion.side, lesion.site)


def _numbers(lesion: Lesion, words: Words, rng: np.random.Generator) -> dict[str, str]:
    """Sizes as a reader would give them: measured again, so a little off."""
    size = max(lesion.size_mm * rng.uniform(0.92, 1.08), 1.0)
    length = f"{size / 10:.1f}cm" if size >= 20 else f"{size:.0f}mm"
    return {
        "size": length if words.tight_units else length.replace("cm", " cm").replace("mm", " mm"),
        "hu": f"{lesion.mean_hu:.0f}",
        "side": words.sides[lesion.side],
    }


def _reference(lesion: Lesion, words: Words, rng: np.random.Generator) -> str:
    """Sometimes the slices, counted from 1 at the lowest."""
    if rng.random() > 0.2:
        return words.stop
    first, last = lesion.slices[0] + 1, lesion.slices[-1] + 1
    span = f"{first}" if first == last else f"{first}-{last}"
    return words.reference.format(span) + words.stop


def _negatives(truth: StudyTruth, words: Words, rng: np.random.Generator) -> list[str]:
    """Statements that something is not there, each only where that is true."""
    present = {lesion.finding for lesion in truth.lesions}
    sentences = []
    for absent, templates in words.negatives.items():
        denied = set(absent.split())
        if not denied & present and rng.random() < 0.75:
            sentences.append(_pick(templates, rng))
    return sentences or ([] if present else [_pick(words.normal, rng)])


def _variants(truth: StudyTruth, words: Words, rng: np.random.Generator) -> list[str]:
    kinds = dict.fromkeys(variant.kind for variant in truth.variants)
    return [_pick(words.variants[kind], rng) for kind in kinds if rng.random() < 0.7]


def _pick(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]
