"""All figures of one finding at one level, from one draw of patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.evaluation import metrics as m
from plainscan.evaluation.bootstrap import Counts, Figure, Group, estimate
from plainscan.evaluation.calibration import calibration_error
from plainscan.evaluation.metrics import Weights
from plainscan.evaluation.strata import Within
from plainscan.findings import ANY_FINDING

NO_FINDING = "no_finding"
OF_PROBABILITY: Final = ("brier", "log_loss", "calibration_error")
NOT_CALIBRATED: Final = "not estimable: tune allowed no calibration, so the score is not a probability"


@dataclass(frozen=True)
class Units:
    """Scored units (slices or studies) of one finding, all of them labeled.

    Args:
        group: Finding, level, labels, patients.
        probability: (units,), [0, 1].
        threshold: Of the frozen operating point; None where there is none.
        trivial: Name -> (units,): scores that never looked at the finding, such as the slice's height.
        strata: Name -> (units,): integer strata to compare within.
        calibrated: Whether ``probability`` was ever fitted to be one; if not, only its order is judged.
    """

    group: Group
    probability: NDArray[np.float64]
    threshold: float | None = None
    trivial: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    strata: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    calibrated: bool = True


def judge(units: Units, counts: Counts, confidence: float = 0.95) -> list[Figure]:
    """Every figure that these units allow, each with its interval.

    Ranking (`auc`, `average_precision`), probability (`brier`, `log_loss`, `calibration_error`), the place
    (`auc_within_<stratum>`, `auc_of_<trivial score>_alone`), and at the operating point `precision`,
    `recall`, `specificity`, `f1`; for any finding also `accuracy`, `mcc` and the figures of `no_finding`.
    """
    found = estimate(_Ranked(units), units.group, counts, confidence)
    if not units.calibrated:
        found = [_silenced(figure) for figure in found]
    if units.threshold is None:
        return found
    alarm = units.probability >= units.threshold
    positive = units.group.labels == 1
    found += estimate(
        lambda w: at_threshold(m.confusion(alarm, units.group.labels, w)),
        units.group,
        counts,
        confidence,
        {"precision": alarm, "recall": positive, "specificity": ~positive, "accuracy": np.ones_like(alarm)},
    )
    if units.group.finding == ANY_FINDING:
        found += _of_no_finding(units, counts, confidence)
    return found


def judge_place(units: Units, counts: Counts, confidence: float = 0.95, prefix: str = "") -> list[Figure]:
    """The ranking figures alone, `auc` and those of the place, their names behind ``prefix``."""
    ranked = _Ranked(units)

    def statistic(weights: Weights) -> dict[str, Weights]:
        return {f"{prefix}{name}": values for name, values in ranked.of_pairs(weights).items()}

    return estimate(statistic, units.group, counts, confidence)


def _silenced(figure: Figure) -> Figure:
    if figure.figure not in OF_PROBABILITY or figure.value is None:
        return figure
    return replace(figure, value=None, low=None, high=None, valid_resamples=0, note=NOT_CALIBRATED)


class _Ranked:
    """Figures that need no threshold; sorting happens once, here."""

    def __init__(self, units: Units) -> None:
        self._p, self._y = units.probability, units.group.labels
        self._ranking = m.rank(self._p, self._y)
        self._trivial = {f"auc_of_{name}_alone": m.rank(score, self._y) for name, score in units.trivial.items()}
        self._within = {
            f"auc_within_{name}": Within(self._p, self._y, stratum) for name, stratum in units.strata.items()
        }

    def of_pairs(self, weights: Weights) -> dict[str, Weights]:
        return {
            "auc": m.auc(self._ranking, weights),
            **{name: within(weights) for name, within in self._within.items()},
            **{name: m.auc(ranking, weights) for name, ranking in self._trivial.items()},
        }

    def __call__(self, weights: Weights) -> dict[str, Weights]:
        return {
            **self.of_pairs(weights),
            "average_precision": m.average_precision(self._ranking, weights),
            "brier": m.brier(self._p, self._y, weights),
            "log_loss": m.log_loss(self._p, self._y, weights),
            "calibration_error": calibration_error(self._p, self._y, weights),
        }


def at_threshold(c: m.Confusion) -> dict[str, Weights]:
    """Figures of a confusion matrix."""
    return {
        "precision": m.precision(c),
        "recall": m.recall(c),
        "specificity": m.specificity(c),
        "f1": m.f1(c),
        "accuracy": m.accuracy(c),
        "mcc": m.mcc(c),
    }


def _of_no_finding(units: Units, counts: Counts, confidence: float) -> list[Figure]:
    quiet = units.probability < (units.threshold or 0.0)
    labels = (1 - units.group.labels).astype(np.int8)
    group = Group(NO_FINDING, units.group.level, labels, units.group.cluster)

    def statistic(weights: Weights) -> dict[str, Weights]:
        c = m.confusion(quiet, labels, weights)
        return {"precision": m.precision(c), "recall": m.recall(c), "f1": m.f1(c)}

    return estimate(statistic, group, counts, confidence, {"precision": quiet, "recall": labels == 1})
