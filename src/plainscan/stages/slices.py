"""Stage ``slices``: from labels of studies to labels of slices, with as little reading as possible.

A report without finding has labeled its slices already. In a study with a finding each slice gets a probability
(``cohort.slice_prior``); the uncertain ones go to `reading_list.csv`, a person's answers come back and win. A study
whose report is uncertain, unread or missing gets no label by a probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.cohort.slice_labels import SliceKey
from plainscan.cohort.slice_prior import FEATURES, Heights, features, heights, probability, sigmoid, usual
from plainscan.config import SlicesSettings
from plainscan.counted import counted
from plainscan.errors import LabelError
from plainscan.findings import ANY_FINDING, FINDING_KEYS, SPECIFIC_KEYS
from plainscan.spreadsheet import MARKED
from plainscan.stages.chain import check_fresh
from plainscan.stages.record import Counts, recorded, say
from plainscan.stages.report_files import WORKBOOKS
from plainscan.stages.slice_table import read_slice_table
from plainscan.storage import whole_file
from plainscan.tables import CATALOGUE, COHORT, LABELS, REPORT_FINDINGS, SCORES, SLICE_KEY, SLICE_LABELS, read, write

READING_LIST: Final = "reading_list.csv"
PERSON: Final = "person"
BY_PROBABILITY: Final = "probability"
# Its columns that say where a slice is and why it is listed, beside the instance, the frame and the answer.
LISTED: Final = ("slice_index", "slice_count", "key_slice", "report_names", "probability")
DIGITS: Final = 3
Said = dict[str, dict[str, Any]]  # a report's rows of `report_findings`, by finding


def run(folder: Path, settings: SlicesSettings) -> Counts:
    """Write ``slice_labels.parquet`` and ``reading_list.csv``.

    Raises:
        LabelError: An answer is wrong, repeated, contradictory or of an unknown slice.
        TableError: A table is missing or stale.
    """
    check_fresh(folder, "slices")
    tables = (COHORT, LABELS, REPORT_FINDINGS, SCORES)
    return recorded(
        "slices",
        folder,
        settings,
        lambda: _work(folder, settings),
        inputs=[*(table.path(folder) for table in tables), *([settings.answers] if settings.answers else [])],
        outputs=[SLICE_LABELS.path(folder), folder / READING_LIST],
    )


def _work(folder: Path, settings: SlicesSettings) -> Counts:
    slices = with_probability(scored_slices(folder), report_rows(folder), settings.numbered)
    answered = _answered(slices, settings.answers, folder) if settings.answers else slices
    labeled = decided(answered, settings)
    write(labeled, folder, SLICE_LABELS)
    reading = reading_list(labeled, read(folder, REPORT_FINDINGS))
    with whole_file(folder / READING_LIST) as partial:
        partial.write_text(reading.write_csv(), encoding=MARKED, newline="")
    return _counts(labeled, reading)


def scored_slices(folder: Path) -> pl.DataFrame:
    """The cohort with labels, score and instance number, lowest slice first."""
    columns = [*SLICE_KEY, "slice_index", "slice_count", "slice_height"]
    scores = read(folder, SCORES).select(*SLICE_KEY, score=f"probability_{ANY_FINDING}")
    frame = read(folder, COHORT).select(columns)
    for more in (read(folder, LABELS), scores):
        frame = frame.join(more, on=SLICE_KEY, how="left", maintain_order="left")
    numbers = pl.DataFrame(schema={**dict.fromkeys(SLICE_KEY[:3], pl.String), "instance_number": pl.Int32})
    if CATALOGUE.path(folder).is_file():
        numbers = read(folder, CATALOGUE).select(numbers.columns).unique(list(SLICE_KEY[:3]), keep="none")
    frame = frame.join(numbers, on=SLICE_KEY[:3], how="left", maintain_order="left")
    return frame.with_columns(pl.col("slice_height").fill_null(0.5)).sort("study_uid", "slice_index")


def report_rows(folder: Path) -> dict[str, Said]:
    """What each study's report says."""
    studies: dict[str, Said] = {}
    for row in read(folder, REPORT_FINDINGS).iter_rows(named=True):
        studies.setdefault(row["study_uid"], {})[row["finding"]] = row
    return studies


