"""Where scores are made: nowhere else in plainscan does a slice get a logit, a probability or a map.

Training's evaluation, the test split's judgement and a new study all come through ``score``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.bundle import Calibration
from plainscan.ct.prepare import network_input
from plainscan.errors import BundleError
from plainscan.evaluation.calibration import sigmoid
from plainscan.inference.ahead import ahead
from plainscan.inference.engine import Model

STUDY_RULE: Final = "mean_of_top_3"
TOP: Final = 3


@dataclass(frozen=True)
class Scores:
    """What the network says of N slices; findings are in the order of ``findings.FINDING_KEYS``.

    Args:
        logits: (N, findings), float32, before calibration.
        probability: (N, findings), float64, calibrated, [0, 1].
        maps: (N, findings, grid, grid), float32; a map's mean plus the finding's bias is its logit.
    """

    logits: NDArray[np.float32]
    probability: NDArray[np.float64]
    maps: NDArray[np.float32]


def score(model: Model, hu: NDArray[np.int16]) -> Scores:
    """Score prepared slices. The same slice gives the same bits whatever else is in the batch.

    Args:
        model: A loaded bundle.
        hu: (N, planes, size, size), int16, HU, as ``ct.prepare.prepare_slice`` makes them; N may be 0.

    Raises:
        BundleError: The slices do not fit the card, or the model's output is not finite.
    """
    card = model.card
    expected = (2 * card.neighbors + 1, card.input_size, card.input_size)
    if hu.ndim != 4 or hu.shape[1:] != expected:
        raise BundleError(
            f"prepared slices of shape {hu.shape[1:]}",
            where=card.name,
            expected=f"(planes, size, size) = {expected}, as its card says",
            remedy="Prepare the slices with the bundle's input size and neighbors.",
        )

    def run(i: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return model.run(network_input(hu[i : i + 1], model.windows))

    results = list(ahead(run, range(len(hu)), model.threads)) if len(hu) > 1 else [run(i) for i in range(len(hu))]
    findings = len(card.findings)
    logits = np.stack([r[0] for r in results]) if results else np.zeros((0, findings), np.float32)
    maps = np.stack([r[1] for r in results]) if results else np.zeros((0, findings, 1, 1), np.float32)
    probability = calibrated(logits, card.calibration)
    if not all(np.isfinite(part).all() for part in (logits, probability, maps)):
        raise BundleError(
            "a score that is not a number",
            where=card.name,
            expected="finite logits and maps",
            remedy="Use another bundle; this one decides nothing.",
        )
    return Scores(logits, probability, maps)


def calibrated(logits: NDArray[np.floating], calibration: Sequence[Calibration]) -> NDArray[np.float64]:
    """Probabilities by Platt scaling (Platt 1999): sigmoid(slope * logit + intercept).

    Args:
        logits: (N, findings).
        calibration: One per finding.

    Returns:
        (N, findings), float64, [0, 1].

    >>> calibrated(np.array([[0.0, 800.0]]), [Calibration(finding="a"), Calibration(finding="b")]).tolist()
    [[0.5, 1.0]]
    """
    slopes = np.array([item.slope for item in calibration])
    intercepts = np.array([item.intercept for item in calibration])
    return sigmoid(logits * slopes + intercepts)


def study_probability(slices: NDArray[np.floating] | Sequence[float], rule: str = STUDY_RULE) -> float:
    """A study's probability from those of its slices: the mean of the highest three.

    One high slice among thirty is often noise, a lesion usually spans several; fewer than three slices are
    averaged as they are.

    Args:
        slices: Probabilities of one finding, at least one slice.
        rule: The card's `study_rule`.

    Raises:
        BundleError: The rule is not known to this version.

    >>> round(study_probability([0.1, 0.9, 0.2, 0.7]), 3)
    0.6
    """
    if rule != STUDY_RULE:
        raise BundleError(
            f"study rule {rule!r}",
            where="card.json: study_rule",
            expected=STUDY_RULE,
            remedy="Use the plainscan that wrote the bundle, or write it again with `plainscan train`.",
        )
    return float(np.sort(np.asarray(slices, np.float64))[-TOP:].mean())
