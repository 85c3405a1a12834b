from __future__ import annotations

import importlib.util
import json
import math
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest

from plainscan import tables
from plainscan.bundle import write_bundle
from plainscan.config import EvaluateSettings
from plainscan.errors import BundleError, LeakError, SplitError, TableError, UserError
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.stages import evaluate
from plainscan.stages.lineage import PATIENTS, TUNED_ON
from plainscan.storage import file_hash


def _load_tiny() -> ModuleType:
    path = Path(__file__).parents[1] / "evaluation" / "tiny.py"
    spec = importlib.util.spec_from_file_location("tiny", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tiny = _load_tiny()
QUICK = EvaluateSettings(resamples=60, gallery=4)


def _metrics(folder: Path) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} in metrics.json")

    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"), parse_constant=refuse)


def _figure(metrics: dict[str, Any], figure: str, finding: str = ANY_FINDING, level: str = "slice") -> dict[str, Any]:
    found = [e for e in metrics["figures"] if (e["figure"], e["finding"], e["level"]) == (figure, finding, level)]
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny.run_folder(tmp_path_factory.mktemp("run") / "r")
    evaluate.run(folder, QUICK)
    return folder


def test_every_entry_names_figure_level_n_and_interval(judged: Path) -> None:
    for entry in _metrics(judged)["figures"]:
        assert {"figure", "finding", "level", "value", "low", "high", "n", "note"} <= set(entry)
        assert entry["level"] in ("slice", "study")
        if entry["value"] is None or entry["low"] is None:
            assert entry["note"]


def test_the_auc_is_that_of_the_written_predictions(judged: Path) -> None:
    from sklearn.metrics import roc_auc_score

    frame = tables.read(judged, tables.PREDICTIONS)
    value = _figure(_metrics(judged), "auc")["value"]
    assert value == pytest.approx(roc_auc_score(frame[ANY_FINDING], frame[f"probability_{ANY_FINDING}"]))
    assert 0.5 < value < 1


def test_metrics_report_and_record_name_the_engine_that_scored(judged: Path) -> None:
    assert _metrics(judged)["provenance"]["engine"] == "fp32"
    assert json.loads((judged / "evaluate.run.json").read_text(encoding="utf-8"))["counts"]["engine"] == "fp32"
    assert re.search(r"<td>engine</td>.*<code>fp32</code>", (judged / "report.html").read_text(encoding="utf-8"))


def test_predictions_hold_exactly_the_test_slices(judged: Path) -> None:
    prepared = tables.read(judged, tables.PREPARED).filter(pl.col("split") == "test")
    frame = tables.read(judged, tables.PREDICTIONS)
    key = list(tables.SLICE_KEY)
    assert frame.select(key).sort(key).equals(prepared.select(key).sort(key))


def test_height_alone_and_the_auc_within_height_stand_beside_every_slice_auc(judged: Path) -> None:
    metrics = _metrics(judged)
    for finding in FINDING_KEYS:
        for figure in ("auc", "auc_within_height", "auc_of_learned_height_alone", "auc_of_height_alone"):
            _figure(metrics, figure, finding)


def test_any_hemorrhage_is_judged_like_a_finding_at_both_levels(judged: Path) -> None:
    metrics = _metrics(judged)
    for figure in ("auc", "auc_within_height", "auc_within_brain_area", "auc_of_learned_brain_area_alone"):
        assert _figure(metrics, figure, "any_hemorrhage")["low"] is not None
    assert _figure(metrics, "auc", "any_hemorrhage", "study")["n"] == metrics["counts"]["test_studies"]
    assert metrics["positive_patients"]["any_hemorrhage"] == metrics["positive_patients"]["intraparenchymal_hemorrhage"]
    assert not [e for e in metrics["figures"] if (e["figure"], e["finding"]) == ("brier", "any_hemorrhage")]