def with_probability(slices: pl.DataFrame, said: dict[str, Said], numbered: str) -> pl.DataFrame:
    """Slices with the columns `usual_height`, `named` and `probability`; null unless the report has a finding.

    Args:
        slices: Lowest slice first within a study; with `score`.
        said: Rows of `report_findings` by study and finding.
        numbered: What slice numbers count.
    """
    parts = []
    for (study,), part in slices.group_by("study_uid", maintain_order=True):
        rows = said.get(str(study), {})
        present = rows.get(ANY_FINDING, {}).get("status") == "present"
        parts.append(_of_study(part, rows, numbered) if present else _without(part))
    return pl.concat(parts) if parts else _without(slices)


def _without(part: pl.DataFrame) -> pl.DataFrame:
    unknown = pl.lit(None, pl.Float64)
    return part.with_columns(usual_height=unknown, named=pl.lit(None, pl.Boolean), probability=unknown)


def _of_study(part: pl.DataFrame, rows: Said, numbered: str) -> pl.DataFrame:
    known = heights()
    evidence = features_of(part, rows, numbered, known)
    any_named = numbered != "none" and bool(rows[ANY_FINDING]["slice_numbers"])
    named = evidence[:, FEATURES.index("named")] > 0
    return part.with_columns(
        pl.Series("usual_height", sigmoid(evidence[:, FEATURES.index("usual_height")]), pl.Float64),
        pl.Series("named", named if any_named else [None] * part.height, pl.Boolean),
        pl.Series("probability", probability(evidence, known), pl.Float64),
    )


def features_of(part: pl.DataFrame, rows: Said, numbered: str, known: Heights) -> NDArray[np.float64]:
    """What is known of each slice of a study, (slices, features); see ``cohort.slice_prior.features``.

    Args:
        part: The study's slices, lowest first.
        rows: What its report says.
        numbered: What slice numbers count.
        known: What was learned.
    """
    status = {key: rows.get(key, {}).get("status") for key in SPECIFIC_KEYS}
    found = {key: rows[key]["sites"] for key in SPECIFIC_KEYS if status[key] in ("present", "uncertain")}
    numbers = set(rows[ANY_FINDING]["slice_numbers"]) if numbered != "none" else set()
    complete = bool(found) and bool(numbers) and all(rows[key]["slice_numbers"] for key in found)
    named = np.array([number in numbers for number in _numbers(part, numbered)], np.bool_)
    height = usual(found, part["slice_height"].to_numpy(), known)
    return features(part["score"].fill_null(float("nan")).to_numpy(), height, named, complete)


def _numbers(part: pl.DataFrame, numbered: str) -> Sequence[int | None]:
    if numbered == "instance":
        return part["instance_number"].to_list()
    index, count = part["slice_index"], part["slice_count"]
    return (count - index if numbered == "highest" else index + 1).to_list()


def _answered(slices: pl.DataFrame, path: Path, folder: Path) -> pl.DataFrame:
    answers = _answers(path, folder)
    given = pl.DataFrame(
        [
            {**dict(zip(SLICE_KEY, key, strict=True)), **values, "label_source": PERSON}
            for key, values in answers.items()
        ],
        schema=LABELS.columns,
    )
    say(f"slices: {counted(given.height, 'slices')} answered")
    names = (*FINDING_KEYS, "label_source")
    joined = slices.join(given, on=SLICE_KEY, how="left", suffix="_given", maintain_order="left")
    by_person = pl.col("label_source_given").is_not_null()
    chosen = [pl.when(by_person).then(f"{name}_given").otherwise(name).alias(name) for name in names]
    return joined.with_columns(chosen).select(slices.columns)


