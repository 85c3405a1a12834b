"""No patient in two splits. The check runs after every split and before every training."""

from __future__ import annotations

import polars as pl

from plainscan.errors import LeakError


def leaked_patients(manifest: pl.DataFrame) -> int:
    """How many patients have slices in more than one split.

    Args:
        manifest: Has ``patient_id`` and ``split``.
    """
    splits = manifest.group_by("patient_id").agg(pl.col("split").n_unique())
    return int(splits.select((pl.col("split") > 1).sum()).item())


def verify(manifest: pl.DataFrame, unit: str) -> None:
    """Stop when a patient is in two splits, unless the split was asked for by image.

    Args:
        manifest: Has ``patient_id`` and ``split``.
        unit: ``patient`` or ``image``.

    Raises:
        LeakError: Says how many patients, never which.
    """
    count = leaked_patients(manifest) if unit == "patient" else 0
    if count:
        total = manifest.get_column("patient_id").n_unique()
        raise LeakError(
            f"{count} of {total} patients are in two splits",
            where="manifest.split",
            expected="every patient in one split",
            remedy="Run `plainscan split` again; do not edit the manifest by hand.",
            code="patient_in_two_splits",
        )
