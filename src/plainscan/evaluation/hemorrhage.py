"""Any hemorrhage: the five kinds as one finding, with one label and one score, defined here and nowhere else.

The score is the noisy-or of the five calibrated probabilities, 1 - (1 - p1)(1 - p2)...(1 - p5) (Pearl 1988, section
4.3.2; cited from memory). A network that sees blood but cannot tell on which side of the dura it lies spreads its
belief over kinds: 0.4 epidural and 0.4 subdural is more than the 0.4 that the largest of them would give. Kinds also
come together, so it is a score to rank by, not a probability: it lies above the true one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from plainscan.findings import ANY_FINDING, FINDINGS, HEMORRHAGE_KEYS, Finding

ANY_HEMORRHAGE: Final = "any_hemorrhage"
JUDGED: Final = (
    FINDINGS[0],
    Finding(ANY_HEMORRHAGE, "any hemorrhage", "任何出血", ""),
    *FINDINGS[1:],
)  # as tables have it
JUDGED_KEYS: Final = tuple(finding.key for finding in JUDGED)


def noisy_or(probability: ArrayLike) -> NDArray[np.float64]:
    """One score from those of the kinds.

    Args:
        probability: (units, kinds), [0, 1].

    Returns:
        (units,), [0, 1]; exact also where all are tiny, so that no two slices tie by rounding.

    >>> noisy_or([[0.4, 0.5], [0.0, 0.0], [1.0, 0.2]]).tolist()
    [0.7, 0.0, 1.0]
    """
    with np.errstate(divide="ignore"):  # log(0) is the certain kind: the score is 1
        return np.asarray(-np.expm1(np.log1p(-np.asarray(probability, np.float64)).sum(axis=1)) + 0.0, np.float64)


def with_label(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the column `any_hemorrhage`: 1 when one kind is there, 0 when none can be, else missing.

    None can be where all kinds are labeled absent, and where no finding at all is there.
    """
    kinds = [pl.col(key) for key in HEMORRHAGE_KEYS]
    absent = pl.all_horizontal(kind == 0 for kind in kinds) | (pl.col(ANY_FINDING) == 0)
    found = pl.when(pl.max_horizontal(kinds) == 1).then(1).when(absent).then(0)
    return frame.with_columns(found.cast(pl.Int8).alias(ANY_HEMORRHAGE))


def with_score(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the column `probability_any_hemorrhage` to a frame of predictions."""
    kinds = frame.select(f"probability_{key}" for key in HEMORRHAGE_KEYS).to_numpy()
    return frame.with_columns(pl.Series(f"probability_{ANY_HEMORRHAGE}", noisy_or(kinds), pl.Float64))
