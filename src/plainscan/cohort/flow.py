"""The flow of a cohort: numbers in, numbers out, and why, as plain data in which every box adds up.

An image is left out for one reason. A series, study or patient is lost with its last image, to the reason that took
most of its images in that step. So at each level a box is what is left of it plus what was left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, TypedDict

import polars as pl

from plainscan.cohort.series import CODES
from plainscan.errors import TableError
from plainscan.findings import ANY_FINDING
from plainscan.tables import CATALOGUE, SLICE_KEY

CODE_NAMES: Final = tuple(CODES)
# Which reasons belong to which step of the selection.
IMAGE_CODES: Final = CODE_NAMES[: CODE_NAMES.index("perfusion")]
VOLUME_CODES: Final = CODE_NAMES[CODE_NAMES.index("perfusion") : CODE_NAMES.index("inconsistent_geometry")]
CHOICE_CODES: Final = CODE_NAMES[CODE_NAMES.index("inconsistent_geometry") : CODE_NAMES.index("no_suitable_series")]
STEPS: Final = (IMAGE_CODES, VOLUME_CODES, CHOICE_CODES)
TITLES: Final = ("Images in the catalogue", "Axial CT slices in HU", "Plain soft-tissue head CT")
COHORT_TITLE: Final = "Cohort: one series a study"
# What a level is counted by; a Series Instance UID is only trusted within its study.
LEVELS: Final = {"patients": ("patient",), "studies": ("study_uid",), "series": SLICE_KEY[:2], "images": ()}
LATER: Final = {
    "not_drawn": "not drawn into the quota of `split`",
    "not_read": "pixels could not be read or trusted by `prepare`; its run record names them",
}
Counts = dict[str, int]


class Left(TypedDict):
    """One reason and what it took along: files, or images and the series, studies and patients lost with them."""

    code: str
    why: str
    counts: Counts


class Step(TypedDict):
    """One box on the left and the one at its right."""

    title: str
    counts: Counts
    excluded: list[Left]


class Part(TypedDict):
    """One split; `finding` counts images and studies with, without and not labeled for any finding."""

    name: str
    counts: Counts
    finding: dict[str, Counts]


class Flow(TypedDict):
    """The whole diagram. `shared` is how often a patient, study or series is counted in more than one split."""

    steps: list[Step]
    splits: list[Part]
    shared: Counts


def flow(
    catalogue: pl.DataFrame,
    cohort: pl.DataFrame,
    exclusions: pl.DataFrame,
    rejects: pl.DataFrame | None = None,
    reject_reasons: Mapping[str, str] | None = None,
) -> Flow:
    """Count the way from files to the cohort.

    Args:
        catalogue: The table of that name.
        cohort: The table of that name.
        exclusions: The table of that name.
        rejects: The table of that name, where it is at hand.
        reject_reasons: Words for its codes.

    Raises:
        TableError: An image is neither in the cohort nor excluded, or the numbers do not add up.
    """
    rows = _with_codes(catalogue, cohort, exclusions)
    refused = _rejects(rejects, reject_reasons or {})
    files = catalogue.select(pl.struct("source", "path").n_unique()).item()
    seen = files + sum(item["counts"]["files"] for item in refused)
    steps: list[Step] = [{"title": "Files looked at", "counts": {"files": seen}, "excluded": refused}]
    for number, (title, codes) in enumerate(zip(TITLES, STEPS, strict=True)):
        left = rows.filter(pl.col("step") >= number)
        counts = ({"files": files} if number == 0 else {}) | count(left)
        steps.append({"title": title, "counts": counts, "excluded": _excluded(left, number, codes)})
    steps.append({"title": COHORT_TITLE, "counts": count(named(cohort)), "excluded": []})
    found: Flow = {"steps": _shown(steps, catalogue), "splits": [], "shared": {}}
    return checked(found)


def with_splits(found: Flow, cohort: pl.DataFrame, manifest: pl.DataFrame, prepared: pl.DataFrame | None) -> Flow:
    """The flow from the cohort on: what a quota or unreadable pixels cost, then the splits.

    Args:
        found: From ``flow``; its last box is the cohort.
        cohort: The table of that name.
        manifest: The table of that name.
        prepared: The table of that name, where it is at hand.

    Raises:
        TableError: The numbers do not add up.
    """
    steps, rows = [*found["steps"]], cohort
    for code, title, after in (("not_drawn", "In a split", manifest), ("not_read", "Slices that were read", prepared)):
        if after is not None:
            lost = _lost(named(rows), named(after), code)
            if lost:
                steps[-1] = {**steps[-1], "excluded": [lost]}
                steps.append({"title": title, "counts": count(named(after)), "excluded": []})
            rows = after
    parts = [_part(named(part), str(name)) for (name,), part in rows.group_by("split", maintain_order=True)]
    parts.sort(key=lambda part: ("train", "tune", "test").index(part["name"]))
    whole = count(named(rows))
    shared = {level: sum(part["counts"][level] for part in parts) - whole[level] for level in LEVELS}
    return checked({"steps": steps, "splits": parts, "shared": {k: v for k, v in shared.items() if v}})


def checked(found: Flow) -> Flow:
    """The flow, if every box is the sum of those that it leads to.

    Raises:
        TableError: One is not; the message names it.
    """
    steps = found["steps"]
    pairs = [
        (step, _sum([after["counts"], *(item["counts"] for item in step["excluded"])]))
        for step, after in pairwise(steps)
    ]
    if found["splits"]:
        pairs.append((steps[-1], _sum([p["counts"] for p in found["splits"]], found["shared"])))
    for step, total in pairs:
        wrong = [level for level in step["counts"].keys() & total.keys() if step["counts"][level] != total[level]]
        if wrong:
            raise TableError(
                ", ".join(f"{step['counts'][level]} {level}, but {total[level]} further on" for level in sorted(wrong)),
                where=f"flow: {step['title']}",
                expected="tables that belong together",
                remedy="Run `plainscan select` again, then the stages after it.",
                code="stale",
            )
    return found


def _sum(parts: Sequence[Counts], minus: Counts | None = None) -> Counts:
    """Level by level, those that the first part has."""
    taken = minus or {}
    return {level: sum(part.get(level, 0) for part in parts) - taken.get(level, 0) for level in parts[0]}


def named(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the column `patient`: the identifier, that of the study where it is missing, else the study itself."""
    known = pl.col("patient_id").str.strip_chars().replace("", None)
    return rows.with_columns(patient=pl.coalesce(known, known.min().over("study_uid"), pl.col("study_uid")))


