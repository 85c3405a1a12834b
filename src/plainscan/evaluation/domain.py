"""How far one world of slices lies from another: which measures differ, and can a classifier tell them apart?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold

from plainscan.evaluation.metrics import auc_of

FOLDS: Final = 5
RANGE: Final = (2.5, 97.5)  # percentiles: the middle 95 % of the synthetic world


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure in two worlds.

    Args:
        name: Of the measure.
        real: Median.
        real_range: 10 % and 90 % of the real slices.
        synthetic: Median.
        synthetic_range: Likewise.
        auc: Chance that a synthetic slice has a higher value than a real one; 0.5 is no difference.
        uncovered: Share of real slices outside the middle 95 % of the synthetic ones; 0.05 is no difference.
    """

    name: str
    real: float
    real_range: tuple[float, float]
    synthetic: float
    synthetic_range: tuple[float, float]
    auc: float
    uncovered: float


def differences(names: list[str], real: NDArray[np.float64], synthetic: NDArray[np.float64]) -> list[Difference]:
    """Every measure in both worlds, the most telling first.

    Args:
        names: Of the columns.
        real: (slices, measures), NaN where one could not be taken.
        synthetic: Likewise.
    """
    found = []
    for i, name in enumerate(names):
        a, b = (column[np.isfinite(column)] for column in (real[:, i], synthetic[:, i]))
        if len(a) < 5 or len(b) < 5:
            continue
        low, high = np.percentile(b, RANGE)
        uncovered = float(((a < low) | (a > high)).mean())
        found.append(Difference(name, *_spread(a), *_spread(b), _auc(a, b), uncovered))
    return sorted(found, key=lambda d: (-abs(d.auc - 0.5), d.name))


def _spread(values: NDArray[np.float64]) -> tuple[float, tuple[float, float]]:
    low, middle, high = np.percentile(values, [10, 50, 90])
    return float(middle), (float(low), float(high))


def _auc(lower: NDArray[np.float64], higher: NDArray[np.float64]) -> float:
    """P(higher > lower) + half the ties."""
    return auc_of(np.concatenate([lower, higher]), np.repeat([0, 1], [len(lower), len(higher)]))


@dataclass(frozen=True, slots=True)
class Separation:
    """How well a small classifier tells two worlds apart.

    Args:
        slice_auc: Of out-of-fold scores per slice.
        patient_auc: Of each patient's mean score.
        slices: Numbers of real and synthetic slices.
        patients: Numbers of real and synthetic patients.
    """

    slice_auc: float
    patient_auc: float
    slices: tuple[int, int]
    patients: tuple[int, int]


def separation(
    real: NDArray[np.float64], real_patients: list[str], synthetic: NDArray[np.float64], synthetic_patients: list[str]
) -> Separation:
    """Cross-validate, by patient, gradient-boosted trees that tell synthetic (1) from real slices (0).

    Args:
        real: (slices, measures), NaN allowed.
        real_patients: One name per slice.
        synthetic: Likewise.
        synthetic_patients: Likewise; no name stands on both sides.
    """
    x = np.concatenate([real, synthetic])
    y = np.repeat([0, 1], [len(real), len(synthetic)])
    names, patient = np.unique([*real_patients, *synthetic_patients], return_inverse=True)
    score = np.zeros(len(y))
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=0).split(x, y, patient):
        model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, random_state=0)
        score[test] = model.fit(x[train], y[train]).predict_proba(x[test])[:, 1]
    count = np.bincount(patient)
    of_patient = np.bincount(patient, score) / count
    kind = np.bincount(patient, y) / count > 0.5
    return Separation(
        _auc(score[y == 0], score[y == 1]),
        _auc(of_patient[~kind], of_patient[kind]),
        (len(real), len(synthetic)),
        (int((~kind).sum()), int(len(names) - (~kind).sum())),
    )
