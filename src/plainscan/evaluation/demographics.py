"""Who was imaged, and with what: one entry per split, as far as the headers say.

Fewer than five of a kind might name a person to someone who knows the department: they are counted together with
others, never alone. What is missing is counted as such.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from plainscan.findings import FINDINGS

MOST: Final = 6  # names of a kind; the others are counted together
UNKNOWN: Final = "unknown"
OTHERS: Final = "others"
NOT_SHOWN: Final = "not shown"  # a single kind of few, with nothing to count it together with
FEWEST: Final = 5  # the quartiles of fewer say how old each of them is; fewer of a kind may be known by name
NAMED_TOGETHER: Final = 3  # kinds in one cell that are still named
_YEARS: Final = {"Y": 1.0, "M": 1 / 12, "W": 1 / 52.18, "D": 1 / 365.25}


def cohort_table(manifest: pl.DataFrame, splits: tuple[str, ...]) -> list[dict[str, Any]]:
    """Sex and age of patients; manufacturer, model, kernel, year and slice thickness of studies.

    Age and thickness are given as quartiles: an extreme age may name a patient, and so may any age among few.

    Args:
        manifest: Columns of `tables.MANIFEST`; model and year only where `manufacturer_model` and `study_date` of the
            catalogue are there too.
        splits: In the order wanted.
    """
    return [_entry(manifest.filter(pl.col("split") == split), split) for split in splits]


def _entry(slices: pl.DataFrame, split: str) -> dict[str, Any]:
    patients = slices.unique("patient_id", keep="first", maintain_order=True)
    studies = slices.unique("study_uid", keep="first", maintain_order=True)
    more = {"model": "manufacturer_model", "year": "study_date"}
    known = {name: studies[column] for name, column in more.items() if column in studies.columns}
    if "year" in known:
        known["year"] = known["year"].str.slice(0, 4)
    return {
        "split": split,
        "sex": _counts(patients["patient_sex"]),
        "age_years": _quartiles([age_in_years(age) for age in patients["patient_age"]], FEWEST),
        "manufacturer": _counts(studies["manufacturer"]),
        "kernel": _counts(studies["convolution_kernel"]),
        **{name: _counts(column) for name, column in known.items()},
        "slice_thickness_mm": _quartiles(studies["slice_thickness_mm"].to_list()),
    }


def age_in_years(age: str | None) -> float | None:
    """An age as DICOM writes it (PS3.5 6.2, AS: three digits and D, W, M or Y).

    >>> age_in_years("045Y"), age_in_years("006M"), age_in_years("old")
    (45.0, 0.5, None)
    """
    text = (age or "").strip()
    if len(text) < 2 or not text[:-1].isdecimal() or text[-1] not in _YEARS:
        return None
    return int(text[:-1]) * _YEARS[text[-1]]


def prevalence_table(manifest: pl.DataFrame, splits: tuple[str, ...]) -> list[dict[str, Any]]:
    """How often each finding is there: slices, studies and patients with it, and slices whose label is not known.

    A finding alone names nobody, and an interval cannot be judged without these counts: none is hidden.

    Args:
        manifest: Columns of `tables.MANIFEST`.
        splits: In the order wanted.
    """
    parts = {split: manifest.filter(pl.col("split") == split) for split in splits}
    return [
        {"finding": finding.key, **{split: _prevalence(part, finding.key) for split, part in parts.items()}}
        for finding in FINDINGS
        if manifest[finding.key].null_count() < manifest.height
    ]


def _prevalence(slices: pl.DataFrame, finding: str) -> dict[str, int]:
    positive = slices.filter(pl.col(finding) == 1)
    unknown = slices[finding].null_count()
    return {
        "slices": positive.height,
        "known": slices.height - unknown,
        "studies": positive["study_uid"].n_unique(),
        "patients": positive["patient_id"].n_unique(),
    }


def _counts(column: pl.Series) -> dict[str, int]:
    """How many of each kind; kinds of fewer than `FEWEST` only together with others."""
    found: dict[str, int] = {}
    for value in column:
        name = (value or "").strip() or UNKNOWN
        found[name] = found.get(name, 0) + 1
    missing = {UNKNOWN: found.pop(UNKNOWN)} if UNKNOWN in found else {}
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    few = sum(count < FEWEST for _, count in ordered)
    shown = min(len(ordered) - few, MOST)
    while 0 < sum(count for _, count in ordered[shown:]) < FEWEST and shown:
        shown -= 1  # what is missing to the known total would give the small cell away
    rest = ordered[shown:]
    if len(rest) == 1 and rest[0][1] < FEWEST:
        rest = [(NOT_SHOWN, rest[0][1])]
    together = " or ".join(sorted(name for name, _ in rest)) if len(rest) <= NAMED_TOGETHER else OTHERS
    return dict(ordered[:shown]) | ({together: sum(count for _, count in rest)} if rest else {}) | missing


def _quartiles(values: list[float | None], fewest: int = 1) -> dict[str, float | int | None]:
    known = [value for value in values if value is not None and np.isfinite(value)]
    if len(known) < fewest:
        return {"n": len(known), "low": None, "median": None, "high": None}
    low, median, high = (round(float(q), 2) for q in np.quantile(known, [0.25, 0.5, 0.75]))
    return {"n": len(known), "low": low, "median": median, "high": high}
