"""Who was imaged, and with what: one entry per split, as far as the headers say."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

MOST: Final = 6  # names of a kind; the others are counted together
UNKNOWN: Final = "unknown"
OTHERS: Final = "others"
FEWEST_AGES: Final = 5  # the quartiles of fewer say how old each of them is
_YEARS: Final = {"Y": 1.0, "M": 1 / 12, "W": 1 / 52.18, "D": 1 / 365.25}


def cohort_table(manifest: pl.DataFrame, splits: tuple[str, ...]) -> list[dict[str, Any]]:
    """Sex and age of patients; manufacturer, kernel and slice thickness of studies.

    Age and thickness are given as quartiles: an extreme age may name a patient, and so may any age among few.

    Args:
        manifest: Columns of `tables.MANIFEST`.
        splits: In the order wanted.
    """
    return [_entry(manifest.filter(pl.col("split") == split), split) for split in splits]


def _entry(slices: pl.DataFrame, split: str) -> dict[str, Any]:
    patients = slices.unique("patient_id", keep="first", maintain_order=True)
    studies = slices.unique("study_uid", keep="first", maintain_order=True)
    return {
        "split": split,
        "sex": _counts(patients["patient_sex"]),
        "age_years": _quartiles([age_in_years(age) for age in patients["patient_age"]], FEWEST_AGES),
        "manufacturer": _counts(studies["manufacturer"]),
        "kernel": _counts(studies["convolution_kernel"]),
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


def _counts(column: pl.Series) -> dict[str, int]:
    found: dict[str, int] = {}
    for value in column:
        name = (value or "").strip() or UNKNOWN
        found[name] = found.get(name, 0) + 1
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ordered[MOST:])
    return dict(ordered[:MOST]) | ({OTHERS: rest} if rest else {})


def _quartiles(values: list[float | None], fewest: int = 1) -> dict[str, float | int | None]:
    known = [value for value in values if value is not None and np.isfinite(value)]
    if len(known) < fewest:
        return {"n": len(known), "low": None, "median": None, "high": None}
    low, median, high = (round(float(q), 2) for q in np.quantile(known, [0.25, 0.5, 0.75]))
    return {"n": len(known), "low": low, "median": median, "high": high}
