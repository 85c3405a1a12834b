"""Train, tune and test: by patient, stratified, seeded.

Patients are ordered by their positive slices (those with none come first), then by their slices; blocks of
neighbors in that order are dealt out at random (stratified block randomization). Of many such draws the most
balanced one is kept (rerandomization: Morgan & Rubin, Ann Stat 2012;40:1263-1282). The result depends on the
seed and on the slices, never on the order of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.counted import counted
from plainscan.errors import SplitError
from plainscan.findings import ANY_FINDING, SPECIFIC_KEYS

Unit = Literal["patient", "image"]
Ints = NDArray[np.int64]

BLOCK: Final = 10
DRAWS: Final = 200
MAIN_WEIGHT: Final = 30.0
_KEY: Final = ("study_uid", "series_uid", "instance_uid", "frame")


def split_slices(slices: pl.DataFrame, shares: Mapping[str, float], unit: Unit, seed: int) -> pl.DataFrame:
    """The slices with a column ``split``, in the order of their keys.

    Args:
        slices: One row per slice: patient, slice key, label columns.
        shares: Share of each split, in order; they add up to 1.
        unit: What is dealt out. ``image`` puts neighboring slices of a patient on both sides.
        seed: Same seed, same split.

    Raises:
        SplitError: There is no slice, a patient has no identifier, or a split is empty.
    """
    if slices.is_empty():
        raise SplitError("no slice", where="cohort", expected="slices to split", code="no_slices")
    nameless = slices.filter(pl.col("patient_id").is_null() | (pl.col("patient_id").str.strip_chars() == ""))
    if unit == "patient" and not nameless.is_empty():
        raise SplitError(
            f"{counted(len(nameless), 'slices')} without a patient identifier",
            where="cohort.patient_id",
            expected="a pseudonym that is the same in all studies of a patient",
            remedy="Fill (0010,0020) Patient ID when de-identifying, or leave these studies out.",
            code="no_patient_id",
        )
    ordered = slices.sort(_KEY)
    rng = np.random.default_rng(seed)
    result = _by_patient(ordered, shares, rng) if unit == "patient" else _by_image(ordered, shares, rng)
    _no_empty(result, shares, unit)
    return result


def _by_patient(slices: pl.DataFrame, shares: Mapping[str, float], rng: np.random.Generator) -> pl.DataFrame:
    patients = _patients(slices)
    features = patients.select(pl.exclude("patient_id")).cast(pl.Float64).to_numpy()
    target = np.array(list(shares.values()))
    draws = [_deal(patients, target, rng) for _ in range(DRAWS)]
    best = min(draws, key=lambda draw: _imbalance(draw, features, target))
    names = pl.Series("split", [list(shares)[i] for i in best], dtype=pl.String)
    return slices.join(patients.select("patient_id", names), on="patient_id", how="left", maintain_order="left")


def _patients(slices: pl.DataFrame) -> pl.DataFrame:
    """One row per patient in the order of identifiers: what a fair split balances."""
    return (
        slices.group_by("patient_id")
        .agg(
            pl.lit(1).alias("patients"),
            pl.len().alias("slices"),
            pl.col(ANY_FINDING).is_not_null().sum().alias("known"),
            (pl.col(ANY_FINDING) == 1).sum().alias("positives"),
            *((pl.col(key) == 1).any().fill_null(value=False).alias(key) for key in (ANY_FINDING, *SPECIFIC_KEYS)),
        )
        .sort("patient_id")
    )


def _deal(patients: pl.DataFrame, target: NDArray[np.float64], rng: np.random.Generator) -> Ints:
    """One draw: a split number for each patient."""
    count = len(patients)
    order = np.lexsort((rng.random(count), patients["slices"].to_numpy(), patients["positives"].to_numpy()))
    seats = _seats(count, target)
    for start in range(0, count, BLOCK):
        rng.shuffle(seats[start : start + BLOCK])
    result = np.empty(count, np.int64)
    result[order] = seats
    return result


def _seats(count: int, target: NDArray[np.float64]) -> Ints:
    """Split numbers such that after every seat each split is as near to its share as can be.

    >>> _seats(10, np.array([0.7, 0.2, 0.1])).tolist().count(0)
    7
    """
    given = np.zeros(len(target))
    seats = np.empty(count, np.int64)
    for i in range(count):
        owed = np.round(target * (i + 1) - given, 9)
        seats[i] = max(range(len(target)), key=lambda s: (owed[s], -given[s]))
        given[seats[i]] += 1
    return seats


def _imbalance(draw: Ints, features: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """How far each split's share of patients, slices, positive slices and each finding is from its target."""
    totals = features.sum(axis=0)
    used = totals > 0
    shares = np.stack([features[draw == s].sum(axis=0)[used] / totals[used] for s in range(len(target))])
    # Slices and prevalence count before single findings; a finding that few patients have cannot be divided well.
    weight = np.minimum(totals / len(draw), 1.0)
    weight[: -len(SPECIFIC_KEYS)] = MAIN_WEIGHT
    return float((((shares - target[:, None]) ** 2 / target[:, None].clip(0.01)) * weight[used]).sum())


def _by_image(slices: pl.DataFrame, shares: Mapping[str, float], rng: np.random.Generator) -> pl.DataFrame:
    """Rows at random, each class by itself: what the paper did."""
    target = np.array(list(shares.values()))
    order = np.lexsort((rng.random(len(slices)), slices[ANY_FINDING].fill_null(-1).to_numpy()))
    seats = _seats(len(slices), target)
    for start in range(0, len(seats), BLOCK):
        rng.shuffle(seats[start : start + BLOCK])
    result = np.empty(len(slices), np.int64)
    result[order] = seats
    return slices.with_columns(pl.Series("split", [list(shares)[i] for i in result], dtype=pl.String))


def _no_empty(result: pl.DataFrame, shares: Mapping[str, float], unit: Unit) -> None:
    counts = dict(result.group_by("split").len().iter_rows())
    empty = [name for name, share in shares.items() if share > 0 and not counts.get(name)]
    if empty:
        units = result.get_column("patient_id").n_unique() if unit == "patient" else len(result)
        held = ", ".join(f"{name} {counts.get(name, 0)}" for name in shares)
        raise SplitError(
            f"{' and '.join(empty)} would be empty: {units} {unit}s give slices {held}",
            where="split",
            expected=f"at least one {unit} in every split",
            remedy=f"Add {unit}s or change the shares.",
            code="empty_split",
        )