def count(rows: pl.DataFrame) -> Counts:
    """Patients, studies, series and images of rows with the column `patient`."""
    return {
        level: rows.select(pl.struct(key).n_unique()).item() if key and rows.height else rows.height
        for level, key in LEVELS.items()
    }


def _with_codes(catalogue: pl.DataFrame, cohort: pl.DataFrame, exclusions: pl.DataFrame) -> pl.DataFrame:
    """The catalogue with `patient`, `code` (null in the cohort) and `step`, the number of the step that it left in."""
    key, series = list(CATALOGUE.key), list(SLICE_KEY[:2])
    nth = pl.int_range(pl.len()).over(SLICE_KEY).alias("nth")  # the same instance may be left out more than once
    rows = named(catalogue)
    chosen = cohort.select(key)
    kept = rows.join(chosen, on=key, how="semi", nulls_equal=True).with_columns(code=pl.lit(None, pl.String))
    left = rows.join(chosen, on=key, how="anti", nulls_equal=True).sort("path", "frame").with_columns(nth)
    whole = exclusions.filter(pl.col("level") == "series").select(*series, of_series="code")
    alone = exclusions.filter(pl.col("level") == "instance").with_columns(nth)
    alone = alone.select(*SLICE_KEY, "nth", of_image="code")
    left = left.join(whole, on=series, how="left").join(alone, on=[*SLICE_KEY, "nth"], how="left")
    left = left.with_columns(code=pl.coalesce("of_image", "of_series")).select(kept.columns)
    if left["code"].null_count():
        raise TableError(
            f"{left['code'].null_count()} images are neither in the cohort nor excluded",
            where="exclusions.parquet",
            expected="tables that belong together",
            remedy="Run `plainscan select` again, then the stages after it.",
            code="stale",
        )
    steps = {code: number for number, codes in enumerate(STEPS) for code in codes}
    numbered = pl.col("code").replace_strict(steps, default=len(STEPS), return_dtype=pl.Int32)
    return pl.concat([kept, left]).with_columns(step=numbered)


