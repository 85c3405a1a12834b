"""Claim: reports are read right and quickly.

Right: against the two hand-written judging sets (``tests/reports/data/judge``), each apart, per finding and for the
study label, in both languages, with 95 % intervals by resampling lines. Quickly: reports a second and core, on the
first set's whole reports.
Peer: one plain regular expression of every phrase, searched in the same texts in turns; it finds phrases and reads
nothing. The aims beside the figures are the project's; the limits are what must hold.

Run: ``python benchmarks/reports.py [--half develop|judge] [--set first|second] [--errors]``. Each run on ``judge`` is
written down in docs/experiments.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from plainscan.findings import ANY_FINDING, SPECIFIC_KEYS
from plainscan.reports.label import read_report
from plainscan.reports.lexicon import lexicon
from plainscan.reports.notation import LANGUAGES, Language, parse, regex

FOLDER: Final = Path(__file__).parents[1] / "tests" / "reports" / "data" / "judge"
STATUSES: Final = ("present", "absent", "uncertain")
KINDS: Final = ("sentences", "reports")
AUTHORS: Final = {"first": "", "second": "second-"}  # what the names of a set's files begin with
AIM_F1, AIM_RATE = 0.97, 2_000
LIMIT_F1, LIMIT_RATIO = 0.85, 0.05  # of the study label on whole reports; the peer's seconds over ours
DRAWS, ROUNDS, COPIES = 2_000, 5, 5
Half: TypeAlias = Literal["develop", "judge"]
Counts: TypeAlias = NDArray[np.int64]  # (lines, classes, 3): hits, false alarms, misses


@dataclass(frozen=True)
class Line:
    """A text of the judging set with its labels."""

    text: str
    statuses: dict[str, str]  # by finding; one that is not mentioned has no entry
    study: str


def half_of(text: str) -> Half:
    """Which half a text belongs to: by the last hexadecimal digit of its hash, so that nobody chooses."""
    return "judge" if int(hashlib.sha256(text.encode()).hexdigest()[-1], 16) % 2 else "develop"


def lines(kind: str, language: Language, half: Half, author: str = "first") -> list[Line]:
    """The texts of one kind (``sentences`` or ``reports``), language, half and author (``first`` or ``second``)."""
    path = FOLDER / f"{AUTHORS[author]}{kind}-{language}.jsonl"
    rows = [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]
    return [
        Line(row["text"], {key: status for status in STATUSES for key in row[status]}, row["study"])
        for row in rows
        if half_of(row["text"]) == half
    ]


def read(text: str) -> tuple[dict[str, str], str]:
    """What the engine makes of a text: statuses by finding, and the study label."""
    found: dict[str, str] = {key: mention.status for key, mention in read_report(text).items()}
    return found, found.pop(ANY_FINDING, "uncertain")


def finding_counts(judged: Sequence[Line], answers: Sequence[tuple[dict[str, str], str]], status: str) -> Counts:
    """Hits, false alarms and misses of one status: (lines, findings, 3)."""
    said = np.array([[found.get(key) == status for key in SPECIFIC_KEYS] for found, _ in answers])
    true = np.array([[line.statuses.get(key) == status for key in SPECIFIC_KEYS] for line in judged])
    return np.stack([said & true, said & ~true, ~said & true], axis=-1).astype(np.int64)


def study_counts(judged: Sequence[Line], answers: Sequence[tuple[dict[str, str], str]]) -> Counts:
    """Hits, false alarms and misses of each study label: (lines, statuses, 3)."""
    said = np.array([[study == status for status in STATUSES] for _, study in answers])
    true = np.array([[line.study == status for status in STATUSES] for line in judged])
    return np.stack([said & true, said & ~true, ~said & true], axis=-1).astype(np.int64)


def f1(hits_alarms_misses: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 over the last axis; nan where there is nothing to find and nothing found."""
    hits, alarms, misses = np.moveaxis(hits_alarms_misses.astype(np.float64), -1, 0)
    whole = 2 * hits + alarms + misses
    result: NDArray[np.float64] = np.divide(2 * hits, whole, out=np.full_like(whole, np.nan), where=whole > 0)
    return result


