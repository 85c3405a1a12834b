"""Exactly so many slices of each class, made of whole studies as far as numbers allow."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import polars as pl

from plainscan.counted import counted
from plainscan.errors import SplitError
from plainscan.findings import ANY_FINDING

_KEY: Final = ("study_uid", "series_uid", "instance_uid", "frame")


def keep_quota(slices: pl.DataFrame, no_finding: int | None, any_finding: int | None, seed: int) -> pl.DataFrame:
    """Slices of studies drawn in a seeded order until both quotas are full.

    Whole studies first, each that still fits. What is then missing comes from parts of further studies: slices
    with a finding from studies that have one, slices without from studies that have none, so that a study with a
    finding never turns into one without. Only where no other study is left does that rule give way.

    A class without a quota has no limit. Slices whose ``any_finding`` is not known leave.

    Args:
        slices: Slice key and ``any_finding``.
        no_finding: Slices to keep with ``any_finding`` 0.
        any_finding: Slices to keep with ``any_finding`` 1.
        seed: Same seed, same slices, whatever the row order.

    Raises:
        SplitError: There are fewer than asked for.
    """
    if no_finding is None and any_finding is None:
        return slices
    known = slices.filter(pl.col(ANY_FINDING).is_not_null())
    for value, quota in ((0, no_finding), (1, any_finding)):
        _check(known, value, quota)
    drawn = _draw_order(known.sort(_KEY), np.random.default_rng(seed))
    counts = drawn.group_by("study_uid", maintain_order=True).agg(
        (pl.col(ANY_FINDING) == 0).sum().cast(pl.Int64).alias("without"),
        (pl.col(ANY_FINDING) == 1).sum().cast(pl.Int64).alias("with"),
    )
    room = [math.inf if quota is None else quota for quota in (no_finding, any_finding)]
    shares = pl.DataFrame(_shares(counts.rows(), room), schema=("study_uid", "keep_0", "keep_1"), orient="row")
    place = pl.int_range(pl.len()).over("study_uid", ANY_FINDING)
    limit = pl.when(pl.col(ANY_FINDING) == 1).then("keep_1").otherwise("keep_0")
    kept = drawn.join(shares, on="study_uid", how="inner", maintain_order="left").filter(place < limit)
    return kept.sort(_KEY).select(slices.columns)


def _check(known: pl.DataFrame, value: int, quota: int | None) -> None:
    found = int((known[ANY_FINDING] == value).sum())
    if quota is not None and found < quota:
        raise SplitError(
            f"{counted(found, 'slices')} with {ANY_FINDING} {value}",
            where=f"split.{'any_finding' if value else 'no_finding'}",
            expected=f"at least the {quota} asked for",
            remedy="Add studies or lower the quota.",
            code="too_few_slices",
        )


def _draw_order(slices: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    studies = slices.select(pl.col("study_uid").unique().sort())
    place = pl.Series("study_place", rng.permutation(len(studies)))
    return (
        slices.join(studies.with_columns(place), on="study_uid", how="left", maintain_order="left")
        .with_columns(pl.Series("slice_place", rng.permutation(len(slices))))
        .sort("study_place", "slice_place")
    )


def _shares(studies: list[tuple[str, int, int]], room: list[float]) -> list[tuple[str, int, int]]:
    """How many slices without and with a finding to keep of each study; those of which none is kept are left out.

    Args:
        studies: (study, slices without, slices with), in the order of the draw.
        room: Slices still wanted of each class; used up in place.
    """
    taken: dict[str, tuple[int, int]] = {}
    for rule in (_fits_whole, _keeps_its_class, _fills_a_quota):
        for study, without, with_finding in studies:
            if study not in taken and rule((without, with_finding), room):
                taken[study] = int(min(without, room[0])), int(min(with_finding, room[1]))
                room[0] -= taken[study][0]
                room[1] -= taken[study][1]
    return [(study, *kept) for study, kept in taken.items()]


def _fits_whole(study: tuple[int, int], room: list[float]) -> bool:
    return study[0] <= room[0] and study[1] <= room[1]


def _keeps_its_class(study: tuple[int, int], room: list[float]) -> bool:
    return room[1] > 0 if study[1] else room[0] > 0


def _fills_a_quota(study: tuple[int, int], room: list[float]) -> bool:
    return any(count and 0 < left < math.inf for count, left in zip(study, room, strict=True))
