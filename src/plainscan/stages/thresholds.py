"""From slices of the synthetic world to other thresholds of the shipped bundle: for its maintainers, no sub-command.

python -m plainscan.stages.thresholds RUN NOTES.toml [OTHER_RUN ...]

RUN holds slices of `world` and what `calibrate --model plainscan` made of them (configs/thresholds.toml). The shipped
weights keep their bytes; probabilities, thresholds and notes are new, and int8 is checked at them, also on the slices
of every other run of `prepare`, such as one of real slices.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from plainscan.bundle import MODEL_FILE, SHIPPED_FOLDER, Card, Int8, read_card
from plainscan.config import make_section
from plainscan.errors import BundleError, LeakError, UserError
from plainscan.inference.engine import Model
from plainscan.stages.calibrate import CALIBRATED_FOLDER
from plainscan.stages.lineage import TUNED_ON
from plainscan.stages.quantize import checks, looks_at_all, report
from plainscan.stages.ship import Notes, put, world_of
from plainscan.storage import file_hash
from plainscan.tables import PREPARED

TUNING: Final = "tuning slices of the synthetic world"


def ship_thresholds(run: Path, notes: Path, others: Sequence[Path] = (), target: Path = SHIPPED_FOLDER) -> Card:
    """Give the shipped bundle the probabilities and thresholds of a run's calibrated one.

    Args:
        run: A run folder of `world` and `calibrate`.
        notes: See ``ship.Notes``.
        others: Run folders with prepared slices of the bundle's size, to check int8 on.
        target: The bundle that is shipped.

    Returns:
        Its card.

    Raises:
        ConfigError: The notes lack something.
        SourceError: The run's slices are not of the synthetic world.
        BundleError: The run calibrated another bundle.
        LeakError: It did so on other slices than lie there now.
    """
    said = make_section(Notes, **tomllib.loads(notes.read_text(encoding="utf-8")))
    before, card, world = read_card(target), read_card(run / CALIBRATED_FOLDER), world_of(run)
    if card.model_sha256 != before.model_sha256:
        raise BundleError(card.model_sha256, where=str(run / CALIBRATED_FOLDER), expected=before.model_sha256)
    origin = card.provenance["calibrated"]
    if origin["prepared_sha256"] != file_hash(PREPARED.path(run)):
        raise LeakError(
            "calibrated on other slices",
            where=str(run / CALIBRATED_FOLDER),
            expected=f"those of {PREPARED.path(run)}",
            remedy="Run `plainscan calibrate` again.",
        )
    if origin["bundle"] == said.name:  # the same once more, and so is what it was before
        origin = {**origin, "bundle": before.provenance.get("calibrated", origin)["bundle"]}
    known = {**card.provenance, "calibrated": {**origin, "world": world}, TUNED_ON: []}
    model = (target / MODEL_FILE).read_bytes()
    filled = card.model_copy(update={**said.said_of(card), "provenance": known, "int8": _checked(card, model, others)})
    put(target, model, filled)
    return filled


def _checked(card: Card, model: bytes, others: Sequence[Path]) -> Int8 | None:
    if card.int8 is None:
        return None
    own = [check.model_copy(update={"data": TUNING}) for check in card.int8.checks]
    more = checks(card, model, looks_at_all(Model(model, card), others))
    int8 = card.int8.model_copy(update={"checks": (*own, *more)})
    report(int8)
    return int8


if __name__ == "__main__":
    try:
        run, notes, *others = map(Path, sys.argv[1:])
        ship_thresholds(run, notes, others)
    except UserError as error:
        sys.exit(f"Error: {error}")
