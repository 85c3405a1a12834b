"""What stage leak looks at: a table of studies, the pixels of their slices, their features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.cohort import fingerprint, twins
from plainscan.cohort.fingerprint import Floats
from plainscan.config import LeakSettings
from plainscan.inference.features import Features
from plainscan.inference.held_out import RunSlices
from plainscan.stages.record import track
from plainscan.tables import CATALOGUE, COHORT, SLICE_KEY, read

BATCH: Final = 256  # slices in memory
MOST_FITTED: Final = 20_000  # slices that the whitening is learned on, evenly spaced
PLAIN_HU: Final = 20.0  # a plane that varies less shows nothing: equal planes of it mean nothing
ALSO_OF_ONE: Final = ("same_pixels",)  # told of one patient too: a study under two UIDs; a later scan is no news
FROM_HEADER: Final = ("person", "accession", "frame_of_reference_uid", "study_date", "manufacturer_model")


@dataclass(frozen=True)
class Look:
    """What was found.

    Args:
        pairs: Of studies, by their numbers.
        features: (rows looked at, channels); none where the network was not asked.
        rows: Which rows of the prepared table they are of.
        remarks: What a reader must know.
    """

    pairs: list[twins.Pair]
    features: tuple[NDArray[np.intp], Floats] | None
    remarks: list[str] = field(default_factory=list)


def study_table(folder: Path, prepared: pl.DataFrame) -> pl.DataFrame:
    """One row per study, by its number: ``patient_id`` as the cohort has it, split, scanner, headers (null if unknown).

    The cohort's identifiers, not the prepared table's: those may be joined already.
    """
    recorded_ids = read(folder, COHORT).select(*SLICE_KEY, "patient_id")
    rows = prepared.drop("patient_id").join(recorded_ids, on=SLICE_KEY, how="left", maintain_order="left")
    split = pl.when(pl.col("split").n_unique() > 1).then(pl.lit("mixed")).otherwise(pl.col("split").first())
    kept = ("patient_id", "patient_sex", "manufacturer", "slice_thickness_mm", "convolution_kernel")
    studies = rows.group_by("study_uid").agg(split.alias("split"), *(pl.col(name).first() for name in kept))
    if CATALOGUE.path(folder).is_file():
        of_series = prepared.select("study_uid", "series_uid").unique()
        header = read(folder, CATALOGUE).join(of_series, on=["study_uid", "series_uid"], how="semi")
        header = header.group_by("study_uid").agg(pl.col(name).drop_nulls().first() for name in FROM_HEADER)
        studies = studies.join(header, on="study_uid", how="left")
    else:
        studies = studies.with_columns(pl.lit(None, CATALOGUE.columns[name]).alias(name) for name in FROM_HEADER)
    return studies.sort("study_uid").with_row_index("study").with_columns(pl.col("study").cast(pl.Int64))


def find_pairs(folder: Path, prepared: pl.DataFrame, studies: pl.DataFrame, settings: LeakSettings) -> Look:
    """All evidence, headers first.

    Args:
        folder: The run folder.
        prepared: Its prepared table, in shard order.
        studies: From ``study_table``.
        settings: The section ``leak``.
    """
    pairs, passed = twins.header_pairs(studies, settings.drop_zeros)
    remarks = [
        f"{count} values of {kind} are shared by too many patients and mean nothing"
        for kind, count in passed.items()
        if count
    ]
    if studies.select(pl.col("person", "accession", "frame_of_reference_uid").is_null().all()).row(0) == (True,) * 3:
        remarks.append("no headers to compare but identifiers: no names, accession numbers or frames in a catalogue")
    slices, study = RunSlices(folder), _numbers(prepared, studies)
    pairs += _by_pixels(slices, prepared, study, studies)
    features = _features(slices, prepared, study, settings) if settings.slices else None
    if features is not None:
        numbers, of_studies = twins.study_features(features[1], study[features[0]])
        pairs += twins.alike_pairs(of_studies, numbers)
    patient = studies["patient_id"].to_list()
    told = [p for p in twins.strongest(pairs) if p.kind in ALSO_OF_ONE or patient[p.study] != patient[p.other]]
    return Look(told, features, remarks)


def _numbers(prepared: pl.DataFrame, studies: pl.DataFrame) -> NDArray[np.intp]:
    number = dict(studies.select("study_uid", "study").iter_rows())
    return np.array([number[uid] for uid in prepared["study_uid"]], np.intp)


def _batches(
    slices: RunSlices, prepared: pl.DataFrame, rows: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int16]]]:
    """Rows and their middle planes, (slices, size, size), a batch at a time."""
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        planes = [hu[len(hu) // 2] for hu in map(slices.hu, prepared[some.tolist()].select("shard", "row").to_dicts())]
        yield some, np.stack(planes)


def _by_pixels(
    slices: RunSlices, prepared: pl.DataFrame, study: NDArray[np.intp], studies: pl.DataFrame
) -> list[twins.Pair]:
    """Equal and near-equal slices: two passes, the first over a sample to learn what all heads share."""
    rows = np.arange(len(study))
    sample = rows[:: max(1, -(-len(rows) // MOST_FITTED))]
    fitted = [
        cells[fingerprint.informative(cells)]
        for _, hu in _batches(slices, prepared, sample)
        for cells in [fingerprint.grid(hu)]
    ]
    known = np.concatenate(fitted)
    whitening = fingerprint.Whitening.fit(known) if len(known) > fingerprint.SLICES_PER_PART else None
    digests: list[tuple[bytes, int]] = []
    parts: list[tuple[NDArray[Any], ...]] = []
    for some, hu in track(_batches(slices, prepared, rows), "leak", total=-(-len(rows) // BATCH)):
        shown = hu.astype(np.float32).std(axis=(1, 2)) > PLAIN_HU
        digests += [(twins.digest(plane), int(study[row])) for plane, row in zip(hu[shown], some[shown], strict=True)]
        cells = fingerprint.grid(hu)
        told = fingerprint.informative(cells)
        if whitening is not None and told.any():
            views = (cells[told], *fingerprint.mirrors(cells[told]))
            parts.append((study[some[told]], *map(whitening.of, views)))
    pairs = twins.equal_pairs(digests)
    if parts:
        owner, *seen = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.argsort(owner, kind="stable")
        prints, *turned = (view[order] for view in seen)
        pairs += twins.image_pairs(fingerprint.Prints(owner[order], prints, tuple(turned)), studies)
    return pairs


def _features(
    slices: RunSlices, prepared: pl.DataFrame, study: NDArray[np.intp], settings: LeakSettings
) -> tuple[NDArray[np.intp], Floats]:
    """Rows looked at, evenly over each study, and their features."""
    frame = prepared.select("slice_height").with_columns(pl.Series("study", study)).with_row_index("row")
    chosen: list[int] = []
    for _, group in frame.sort("study", "slice_height", "row").group_by("study", maintain_order=True):
        rows: list[Any] = group["row"].to_list()
        at = np.linspace(0, len(rows) - 1, min(settings.slices, len(rows))).round().astype(int)
        chosen += [rows[i] for i in at]
    where = np.sort(np.array(chosen, np.intp))
    network, found = Features(settings.model), []
    for some, hu in track(_batches(slices, prepared, where), "features", total=-(-len(where) // BATCH)):
        del some
        found += list(network.of([plane[None] for plane in hu]))
    return where, np.stack(found)