def _excluded(left: pl.DataFrame, number: int, codes: Sequence[str]) -> list[Left]:
    """The reasons of a step in the order of the codes.

    Args:
        left: Rows that are there when it begins.
        number: Which step.
        codes: Its codes.
    """
    gone = left.filter(pl.col("step") == number)
    found: dict[str, Counts] = {code: dict.fromkeys(LEVELS, 0) for code in codes}
    for code, images in gone.group_by("code").len().iter_rows():
        found[code]["images"] = images
    for level, key in LEVELS.items():
        if key:
            for code in _last_reasons(left, number, key, codes):
                found[code][level] += 1
    return [{"code": code, "why": CODES[code], "counts": found[code]} for code in codes if found[code]["images"]]


def _last_reasons(left: pl.DataFrame, number: int, key: Sequence[str], codes: Sequence[str]) -> list[str]:
    """For each series, study or patient that a step takes the last image of: its reason."""
    lost = left.filter((pl.col("step").max() == number).over(key))
    order = pl.col("code").replace_strict({code: i for i, code in enumerate(codes)}, return_dtype=pl.Int32)
    counted = lost.group_by(*key, "code").len().sort(pl.col("len"), -order, descending=True)
    return counted.unique(list(key), keep="first", maintain_order=True)["code"].to_list()


def _rejects(rejects: pl.DataFrame | None, reasons: Mapping[str, str]) -> list[Left]:
    if rejects is None:
        return []
    counted = rejects.group_by("code").len().sort("len", "code", descending=[True, False])
    return [
        {"code": code, "why": reasons.get(code, code.replace("_", " ")), "counts": {"files": files}}
        for code, files in counted.iter_rows()
    ]


def _shown(steps: list[Step], catalogue: pl.DataFrame) -> list[Step]:
    """Pictures are not selected from: the two boxes of the selection would only repeat the catalogue."""
    pictures = "kind" in catalogue.columns and bool((catalogue["kind"] == "picture").all())
    return [step for step in steps if not pictures or step["title"] not in TITLES[1:]]


def _lost(before: pl.DataFrame, after: pl.DataFrame, code: str) -> Left | None:
    """What a later table lacks."""
    was, now = count(before), count(after)
    if was["images"] == now["images"]:
        return None
    return {"code": code, "why": LATER[code], "counts": {level: was[level] - now[level] for level in LEVELS}}


def _part(rows: pl.DataFrame, name: str) -> Part:
    studies = rows.group_by("study_uid").agg(pl.col(ANY_FINDING).max(), known=pl.col(ANY_FINDING).is_not_null().all())
    # A study with a slice that is not labeled may still have a finding there: it counts as not labeled.
    states = studies.select(pl.when((pl.col(ANY_FINDING) == 1) | pl.col("known")).then(pl.col(ANY_FINDING)))
    return {
        "name": name,
        "counts": count(rows),
        "finding": {"images": _states(rows[ANY_FINDING]), "studies": _states(states.to_series())},
    }


def _states(known: pl.Series) -> Counts:
    return {
        "with": int((known == 1).sum()),
        "without": int((known == 0).sum()),
        "not labeled": known.null_count(),
    }
