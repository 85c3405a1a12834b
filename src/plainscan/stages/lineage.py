"""Which patients the weights have seen: so that nobody is judged on them without noticing.

A bundle's card holds a pseudonym of each training patient, the start of a hash. It is there to compare, not to
protect: who has a list of patient identifiers can compute theirs and compare too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import polars as pl

from plainscan.bundle import Card, read_card
from plainscan.errors import LeakError
from plainscan.stages.record import say
from plainscan.tables import PREPARED, file_hash

PATIENTS: Final = "training_patients_sha256"  # key in a card's provenance
_SALT: Final = "plainscan training patient\0"
_DIGITS: Final = 16  # 64 bits: two of a million patients meet with a chance of 3 in 10 million


def pseudonyms(patients: Iterable[str]) -> list[str]:
    """One for each patient, sorted; the same patient has the same one everywhere.

    >>> pseudonyms(["b", "a", "a"]) == pseudonyms(["a", "b"])
    True
    """
    return sorted({hashlib.sha256(f"{_SALT}{patient}".encode()).hexdigest()[:_DIGITS] for patient in patients})


def training_patients(prepared: pl.DataFrame, init: Path | None) -> list[str]:
    """Pseudonyms of the patients of train, and of those whom the weights to start from have seen."""
    ours = prepared.filter(pl.col("split") == "train")["patient_id"].unique()
    return sorted({*pseudonyms(ours), *(_seen_by(init) or ())})


def check_init(prepared: pl.DataFrame, init: Path) -> None:
    """Refuse weights that have seen a patient of tune or test; a file, or an old bundle, does not say.

    Raises:
        LeakError: They have.
    """
    seen = _seen_by(init)
    if seen is None:
        say(f"train: {init} does not say which patients it was trained on; whether they are in tune or test is open")
    kept = prepared.filter(pl.col("split").is_in(["tune", "test"]))["patient_id"].unique()
    shared = set(seen or ()) & set(pseudonyms(kept))
    if shared:
        raise LeakError(
            f"{len(shared)} of {len(kept)} patients of tune and test were training patients of this bundle",
            where=f"train.init: {init}",
            expected="a bundle that was trained without them",
            remedy="Start from another bundle, or from none.",
            code="init_saw_test",
        )


def _seen_by(init: Path | None) -> list[str] | None:
    if init is None or not init.is_dir():
        return None
    known = read_card(init).provenance.get(PATIENTS)
    return known if isinstance(known, list) else None


def check_trained_here(card: Card, folder: Path) -> None:
    """Refuse to judge a bundle on another split than that which it was trained beside.

    Raises:
        LeakError: The prepared table is another one: its test patients may be the bundle's training patients.
    """
    trained_on = card.provenance.get("prepared_sha256")
    if trained_on is not None and trained_on != file_hash(PREPARED.path(folder)):
        raise LeakError(
            "the bundle was trained on another split",
            where=str(folder / "model"),
            expected=f"one trained on {PREPARED.path(folder)} as it is now",
            remedy="Run `plainscan train` again.",
            code="trained_on_another_split",
        )
