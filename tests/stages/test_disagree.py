"""The disagree stage on tiny studies: order, picture, sentence, and no identifier."""

from __future__ import annotations

import base64
import codecs
import io
import re
from pathlib import Path

import polars as pl
import pytest
from tests.inference.tiny_bundle import head_slice, tiny_bundle
from tests.stages.tiny_study import PATIENT, ROOT, write_slice

from plainscan.config import DisagreeSettings, LabelSettings, ScanSettings, ScoreSettings, SelectSettings
from plainscan.dicom.read import Reader
from plainscan.errors import ConfigError, LabelError
from plainscan.inference.classifier import load
from plainscan.inference.source import study_of
from plainscan.stages import disagree, label, scan, score, select
from plainscan.tables import COHORT, SCORES, read, write

BLOOD = [(60, 40, 14)]
NONE, BLEED = "No intracranial abnormality.", "Left thalamic hematoma, compared with 2021-03-04."
BLEEDS = (1, 2, 3)  # studies with blood on slices 4 to 6
SAID = {1: BLEED, 2: BLEED, 3: NONE, 4: NONE, 5: NONE, 6: "Possible fracture."}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six scored studies; the report of the third is wrong."""
    root = tmp_path_factory.mktemp("disagree")
    for study in SAID:
        for i in range(9):
            patches = BLOOD if study in BLEEDS and 4 <= i <= 6 else ()
            write_slice(root / "in" / f"{study}" / f"{i}.dcm", head_slice(patches=patches), i, study=study)
    folder = root / "run"
    scan.run(folder, ScanSettings(source=root / "in"))
    select.run(folder, SelectSettings())
    lines = [f'{ROOT}.{study},"{text}"' for study, text in SAID.items()]
    (root / "reports.csv").write_text("study_uid,report\n" + "\n".join(lines) + "\n", encoding="utf-8")
    label.run(folder, LabelSettings(reports=root / "reports.csv"))
    score.run(folder, ScoreSettings(model=tiny_bundle(root / "bundle"), threads=1))
    return folder


def test_the_wrong_report_is_first_and_the_uncertain_one_is_not_asked(run: Path) -> None:
    counts = disagree.run(run, DisagreeSettings(model=run.parent / "bundle", most=2))
    queue = pl.read_csv(run / "disagree.csv")
    assert counts["studies"] == queue.height == 5
    first = queue.row(0, named=True)
    assert first["study_code"] == disagree._code(f"{ROOT}.3")
    assert (first["report"], first["sentence"]) == ("absent", NONE.rstrip("."))
    assert first["key_slice"] in (4, 5, 6)
    assert queue["doubt"].is_sorted(descending=True)


def test_page_and_table_hold_pictures_and_sentences_and_nobodys_name(run: Path) -> None:
    disagree.run(run, DisagreeSettings(model=run.parent / "bundle", most=3))
    assert (run / "disagree.csv").read_bytes().startswith(codecs.BOM_UTF8)  # without, Excel spoils Chinese
    page, table = ((run / name).read_text(encoding="utf-8") for name in ("disagree.html", "disagree.csv"))
    assert page.count("data:image/png;base64,") == 3
    for text in (re.sub(r"base64,[^\"]+", "", page), table):
        assert NONE.rstrip(".") in text
        for name in (ROOT, PATIENT, "P3", "2021-03-04", str(run.parent)):
            assert name not in text


def test_the_picture_is_of_the_slice_as_it_was_scored_among_its_neighbors(run: Path, tmp_path: Path) -> None:
    classifier = load(tiny_bundle(tmp_path / "bundle", context_mm=10.0), threads=1)
    study = read(run, COHORT).filter(pl.col("study_uid") == f"{ROOT}.1")
    row = {"model_sha256": classifier.card.model_sha256, "key_slice": 4}
    with Reader() as reader:
        found = disagree._picture(study, row, classifier, reader)
        scored = list(classifier.slices(study_of(study), reader))[4]
    expected = io.BytesIO()
    scored.overlay().save(expected, "PNG")
    assert found == f"data:image/png;base64,{base64.b64encode(expected.getvalue()).decode()}"


def test_another_bundle_than_that_which_scored_is_refused(run: Path, tmp_path: Path) -> None:
    for name in ("cohort", "report_findings", "scores"):
        (tmp_path / f"{name}.parquet").write_bytes((run / f"{name}.parquet").read_bytes())
    write(read(tmp_path, SCORES).with_columns(model_sha256=pl.lit("another")), tmp_path, SCORES)
    with pytest.raises(ConfigError, match="scored none of these studies"):
        disagree.run(tmp_path, DisagreeSettings(model=run.parent / "bundle"))


def test_without_a_score_there_is_nothing_to_hold_reports_against(run: Path, tmp_path: Path) -> None:
    for name in ("cohort", "report_findings", "scores"):
        (tmp_path / f"{name}.parquet").write_bytes((run / f"{name}.parquet").read_bytes())
    none = read(tmp_path, SCORES).with_columns(pl.lit(None, pl.Float64).alias("probability_any_finding"))
    write(none, tmp_path, SCORES)
    with pytest.raises(LabelError, match="no scored study"):
        disagree.run(tmp_path, DisagreeSettings(model=run.parent / "bundle"))
    assert not (tmp_path / "disagree.csv").exists()
