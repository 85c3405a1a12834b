"""Stage ``account``: the flow from files to splits, who is in them, every table, and a data sheet, on one page.

It reads the run's own tables and no pixels. What only people know is asked by name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import polars as pl

from plainscan.cohort.account_page import Account, Inventory, render
from plainscan.cohort.datasheet import KEYS, QUESTIONS, measured
from plainscan.cohort.flow import COHORT_TITLE, Flow, count, flow, named, with_splits
from plainscan.cohort.flow_picture import draw
from plainscan.config import AccountSettings
from plainscan.dicom.scan import REJECT_CODES
from plainscan.dictionary import ROWS, describe
from plainscan.errors import ConfigError
from plainscan.evaluation.demographics import cohort_table, prevalence_table
from plainscan.experiment import read_toml
from plainscan.stages.chain import check_fresh
from plainscan.stages.record import Counts, recorded, say
from plainscan.storage import whole_file
from plainscan.tables import (
    CATALOGUE,
    COHORT,
    EXCLUSIONS,
    LABELS,
    LEAKS,
    MANIFEST,
    PREDICTIONS,
    PREPARED,
    REJECTS,
    SLICE_KEY,
    SLICE_LABELS,
    SPLITS,
    TABLES,
    Table,
    read,
)

PAGE: Final = "account.html"
DATA: Final = "account.json"
PICTURE: Final = "account.svg"
HEADERS: Final = ("patient_sex", "patient_age", "manufacturer", "convolution_kernel", "slice_thickness_mm")
# What there is when the cohort is: what later stages write neither belongs to it nor makes its account stale.
BEFORE: Final = tuple(table for table in TABLES if table not in (LEAKS, PREDICTIONS))
STAGES: Final = ("phantom", "fetch", "scan", "images", "select", "label", "score", "slices", "split", "prepare")


def run(folder: Path, settings: AccountSettings) -> Counts:
    """Write ``account.html``, ``account.json`` and ``account.svg``.

    Raises:
        ConfigError: The answers cannot be read, or answer a question that is not asked.
        TableError: There is no cohort, or the tables do not belong together.
    """
    check_fresh(folder, "leak")  # all before it; no stage reads what this one writes but `evaluate`, as a picture
    return recorded(
        "account",
        folder,
        settings,
        lambda: _work(folder, settings),
        inputs=[*(table.path(folder) for table in BEFORE), *([settings.answers] if settings.answers else [])],
        outputs=[folder / PAGE, folder / DATA, folder / PICTURE],
    )


def _work(folder: Path, settings: AccountSettings) -> Counts:
    answers = _answers(settings.answers) if settings.answers else {}
    cohort = read(folder, COHORT)
    found = _flow(folder, cohort)
    splits = _with_scanner(folder, _split_slices(folder))
    people = [] if splits is None else cohort_table(splits, SPLITS)
    prevalence = [] if splits is None else prevalence_table(splits, SPLITS)
    missing = {name: cohort[name].null_count() for name in HEADERS if cohort[name].null_count()}
    facts = measured(found, people, _sources(folder, cohort), missing, _stages(folder))
    picture = draw(found)
    account = Account(picture, people, prevalence, _inventory(folder), facts, answers)
    data = {"flow": found, "cohort": people, "prevalence": prevalence, "measured": facts, "answers": answers}
    _put(folder / PICTURE, picture)
    _put(folder / DATA, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    _put(folder / PAGE, render(account))
    say(f"Account: {folder / PAGE}")
    waiting = sum(not question.measured and question.key not in answers for question in QUESTIONS)
    return {**found["steps"][-1]["counts"], "questions for people": waiting}


def _put(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _answers(path: Path) -> dict[str, str]:
    values = read_toml(path)
    for key, text in values.items():
        if key not in KEYS or not isinstance(text, str):
            raise ConfigError(
                f"{key!r}" if key not in KEYS else f"{key!r} is no text",
                where=str(path),
                expected=f'lines such as purpose = "…", with a question of {", ".join(KEYS)}',
            )
    return {key: text.strip() for key, text in values.items() if text.strip()}


def _optional(folder: Path, table: Table) -> pl.DataFrame | None:
    return read(folder, table) if table.path(folder).is_file() else None


def _flow(folder: Path, cohort: pl.DataFrame) -> Flow:
    catalogue, exclusions = _optional(folder, CATALOGUE), _optional(folder, EXCLUSIONS)
    if catalogue is None or exclusions is None:  # a cohort without its archive, such as a synthetic world
        begin: Flow = {
            "steps": [{"title": COHORT_TITLE, "counts": count(named(cohort)), "excluded": []}],
            "splits": [],
            "shared": {},
        }
    else:
        begin = flow(catalogue, cohort, exclusions, _optional(folder, REJECTS), REJECT_CODES)
    manifest = _optional(folder, MANIFEST)
    return begin if manifest is None else with_splits(begin, cohort, manifest, _optional(folder, PREPARED))


def _split_slices(folder: Path) -> pl.DataFrame | None:
    """The slices that the last box of the flow counts."""
    prepared = _optional(folder, PREPARED)
    return _optional(folder, MANIFEST) if prepared is None else prepared


def _with_scanner(folder: Path, slices: pl.DataFrame | None) -> pl.DataFrame | None:
    """With model and date of the catalogue, which the manifest does not carry."""
    catalogue = _optional(folder, CATALOGUE)
    if slices is None or catalogue is None:
        return slices
    more = catalogue.unique("series_uid").select("series_uid", "manufacturer_model", "study_date")
    return slices.join(more, on="series_uid", how="left", maintain_order="left")


def _sources(folder: Path, cohort: pl.DataFrame) -> dict[str, int]:
    labels = _optional(folder, SLICE_LABELS)  # what `split` takes where it is there
    if labels is None:
        labels = _optional(folder, LABELS)
    if labels is None:
        return {"not labeled yet": cohort.height}
    sources = cohort.join(labels, on=SLICE_KEY, how="left")["label_source"].fill_null("not labeled")
    return dict(sources.value_counts(sort=True).iter_rows())


def _inventory(folder: Path) -> list[Inventory]:
    found = []
    for table in BEFORE:
        frame = _optional(folder, table)
        if frame is not None:
            columns = [(c.name, c.type, frame[c.name].null_count(), c.meaning) for c in describe(table)]
            found.append(Inventory(table.name, ROWS[table.name], frame.height, columns))
    return found


def _stages(folder: Path) -> str:
    records = {stage: _record(folder / f"{stage}.run.json") for stage in STAGES}
    return ", ".join(f"{stage} {record['plainscan']}" for stage, record in records.items() if record)


def _record(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and "plainscan" in found else {}
