"""The leak meter: how much of an AUC is memory.

One quick probe, ridge regression on the features of a frozen network, is asked the same question under different
splits. Where a patient has slices on both sides it may answer from memory. Asked for labels that mean nothing, one coin
for all slices of a patient, it can answer from memory alone: 0.5 where there is none (after Yagis et al., Sci Rep
2021;11:22544, who shuffled labels of patients and split by image).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.evaluation import metrics as m
from plainscan.evaluation.bootstrap import Counts, Figure, Group, draw, estimate
from plainscan.evaluation.metrics import Weights
from plainscan.findings import ANY_FINDING

FOLDS: Final = 5
COINS: Final = 20  # sets of labels that mean nothing
RIDGE: Final = 0.01  # of the features' mean variance
FEWEST: Final = 2 * FOLDS  # patients: below that nothing is measured
SPLITS: Final = {
    "image": "slices at random",
    "study": "whole studies",
    "patient": "whole patients",
    "scanner": "one scanner held out, other patients",
    "time": "the latest studies held out, other patients",
}

Folds = list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]  # which slices are learned on, and which are judged


@dataclass(frozen=True)
class Sample:
    """Slices with a known label.

    Args:
        features: (slices, channels), float32.
        labels: (slices,), 0 or 1.
        patient: (slices,), number of the patient, from 0 on, none left out.
        study: (slices,), likewise.
        scanner: (slices,), likewise; -1 where it is not known.
        day: (slices,), day of the study; -1 where it is not known.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int8]
    patient: NDArray[np.intp]
    study: NDArray[np.intp]
    scanner: NDArray[np.intp]
    day: NDArray[np.intp]


def folds_of(sample: Sample, split: str, rng: np.random.Generator) -> Folds | str:
    """How a split divides the slices; or why it cannot.

    Args:
        sample: The slices.
        split: A key of ``SPLITS``.
        rng: Deals out slices, studies and patients.
    """
    if split == "scanner":
        return _by_scanner(sample)
    if split == "time":
        return _by_time(sample)
    unit = {"image": np.arange(sample.labels.size), "study": sample.study, "patient": sample.patient}[split]
    if split == "study" and np.unique(sample.study).size == np.unique(sample.patient).size:
        return "every patient has one study: the same as by patient"
    count = int(unit.max()) + 1
    dealt = np.empty(count, np.intp)
    dealt[rng.permutation(count)] = np.arange(count) % FOLDS
    return [(dealt[unit] != fold, dealt[unit] == fold) for fold in range(FOLDS)]


def _by_scanner(sample: Sample) -> Folds | str:
    """A scanner at a time; slices of an unknown one may be of that one, and are neither learned on nor judged."""
    known = sample.scanner >= 0
    scanners = np.unique(sample.scanner[known])
    if scanners.size < 2:
        return "one scanner" if scanners.size else "no scanner in the headers"
    apart = [_apart(sample, sample.scanner == scanner) for scanner in scanners]
    found = [(learned & known, judged) for learned, judged in apart]
    usable = [fold for fold in found if _both_classes(sample, fold)]
    return usable if len(usable) > 1 else "no two scanners with patients of both classes"


def _by_time(sample: Sample) -> Folds | str:
    """The latest fifth of the slices, as whole days, so that as much is learned on as with the other splits."""
    known = sample.day >= 0
    if not known.any():
        return "no dates"
    cut = np.quantile(sample.day[known], 1 - 1 / FOLDS)
    fold = _apart(sample, sample.day > cut)
    fold = (fold[0] & known, fold[1])
    return [fold] if _both_classes(sample, fold) else "dates that cannot be divided"


