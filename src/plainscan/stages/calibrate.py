"""Stage calibrate: a bundle's probabilities and thresholds from labeled slices of one's own; its weights stay.

What a logit of 0 means, and where a slice begins to be called a finding, depend on how common and how plain findings
are where a bundle is used. Both are learned here from slices that the weights have not seen, as `train` learns them
for its own bundle, and written to a bundle beside the run's: the same model under a card of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.bundle import MODEL_FILE, Calibration, Card, Measured, OperatingPoint, located, read_card, write_bundle
from plainscan.config import CalibrateSettings
from plainscan.counted import counted
from plainscan.errors import ConfigError, SplitError
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.inference.engine import Model
from plainscan.inference.held_out import RunSlices
from plainscan.inference.predict import calibrated
from plainscan.stages.chain import check_fresh
from plainscan.stages.external import check_unseen
from plainscan.stages.leak import refuse_leaks
from plainscan.stages.lineage import TUNED_ON, known_as, named, pseudonyms, say_if_unknown
from plainscan.stages.quantize import checks, look, report
from plainscan.stages.record import Counts, recorded, say
from plainscan.stages.tuning import check_classes, choose_points, every_slice, fit_calibration, row_logits, split_counts
from plainscan.stages.twice import one_person
from plainscan.storage import file_hash
from plainscan.tables import MANIFEST, PREPARED, SHARD_FOLDER, label_values, read

CALIBRATED_FOLDER: Final = "calibrated"
ENDING: Final = "-calibrated"  # of the bundle's name
RANKED: Final = "auc"  # beginning of the names of figures of order alone: no threshold changes them
ABOUT_THRESHOLDS: Final = "threshold"  # in a known failure: it is about others than these
UNFITTED: Final = Calibration(finding=ANY_FINDING).fitted_on


def run(folder: Path, settings: CalibrateSettings) -> Counts:
    """Write a run folder's `calibrated`, a bundle.

    Raises:
        BundleError: The bundle is incomplete, altered or of another version, or does not fit the prepared slices.
        ConfigError: The bundle to calibrate is the one that this stage writes.
        LabelError: The chosen slices lack such with, or without, any finding.
        LeakError: The bundle was trained on patients of the chosen splits, or a pair that `leak` found crosses splits.
        SplitError: There are none.
        TableError: The prepared table is missing, or not made from the tables that lie beside it now.
    """
    bundle = located(settings.model or folder / "model")
    if bundle.resolve() == (folder / CALIBRATED_FOLDER).resolve():
        raise ConfigError(
            "the bundle that this command writes", where="--model", expected="the one that it shall be made from"
        )
    card = read_card(bundle)
    check_fresh(folder, "train")
    refuse_leaks(folder)
    return recorded(
        "calibrate",
        folder,
        settings,
        lambda: _work(folder, settings, bundle, card),
        inputs=[MANIFEST.path(folder), PREPARED.path(folder), folder / SHARD_FOLDER, bundle],
        outputs=[folder / CALIBRATED_FOLDER],
    )


def _work(folder: Path, settings: CalibrateSettings, bundle: Path, card: Card) -> Counts:
    prepared = read(folder, PREPARED)
    rows = prepared.filter(pl.col("split").is_in(settings.splits.split("+"))).sort("shard", "row")
    _check(rows, settings.splits)
    patients = known_as(folder, rows)
    check_unseen(card, patients, bundle, one_person(folder, rows["study_uid"].unique()), purpose="calibrate on")
    say_if_unknown(card, "calibrate")
    slices, model = RunSlices(folder), (bundle / MODEL_FILE).read_bytes()
    slices.check(rows, card)
    logits, labels = row_logits(Model(model, card), slices, rows, "calibrate"), label_values(rows)
    calibration = _else_before(fit_calibration(logits, labels, settings.splits), card)
    probability = calibrated(logits, calibration)
    whole, target = every_slice(folder, prepared), settings.target_sensitivity
    points = choose_points(rows, whole, probability, labels, target, settings.splits)
    origin = _origin(folder, settings, rows, card)
    made = card.model_copy(
        update={
            "name": card.name.removesuffix(ENDING) + ENDING,
            "calibration": calibration,
            "operating_points": (*points, *_before(points, card)),
            "known_failures": tuple(text for text in card.known_failures if ABOUT_THRESHOLDS not in text.lower()),
            "figures": tuple(item for item in card.figures if _stays(item)),
            "provenance": {**card.provenance, "calibrated": origin, TUNED_ON: _tuned_on(card, patients)},
        }
    )
    write_bundle(folder / CALIBRATED_FOLDER, model, _with_integers_checked(made, model, folder, rows, logits))
    _say_points(points)
    return {"slices": rows.height, "patients": origin["patients"]}


def _check(rows: pl.DataFrame, splits: str) -> None:
    if rows.is_empty():
        raise SplitError(
            f"no slice in {splits}",
            where=PREPARED.name,
            expected="slices to learn thresholds from",
            remedy="Run `plainscan split` with a larger --tune, then `plainscan prepare`.",
            code="empty_tune",
        )
    check_classes(rows, splits)


def _stays(item: Measured) -> bool:
    """Whether a figure stays true: that of the order of one finding's slices.

    A study, or any hemorrhage, is scored by several probabilities together; its order may change with them.
    """
    return item.figure.startswith(RANKED) and item.level == "slice" and item.finding in FINDING_KEYS


def _tuned_on(card: Card, patients: pl.DataFrame) -> list[str]:
    """Pseudonyms of those on whom it was chosen, now or before, as some of that may stay."""
    return sorted({*pseudonyms(patients["patient_id"]), *(named(card, TUNED_ON) or ())})


def _else_before(fitted: tuple[Calibration, ...], card: Card) -> tuple[Calibration, ...]:
    """Where these slices cannot tell, what the bundle had; its card says of whom."""
    return tuple(
        new if new.fitted_on != UNFITTED else old.model_copy(update={"fitted_on": _of(card, old.fitted_on)})
        for new, old in zip(fitted, card.calibration, strict=True)
    )


def _before(points: tuple[OperatingPoint, ...], card: Card) -> list[OperatingPoint]:
    """The slice thresholds of findings on which these slices cannot tell: their probabilities are as they were."""
    chosen = {point.finding for point in points if point.level == "slice"}
    kept = [point for point in card.operating_points if point.level == "slice" and point.finding not in chosen]
    return [point.model_copy(update={"chosen_on": _of(card, point.chosen_on)}) for point in kept]


def _of(card: Card, source: str) -> str:
    return source if source == UNFITTED or " of " in source else f"{source} of {card.name}"


def _origin(folder: Path, settings: CalibrateSettings, rows: pl.DataFrame, card: Card) -> dict[str, Any]:
    return {
        "bundle": card.name,
        "prepared_sha256": file_hash(PREPARED.path(folder)),
        "splits": settings.splits,
        "target_sensitivity": settings.target_sensitivity,
        **split_counts(rows),
    }


def _with_integers_checked(
    card: Card, model: bytes, folder: Path, rows: pl.DataFrame, logits: NDArray[np.float32]
) -> Card:
    """What integers change at the new thresholds, on these slices; the ranges of activations stay."""
    if card.int8 is None:
        return card
    patients = counted(rows["patient_id"].n_unique(), "patients")
    seen = look(Model(model, card), folder, rows, f"slices of {patients}", logits)
    int8 = card.int8.model_copy(update={"checks": checks(card, model, [seen])})
    if not all(check.holds for check in int8.checks):
        report(int8)
    return card.model_copy(update={"int8": int8})


def _say_points(points: tuple[OperatingPoint, ...]) -> None:
    for point in points:
        if point.finding == ANY_FINDING:
            there = f"sensitivity {point.sensitivity:.3f}, specificity {point.specificity:.3f} on {point.n} there"
            say(f"calibrate: a {point.level} is called a finding from {point.threshold:.3f} ({there})")
