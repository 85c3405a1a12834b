"""Measure what a bundle needs to run on 8-bit integers, and whether it may: for maintainers, no sub-command.

python -m plainscan.stages.quantize BUNDLE WORLD_RUN [RUN ...]

The ranges of the activations come from training slices of a run of `world`; what integers change is measured on its
tuning slices and on all slices of every further run of `prepare`, such as one of real slices. Ranges and checks go
into the card; the weights keep their bytes. `make weights` calls it after `ship`. BUNDLE is a folder, or the word
plainscan. Ends with 1 when checks forbid both engines of integers as the default; fp32 stays it then.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.bundle import (
    INTEGER_ENGINES,
    MODEL_FILE,
    SHIPPED_FOLDER,
    SUMS_FILE,
    Card,
    Int8,
    Int8Check,
    IntegerEngine,
    read_card,
    write_bundle,
    write_sums,
)
from plainscan.counted import counted
from plainscan.ct.prepare import network_input
from plainscan.ct.window import Window
from plainscan.errors import SourceError, UserError
from plainscan.evaluation.metrics import auc_of
from plainscan.findings import ANY_FINDING
from plainscan.inference.engine import Model, operating_point, probe
from plainscan.inference.held_out import RunSlices
from plainscan.inference.int8 import measured_tensors
from plainscan.inference.predict import calibrated
from plainscan.setting_types import SHIPPED
from plainscan.stages.record import say, track
from plainscan.stages.tuning import row_logits
from plainscan.tables import PREPARED, read

MEASURED: Final = 500  # training slices, evenly from all of them; 100 missed highest values that others have
COMPARED: Final = 2000  # slices of one check, about: whole series, evenly from all of them
DIGITS: Final = 6  # of a range


def quantize(bundle: Path, world: Path, others: Sequence[Path] = ()) -> Int8:
    """Write ranges and checks into a bundle's card.

    Args:
        bundle: Its folder; hashes of a bundle that is shipped are listed anew.
        world: A run folder of `world`, with a training and a tuning split.
        others: Run folders with prepared slices of the bundle's size.

    Returns:
        What is in the card now.

    Raises:
        BundleError: The bundle is not whole, or the slices are not of its size.
        SourceError: A run has no slices to measure on.
    """
    card, model = read_card(bundle), (bundle / MODEL_FILE).read_bytes()
    train = _some(world, "train", MEASURED)
    ranges = measured_ranges(card, model, RunSlices(world), train)
    whence = f"{train.height} training slices of the synthetic world"
    first = card.model_copy(update={"int8": Int8(ranges=ranges, measured_on=whence, checks=(_UNCHECKED,))})
    plain = Model(model, card)
    looks = [look(plain, world, _rows(world, "tune"), "tuning slices of the synthetic world")]
    looks += looks_at_all(plain, others)
    int8 = Int8(ranges=ranges, measured_on=whence, checks=checks(first, model, looks))
    write_bundle(bundle, model, card.model_copy(update={"int8": int8}))
    if (bundle / SUMS_FILE).is_file():
        write_sums(bundle)
    report(int8)
    return int8


_UNCHECKED: Final = Int8Check(
    data="none", n=1, n_positive=0, auc_fall=None, decisions_changed=1.0, largest_logit_change=0.0
)


def measured_ranges(card: Card, model: bytes, slices: RunSlices, rows: pl.DataFrame) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each activation that int8 needs a scale for.

    Highest and lowest, not a percentile: rare high activations are what lesions look like. Clipping for the least
    squared error made the logits change more (decision 0009).

    Args:
        card: Of the bundle.
        model: The bytes of its graph.
        slices: Their pixels.
        rows: Of the prepared table.

    Returns:
        By the tensor's name.
    """
    names = measured_tensors(model)
    windows = [Window(*pair) for pair in card.windows]
    values_of = probe(model, names)
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for row in track(rows.to_dicts(), "measure"):
        parts = values_of(network_input(slices.hu(row)[None], windows))
        low = np.minimum(low, [part.min() for part in parts])
        high = np.maximum(high, [part.max() for part in parts])
    return {name: (_short(a), _short(b)) for name, a, b in zip(names, low, high, strict=True)}


@dataclass(frozen=True)
class Look:
    """Slices to compare engines on.

    Args:
        run: A run folder with prepared slices.
        rows: Of its prepared table.
        data: What the card calls them.
        logits: (slices, findings), of the rows among their neighbors, by float32.
    """

    run: Path
    rows: pl.DataFrame
    data: str
    logits: NDArray[np.float32]


