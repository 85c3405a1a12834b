"""Stage leak: one person, acquisition or picture on two sides of the split, and how much of an AUC is memory.

Looks at the prepared slices, at the headers in the catalogue and through a frozen network. Leaves `leaks.parquet`, a
row for each suspicious pair; `joins.csv`, for `split --joined`; and the leak meter, `leak_meter.json` and
`leak_meter.svg`.
A pair that crosses splits stops this stage, train and evaluate until it is kept together or accepted by name.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any, Final

import polars as pl

from plainscan.bundle import located
from plainscan.cohort.leak import firm_leaks, leaked_patients, open_leaks, verify_leaks
from plainscan.cohort.twins import KINDS, WEAK, Pair, groups
from plainscan.config import LeakSettings
from plainscan.stages.chain import check_fresh
from plainscan.stages.joined import JOINS, Accepted, read_accepted
from plainscan.stages.leak_look import find_pairs, study_table
from plainscan.stages.leak_meter import METER_FILE, METER_PICTURE, meter
from plainscan.stages.record import Counts, recorded, say
from plainscan.stages.twice import whole_search
from plainscan.storage import whole_file
from plainscan.tables import CATALOGUE, COHORT, LEAKS, PREPARED, SHARD_FOLDER, from_rows, read, write

JOINS_FILE: Final = "joins.csv"
RULES: Final = "leak-4"  # the name of thresholds and measures; change it with any change that moves a pair


def run(folder: Path, settings: LeakSettings) -> Counts:
    """Look for leaks in a run folder with prepared slices.

    Raises:
        LeakError: A pair crosses splits and is not accepted; all files are written before.
        TableError: The prepared table is not made from the tables that lie beside it now.
        BundleError: The bundle is incomplete or altered.
        SourceError: The file of accepted pairs is not as it should be.
    """
    check_fresh(folder, "leak")
    inputs = [PREPARED.path(folder), folder / SHARD_FOLDER, COHORT.path(folder), CATALOGUE.path(folder)]
    inputs += [located(settings.model)] if settings.slices else []
    inputs += [] if settings.accepted is None else [settings.accepted]
    outputs = [LEAKS.path(folder), *(folder / name for name in (JOINS_FILE, METER_FILE, METER_PICTURE))]
    work = recorded(
        "leak", folder, settings, lambda: _work(folder, settings), inputs=inputs, outputs=outputs, rules=RULES
    )
    verify_leaks(read(folder, LEAKS))
    return work


def refuse_leaks(folder: Path) -> None:
    """Stop a stage after `leak` while a pair that it found crosses splits; nothing where `leak` was not run.

    Raises:
        LeakError: See ``cohort.leak.verify_leaks``.
        TableError: The search that began last did not end, so the table is of an earlier one, perhaps another split.
    """
    leaks = whole_search(folder)
    if leaks is not None:
        verify_leaks(leaks)


def accepted_note(folder: Path) -> list[str]:
    """The sentence of a report where pairs across splits were accepted; none where there are none."""
    if not LEAKS.path(folder).is_file():
        return []
    signed = read(folder, LEAKS).filter(pl.col("crosses") & pl.col("accepted_by").is_not_null())
    if signed.is_empty():
        return []
    rows = signed.select("pair", "kind", "accepted_by", "accepted_why").iter_rows()
    said = "; ".join(f"{pair} ({KINDS[kind]}), by {who}: {why}" for pair, kind, who, why in rows)
    return [f"Pairs of studies that may be one person's stand on two sides of the split and were accepted: {said}."]


def _work(folder: Path, settings: LeakSettings) -> Counts:
    accepted = {} if settings.accepted is None else read_accepted(settings.accepted)
    prepared = read(folder, PREPARED).sort("shard", "row")
    studies = study_table(folder, prepared)
    by_image = bool(leaked_patients(prepared))
    look = find_pairs(folder, prepared, studies, settings)
    leaks = _table(look.pairs, studies, accepted, by_image)
    write(leaks, folder, LEAKS)
    _write_joins(folder / JOINS_FILE, leaks, studies)
    counts = _say_pairs(leaks, accepted, by_image)
    for line in look.remarks:
        say(f"leak: {line}")
    found = meter(folder, prepared, studies, look.features, settings)
    return {"studies": studies.height, **counts, **found}


def _table(pairs: list[Pair], studies: pl.DataFrame, accepted: dict[str, Accepted], by_image: bool) -> pl.DataFrame:
    known = studies.select("study_uid", "split").rows()
    rows: list[dict[str, Any]] = []
    for pair in pairs:
        (uid, split), (other_uid, other_split) = known[pair.study], known[pair.other]
        name = pair_name(pair.kind, uid, other_uid)
        signed = accepted.get(name)
        rows.append(
            {
                "pair": name,
                "kind": pair.kind,
                "strength": round(pair.strength, 4),
                "slices": pair.slices,
                "study_uid": uid,
                "other_study_uid": other_uid,
                "split": split,
                "other_split": other_split,
                "crosses": split != other_split and not by_image and pair.kind not in WEAK,
                "accepted_by": signed.who if signed else None,
                "accepted_why": signed.why if signed else None,
            }
        )
    return from_rows(rows, LEAKS)


def pair_name(kind: str, uid: str, other_uid: str) -> str:
    """What a pair is called: the same in every run, without a UID in it.

    >>> pair_name("alike", "1.2", "1.3") == pair_name("alike", "1.3", "1.2")
    True
    """
    text = "|".join([kind, *sorted((uid, other_uid))])
    return f"L{hashlib.blake2b(text.encode(), digest_size=5).hexdigest()}"


def _write_joins(path: Path, leaks: pl.DataFrame, studies: pl.DataFrame) -> None:
    """Patients of pairs that nobody accepted, hints left out, whether they cross or not: another seed may part them."""
    patient = dict(studies.select("study_uid", "patient_id").iter_rows())
    firm = firm_leaks(leaks).select("study_uid", "other_study_uid")
    pairs = ((patient[a], patient[b]) for a, b in firm.iter_rows())
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(JOINS)
        writer.writerows((name, first) for name, first in groups(pairs).items() if name != first)


def _say_pairs(leaks: pl.DataFrame, accepted: dict[str, Accepted], by_image: bool) -> Counts:
    for kind, count in sorted(Counter(leaks["kind"]).items()):
        crossing = leaks.filter((pl.col("kind") == kind) & pl.col("crosses")).height
        hint = ": a hint that stops nothing; --drop-zeros takes them for one patient's"
        say(f"leak: {count} {kind} ({KINDS[kind]}){hint if kind in WEAK else f', {crossing} across splits'}")
    if by_image:
        say("leak: split by image: every patient may leak, so pairs are listed and stop nothing")
    signed = leaks.filter(pl.col("accepted_by").is_not_null())
    if gone := len(accepted) - signed.height:
        say(f"leak: {gone} accepted pairs were not found")
    counts: Counts = {"pairs": leaks.height, "across splits": open_leaks(leaks).height, "accepted": signed.height}
    if signed.height:
        rows = signed.select("pair", "accepted_by", "accepted_why").iter_rows()
        counts["accepted_pairs"] = "; ".join(f"{pair} by {who}: {why}" for pair, who, why in rows)
    return counts
