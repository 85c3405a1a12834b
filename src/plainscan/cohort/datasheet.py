"""The questions of a data sheet: which the run's own tables answer, and which only people can.

Sections and questions follow Gebru et al., Datasheets for Datasets, Commun ACM 2021;64(12):86-92, shortened to a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from plainscan.cohort.flow import Counts, Flow, Part


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Args:
        key: Its name, also in a file of answers.
        section: Of the data sheet.
        text: The question.
        measured: Whether the run answers it; what people answer stands beside that.
    """

    key: str
    section: str
    text: str
    measured: bool = False


QUESTIONS: Final = (
    Question("purpose", "Motivation", "For what was the data set made, and what was missing before?"),
    Question("creators", "Motivation", "Who made it, for which institution, and who paid?"),
    Question("instances", "Composition", "What is an instance, and how many are there?", measured=True),
    Question("sample", "Composition", "Is it all there was, or a sample? What was left out?", measured=True),
    Question("labels", "Composition", "What is labeled, by whom or what?", measured=True),
    Question("missing", "Composition", "What is missing?", measured=True),
    Question("relations", "Composition", "How do instances belong together, and how are they split?", measured=True),
    Question("errors", "Composition", "Which errors, noise or redundancies are known?"),
    Question("confidential", "Composition", "What in it is confidential or names a person, and who may see it?"),
    Question("people", "Composition", "Which groups of people are in it?", measured=True),
    Question("acquired", "Collection", "With what were the images acquired, and when?", measured=True),
    Question("chosen", "Collection", "How were the studies chosen from the archive: which query, which days?"),
    Question("ethics", "Collection", "Which board approved it, under which number? Consent, or a waiver?"),
    Question("processing", "Processing", "What was done to the data?", measured=True),
    Question("readers", "Processing", "Who labeled slices: how many readers, of which experience, who settled doubts?"),
    Question("raw", "Processing", "Are the original images kept, and where?"),
    Question("uses", "Uses", "What has it been used for, and for what must it not be used?"),
    Question("bias", "Uses", "Which group, scanner or finding is so rare that results do not hold for it?"),
    Question("distribution", "Distribution", "Who gets it, how, and under which licence or contract?"),
    Question("maintenance", "Maintenance", "Who keeps it, how are errors reported, when is it deleted?"),
)
KEYS: Final = tuple(question.key for question in QUESTIONS)


def measured(
    found: Flow, cohort: list[dict[str, Any]], sources: Counts, missing: Counts, stages: str
) -> dict[str, str]:
    """What the run itself answers, by the question's key; plain text.

    Args:
        found: The flow, with or without splits.
        cohort: From ``evaluation.demographics.cohort_table``.
        sources: Slices by where their labels come from.
        missing: Slices by header column that is missing.
        stages: Which stages ran, with their versions.
    """
    steps = found["steps"]
    left = [f"{item['why']} ({_said(item['counts'])})" for step in steps for item in step["excluded"]]
    answers = {
        "instances": f"An axial slice of a plain CT of the head. {_said(steps[-1]['counts'])}.",
        "sample": f"From {_said(steps[0]['counts'])}. Left out: {'; '.join(left) or 'nothing'}.",
        "labels": "Slices by the source of their labels: " + _listed(sources) + ".",
        "missing": "Slices whose header does not say it: " + (_listed(missing) or "none") + ".",
        "relations": "Slices form series, one a study; studies belong to patients. " + _splits(found),
        "processing": f"plainscan stages, with their versions: {stages or 'no run record'}.",
    }
    if cohort:
        answers["people"] = "Sex: " + _by_split(cohort, "sex") + ". Age: " + _ages(cohort) + "."
        kinds = ("manufacturer", "model", "kernel", "year")
        answers["acquired"] = " ".join(f"{k.capitalize()}: {_by_split(cohort, k)}." for k in kinds if k in cohort[0])
    return answers


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {level}" for level, number in reversed(list(counts.items())))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items())


def _splits(found: Flow) -> str:
    if not found["splits"]:
        return "Not split yet."
    twice = _said(found["shared"])
    parts = "; ".join(f"{part['name']} {_said(part['counts'])}, {_share(part)}" for part in found["splits"])
    return f"{parts}. " + (f"Counted in more than one split: {twice}." if twice else "No patient is in two splits.")


def _share(part: Part) -> str:
    state = part["finding"]["images"]
    known = state["with"] + state["without"]
    return f"any finding on {state['with']:,} of {known:,} labeled slices"


def _by_split(cohort: list[dict[str, Any]], kind: str) -> str:
    return "; ".join(f"{row['split']} {_listed(row[kind]) or 'none'}" for row in cohort)


def _ages(cohort: list[dict[str, Any]]) -> str:
    words = []
    for row in cohort:
        age = row["age_years"]
        quartiles = "not shown" if age["median"] is None else f"{age['median']:g} ({age['low']:g} to {age['high']:g})"
        words.append(f"{row['split']} {quartiles} years, known of {age['n']:,}")
    return "; ".join(words)