def look(plain: Model, run: Path, rows: pl.DataFrame, data: str, known: NDArray[np.float32] | None = None) -> Look:
    """Slices of a run folder, as float32 decides on them: each among its neighbors.

    Args:
        plain: The bundle on float32.
        run: A run folder with prepared slices.
        rows: Of its prepared table; about ``COMPARED`` of them are taken, whole series spread evenly.
        data: What the card calls them.
        known: Logits (slices, findings) of all rows among their neighbors by ``plain``, where they are there already.
    """
    chosen, slices = _whole_series(rows, COMPARED), RunSlices(run)
    rows = rows.filter(chosen)
    slices.check(rows, plain.card)
    logits = row_logits(plain, slices, rows, plain.engine) if known is None else known[chosen.to_numpy()]
    return Look(run, rows, data, logits)


def looks_at_all(plain: Model, runs: Sequence[Path]) -> list[Look]:
    """All prepared slices of each of some runs, of other patients than the ranges'."""
    looks = []
    for run in runs:
        rows = _rows(run)
        patients = counted(rows["patient_id"].n_unique(), "other patients")
        looks.append(look(plain, run, rows, f"slices of {patients}"))
    return looks


def checks(card: Card, model: bytes, looks: Sequence[Look]) -> tuple[Int8Check, ...]:
    """What each engine of integers changes on each of some sets of slices.

    Args:
        card: Of the bundle, with ranges.
        model: The bytes of its graph.
        looks: The slices.
    """
    engines = [(name, Model(model, card, engine=name)) for name in INTEGER_ENGINES]
    return tuple(_compared(*engine, seen) for engine in engines for seen in looks)


def _compared(name: IntegerEngine, integers: Model, seen: Look) -> Int8Check:
    card, rows = integers.card, seen.rows
    logits = (seen.logits, row_logits(integers, RunSlices(seen.run), rows, name))
    threshold = operating_point(card, "slice").threshold
    decided = [calibrated(part, card.calibration)[:, 0] >= threshold for part in logits]
    labeled = rows[ANY_FINDING].is_not_null().to_numpy()
    label = rows[ANY_FINDING].drop_nulls().to_numpy()
    return Int8Check(
        engine=name,
        data=seen.data,
        n=rows.height,
        n_positive=int(label.sum()),
        auc_fall=_fall([part[labeled, 0] for part in logits], label),
        decisions_changed=float(np.mean(decided[0] != decided[1])),
        largest_logit_change=float(np.abs(logits[1] - logits[0])[:, 0].max()),
    )


def _fall(logits: list[Any], label: Any) -> float | None:
    if not 0 < label.sum() < len(label):
        return None
    before, after = (auc_of(part, label) for part in logits)
    return before - after


def _some(run: Path, split: str, most: int) -> pl.DataFrame:
    """At most so many rows of the prepared table, spread evenly."""
    rows = _rows(run, split)
    return rows[_spread(rows.height, most)]


def _whole_series(rows: pl.DataFrame, most: int) -> pl.Series:
    """Which rows of the prepared table to take: about so many, spread evenly and no slice without its neighbors."""
    series = rows["series_uid"].unique(maintain_order=True)
    chosen = series[_spread(len(series), max(1, len(series) * most // rows.height))]
    return rows["series_uid"].is_in(chosen.to_list())


def _rows(run: Path, split: str | None = None) -> pl.DataFrame:
    rows = read(run, PREPARED)
    rows = rows if split is None else rows.filter(pl.col("split") == split)
    if rows.is_empty():
        raise SourceError(
            f"no {split or 'prepared'} slices",
            where=str(run),
            expected="a run with some",
            remedy="Run `plainscan world`, or `plainscan prepare`, in it first.",
        )
    return rows


def _spread(count: int, most: int) -> list[int]:
    """At most so many places of ``count``, spread evenly over them."""
    chosen: list[int] = np.unique(np.linspace(0, count - 1, min(most, count)).astype(int)).tolist()
    return chosen


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def report(int8: Int8) -> None:
    """Say what was found."""
    for check in int8.checks:
        fall = "not defined" if check.auc_fall is None else f"{check.auc_fall:+.4f}"
        changed, most = 100 * check.decisions_changed, check.largest_logit_change
        say(
            f"{check.engine} on {check.n} {check.data}: AUC falls by {fall}, {changed:.2f} % of decisions changed, "
            f"logits by at most {most:.2f}: {'holds' if check.holds else 'too much'}"
        )
    say(f"Default engine: {int8.default}{'' if int8.default == 'fp32' else ' where the processor is made for it'}")


def main(arguments: list[str]) -> int:
    """Run it; 0 when integers are the default, in all of the network or behind its first stages."""
    bundle, world, *others = arguments
    folder = SHIPPED_FOLDER if bundle == SHIPPED else Path(bundle)
    return int(quantize(folder, Path(world), [Path(other) for other in others]).default == "fp32")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        sys.exit(f"Error: {error}")
