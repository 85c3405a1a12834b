"""No patient in two splits: neither by identifier nor, once `leak` has looked, by what headers and pixels say."""

from __future__ import annotations

from typing import Final

import polars as pl

from plainscan.cohort.twins import KINDS, WEAK
from plainscan.counted import counted
from plainscan.errors import LeakError

SHOWN: Final = 5  # pairs named in the message


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
            f"{count} of {counted(total, 'patients')} in two splits",
            where="manifest.split",
            expected="every patient in one split",
            remedy="Run `plainscan split` again; do not edit the manifest by hand.",
            code="patient_in_two_splits",
        )


def firm_leaks(leaks: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table ``leaks`` that may be one person's, across splits or not: no hint, and accepted by nobody."""
    return leaks.filter(pl.col("accepted_by").is_null() & ~pl.col("kind").is_in([*WEAK]))


def open_leaks(leaks: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table ``leaks`` that stop a run: across splits, and accepted by nobody."""
    return leaks.filter(pl.col("crosses") & pl.col("accepted_by").is_null())


def verify_leaks(leaks: pl.DataFrame) -> None:
    """Stop while a pair of studies that may be one person's stands on two sides of the split.

    Args:
        leaks: The table ``leaks``.

    Raises:
        LeakError: Names kinds and pairs, by the pairs' own names; never a patient.
    """
    found = open_leaks(leaks)
    if found.is_empty():
        return
    kinds = found.group_by("kind", maintain_order=True).len()
    each = ", ".join(f"{count} {kind} ({KINDS[kind]})" for kind, count in kinds.iter_rows())
    shown = found["pair"].head(SHOWN).to_list()
    more = f" and {found.height - SHOWN} more" if found.height > SHOWN else ""
    raise LeakError(
        f"{counted(found.height, 'pairs')} of studies on two sides of the split: {each}; {', '.join(shown)}{more}",
        where="leaks.parquet",
        expected="none across splits",
        remedy="Keep them together: `plainscan split RUN --joined RUN/joins.csv`, then prepare and leak again. A pair "
        "that may stay: name it in a CSV with pair, who and why, and run `plainscan leak RUN --accepted FILE`.",
        code="leak_across_splits",
    )
