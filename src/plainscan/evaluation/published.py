"""The figures of the study this project starts from, in one place.

Zhang X, Liu X, Xie H, et al. Deep residual network (ResNet) for slice-level classification of
non-contrast head CT. Journal of Practical Radiology 2020;36(10):1670-1675. Figures as in its abstract;
the confusion matrix is derived from them: at these class sizes it is the only one that rounds to the four
precisions and recalls. It gives an F1 of 0.8955 for any finding, where the abstract prints 0.896.
"""

from __future__ import annotations

from typing import Final

CITATION: Final = "Zhang et al., Journal of Practical Radiology 2020;36(10):1670-1675"
SPLIT: Final = "random split by image, 70 / 20 / 10 %"
N: Final = 934
N_ANY: Final = 361
N_NO: Final = 573
TP, FN, FP, TN = 347, 14, 67, 506

# (figure, finding) -> value, as printed; no interval was given.
FIGURES: Final[dict[tuple[str, str], float]] = {
    ("precision", "any_finding"): 0.838,
    ("recall", "any_finding"): 0.961,
    ("f1", "any_finding"): 0.896,
    ("precision", "no_finding"): 0.973,
    ("recall", "no_finding"): 0.883,
    ("f1", "no_finding"): 0.926,
    ("auc", "any_finding"): 0.99,
}
# Follow from the confusion matrix.
DERIVED: Final[dict[tuple[str, str], float]] = {
    ("accuracy", "any_finding"): 0.913,
    ("mcc", "any_finding"): 0.828,
}


def value(figure: str, finding: str) -> float | None:
    """What the paper says, or what follows from it; None where it says nothing.

    >>> value("recall", "any_finding"), value("brier", "any_finding")
    (0.961, None)
    """
    return FIGURES.get((figure, finding), DERIVED.get((figure, finding)))
