"""Exactly so many slices of each class, drawn study by study."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from plainscan.errors import SplitError
from plainscan.findings import ANY_FINDING

_KEY: Final = ("study_uid", "series_uid", "instance_uid", "frame")


def keep_quota(slices: pl.DataFrame, no_finding: int | None, any_finding: int | None, seed: int) -> pl.DataFrame:
    """Slices of the first studies in a seeded order that fill the quotas; the last study is trimmed at random.

    A class without a quota is kept whole. Slices whose ``any_finding`` is not known leave when both classes
    have one.

    Args:
        slices: Slice key and ``any_finding``.
        no_finding: Slices to keep with ``any_finding`` 0.
        any_finding: Slices to keep with ``any_finding`` 1.
        seed: Same seed, same slices, whatever the row order.

    Raises:
        SplitError: There are fewer than asked for.
    """
    quotas = {0: no_finding, 1: any_finding}
    if all(quota is None for quota in quotas.values()):
        return slices
    rng = np.random.default_rng(seed)
    drawn = _draw_order(slices.sort(_KEY), rng)
    kept = [_first(drawn, value, quota) for value, quota in quotas.items()]
    if None in quotas.values():
        kept.append(drawn.filter(pl.col(ANY_FINDING).is_null()))
    return pl.concat(kept).sort(_KEY).select(slices.columns)


def _draw_order(slices: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    studies = slices.select(pl.col("study_uid").unique().sort())
    place = pl.Series("study_place", rng.permutation(len(studies)))
    return (
        slices.join(studies.with_columns(place), on="study_uid", how="left", maintain_order="left")
        .with_columns(pl.Series("slice_place", rng.permutation(len(slices))))
        .sort("study_place", "slice_place")
    )


def _first(drawn: pl.DataFrame, value: int, quota: int | None) -> pl.DataFrame:
    of_class = drawn.filter(pl.col(ANY_FINDING) == value)
    if quota is None:
        return of_class
    if len(of_class) < quota:
        name = "any_finding" if value else "no_finding"
        raise SplitError(
            f"{len(of_class)} slices with {ANY_FINDING} {value}",
            where=f"split.{name}",
            expected=f"at least the {quota} asked for",
            remedy="Add studies or lower the quota.",
            code="too_few_slices",
        )
    return of_class.head(quota)
