"""A bundle that was trained elsewhere, on the labeled slices of a run folder: made ready for `evaluate` to judge.

Everything goes to a run folder of its own inside the run's, `external-<bundle>`: the slices prepared at the bundle's
size, figures and report. So nothing of the run is overwritten, and nothing in it need be prepared, split or trained.
Slices of `world` are judged as they were made, and must be of the bundle's size.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from plainscan.bundle import Card, located, read_card, seal_of
from plainscan.cohort.split import split_slices
from plainscan.config import EvaluateSettings, PrepareSettings
from plainscan.counted import counted
from plainscan.errors import ConfigError, LabelError, LeakError, SplitError
from plainscan.findings import FINDING_KEYS
from plainscan.stages import prepare
from plainscan.stages.chain import check_fresh
from plainscan.stages.joined import as_joined
from plainscan.stages.lineage import PATIENTS, TUNED_ON, known_as, named, names_all, pseudonyms
from plainscan.stages.split import labels_table, read_labels
from plainscan.stages.twice import one_person
from plainscan.storage import file_hash
from plainscan.tables import COHORT, MANIFEST, PREPARED, SHARD_FOLDER, SLICE_KEY, read, write

LINKED: Final = ("cohort.parquet", "truth.parquet", "truth", "flow.svg")  # what judging reads of the run's


@dataclass(frozen=True)
class Judgement:
    """What to judge, on what.

    Args:
        folder: Where prepared slices lie and results go.
        home: The run folder; looks at its labels are counted there.
        bundle: The bundle's folder.
    """

    folder: Path
    home: Path
    bundle: Path

    @property
    def external(self) -> bool:
        """Whether the bundle was trained elsewhere."""
        return self.folder != self.home


def make_ready(folder: Path, settings: EvaluateSettings) -> Judgement:
    """Choose the slices, refuse a bundle that has seen their patients, prepare them at its size.

    Args:
        folder: The run folder; holds `cohort` and labels as `split` takes them, for ``split = "test"`` also `manifest`.
        settings: With a `model`.

    Raises:
        BundleError: The bundle is incomplete, altered or of another version.
        ConfigError: It is the run's own model.
        LabelError: No slice has a label.
        LeakError: It was trained on some of these patients, or on such as `leak` takes for them.
        SplitError: There is no test split, or a patient has no identifier.
        TableError: A table is missing or stale.
    """
    bundle = located(settings.model or folder / "model")
    if bundle.resolve() == (folder / "model").resolve():
        raise ConfigError(
            "this run's own model", where="--model", expected="another bundle", remedy="Leave --model out."
        )
    card = read_card(bundle)
    target = folder / _name(card, settings.split)
    if _of_world(folder):
        if settings.split == "all" and any(_made_here(folder, card).values()):
            apart = "Judge it on the others: --split test."
            raise _saw("this bundle was made on slices of this run", bundle, apart)
        write(_prepared(folder, settings.split), target, PREPARED)
        _link(folder, target, (*LINKED, SHARD_FOLDER))
        return Judgement(target, folder, bundle)
    slices = _chosen(folder, settings.split)
    check_unseen(card, known_as(folder, slices), bundle, one_person(folder, slices["study_uid"].unique()))
    write(slices, target, MANIFEST)
    _link(folder, target, LINKED)
    prepare.run(target, PrepareSettings(size=card.input_size, neighbors=card.neighbors))
    return Judgement(target, folder, bundle)


def _of_world(folder: Path) -> bool:
    """Whether a run folder has slices of `world` alone: prepared as they were made, of nobody."""
    return PREPARED.path(folder).is_file() and not COHORT.path(folder).is_file()


def _prepared(folder: Path, split: str) -> pl.DataFrame:
    """The synthetic slices to judge, all of them in a split `test`."""
    rows = read(folder, PREPARED)
    chosen = rows if split == "all" else rows.filter(pl.col("split") == "test")
    if chosen.is_empty():
        raise _no_test("the test split is empty", PREPARED.path(folder), "Make them with `plainscan world --test`.")
    return chosen.with_columns(split=pl.lit("test"))


def _chosen(folder: Path, split: str) -> pl.DataFrame:
    """The manifest of the slices to judge, all of them in a split `test`."""
    if split == "all":
        check_fresh(folder, "split")
        cohort, labels = as_joined(folder, read(folder, COHORT)), read_labels(folder)
        labeled = cohort.join(labels, on=SLICE_KEY, how="left", maintain_order="left")
        slices = split_slices(labeled, {"test": 1.0}, "patient", 0)
    else:
        slices = _test_split(folder)
    if slices.select(pl.all_horizontal(pl.col(key).is_null().all() for key in FINDING_KEYS)).item():
        raise LabelError(
            f"no label on any of {counted(slices.height, 'slices')}",
            where=str(labels_table(folder).path(folder)),
            expected="slices with and slices without a finding",
            remedy="Run `plainscan label` with --slices or --reports.",
        )
    return slices


def _test_split(folder: Path) -> pl.DataFrame:
    check_fresh(folder, "prepare")
    known = MANIFEST.path(folder).is_file()
    slices = read(folder, MANIFEST).filter(pl.col("split") == "test") if known else pl.DataFrame()
    if slices.is_empty():
        found = "the test split is empty" if known else "no slice has a split"
        remedy = "Judge all labeled slices (--split all), or run `plainscan split` with a larger --test."
        raise _no_test(found, MANIFEST.path(folder), remedy)
    return slices


def _no_test(found: str, where: Path, remedy: str) -> SplitError:
    return SplitError(found, where=str(where), expected="slices kept for testing", remedy=remedy, code="empty_test")


def described(task: Judgement, split: str, card: Card) -> dict[str, Any] | None:
    """For `metrics.json`, what the run is to a bundle from elsewhere; None for the run's own model."""
    if not task.external:
        return None
    return {"split": split, "names_patients": names_all(card), **_made_here(task.home, card)}


