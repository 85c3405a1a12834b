"""The account stage on a small archive: what it writes, what it asks, what it refuses, whom it does not name."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from tests.stages.tiny_archive import archive

from plainscan.config import AccountSettings, LabelSettings, ScanSettings, SelectSettings, SplitSettings
from plainscan.errors import ConfigError, TableError
from plainscan.stages import account, label, scan, select, split
from plainscan.tables import CATALOGUE, COHORT, EXCLUSIONS, LABELS, MANIFEST, SLICE_LABELS, read, write


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder up to `select`: 12 slices of one study."""
    folder = tmp_path / "run"
    scan.run(folder, ScanSettings(source=archive(tmp_path / "archive")))
    select.run(folder, SelectSettings())
    return folder


def splits_of(run: Path) -> None:
    """Labels from a table, and a manifest by image, since there is one patient."""
    cohort = read(run, COHORT)
    rows = [f"{uid},{i % 2}" for i, uid in enumerate(cohort["instance_uid"])]
    (run / "slices.csv").write_text("\n".join(["instance_uid,any_finding", *rows]) + "\n")
    label.run(run, LabelSettings(slices=run / "slices.csv"))
    split.run(run, SplitSettings(unit="image", train=0.5, tune=0.25, test=0.25))


def test_the_account_follows_the_images_from_files_to_splits(run: Path) -> None:
    splits_of(run)
    counts = account.run(run, AccountSettings())
    data = json.loads((run / "account.json").read_text(encoding="utf-8"))
    assert counts["images"] == 12
    assert data["flow"]["steps"][0]["counts"] == {"files": 17}
    assert [part["counts"]["images"] for part in data["flow"]["splits"]] == [6, 3, 3]
    assert data["cohort"][0]["split"] == "train"
    assert data["prevalence"][0]["train"]["known"] == 6
    assert (run / "account.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_page_lists_the_tables_of_the_run_and_names_nobody(run: Path) -> None:
    splits_of(run)
    account.run(run, AccountSettings())
    page = (run / "account.html").read_text(encoding="utf-8")
    assert "<code>manifest.parquet</code>: 12 rows" in page
    assert "<code>prepared.parquet</code>" not in page
    cohort = read(run, COHORT)
    for name in ("patient_id", "study_uid", "instance_uid", "source"):
        for value in cohort[name].unique():
            assert f">{value}<" not in page
            assert str(value) not in (run / "account.json").read_text(encoding="utf-8")


def test_labels_of_slices_are_counted_by_where_they_come_from(run: Path) -> None:
    splits_of(run)
    labels = read(run, LABELS).with_columns(
        pl.Series("label_source", ["person"] * 5 + ["probability"] * 4 + [None] * 3, pl.String)
    )
    more = [pl.lit(None, SLICE_LABELS.columns[name]).alias(name) for name in SLICE_LABELS.columns if name not in labels]
    write(labels.with_columns(more), run, SLICE_LABELS)
    splits_of(run)  # takes them
    (run / "slices.run.json").write_text('{"plainscan": "9.9"}', encoding="utf-8")
    account.run(run, AccountSettings())
    said = json.loads((run / "account.json").read_text(encoding="utf-8"))["measured"]
    assert said["labels"].endswith("labels: person 5, probability 4, not labeled 3.")
    assert "slices 9.9, split" in said["processing"]


def test_a_cohort_that_is_not_split_yet_has_an_account_too(run: Path) -> None:
    account.run(run, AccountSettings())
    data = json.loads((run / "account.json").read_text(encoding="utf-8"))
    assert data["flow"]["splits"] == data["cohort"] == []
    assert data["measured"]["relations"].endswith("Not split yet.")


def test_answers_of_people_stand_on_the_page_and_are_not_asked_again(run: Path) -> None:
    first = account.run(run, AccountSettings())
    (run / "a.toml").write_text('purpose = "To <measure>."\nlabels = "Read by two."\n', encoding="utf-8")
    second = account.run(run, AccountSettings(answers=run / "a.toml"))
    page = (run / "account.html").read_text(encoding="utf-8")
    assert "To &lt;measure&gt;." in page
    assert "not labeled yet 12.<br>Read by two." in page
    assert int(first["questions for people"]) - 1 == second["questions for people"]


@pytest.mark.parametrize("text", ['porpose = "x"\n', "purpose = 3\n", "purpose = \n"])
def test_an_answer_to_no_question_is_refused(run: Path, text: str) -> None:
    (run / "a.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a\.toml"):
        account.run(run, AccountSettings(answers=run / "a.toml"))
    assert not (run / "account.html").exists()


def test_tables_that_do_not_belong_together_are_refused(run: Path) -> None:
    write(read(run, EXCLUSIONS).head(1), run, EXCLUSIONS)
    with pytest.raises(TableError, match="neither in the cohort nor excluded"):
        account.run(run, AccountSettings())


def test_a_cohort_without_its_archive_begins_with_the_cohort(run: Path) -> None:
    splits_of(run)
    CATALOGUE.path(run).unlink()
    account.run(run, AccountSettings())
    data = json.loads((run / "account.json").read_text(encoding="utf-8"))
    assert [step["title"] for step in data["flow"]["steps"]] == ["Cohort: one series a study"]
    assert "year" not in data["cohort"][0]


def test_slices_that_prepare_left_out_and_models_and_years_are_counted(run: Path) -> None:
    splits_of(run)
    manifest = read(run, MANIFEST)
    places = [pl.lit(0, pl.Int32).alias("row"), pl.lit("s.npy").alias("shard")]
    boxes = [pl.lit(0.0).alias(name) for name in ("box_top_px", "box_left_px", "box_side_px")]
    write(manifest.tail(11).with_columns(*places, *boxes), run, account.PREPARED)
    account.run(run, AccountSettings())
    data = json.loads((run / "account.json").read_text(encoding="utf-8"))
    (left,) = data["flow"]["steps"][-2]["excluded"]
    assert (left["code"], left["counts"]["images"]) == ("not_read", 1)
    assert set(data["cohort"][0]) >= {"model", "year"}
