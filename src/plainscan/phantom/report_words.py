"""What a language needs to supply for ``report``: its styles, sentences and words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """How a department lays a report out.

    Args:
        template: Holds ``{findings}`` and ``{conclusion}``, and may hold ``{technique}`` and ``{comparison}``.
        join: Between sentences of the findings.
        numbered: Whether the conclusion is a numbered list.
    """

    template: str
    join: str
    numbered: bool


@dataclass(frozen=True, slots=True)
class Words:
    """The sentences of a language.

    Args:
        styles: Layouts, at least three.
        technique: How the scan was made; may hold ``{thickness}``.
        compared: When an earlier study exists.
        not_compared: When none exists.
        descriptions: By finding, or finding and age; may hold ``{place} {size} {hu} {side}``. No stop.
        conclusions: The same for the conclusion.
        hedges: Around a conclusion that is left open; with stop.
        normal: The conclusion of a study without finding.
        no_hemorrhage: Added to a conclusion that has none.
        advice: What to do next.
        negatives: Sentences by the findings, separated by a space, that all must be absent.
        variants: By kind.
        sides: By side.
        place: Side and site to words.
        reference: Slice numbers; holds ``{}``.
        number: A numbered line.
        stop: The end of a sentence.
        join_conclusion: Between sentences of a conclusion without numbers.
        tight_units: Whether a unit follows its number without a space.
    """

    styles: tuple[Style, ...]
    technique: tuple[str, ...]
    compared: tuple[str, ...]
    not_compared: tuple[str, ...]
    descriptions: dict[str, tuple[str, ...]]
    conclusions: dict[str, tuple[str, ...]]
    hedges: tuple[str, ...]
    normal: tuple[str, ...]
    no_hemorrhage: tuple[str, ...]
    advice: tuple[str, ...]
    negatives: dict[str, tuple[str, ...]]
    variants: Mapping[str, tuple[str, ...]]
    sides: dict[str, str]
    place: Callable[[str, str], str]
    reference: str
    number: str
    stop: str
    join_conclusion: str
    tight_units: bool
