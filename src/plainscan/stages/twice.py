"""Is one person judged as two? What `leak` found among the studies that are judged, for the report and the terminal.

A pair across splits stops a run's own evaluation. This is about pairs on one side: whoever counts as two patients makes
every interval too narrow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from plainscan.cohort.leak import firm_leaks
from plainscan.cohort.twins import groups
from plainscan.counted import counted
from plainscan.errors import TableError
from plainscan.tables import COHORT, LEAKS, MANIFEST, PREPARED, SLICE_KEY, read


def whole_search(folder: Path) -> pl.DataFrame | None:
    """The table that `leak` left in a run folder; None where it was not run.

    Raises:
        TableError: The search that began last did not end, so the table is of an earlier one, perhaps another split.
    """
    if not LEAKS.path(folder).is_file():
        return None
    if not (folder / "leak.run.json").is_file():
        raise TableError(
            "the search for leaks that began last did not end",
            where=str(LEAKS.path(folder)),
            expected="the table of the last search",
            remedy="Run `plainscan leak` again.",
            code="stale",
        )
    return read(folder, LEAKS)


def one_person(folder: Path, uids: Iterable[str]) -> set[str]:
    """Patient identifiers that `leak` takes for those of some studies' patients, and nobody accepted as others'.

    Args:
        folder: The run folder.
        uids: Of the studies.

    Returns:
        As the cohort and the manifest have them, those of the studies too.
    """
    leaks = whole_search(folder)
    if leaks is None:
        return set()
    root = groups(firm_leaks(leaks).select("study_uid", "other_study_uid").iter_rows())
    theirs = {root[uid] for uid in uids if uid in root}
    linked = [uid for uid, first in root.items() if first in theirs]
    tables = [read(folder, table) for table in (COHORT, MANIFEST) if table.path(folder).is_file()]
    return {name for table in tables for name in table.filter(pl.col("study_uid").is_in(linked))["patient_id"]}


def counted_twice(folder: Path, judged: pl.DataFrame) -> dict[str, Any]:
    """How far `leak` has looked at the studies that are judged, and who may be counted as two patients.

    Args:
        folder: The run folder that `leak` looked at.
        judged: Slices: has the columns of ``SLICE_KEY`` and ``patient_id``, as patients are counted.

    Returns:
        For `metrics.json`, all counts: ``identifiers`` of the patients judged, before any join; their ``studies``, and
        how many of these were ``searched``; ``pairs`` of them that may be one person's but count as two patients',
        with their ``kinds``; the ``patients`` in these pairs, and the ``people`` that these may be; ``hints``, pairs
        of weak kinds.
    """
    patient = judged.select("study_uid", "patient_id").unique("study_uid")
    leaks = whole_search(folder)
    searched = leaks is not None and PREPARED.path(folder).is_file()
    seen = read(folder, PREPARED)["study_uid"].unique().to_list() if searched else []
    found = pl.DataFrame(schema=LEAKS.columns) if leaks is None else leaks.filter(pl.col("accepted_by").is_null())
    other = patient.rename({"study_uid": "other_study_uid", "patient_id": "other_patient_id"})
    both = found.join(patient, on="study_uid").join(other, on="other_study_uid")
    apart = both.filter(pl.col("patient_id") != pl.col("other_patient_id"))
    firm = firm_leaks(apart)
    people = groups(firm.select("patient_id", "other_patient_id").iter_rows())
    return {
        "identifiers": _identifiers(folder, judged),
        "studies": patient.height,
        "searched": patient.filter(pl.col("study_uid").is_in(seen)).height,
        "pairs": firm.select("study_uid", "other_study_uid").n_unique(),
        "kinds": dict(sorted(Counter(firm["kind"]).items())),
        "patients": len(people),
        "people": len({*people.values()}),
        "hints": apart.height - firm.height,
    }


def _identifiers(folder: Path, judged: pl.DataFrame) -> int:
    """Patient identifiers of the slices that are judged, as the cohort has them."""
    known = COHORT.path(folder).is_file()
    own = read(folder, COHORT).join(judged, on=SLICE_KEY, how="semi") if known else judged
    return own["patient_id"].n_unique()


def twice_warning(found: Mapping[str, Any]) -> list[str]:
    """The sentence of report and terminal where `leak` found people who count as two; none where it found none.

    Args:
        found: From ``counted_twice``; empty where an earlier version did not ask.
    """
    if not found.get("pairs"):
        return []
    kinds = ", ".join(f"{count} {kind}" for kind, count in found["kinds"].items())
    pairs = "a pair" if found["pairs"] == 1 else f"{found['pairs']} pairs"
    return [
        f"{found['patients']} of the patients judged may be {found['people']}: `leak` found {pairs} of their studies "
        f"that may be one person's ({kinds}). Each counts as a patient of its own, so the intervals are too narrow. "
        "Keep them together: `plainscan split RUN --joined RUN/joins.csv`."
    ]


def twice_limits(found: Mapping[str, Any]) -> list[str]:
    """Sentences on what was not looked for, and on hints."""
    said = []
    if unsearched := found["studies"] - found["searched"]:
        said.append(
            f"Whether one person is judged under two patient identifiers was not looked for in {unsearched} of "
            f"{counted(found['studies'], 'studies')}: plainscan leak looks for that."
        )
    if found["hints"]:
        said.append(
            f"Pairs of studies counted as two patients', though the identifiers differ in leading zeros alone: "
            f"{found['hints']}."
        )
    return said