def _apart(sample: Sample, judged: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Learn on the others, without the patients that are judged."""
    return ~np.isin(sample.patient, np.unique(sample.patient[judged])), judged


def _both_classes(sample: Sample, fold: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> bool:
    return all(np.unique(sample.labels[side]).size > 1 for side in fold)


def probe(features: NDArray[np.float32], targets: Weights, folds: Folds) -> Weights:
    """Scores of ridge regression, learned anew for each fold.

    Args:
        features: (slices, channels).
        targets: (slices, sets of labels), 0 or 1.
        folds: Which slices to learn on and to judge.

    Returns:
        (slices, sets), NaN where a slice is not judged.
    """
    scores = np.full(targets.shape, np.nan)
    for learned, judged in folds:
        known = features[learned].astype(np.float64)
        mean, spread = known.mean(axis=0), known.std(axis=0)
        scale = 1 / np.maximum(spread, 1e-3 * spread.max() if spread.max() > 0 else 1.0)
        known = (known - mean) * scale
        gram = known.T @ known
        gram[np.diag_indices_from(gram)] += RIDGE * max(float(np.trace(gram)) / len(gram), 1e-12)
        weights = np.linalg.solve(gram, known.T @ (targets[learned] - targets[learned].mean(axis=0)))
        scores[judged] = (features[judged] - mean) * scale @ weights
    return scores


def measure(sample: Sample, counts: Counts, confidence: float, rng: np.random.Generator) -> list[Figure]:
    """The AUC under each split, with true labels and with coins; and how far two splits lie apart.

    Args:
        sample: The slices.
        counts: From ``bootstrap.draw``, one column per patient.
        confidence: Such as 0.95.
        rng: Deals out folds and coins.
    """
    coins = rng.integers(0, 2, (int(sample.patient.max()) + 1, COINS)).astype(np.int8)[sample.patient]
    asked = {"auc": sample.labels[:, None], "coin_auc": coins}
    targets = np.concatenate([*asked.values()], axis=1)
    figures: list[Figure] = []
    answers: dict[str, _Answer] = {}
    for split in SPLITS:
        folds = folds_of(sample, split, rng)
        if isinstance(folds, str):
            figures += [_not_made(f"{name}_{split}", folds) for name in asked]
            continue
        scores = probe(sample.features, targets.astype(np.float64), folds)
        sides = {"auc": scores[:, :1], "coin_auc": scores[:, 1:]}
        for name, labels in asked.items():
            answer = answers[f"{name}_{split}"] = _Answer(folds, sides[name], labels)
            figures.append(_estimated({f"{name}_{split}": answer}, sample, _with_sets(counts, answer, rng), confidence))
    if "auc_image" in answers and "auc_patient" in answers:
        pair = {"auc_image": answers["auc_image"], "auc_patient": answers["auc_patient"]}
        figures.append(_estimated(pair, sample, _with_sets(counts, pair["auc_image"], rng), confidence))
    return figures


@dataclass(frozen=True)
class _Answer:
    """What the probe said under one split.

    Args:
        folds: Which slices were judged together.
        scores: (slices, sets of labels).
        labels: (slices, sets).
    """

    folds: Folds
    scores: Weights
    labels: NDArray[np.int8]

    def auc(self, weights: Weights, of_sets: Weights) -> Weights:
        """Mean over the sets of the share of pairs, both of one fold, in the right order, (resamples,).

        Args:
            weights: (resamples, slices).
            of_sets: (resamples, sets).
        """
        values = np.stack([self._auc(i, weights) for i in range(self.labels.shape[1])], axis=1)
        return m.share((values * of_sets).sum(axis=1), of_sets.sum(axis=1))

    def _auc(self, number: int, weights: Weights) -> Weights:
        right, all_pairs = np.zeros(len(weights)), np.zeros(len(weights))
        for _, judged in self.folds:
            ranking = m.rank(self.scores[judged, number], self.labels[judged, number])
            found = m.pairs(ranking, weights[:, judged])
            right, all_pairs = right + found[0], all_pairs + found[1]
        return m.share(right, all_pairs)


def _estimated(answers: Mapping[str, _Answer], sample: Sample, counts: Counts, confidence: float) -> Figure:
    """The AUC of one answer; of two, how far the first lies above the second, resample by resample."""
    names, first = list(answers), next(iter(answers.values()))
    name = names[0] if len(names) == 1 else f"{names[0]}_above_{names[1].removeprefix('auc_')}"
    n, sets = first.labels.shape
    # A set of labels is resampled as a patient is: it stands behind the slices, as a unit of its own.
    cluster = np.append(sample.patient, counts.shape[1] - sets + np.arange(sets))
    group = Group(ANY_FINDING, "slice", np.append(first.labels[:, 0], np.zeros(sets, np.int8)), cluster)

    def statistic(weights: Weights) -> dict[str, Weights]:
        values = [answer.auc(weights[:, :n], weights[:, n:]) for answer in answers.values()]
        return {name: values[0] if len(values) == 1 else values[0] - values[1]}

    (figure,) = estimate(statistic, group, counts, confidence)
    return replace(figure, n=n, clusters=figure.clusters - sets)


def _with_sets(counts: Counts, answer: _Answer, rng: np.random.Generator) -> Counts:
    """How often each patient and, behind them, each set of labels is drawn; a single set always is."""
    return np.concatenate([counts, draw(answer.labels.shape[1], len(counts) - 1, rng)], axis=1)


def _not_made(name: str, why: str) -> Figure:
    return Figure(name, ANY_FINDING, "slice", None, None, None, 0, 0, 0, 0, f"not made: {why}")