def judged_on(external: Mapping[str, Any] | None) -> str:
    """In words, which slices were judged; from ``described``."""
    if external is None or external["trained_here"]:
        return "the test split"
    slices = "all labeled slices" if external["split"] == "all" else "the test split"
    return f"{slices} of a run that it was {'calibrated, ' if external['calibrated_here'] else ''}not trained on"


def _made_here(folder: Path, card: Card) -> dict[str, bool]:
    """Whether patients of a run trained a bundle, and whether they chose its thresholds.

    Told by their identifiers and by the prepared table: patients of `world` have the same names in every run.
    """
    table = file_hash(PREPARED.path(folder)) if PREPARED.path(folder).is_file() else None
    ours = set(pseudonyms(read(folder, COHORT)["patient_id"].unique())) if COHORT.path(folder).is_file() else set()
    chosen = card.provenance.get("calibrated") or {}
    made_on = {PATIENTS: card.provenance.get("prepared_sha256"), TUNED_ON: chosen.get("prepared_sha256")}
    trained, tuned = (
        bool((named(card, key) or set()) & ours) or (table is not None and known == table)
        for key, known in made_on.items()
    )
    return {"trained_here": trained, "calibrated_here": tuned}


def check_unseen(
    card: Card, slices: pl.DataFrame, bundle: Path, theirs: Collection[str] = (), purpose: str = "judge"
) -> None:
    """Refuse a bundle that was trained on patients of some slices, under any identifier that this run has for them.

    Args:
        card: The bundle's.
        slices: From ``known_as``.
        bundle: Its folder, for the message.
        theirs: Other identifiers that `leak` takes for theirs.
        purpose: What the slices are for; to "judge" also one whose thresholds were chosen on them is refused.

    Raises:
        LeakError: It was.
    """
    names = slices["patient_id"].unique()
    ours, leaked = set(pseudonyms(names)), set(pseudonyms(theirs))
    trained, tuned = (named(card, key) or set() for key in (PATIENTS, TUNED_ON))
    others = "Take another bundle; on patients that it has seen no figure means anything."
    accept = "Or, if they are other people, accept the pairs by name: `plainscan leak RUN --accepted FILE`."
    of_all = f"of {counted(len(names), 'patient identifiers')} to {purpose}"
    if shared := trained & ours:
        raise _saw(f"this bundle was trained on {len(shared)} {of_all}", bundle, others)
    if taken := trained & leaked:
        raise _saw(f"this bundle was trained on {_taken(taken, purpose)}", bundle, f"{others} {accept}")
    if purpose != "judge":
        return
    chosen = "probabilities and thresholds of this bundle were chosen on"
    apart = "Judge it on the others: --split test, where the split keeps them apart."
    if shared := tuned & ours:
        raise _saw(f"{chosen} {len(shared)} {of_all}", bundle, apart)
    if taken := tuned & leaked:
        raise _saw(f"{chosen} {_taken(taken, purpose)}", bundle, f"{apart} {accept}")


def _taken(names: Collection[str], purpose: str) -> str:
    return f"{counted(len(names), 'patient identifiers')} that `leak` takes for those of patients to {purpose}"


def _saw(found: str, bundle: Path, remedy: str) -> LeakError:
    return LeakError(
        found,
        where=f"--model {bundle}",
        expected="a bundle that was made without them",
        remedy=remedy,
        code="bundle_saw_test",
    )


def _name(card: Card, split: str) -> str:
    """Folder for a bundle's results: its name, and the start of its card's hash.

    Names are not unique, and one file of weights may have many cards: ``calibrate`` writes another.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", card.name)[:40]
    return f"external-{plain}-{seal_of(card)[:8]}{'' if split == 'all' else f'-{split}'}"


def _link(folder: Path, target: Path, names: Iterable[str]) -> None:
    for name in names:
        link = target / name
        if (folder / name).exists() and not link.exists():
            link.unlink(missing_ok=True)  # one that leads nowhere any more
            link.symlink_to(os.path.relpath(folder / name, target))