def test_a_kind_of_hemorrhage_stands_against_clean_slices_by_the_score_of_any(judged: Path) -> None:
    from sklearn.metrics import roc_auc_score

    from plainscan.evaluation.hemorrhage import with_score

    kind, frame = "intraparenchymal_hemorrhage", with_score(tables.read(judged, tables.PREDICTIONS))
    found = _figure(_metrics(judged), "against_clean_auc", kind)
    assert found["value"] == pytest.approx(roc_auc_score(frame[kind], frame["probability_any_hemorrhage"]))
    assert _figure(_metrics(judged), "against_clean_auc_within_height", kind)["value"] is not None


def test_the_last_lines_printed_are_the_table_also_when_nothing_changed(
    judged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.run(judged, QUICK)
    said = capsys.readouterr().out
    assert "height alone" in said
    assert f"{_figure(_metrics(judged), 'auc', 'any_hemorrhage')['value']:.3f}" in said


def test_heat_maps_are_held_against_masks(judged: Path) -> None:
    metrics = _metrics(judged)
    hit = _figure(metrics, "pointing_game")
    assert hit["n"] == _figure(metrics, "auc")["n_positive"]
    assert hit["value"] > _figure(metrics, "pointing_game_by_chance")["value"]
    assert 0 < _figure(metrics, "iou")["value"] <= 1
    assert 0 < _figure(metrics, "iou_tuned")["value"] < _figure(metrics, "dice_tuned")["value"] <= 1
    assert set(metrics["localization"]["thresholds"]) == {ANY_FINDING, "intraparenchymal_hemorrhage"}


def test_the_report_is_one_file_that_loads_nothing_and_names_nobody(judged: Path) -> None:
    page = (judged / "report.html").read_text(encoding="utf-8")
    links = re.findall(r'(?:src|href)="([^"]{0,40})', page)
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "http" not in re.sub(r'src="data:[^"]*"', "", page)
    assert "SECRET" not in page
    assert "1.2.2.1" not in page
    assert "SECRET" not in (judged / "metrics.json").read_text()
    for words in ("Not a medical device", "0.838", "0.961", "synthetic", "Worst errors", "looked at <strong>1"):
        assert words in page


def test_nothing_changed_is_skipped_and_no_new_look(judged: Path) -> None:
    before = (judged / "test_looks.json").read_bytes()
    evaluate.run(judged, QUICK)
    assert (judged / "test_looks.json").read_bytes() == before


def test_same_seed_gives_the_same_files(tmp_path: Path, judged: Path) -> None:
    folder = tiny.run_folder(tmp_path / "again")
    evaluate.run(folder, QUICK)
    assert (folder / "metrics.json").read_bytes() == (judged / "metrics.json").read_bytes()
    assert (folder / "report.html").read_bytes() == (judged / "report.html").read_bytes()


def test_every_look_at_the_test_labels_is_counted(tmp_path: Path) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=9)
    evaluate.run(folder, QUICK)
    evaluate.run(folder, QUICK.model_copy(update={"seed": 1}))
    model = tiny.network(np.random.default_rng(9))
    write_bundle(folder / "model", model, tiny.card(model))
    evaluate.run(folder, QUICK)
    looks = json.loads((folder / "test_looks.json").read_text())["looks"]
    assert [look["look"] for look in looks] == [1, 2, 3]
    assert _metrics(folder)["test_looks"] == {"count": 3, "models": 2}


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_in_test_is_said_and_nothing_breaks(tmp_path: Path, label: int) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=9, test_label=label)
    evaluate.run(folder, QUICK)
    metrics = _metrics(folder)
    auc = _figure(metrics, "auc")
    assert auc["value"] is None
    assert "not estimable" in auc["note"]
    assert any("one class only" in line for line in metrics["warnings"])
    assert "no judgement" in (folder / "report.html").read_text()


def _refused(folder: Path, error: type[UserError], match: str) -> None:
    """Refused with exit code 2, before a look was counted and a report written."""
    with pytest.raises(error, match=match) as caught:
        evaluate.run(folder, QUICK)
    assert caught.value.exit_code == 2
    assert not (folder / "test_looks.json").exists()
    assert not (folder / "report.html").exists()