def figures(counts: Counts) -> tuple[float, float, float, float, float]:
    """Precision, recall and F1 of one class, and the F1's interval: ``counts`` is (lines, 3)."""
    hits, alarms, misses = counts.sum(axis=0)
    weights = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), DRAWS)
    low, high = np.nanquantile(f1(weights @ counts), (0.025, 0.975))
    precision, recall = (float(hits / n) if n else float("nan") for n in (hits + alarms, hits + misses))
    return precision, recall, float(f1(counts.sum(axis=0))), float(low), float(high)


def row(name: str, counts: Counts) -> str:
    """A line of the table: n is the number of true ones."""
    n = int(counts[:, 0].sum() + counts[:, 2].sum())
    if not counts.any():
        return f"  {name:<30}{n:>5}  none, and none said"
    precision, recall, score, low, high = figures(counts)
    return f"  {name:<30}{n:>5}{precision:>10.3f}{recall:>8.3f}{score:>8.3f}  ({low:.3f} to {high:.3f})"


def judge(author: str, kind: str, language: Language, half: Half, show: bool) -> float:
    """Print the tables of one set, kind and language; returns the study label's lowest F1 of present and absent."""
    judged = lines(kind, language, half, author)
    answers = [read(line.text) for line in judged]
    print(f"\n{author} set, {language} {kind}, {half}, n = {len(judged)}")
    print(f"{'':<32}{'n':>5}{'precision':>10}{'recall':>8}{'F1':>8}  (95 % interval)")
    present = finding_counts(judged, answers, "present")
    for i, key in enumerate(SPECIFIC_KEYS):
        print(row(key, present[:, i]))
    for status in STATUSES:
        print(row(f"all findings {status}", finding_counts(judged, answers, status).sum(axis=1)))
    study = study_counts(judged, answers)
    for i, status in enumerate(STATUSES):
        print(row(f"study {status}", study[:, i]))
    wrong_zero = sum(answer == "absent" != line.study for line, (_, answer) in zip(judged, answers, strict=True))
    print(f"  said to be without finding, and is not: {wrong_zero}")
    if show and half == "develop":
        _show_errors(judged, answers)
    return float(np.nanmin(f1(study.sum(axis=0))[:2]))


def _show_errors(judged: Sequence[Line], answers: Sequence[tuple[dict[str, str], str]]) -> None:
    for line, (found, study) in zip(judged, answers, strict=True):
        differ = [
            f"{key}: {line.statuses.get(key)}, read {found.get(key)}"
            for key in SPECIFIC_KEYS
            if line.statuses.get(key) != found.get(key)
        ]
        differ += [f"STUDY: {line.study}, read {study}"] if study != line.study else []
        if differ:
            print(f"\n{line.text}\n    " + "\n    ".join(differ))


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def speed(language: Language) -> tuple[float, float]:
    """Reports a second, and the peer's seconds over ours."""
    texts = [line.text for half in ("develop", "judge") for line in lines("reports", language, half)] * COPIES
    phrases = sorted((regex(parse(entry.phrase.lower()), language) for entry in lexicon(language).entries), key=len)
    peer = re.compile("|".join(reversed(phrases)))
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: [read_report(text) for text in texts]))
        theirs.append(seconds(lambda: [list(peer.finditer(text.lower())) for text in texts]))
    return len(texts) / min(ours), min(theirs) / min(ours)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables and the speed; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=("develop", "judge"), default="develop")
    parser.add_argument("--set", choices=AUTHORS, help="score this set alone")
    parser.add_argument("--errors", action="store_true", help="list what is misread; of the develop half only")
    given = parser.parse_args(arguments)
    missed = False
    for language in LANGUAGES:
        for author, kind in product([given.set] if given.set else AUTHORS, KINDS):
            score = judge(author, kind, language, given.half, given.errors)
            missed |= kind == "reports" and score < LIMIT_F1
            print(f"  lower F1 of study present and absent {score:.3f} (aim {AIM_F1}, limit {LIMIT_F1} on reports)")
        rate, ratio = speed(language)
        missed |= ratio < LIMIT_RATIO
        print(f"  {rate:.0f} reports/s (aim {AIM_RATE}), {ratio:.2f} x a plain search (limit {LIMIT_RATIO})")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
