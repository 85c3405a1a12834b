"""The score stage: the cohort by a bundle that has not seen its patients, bit for bit as `predict` scores it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from tests.inference.tiny_bundle import grey_head, head_slice, tiny_bundle, tiny_card, tiny_int8, tiny_model
from tests.stages.tiny_study import write_slice

from plainscan.bundle import write_bundle
from plainscan.config import ImagesSettings, PredictSettings, ScanSettings, ScoreSettings, SelectSettings
from plainscan.errors import LeakError
from plainscan.setting_types import Engine
from plainscan.stages import images, predict, scan, score, select
from plainscan.stages.lineage import PATIENTS, pseudonyms
from plainscan.tables import SCORES, read

BLOOD = [(60, 40, 14)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder up to `select`: two patients, P1 and P2, of ten slices; blood on slices 4 to 6 of P1."""
    for study in (1, 2):
        for i in range(10):
            patches = BLOOD if study == 1 and 4 <= i <= 6 else ()
            write_slice(tmp_path / "in" / f"{study}" / f"{i}.dcm", head_slice(patches=patches), i, study=study)
    folder = tmp_path / "run"
    scan.run(folder, ScanSettings(source=tmp_path / "in"))
    select.run(folder, SelectSettings())
    return folder


def test_the_cohort_is_scored_as_predict_scores_its_source(run: Path, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle")
    counts = score.run(run, ScoreSettings(model=bundle, threads=1))
    predict.run(tmp_path / "out", PredictSettings(source=tmp_path / "in", model=bundle, threads=1, heatmaps=False))
    rows = pl.read_csv(tmp_path / "out" / "predictions.csv").select("instance", "probability")
    both = read(run, SCORES).join(rows, left_on="instance_uid", right_on="instance")
    assert counts["slices"] == both.height == 20
    assert both["probability_any_finding"].round(8).to_list() == both["probability"].to_list()


@pytest.mark.parametrize("engine", ["fp32", "mixed", "int8"])
def test_the_record_names_the_engine_that_scored(run: Path, tmp_path: Path, engine: Engine) -> None:
    bundle = tiny_bundle(tmp_path / "bundle", int8=tiny_int8())
    assert score.run(run, ScoreSettings(model=bundle, threads=1, engine=engine))["engine"] == engine


def test_a_patient_that_the_bundle_has_seen_gets_no_score(run: Path, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle", provenance={PATIENTS: pseudonyms(["P2"])})
    counts = score.run(run, ScoreSettings(model=bundle, threads=1))
    scores = read(run, SCORES)
    assert counts["patients seen by the model"] == 1
    seen = scores.filter(pl.col("patient_id") == "P2")
    assert set(seen["not_scored"]) == {"seen_by_model"}
    assert seen["probability_any_finding"].null_count() == 10
    assert scores.filter(pl.col("patient_id") == "P1")["probability_any_finding"].null_count() == 0


def test_a_bundle_that_has_seen_everyone_is_refused(run: Path, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle", provenance={PATIENTS: pseudonyms(["P1", "P2", "P3"])})
    with pytest.raises(LeakError, match="all that are to be scored: 2 patients"):
        score.run(run, ScoreSettings(model=bundle, threads=1))
    assert not SCORES.path(run).exists()


def test_the_bundles_of_two_folds_score_all_patients_and_each_only_those_it_has_not_seen(
    run: Path, tmp_path: Path
) -> None:
    for name, patient, bias in (("one", "P2", 0.1), ("two", "P1", 0.9)):
        model = tiny_model(bias=bias)
        write_bundle(tmp_path / name, model, tiny_card(model, provenance={PATIENTS: pseudonyms([patient])}))
    score.run(run, ScoreSettings(model=tmp_path / "one", threads=1))
    first = read(run, SCORES)
    counts = score.run(run, ScoreSettings(model=tmp_path / "two", keep=True, threads=1))
    both = read(run, SCORES)
    assert (counts["kept"], counts["not scored"]) == (10, 0)
    assert both.filter(pl.col("patient_id") == "P1").equals(first.filter(pl.col("patient_id") == "P1"))
    hashes = (
        both.group_by("patient_id").agg(pl.col("model_sha256").unique()).sort("patient_id")["model_sha256"].to_list()
    )
    assert hashes[0] != hashes[1]


def test_pictures_are_scored_by_their_own_window(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(grey_head()).save(tmp_path / "in" / "a.png")
    (tmp_path / "l.csv").write_text("file,patient,any\na.png,p,0\n")
    settings = ImagesSettings(source=tmp_path / "in", labels=tmp_path / "l.csv", window=(40, 120))
    images.run(tmp_path / "run", settings)
    score.run(tmp_path / "run", ScoreSettings(model=tiny_bundle(tmp_path / "bundle"), threads=1))
    assert read(tmp_path / "run", SCORES)["not_scored"].to_list() == [None]