def test_an_empty_test_split_is_refused_before_a_look(tmp_path: Path) -> None:
    _refused(tiny.run_folder(tmp_path / "r", patients=2), SplitError, r"test split is empty.*plainscan split")


def test_a_bundle_of_another_split_is_refused_before_a_look(tmp_path: Path) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=9)
    model = tiny.network(np.random.default_rng(1))
    known = {"prepared_sha256": file_hash(folder / "prepared.parquet")}
    write_bundle(folder / "model", model, tiny.card(model, provenance=known))
    frame = tables.read(folder, tables.PREPARED)
    turned = pl.col("split").replace({"train": "test", "test": "train"})
    tables.write(frame.with_columns(turned), folder, tables.PREPARED)
    _refused(folder, LeakError, r"trained on another split.*plainscan train` again")
    tables.write(frame, folder, tables.PREPARED)
    evaluate.run(folder, QUICK)


@pytest.mark.parametrize("key", [PATIENTS, TUNED_ON])
def test_pseudonyms_of_patients_stay_in_the_bundle(tmp_path: Path, key: str) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=9)
    model = tiny.network(np.random.default_rng(1))
    known = {key: ["0123456789abcdef"], "seed": 5}
    write_bundle(folder / "model", model, tiny.card(model, provenance=known))
    evaluate.run(folder, QUICK)
    assert _metrics(folder)["provenance"]["training"] == {"seed": 5}
    assert "0123456789abcdef" not in (folder / "report.html").read_text()


def test_an_old_model_beside_an_interrupted_training_is_refused(tmp_path: Path) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=9)
    (folder / "train.begun.json").write_text('{"makes": ["model"]}')
    _refused(folder, TableError, r"`train` did not end.*plainscan train")


@pytest.mark.parametrize("content", ["", "[]", '{"looks": [1]}', '{"looks": 3}'])
def test_a_spoiled_count_of_looks_is_named_and_left_alone(tmp_path: Path, content: str) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=9)
    (folder / "test_looks.json").write_text(content)
    with pytest.raises(TableError, match=r"test_looks.json.*Restore it"):
        evaluate.run(folder, QUICK)
    assert (folder / "test_looks.json").read_text() == content


def test_a_missing_shard_is_named_before_a_look(tmp_path: Path) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=9)
    (folder / "prepared" / "shard-0000.npy").unlink()
    _refused(folder, TableError, r"shard-0000.npy.*plainscan prepare")


def test_masks_that_are_gone_are_named_before_a_look(tmp_path: Path) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=9)
    shutil.rmtree(folder / "truth")
    _refused(folder, TableError, r"truth/\d+.npz.*truth.parquet")


@pytest.mark.parametrize(("patient", "split"), [(1, "tune"), (2, "test")])
def test_a_mask_of_tune_or_test_that_is_gone_is_named_before_a_look(tmp_path: Path, patient: int, split: str) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=9)
    row = tables.read(folder, tables.PREPARED).join(tables.read(folder, tables.TRUTH), on=list(tables.SLICE_KEY))
    assert row.filter(pl.col("mask") == f"{patient}.npz")["split"].unique().to_list() == [split]
    (folder / "truth" / f"{patient}.npz").unlink()
    _refused(folder, TableError, rf"truth/{patient}.npz.*truth.parquet")


def test_slices_of_another_size_than_the_bundle_are_refused_before_a_look(tmp_path: Path) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=9)
    shard = np.load(folder / "prepared" / "shard-0000.npy")
    np.save(folder / "prepared" / "shard-0000.npy", shard[..., ::2, ::2])
    _refused(folder, BundleError, r"as its card says")


def test_a_score_that_was_never_calibrated_is_judged_by_its_order_alone(judged: Path) -> None:
    metrics = _metrics(judged)
    assert metrics["uncalibrated"] == ["mass"]
    for level in ("slice", "study"):
        for figure in ("brier", "log_loss", "calibration_error"):
            entry = _figure(metrics, figure, "mass", level)
            assert entry["value"] is None
            assert "no calibration" in entry["note"]
    assert _figure(metrics, "brier")["value"] is not None
    assert "Tune allowed no calibration of" in (judged / "report.html").read_text()