def _answers(path: Path, folder: Path) -> dict[SliceKey, dict[str, int | None]]:
    """What people said, from one table or from all tables in a folder; rows without an answer do not count."""
    cohort = read(folder, COHORT)
    answers: dict[SliceKey, dict[str, int | None]] = {}
    for file in _tables(path):
        found = read_slice_table(file, cohort, folder, "slices", LISTED)
        known = {key: values for key, values in found.items() if any(value is not None for value in values.values())}
        other = sum(answers.get(key, values) != values for key, values in known.items())
        if other:
            raise LabelError(
                f"{counted(other, 'slices')} that an earlier file answers otherwise",
                where=str(file),
                expected="one answer per slice",
                remedy="Settle them and delete one of the two.",
                code="contradictory_label",
            )
        answers |= known
    return answers


def _tables(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in (".csv", *WORKBOOKS))
    if not files:
        raise LabelError("no table of answers", where=str(path), expected="files .csv or .xlsx")
    return files


def decided(slices: pl.DataFrame, settings: SlicesSettings) -> pl.DataFrame:
    """The table `slice_labels`: where there is no label yet, one by a probability that leaves no doubt.

    Where no slice of a study with a finding is likely to show it, the report or the model is wrong: none is decided.
    """
    likely = (pl.col("probability").max() >= settings.absent_below).over("study_uid")
    open_ = pl.col("label_source").is_null() & likely
    marked = slices.with_columns(
        clear=open_ & (pl.col("probability") < settings.absent_below),
        sure=open_ & (pl.col("probability") > settings.present_above),
    )
    clear, sure = pl.col("clear"), pl.col("sure")
    zeros = [pl.when(clear).then(pl.lit(0, pl.Int8)).otherwise(key).alias(key) for key in SPECIFIC_KEYS]
    any_ = pl.when(clear).then(pl.lit(0, pl.Int8)).when(sure).then(pl.lit(1, pl.Int8)).otherwise(ANY_FINDING)
    source = pl.when(clear | sure).then(pl.lit(BY_PROBABILITY)).otherwise("label_source")
    return marked.with_columns(*zeros, any_.alias(ANY_FINDING), source.alias("label_source")).drop("clear", "sure")


def reading_list(labeled: pl.DataFrame, said: pl.DataFrame) -> pl.DataFrame:
    """The slices that a person must read: the studies with the most doubt first, each from its lowest slice up.

    Args:
        labeled: From ``decided``.
        said: The table `report_findings`.
    """
    doubt = (pl.col("probability") * (1 - pl.col("probability"))).sum().over("study_uid")
    key_slice = pl.col("slice_index").sort_by("probability").last().over("study_uid")
    present = said.filter((pl.col("status") != "absent") & (pl.col("finding") != ANY_FINDING))
    names = present.group_by("study_uid", maintain_order=True).agg(report_names=pl.col("finding").str.join("; "))
    rows = labeled.with_columns(key_slice=key_slice).filter(
        pl.col("label_source").is_null() & pl.col("probability").is_not_null()
    )
    rows = rows.with_columns(doubt=doubt).join(names, on="study_uid", how="left", maintain_order="left")
    return rows.sort("doubt", "study_uid", "slice_index", descending=[True, False, False]).select(
        *("instance_uid", "frame", *LISTED[:-1]),
        pl.col(LISTED[-1]).round(DIGITS),
        pl.lit("").alias(ANY_FINDING),
    )


def decided_note(test: pl.DataFrame) -> list[str]:
    """What a reader must know of test labels that no person and no report gave."""
    decided_ = int((test["label_source"] == BY_PROBABILITY).sum())
    if not decided_:
        return []
    return [
        f"{decided_} of {counted(test.height, 'test labels')} decided by a probability that a model's score went into, "
        "not by a person or a report: figures on them flatter."
    ]


def _counts(labeled: pl.DataFrame, reading: pl.DataFrame) -> Counts:
    sources = labeled["label_source"]
    silent = labeled.filter(pl.col("label_source").is_null() & pl.col("probability").is_null())["study_uid"].n_unique()
    if silent:
        say(f"slices: {counted(silent, 'studies')} without a clear report: no label by a probability")
    return {
        "slices": labeled.height,
        "labeled before": int((~sources.is_in([PERSON, BY_PROBABILITY])).sum()),
        "by a person": int((sources == PERSON).sum()),
        "by a probability": int((sources == BY_PROBABILITY).sum()),
        "to be read": reading.height,
        "studies without a clear report": silent,
    }
