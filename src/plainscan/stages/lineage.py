"""Which patients the weights have seen: so that nobody is judged on them without noticing.

A bundle's card holds a pseudonym of each training patient, the start of a hash. It is there to compare, not to
protect: who has a list of patient identifiers can compute theirs and compare too. The bundle that comes with
plainscan has seen synthetic patients alone; its list is empty, and a training that starts from it leaks nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import polars as pl

from plainscan.bundle import Card, located, read_card
from plainscan.config import TrainSettings
from plainscan.counted import counted
from plainscan.errors import ConfigError, LeakError
from plainscan.setting_types import SHIPPED, BundlePath
from plainscan.stages.record import fingerprint, say
from plainscan.storage import file_hash
from plainscan.tables import COHORT, PREPARED, SLICE_KEY, read

PATIENTS: Final = "training_patients_sha256"  # key in a card's provenance
PARTIAL: Final = "training_patients_partial"  # true where the list is not whole: the start did not name all its own
TUNED_ON: Final = "tuning_patients_sha256"  # the same of those on whom probabilities and thresholds were chosen
FINE: Final = "-fine"  # ending of a network's name: the same trunk under another head
_SALT: Final = "plainscan training patient\0"
_DIGITS: Final = 16  # 64 bits: two of a million patients meet with a chance of 3 in 10 million


def pseudonyms(patients: Iterable[str]) -> list[str]:
    """One for each patient, sorted; the same patient has the same one everywhere.

    >>> pseudonyms(["b", "a", "a"]) == pseudonyms(["a", "b"])
    True
    """
    return sorted({hashlib.sha256(f"{_SALT}{patient}".encode()).hexdigest()[:_DIGITS] for patient in patients})


def named(card: Card, key: str) -> set[str] | None:
    """The pseudonyms that a card has under ``PATIENTS`` or ``TUNED_ON``; None where it does not say.

    One that was trained on synthetic studies alone has an empty list.
    """
    known = card.provenance.get(key)
    return set(known) if isinstance(known, list) else None


def names_all(card: Card) -> bool:
    """Whether a card names all patients that its weights have seen, also those of the weights they started from."""
    return named(card, PATIENTS) is not None and not card.provenance.get(PARTIAL, False)


def say_if_unknown(card: Card, stage: str) -> None:
    """Tell the person at the terminal that a card does not say, or not of all, whom its weights have seen."""
    if not names_all(card):
        say(f"{stage}: {card.name} does not say which patients it was trained on; whether some are here is open")


def known_as(folder: Path, slices: pl.DataFrame) -> pl.DataFrame:
    """Every identifier of the patients of these slices: the one they were joined to, and those that the archive has.

    Args:
        folder: The run folder.
        slices: Has the columns of ``SLICE_KEY``, ``patient_id`` and ``split``.

    Returns:
        ``split`` and ``patient_id``, each once.
    """
    names = slices.select("split", "patient_id")
    if COHORT.path(folder).is_file():
        own = read(folder, COHORT).select(*SLICE_KEY, "patient_id")
        before = slices.select(*SLICE_KEY, "split").join(own, on=SLICE_KEY, how="inner")
        names = pl.concat([names, before.select(names.columns)])
    return names.unique(maintain_order=True)


def training_patients(patients: pl.DataFrame, init: BundlePath | None) -> list[str]:
    """Pseudonyms of the patients of train, from ``known_as``, and of those whom the weights to start from have seen."""
    ours = patients.filter(pl.col("split") == "train")["patient_id"].unique()
    card = None if init is None else _card_of(init)
    return sorted({*pseudonyms(ours), *(_seen_by(card) or ())})


def starts_unnamed(init: BundlePath | None) -> bool:
    """Whether a training starts from weights that may have seen patients whom nobody names, such as those of a file."""
    if init is None:
        return False
    card = _card_of(init)
    return card is None or not names_all(card)


def origin(init: BundlePath) -> dict[str, str]:
    """What a card says of the weights that a training started from: a name and a hash, no path of a machine.

    The hash of a bundle is its model's, of a file its own; the bundle that comes with plainscan also gives the
    version of its synthetic world.
    """
    card, name = _card_of(init), init if isinstance(init, str) else init.name
    if card is None:
        return {"name": name, "hash": fingerprint(located(init))}
    world = {} if card.world is None else {"world": card.world}
    return {"name": name, "bundle": card.name, "hash": card.model_sha256, **world}


def check_init(patients: pl.DataFrame, settings: TrainSettings) -> None:
    """Refuse weights to start from that are of another network, or have seen a patient of tune or test.

    A weight file, an old bundle, or one that started from such does not say of all whom it has seen.

    Args:
        patients: From ``known_as``.
        settings: The section ``train``.

    Raises:
        BundleError: The bundle is incomplete, altered or of another version.
        ConfigError: It is of another network.
        LeakError: It has seen them.
    """
    init = settings.init
    if init is None:
        return
    card = _card_of(init)
    if card is not None:
        _check_network(card, settings)
    if card is None or not names_all(card):
        say(f"train: {init} does not say which patients it was trained on; whether they are in tune or test is open")
    kept = patients.filter(pl.col("split").is_in(["tune", "test"]))["patient_id"].unique()
    shared = (_seen_by(card) or set()) & set(pseudonyms(kept))
    if shared:
        raise LeakError(
            f"this bundle was trained on {len(shared)} of {counted(len(kept), 'patient identifiers')} of tune and test",
            where=f"train.init: {init}",
            expected="a bundle that was trained without them",
            remedy="Start from another bundle, or from none.",
            code="init_saw_test",
        )


def _check_network(card: Card, settings: TrainSettings) -> None:
    """The trunks must be the same; another head (`resnet50`, `resnet50-fine`) starts anew."""
    if card.network.removesuffix(FINE) != settings.network.removesuffix(FINE):
        raise ConfigError(
            f"{settings.network}, but the weights to start from are of {card.network}",
            where=f"train.network, train.init: {settings.init}",
            expected="the same network",
            remedy=f'Set network = "{card.network}", or start from another bundle.',
        )
    if card.network != settings.network:
        head = (
            f"train: {settings.init} is a {card.network}; the head of a {settings.network} starts from random weights"
        )
        say(f"{head} (network = {card.network!r}, --network {card.network}, takes its head, too)")
    if card.windows != settings.windows:
        say(f"train: {settings.init} saw windows {_words(card.windows)}; this training has {_words(settings.windows)}")


def _words(windows: Iterable[tuple[float, float]]) -> str:
    return ", ".join(f"{center:g}/{width:g}" for center, width in windows)


def _card_of(init: BundlePath) -> Card | None:
    """The card of a bundle; a weight file has none."""
    folder = located(init)
    return read_card(folder) if folder.is_dir() else None


def _seen_by(card: Card | None) -> set[str] | None:
    return None if card is None else named(card, PATIENTS)


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


def start_note(card: Card, synthetic: bool, external: bool) -> list[str]:
    """What a reader must know of the weights that the training began with.

    Args:
        card: The bundle's.
        synthetic: It is judged on synthetic slices.
        external: It was trained elsewhere.
    """
    init = card.provenance.get("settings", {}).get("init")
    if not init:
        return []
    training = "The bundle's training" if external else "This training"
    said = f"{training} started from the weights “{init['name']}”, not from random ones."
    if synthetic and init["name"] == SHIPPED:
        said += " They have seen many more synthetic studies of the same generator, so these figures flatter."
    return [said]