def test_slices_of_the_phantom_are_known_by_their_manufacturer(tmp_path: Path) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=9, masks=False)
    frame = tables.read(folder, tables.PREPARED).with_columns(pl.lit("SYNTH-B").alias("manufacturer"))
    tables.write(frame, folder, tables.PREPARED)
    evaluate.run(folder, QUICK)
    assert any("synthetic" in line for line in _metrics(folder)["warnings"])


def test_studies_spread_over_splits_are_not_judged_and_it_says_why(tmp_path: Path) -> None:
    folder = _by_image(tmp_path)
    evaluate.run(folder, QUICK)
    metrics = _metrics(folder)
    for entry in (e for e in metrics["figures"] if e["level"] == "study"):
        assert (entry["value"], entry["low"]) == (None, None)
        assert "split by image" in entry["note"]
    assert metrics["confusion"]["study"] is None
    assert "For whole studies the AUC is not estimable: split by image" in (folder / "report.html").read_text()


def test_a_study_whose_positive_slices_could_not_be_read_is_no_negative(tmp_path: Path) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=18)
    ill = tables.read(folder, tables.PREPARED).filter(split="test", any_finding=1)["study_uid"]
    tiny.unread(folder, (pl.col("study_uid") == ill[0]) & (pl.col(ANY_FINDING) == 1))
    evaluate.run(folder, QUICK)
    assert _figure(_metrics(folder), "auc", level="study")["n_positive"] == ill.n_unique()


def test_the_level_that_was_asked_for_stands_at_the_plots(tmp_path: Path) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=18)
    evaluate.run(folder, QUICK.model_copy(update={"level": 0.975}))
    page = (folder / "report.html").read_text()
    assert "Shaded: 97.5 % interval" in page
    assert "report holds 97.5 %" in page
    assert "95 % interval" not in page


def test_without_masks_labels_or_operating_point_it_still_reports(tmp_path: Path) -> None:
    folder = tiny.run_folder(tmp_path / "r", patients=9, masks=False)
    model = tiny.network(np.random.default_rng(1))
    write_bundle(folder / "model", model, tiny.card(model, points=False))
    evaluate.run(folder, QUICK)
    metrics, page = _metrics(folder), (folder / "report.html").read_text()
    assert "tune allowed no choice" in metrics["threshold_rule"]
    assert _figure(metrics, "auc", "lacune")["note"] == "no labeled unit"
    assert "old lacune (no label)" in page
    assert "holds no masks" in page
    assert "synthetic" not in page


def _by_image(tmp_path: Path) -> Path:
    folder = tiny.run_folder(tmp_path / "r", patients=9)
    frame = tables.read(folder, tables.PREPARED).with_columns(
        pl.when(pl.col("slice_index") % 3 == 0).then(pl.lit("test")).otherwise(pl.lit("train")).alias("split")
    )
    tables.write(frame, folder, tables.PREPARED)
    return folder


def test_a_split_by_image_is_recognized_and_warned_of(tmp_path: Path) -> None:
    folder = _by_image(tmp_path)
    evaluate.run(folder, QUICK)
    metrics = _metrics(folder)
    assert metrics["split_unit"] == "image"
    assert "inflated" in metrics["warnings"][0]


def test_units_are_compared_with_the_paper(tmp_path: Path, judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for unit in ("patient", "image"):
        (tmp_path / unit).mkdir()
        (tmp_path / unit / "metrics.json").write_bytes((judged / "metrics.json").read_bytes())
    evaluate.compare_units(tmp_path, ["patient", "image"])
    assert "Zhang 2020" in capsys.readouterr().out
    assert "inflation" in (tmp_path / "comparison.md").read_text()


def test_values_are_finite(judged: Path) -> None:
    values = [e[k] for e in _metrics(judged)["figures"] for k in ("value", "low", "high") if e[k] is not None]
    assert all(math.isfinite(v) for v in values)
