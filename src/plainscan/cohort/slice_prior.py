"""How likely a slice shows what its study's report names: by usual heights, slice numbers and a model's score.

The heights and weights in ``heights.toml`` were learned from synthetic studies by ``benchmarks/slices.py``; no patient
is in them, and no patient has confirmed them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.findings import ANY_FINDING

Curve = NDArray[np.float64]
DIFFUSE: Final = frozenset({"atrophy", "hydrocephalus", "midline_shift"})  # a site says nothing of their height
FEATURES: Final = ("constant", "score", "usual_height", "named", "not_named")
SURE: Final = 0.01  # no height and no score says more than this or its complement
FLAT: Final = 6.0  # logits of scores are cut here: beyond it a score only says that it is certain


@dataclass(frozen=True)
class Heights:
    """What was learned.

    Args:
        grid: (heights,), slice heights, rising from 0 to 1.
        finding: Share of slices that show a finding, by its key, (heights,), given that the study has it.
        site: The same by site, of all findings that have one.
        focal: The same of all findings but the diffuse ones.
        any_finding: Share of slices with any finding, given that the study has one.
        weights: Of the logistic rule, by `FEATURES`.
    """

    grid: Curve
    finding: Mapping[str, Curve]
    site: Mapping[str, Curve]
    focal: Curve
    any_finding: Curve
    weights: Mapping[str, float]


@cache
def heights() -> Heights:
    """The ones that come with plainscan."""
    file = resources.files("plainscan.cohort") / "heights.toml"
    return parse(tomllib.loads(file.read_text(encoding="utf-8")))


def parse(tables: Mapping[str, dict[str, object]]) -> Heights:
    """Heights from the tables of a TOML file."""
    curves = {
        name: {k: np.array(v, np.float64) for k, v in tables[name].items()} for name in ("finding", "site", "all")
    }
    weights = {name: float(str(tables["weights"][name])) for name in FEATURES}
    grid = np.linspace(0.0, 1.0, curves["all"]["focal"].size)
    return Heights(grid, curves["finding"], curves["site"], curves["all"]["focal"], curves["all"][ANY_FINDING], weights)


def logit(p: Curve) -> Curve:
    """Log odds of probabilities, none surer than `SURE`."""
    cut = np.clip(p, SURE, 1 - SURE)
    result: Curve = np.log(cut / (1 - cut))
    return result


def sigmoid(x: Curve) -> Curve:
    """Probabilities of log odds."""
    result: Curve = 1 / (1 + np.exp(-x))
    return result


def usual(found: Mapping[str, Sequence[str]], height: Curve, known: Heights) -> Curve:
    """How often slices at these heights show any of a report's findings.

    A site moves the odds of its finding as it moves those of all focal findings. A site that was never seen, such as
    the cerebellum, makes all heights the same: a curve learned elsewhere would rule out the slices that matter.
    Findings add up as if they were independent (noisy or).

    Args:
        found: Sites by finding, of the findings that the report names.
        height: (slices,), slice heights, 0 to 1.
        known: What was learned.
    """
    free = np.ones_like(height)
    for finding, sites in found.items():
        share = np.interp(height, known.grid, known.finding.get(finding, known.focal))
        if sites and finding not in DIFFUSE:
            share = _at_sites(share, sites, height, known)
        free *= 1 - share
    return 1 - free if found else np.interp(height, known.grid, known.any_finding)


def _at_sites(share: Curve, sites: Sequence[str], height: Curve, known: Heights) -> Curve:
    if not set(sites) <= known.site.keys():
        return np.full_like(height, known.focal.mean())
    curves = [np.interp(height, known.grid, known.site[site]) for site in sites]
    focal = np.interp(height, known.grid, known.focal)
    return sigmoid(logit(share) + logit(np.max(curves, axis=0)) - logit(focal))


def features(score: Curve, usual_height: Curve, named: NDArray[np.bool_], complete: bool) -> Curve:
    """The numbers that the rule weighs.

    Args:
        score: (slices,), a model's probability of any finding; NaN where there is none, which reads as one half.
        usual_height: (slices,), from ``usual``.
        named: (slices,), whether the report names the slice.
        complete: Whether the report names slices for each of its findings: then the others are less likely.

    Returns:
        (slices, features).
    """
    known = np.clip(np.where(np.isnan(score), 0.5, score), 1e-9, 1 - 1e-9)
    said = np.clip(np.log(known / (1 - known)), -FLAT, FLAT)
    others = ~named & complete
    return np.stack([np.ones_like(said), said, logit(usual_height), named.astype(float), others.astype(float)], axis=1)


def probability(rows: Curve, known: Heights) -> Curve:
    """Chance that each slice shows any finding, (slices,).

    Args:
        rows: From ``features``.
        known: What was learned.
    """
    return sigmoid(rows @ np.array([known.weights[name] for name in FEATURES]))
