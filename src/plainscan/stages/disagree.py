"""Stage ``disagree``: studies whose report and score disagree, the least likely label first, with picture and sentence.

A study goes by the start of its hashed UID, as in `studies.csv` of `predict`. Only clear reports are in the queue.
"""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any, Final

import polars as pl

from plainscan.bundle import located
from plainscan.cohort.disagreement import doubt, page, without_numbers
from plainscan.config import DisagreeSettings
from plainscan.counted import counted
from plainscan.dicom.read import Reader
from plainscan.errors import ConfigError, LabelError
from plainscan.findings import ANY_FINDING
from plainscan.inference.classifier import Classifier, load
from plainscan.inference.predict import study_probability
from plainscan.inference.source import study_of
from plainscan.spreadsheet import MARKED, csv_text
from plainscan.stages.chain import check_fresh
from plainscan.stages.record import Counts, recorded, say, track
from plainscan.storage import whole_file
from plainscan.tables import COHORT, REPORT_FINDINGS, SCORES, SLICE_KEY, read

QUEUE: Final = "disagree.csv"
PAGE: Final = "disagree.html"
COLUMNS: Final = ("rank", "study_code", "report", "score", "doubt", "key_slice", "slice_count", "sentence")
DIGITS: Final = 4


def run(folder: Path, settings: DisagreeSettings) -> Counts:
    """Write ``disagree.csv`` and ``disagree.html``.

    Raises:
        ConfigError: The bundle is none that `score` used.
        LabelError: No scored study has a clear report.
        TableError: A table is missing or stale.
    """
    check_fresh(folder, "slices")
    bundle = located(settings.model)
    return recorded(
        "disagree",
        folder,
        settings,
        lambda: _work(folder, settings, bundle),
        inputs=[*(table.path(folder) for table in (COHORT, REPORT_FINDINGS, SCORES)), bundle],
        outputs=[folder / QUEUE, folder / PAGE],
    )


def _work(folder: Path, settings: DisagreeSettings, bundle: Path) -> Counts:
    classifier = load(bundle)
    studies = queue(folder, classifier.card.study_rule)
    if studies.is_empty():
        raise LabelError(
            "no scored study has a report with or without finding",
            where=REPORT_FINDINGS.path(folder).name,
            expected="studies to hold against their reports",
            remedy="Run `plainscan label --reports` and `plainscan score`.",
        )
    if classifier.card.model_sha256 not in set(studies["model_sha256"]):
        raise ConfigError(
            f"{classifier.card.name} scored none of these studies",
            where="--model",
            expected="the bundle that `score` used",
            remedy="Name it, or run `plainscan score` again.",
        )
    shown = _with_pictures(studies.head(settings.most), read(folder, COHORT), classifier)
    with whole_file(folder / QUEUE) as partial:
        partial.write_text(csv_text(studies.select(COLUMNS), DIGITS), encoding=MARKED, newline="")
    clear = counted(studies.height, "studies")
    note = f"{clear} with a clear report; the first {len(shown)} are shown, all are in {QUEUE}."
    with whole_file(folder / PAGE) as partial:
        partial.write_text(page(shown, note), encoding="utf-8")
    say(f"Queue: {folder / PAGE}")
    likely = studies.filter(pl.col("doubt") > 0.5)
    return {
        "studies": studies.height,
        "with a label less likely than not": likely.height,
        "of them without finding in the report": likely.filter(pl.col("report") == "absent").height,
    }


def queue(folder: Path, study_rule: str) -> pl.DataFrame:
    """Scored studies with a clear report, the least likely label first.

    Args:
        folder: The run folder.
        study_rule: Of the bundle that scored.
    """
    score = pl.col(f"probability_{ANY_FINDING}")
    scored = (
        read(folder, SCORES).filter(score.is_not_null()).select(*SLICE_KEY, "model_sha256", score.alias("slice_score"))
    )
    places = read(folder, COHORT).select(*SLICE_KEY, "slice_index", "slice_count")
    studies = (
        places.join(scored, on=SLICE_KEY)
        .sort("study_uid", "slice_index")
        .group_by("study_uid", maintain_order=True)
        .agg(
            pl.col("slice_score"),
            pl.col("slice_count", "model_sha256").first(),
            key_slice=pl.col("slice_index").sort_by("slice_score", descending=True, maintain_order=True).first(),
        )
    )
    said = read(folder, REPORT_FINDINGS).filter((pl.col("finding") == ANY_FINDING) & (pl.col("status") != "uncertain"))
    studies = studies.join(said.select("study_uid", "sentence", report="status"), on="study_uid", maintain_order="left")
    scores = [study_probability(values, study_rule) for values in studies["slice_score"].to_list()]
    doubts = doubt(scores, (studies["report"] == "present").cast(pl.Float64).to_numpy())
    return (
        studies.with_columns(
            pl.Series("score", scores, pl.Float64),
            pl.Series("doubt", doubts, pl.Float64),
            pl.Series("study_code", [_code(uid) for uid in studies["study_uid"]], pl.String),
            pl.Series("sentence", [without_numbers(text) for text in studies["sentence"]], pl.String),
        )
        .sort("doubt", "study_uid", descending=[True, False])
        .with_columns(rank=pl.int_range(1, pl.len() + 1))
    )


def _code(study_uid: str) -> str:
    return hashlib.sha256(study_uid.encode()).hexdigest()[:8]


def _with_pictures(studies: pl.DataFrame, cohort: pl.DataFrame, classifier: Classifier) -> list[dict[str, Any]]:
    shown = []
    with Reader() as reader:
        for row in track(studies.to_dicts(), "disagree"):
            slices = cohort.filter(pl.col("study_uid") == row["study_uid"]).sort("slice_index")
            shown.append(row | {"picture": _picture(slices, row, classifier, reader)})
    return shown


def _picture(slices: pl.DataFrame, row: dict[str, Any], classifier: Classifier, reader: Reader) -> str | None:
    """The key slice under its heat map, as a data URI; None where another bundle scored it.

    The whole study is scored again: its other slices say what the key slice counts for, and whether it is head at all.
    """
    if row["model_sha256"] != classifier.card.model_sha256:
        return None
    scored = classifier.slices(study_of(slices), reader)
    item = next((item for item in scored if item.origin.slice_index == row["key_slice"]), None)
    if item is None or item.evidence is None:
        return None
    stream = io.BytesIO()
    item.overlay().save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
