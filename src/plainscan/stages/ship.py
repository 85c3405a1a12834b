"""From a run on the synthetic world to the bundle that comes with plainscan: for its maintainers, no sub-command.

python -m plainscan.stages.ship RUN RECIPE.toml NOTES.toml

`make weights` trains by the recipe and then calls this. It stores the weights in half the bytes, measures on tuning
slices what that changed and refuses more than ``AUC_CHANGE`` and ``DECISIONS_CHANGED``, and writes the card with the
recipe and the notes: the weights' name, figures measured on other slices and known failures. Call it again when only
the notes have changed: the weights keep their bytes.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.bundle import MODEL_FILE, SHIPPED_FOLDER, Card, Measured, read_card, write_bundle, write_sums
from plainscan.config import Section, make_section
from plainscan.errors import BundleError, SourceError, UserError
from plainscan.evaluation.metrics import auc_of
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.inference.engine import Model, operating_point
from plainscan.inference.held_out import RunSlices
from plainscan.inference.predict import score
from plainscan.stages.lineage import PATIENTS, TUNED_ON, check_trained_here
from plainscan.stages.record import say, track
from plainscan.storage import file_hash
from plainscan.tables import PREPARED, read

LARGEST: Final = 75_000_000  # bytes of the whole bundle
COMPARED: Final = 400  # tuning slices, evenly from all of them
AUC_CHANGE: Final = 0.002  # a tenth or less of the interval's width on so many slices
DECISIONS_CHANGED: Final = 0.01  # share of slices


class Judged(Section):
    """What figures were measured with: the weights, and the slice threshold of "any finding"."""

    model_sha256: str
    threshold: float


class Notes(Section):
    """What people add to a card, as NOTES.toml has it."""

    name: str
    figures_of: Judged | None = None
    figures: tuple[Measured, ...] = ()
    known_failures: tuple[str, ...]

    def said_of(self, card: Card) -> dict[str, Any]:
        """Fields of a card: the figures only where they were measured with its weights and threshold."""
        judged = Judged(model_sha256=card.model_sha256, threshold=operating_point(card, "slice").threshold)
        if self.figures and self.figures_of != judged:
            say("ship: the figures in the notes are of other weights or another threshold, so the card goes without")
            say("ship: name and judge these, take the figures by docs/card_figures.py, read the failures, ship again")
        figures = self.figures if self.figures_of == judged else ()
        return {"name": self.name, "figures": figures, "known_failures": self.known_failures}


def ship(run: Path, recipe: Path, notes: Path, target: Path = SHIPPED_FOLDER) -> Card:
    """Make the bundle that comes with plainscan.

    Args:
        run: A run folder of `world` and `train`.
        recipe: The experiment's TOML file; goes into the card without its `out`.
        notes: See ``Notes``.
        target: Where the bundle goes; what lay there before stops being whole first.

    Returns:
        Its card.

    Raises:
        ConfigError: The notes lack something.
        SourceError: The run has seen anything but the synthetic world, or started from weights that have.
        BundleError: The bundle is too large, or rounding has changed what it says.
        LeakError: The bundle was trained on another split than that of the run folder.
    """
    said = make_section(Notes, **tomllib.loads(notes.read_text(encoding="utf-8")))
    card, model = read_card(run / "model"), (run / "model" / MODEL_FILE).read_bytes()
    world = world_of(run)
    _check_start(run, card)
    half = _halved(model)
    rounded = card.model_copy(update={"model_sha256": hashlib.sha256(half).hexdigest()})
    rows = read(run, PREPARED).filter(pl.col("split") == "tune")
    change = measured(Model(model, card), Model(half, rounded), RunSlices(run), rows)
    _refuse_visible(change, card.name)
    asked = {k: v for k, v in tomllib.loads(recipe.read_text(encoding="utf-8")).items() if k != "out"}
    trained = {"trained_as": card.model_sha256, "stored_as_float16": change, PATIENTS: [], TUNED_ON: []}
    filled = rounded.model_copy(
        update={**said.said_of(rounded), "world": world, "recipe": asked, "provenance": {**card.provenance, **trained}}
    )
    put(target, half, filled)
    return filled


def _halved(model: bytes) -> bytes:
    from plainscan.learning.half import to_half  # needs the extra `train`, as the training before it did

    half = to_half(model)
    if len(half) > LARGEST:
        raise BundleError(f"{len(half)} bytes", where=MODEL_FILE, expected=f"at most {LARGEST}")
    return half


def put(target: Path, model: bytes, card: Card) -> None:
    """Put a bundle that is to be shipped in its place, with the hashes of its files."""
    target.mkdir(parents=True, exist_ok=True)
    write_bundle(target, model, card)
    write_sums(target)
    read_card(target)
    size = sum(path.stat().st_size for path in target.iterdir())
    say(f"ship: {card.name}, {size / 1e6:.1f} MB, SHA-256 {card.model_sha256}")


def world_of(run: Path) -> str:
    """The version of the synthetic world that a run's prepared slices were made by, and nothing else.

    Raises:
        SourceError: They were not, as far as the run's record tells.
    """
    record = run / "world.run.json"
    known = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    if known.get("outputs", {}).get("prepared.parquet") != file_hash(PREPARED.path(run)):
        raise SourceError(
            "not made by `plainscan world`, as far as its record tells",
            where=str(PREPARED.path(run)),
            expected="synthetic slices alone: what is shipped has seen no patient",
        )
    return str(known["rules"]).split()[0]


def _check_start(run: Path, card: Card) -> None:
    check_trained_here(card, run)
    init = card.provenance.get("settings", {}).get("init")
    if init is not None and "world" not in init:
        raise SourceError(
            f"started from {init.get('name')}",
            where=str(run / "model"),
            expected="a start from random weights, or from weights that saw synthetic slices alone",
        )


def measured(before: Model, after: Model, slices: RunSlices, rows: pl.DataFrame) -> dict[str, float]:
    """What rounding the weights did to "any finding" on some slices.

    Args:
        before: The trained bundle.
        after: The same with rounded weights.
        slices: Their pixels.
        rows: Of the prepared table; at most ``COMPARED`` of them are scored, spread evenly.

    Returns:
        Slices compared, the largest change of a logit, of the AUC where the label is known, and the share of decisions
        changed.
    """
    chosen = rows[np.unique(np.linspace(0, rows.height - 1, COMPARED).astype(int)).tolist()]
    pixels = track(chosen.to_dicts(), "compare")
    pairs = [(_any(before, hu), _any(after, hu)) for hu in map(slices.hu, pixels)]
    logit, probability = np.array(pairs).T  # each (before and after, slices)
    known = chosen[ANY_FINDING].is_not_null().to_numpy()
    label = chosen[ANY_FINDING].drop_nulls().to_numpy()
    threshold = operating_point(before.card, "slice").threshold
    return {
        "slices": float(len(pairs)),
        "largest_logit_change": float(np.abs(logit[1] - logit[0]).max()),
        "auc_change": abs(auc_of(logit[1, known], label) - auc_of(logit[0, known], label)),
        "decisions_changed": float(np.mean((probability[1] >= threshold) != (probability[0] >= threshold))),
    }


def _refuse_visible(change: dict[str, float], where: str) -> None:
    # asked this way round, so that what is not a number is refused too
    if not (change["auc_change"] <= AUC_CHANGE and change["decisions_changed"] <= DECISIONS_CHANGED):
        raise BundleError(
            f"rounding changed {change}",
            where=where,
            expected=f"AUC within {AUC_CHANGE}, decisions within {DECISIONS_CHANGED}",
        )


def _any(model: Model, hu: NDArray[np.int16]) -> tuple[float, float]:
    """Logit and probability of any finding."""
    scores = score(model, hu[None])
    at = FINDING_KEYS.index(ANY_FINDING)
    return float(scores.logits[0, at]), float(scores.probability[0, at])


if __name__ == "__main__":
    try:
        ship(*map(Path, sys.argv[1:4]))
    except UserError as error:
        sys.exit(f"Error: {error}")
