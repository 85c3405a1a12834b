from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.evaluation import tiny

from plainscan import tables
from plainscan.bundle import MODEL_FILE, read_card, write_bundle
from plainscan.config import EvaluateSettings, ImagesSettings, SplitSettings
from plainscan.errors import BundleError, ConfigError, LabelError, LeakError, SplitError, TableError, UserError
from plainscan.findings import ANY_FINDING
from plainscan.stages import evaluate, images, split
from plainscan.stages.lineage import PARTIAL, PATIENTS, TUNED_ON, pseudonyms
from plainscan.storage import file_hash

pytestmark = pytest.mark.slow

SLICES, PATIENTS_IN_ALL = 6, 9


def _bundle(folder: Path, seed: int = 1, **provenance: object) -> Path:
    model = tiny.network(np.random.default_rng(seed))
    write_bundle(folder, model, tiny.card(model, provenance=provenance))
    return folder


def _pictures(source: Path, with_labels: bool = True) -> None:
    """Nine patients of six slices; every second patient has blood on two of them. Window 0 to 80 HU."""
    rng, lines = np.random.default_rng(0), ["file,patient,slice,subdural,any"]
    source.mkdir(parents=True)
    y, x = np.mgrid[:96, :96] - 48
    for patient in range(PATIENTS_IN_ALL):
        for i in range(SLICES):
            hu = np.where(np.hypot(y, x) < 40, 35, 0) + rng.normal(0, 2, (96, 96))
            label = int(patient % 2 and i in (2, 3))
            if label:
                hu[np.hypot(y - 10, x) < 9] = 70
            Image.fromarray((hu / 80 * 255).clip(0, 255).astype(np.uint8)).save(source / f"{patient}_{i}.png")
            lines.append(f"{patient}_{i}.png,p{patient},{i}," + (f"{label},{label}" if with_labels else ","))
    (source.parent / "labels.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def labeled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with labels and nothing more."""
    root = tmp_path_factory.mktemp("external")
    _pictures(root / "images")
    images.run(root / "run", ImagesSettings(source=root / "images", labels=root / "labels.csv", window=(40, 80)))
    return root / "run"


def _copy(labeled: Path, tmp_path: Path) -> Path:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("cohort.parquet", "labels.parquet", "images.run.json"):
        (run / name).write_bytes((labeled / name).read_bytes())
    return run


def _settings(bundle: Path, **more: Any) -> EvaluateSettings:
    return EvaluateSettings(model=bundle, resamples=40, gallery=2, **{"split": "all", **more})


def _results(run: Path) -> Path:
    (found,) = run.glob("external-*")
    return found


def test_a_bundle_from_elsewhere_is_judged_on_labeled_slices_that_were_never_split_prepared_or_trained_on(
    labeled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _copy(labeled, tmp_path)
    before = {path.name for path in run.iterdir()}
    evaluate.run(run, _settings(_bundle(tmp_path / "bundle", **{PATIENTS: []})))
    results = _results(run)
    metrics = json.loads((results / "metrics.json").read_text())
    assert metrics["counts"] == {"test_slices": 54, "test_studies": 9, "test_patients": 9}
    assert metrics["external"] == {
        "split": "all",
        "names_patients": True,
        "trained_here": False,
        "calibrated_here": False,
    }
    auc = {(e["finding"], e["level"]): e["value"] for e in metrics["figures"] if e["figure"] == "auc"}
    assert auc["any_hemorrhage", "slice"] > 0.9
    assert auc["any_hemorrhage", "study"] > 0.9
    assert {path.name for path in run.iterdir()} == before | {results.name, "test_looks.json"}
    page = (results / "report.html").read_text()
    assert "trained elsewhere" in page
    assert "the other patients" in page
    assert "train and tune" not in page
    table = capsys.readouterr().out
    assert "any hemorrhage" in table
    assert "same height" in table


def test_the_slices_are_prepared_at_the_size_of_the_bundle(labeled: Path, tmp_path: Path) -> None:
    run = _copy(labeled, tmp_path)
    evaluate.run(run, _settings(_bundle(tmp_path / "bundle")))
    shard = np.load(_results(run) / "prepared" / "shard-0000.npy", mmap_mode="r")
    assert shard.shape == (54, 1, tiny.SIZE, tiny.SIZE)


def test_a_score_is_that_of_the_one_scoring_path(labeled: Path, tmp_path: Path) -> None:
    from plainscan.inference.engine import load
    from plainscan.inference.predict import score

    run, bundle = _copy(labeled, tmp_path), _bundle(tmp_path / "bundle")
    evaluate.run(run, _settings(bundle))
    prepared = tables.read(_results(run), tables.PREPARED).sort("shard", "row")
    shard = np.load(_results(run) / "prepared" / "shard-0000.npy")
    expected = score(load(bundle), shard[prepared["row"].to_numpy()]).probability[:, 0]
    found = tables.read(_results(run), tables.PREDICTIONS)["probability_any_finding"].to_numpy()
    assert np.array_equal(found, expected)


def test_a_study_whose_positive_slices_could_not_be_read_is_no_negative(tmp_path: Path) -> None:
    _pictures(tmp_path / "images")
    source = ImagesSettings(source=tmp_path / "images", labels=tmp_path / "labels.csv", window=(40, 80))
    images.run(tmp_path / "run", source)
    for name in ("1_2.png", "1_3.png"):
        (tmp_path / "images" / name).write_bytes(b"damaged")
    evaluate.run(tmp_path / "run", _settings(_bundle(tmp_path / "bundle")))
    metrics = json.loads((_results(tmp_path / "run") / "metrics.json").read_text())
    assert metrics["counts"]["test_slices"] == SLICES * PATIENTS_IN_ALL - 2
    of_studies = (e for e in metrics["figures"] if (e["figure"], e["level"]) == ("auc", "study"))
    assert {e["finding"]: e["n_positive"] for e in of_studies}[ANY_FINDING] == PATIENTS_IN_ALL // 2


def test_looks_are_counted_in_the_run_and_nothing_changed_is_no_look(labeled: Path, tmp_path: Path) -> None:
    run = _copy(labeled, tmp_path)
    one, other = _bundle(tmp_path / "one"), _bundle(tmp_path / "other", seed=2)
    for bundle in (one, one, other):
        evaluate.run(run, _settings(bundle))
    looks = json.loads((run / "test_looks.json").read_text())["looks"]
    assert [(look["look"], look["split"], look["test_slices"]) for look in looks] == [(1, "all", 54), (2, "all", 54)]
    assert len(list(run.glob("external-*/metrics.json"))) == 2


def test_two_cards_of_the_same_weights_have_results_of_their_own(labeled: Path, tmp_path: Path) -> None:
    """As `calibrate` writes them: other probabilities, the weights untouched."""
    run, one = _copy(labeled, tmp_path), _bundle(tmp_path / "one")
    card = read_card(one)
    other = card.model_copy(
        update={"calibration": tuple(c.model_copy(update={"intercept": 3.0}) for c in card.calibration)}
    )
    write_bundle(tmp_path / "other", (one / MODEL_FILE).read_bytes(), other)
    for bundle in (one, tmp_path / "other"):
        evaluate.run(run, _settings(bundle))
    assert len(list(run.glob("external-*/metrics.json"))) == 2


def test_unknown_labels_do_not_count(labeled: Path, tmp_path: Path) -> None:
    run = _copy(labeled, tmp_path)
    labels = tables.read(run, tables.LABELS)
    hidden = pl.int_range(pl.len()) % 3 == 0
    some = labels.with_columns(pl.when(hidden).then(None).otherwise(pl.col("any_finding")).alias("any_finding"))
    tables.write(some, run, tables.LABELS)
    (run / "images.run.json").unlink()
    evaluate.run(run, _settings(_bundle(tmp_path / "bundle")))
    figures = json.loads((_results(run) / "metrics.json").read_text())["figures"]
    n = {e["finding"]: e["n"] for e in figures if (e["figure"], e["level"]) == ("auc", "slice")}
    assert n["any_finding"] == 36
    assert n["subdural_hemorrhage"] == 54
    # of the other kinds nothing is known: there is none where there is no finding at all
    none, one = pl.col("any_finding") == 0, pl.col("subdural_hemorrhage") == 1
    assert n["any_hemorrhage"] == some.filter(none | one).height < 54


def test_all_slices_are_judged_by_the_labels_that_split_takes(labeled: Path, tmp_path: Path) -> None:
    run = _copy(labeled, tmp_path)
    labels = tables.read(run, tables.LABELS)
    others = labels.with_columns(any_finding=1 - pl.col("any_finding"), subdural_hemorrhage=None)
    more = [pl.lit(None, kind).alias(name) for name, kind in tables.SLICE_LABELS.columns.items()]
    slices = others.with_columns(column for column in more if column.meta.output_name() not in labels.columns)
    tables.write(slices.cast(dict(tables.SLICE_LABELS.columns)), run, tables.SLICE_LABELS)
    evaluate.run(run, _settings(_bundle(tmp_path / "bundle")))
    key = ["instance_uid", "any_finding"]
    found = tables.read(_results(run), tables.PREDICTIONS).select(key).sort(key)
    assert found.equals(others.select(key).cast({"any_finding": pl.Int8}).sort(key))


def test_the_test_split_alone_is_judged_when_asked_for(labeled: Path, tmp_path: Path) -> None:
    run = _copy(labeled, tmp_path)
    split.run(run, SplitSettings(train=0.4, tune=0.2, test=0.4))
    evaluate.run(run, _settings(_bundle(tmp_path / "bundle"), split="test"))
    wanted = tables.read(run, tables.MANIFEST).filter(pl.col("split") == "test")
    found = tables.read(_results(run), tables.PREDICTIONS)
    assert set(found["instance_uid"]) == set(wanted["instance_uid"])
    assert _results(run).name.endswith("-test")


def _refused(run: Path, settings: EvaluateSettings, error: type[UserError], match: str) -> None:
    with pytest.raises(error, match=match):
        evaluate.run(run, settings)
    assert not (run / "test_looks.json").exists()


def test_a_bundle_that_has_seen_some_of_the_patients_is_refused(labeled: Path, tmp_path: Path) -> None:
    run = _copy(labeled, tmp_path)
    patients = tables.read(run, tables.COHORT)["patient_id"].unique().sort()
    bundle = _bundle(tmp_path / "bundle", **{PATIENTS: pseudonyms([*patients[:2], "somebody else"])})
    _refused(run, _settings(bundle), LeakError, "trained on 2 of 9 patient identifiers to judge")


def test_a_bundle_that_has_seen_the_identifier_that_a_patient_had_before_a_join_is_refused(
    labeled: Path, tmp_path: Path
) -> None:
    run = _copy(labeled, tmp_path)
    joins = tmp_path / "joins.csv"
    joins.write_text("patient_id,same_as\n" + "".join(f"p{i},joined{i}\n" for i in range(PATIENTS_IN_ALL)))
    split.run(run, SplitSettings(train=0.4, tune=0.2, test=0.4, joined=joins))
    bundle = _bundle(tmp_path / "bundle", **{PATIENTS: pseudonyms(f"p{i}" for i in range(PATIENTS_IN_ALL))})
    _refused(run, _settings(bundle, split="test"), LeakError, "trained on 3 of 6 patient identifiers to judge")


def _leaks(run: Path, *pairs: tuple[str, str]) -> None:
    """What `leak` would leave that found one person under two patient identifiers."""
    study = dict(tables.read(run, tables.COHORT).select("patient_id", "study_uid").iter_rows())
    rows = [
        {"pair": f"L{a}{b}", "kind": "same_person", "study_uid": study[a], "other_study_uid": study[b], "crosses": True}
        for a, b in pairs
    ]
    tables.write(tables.from_rows(rows, tables.LEAKS), run, tables.LEAKS)
    (run / "leak.run.json").write_text("{}")


def test_one_person_under_two_identifiers_is_warned_of_and_counts_as_one_patient_once_joined(
    labeled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, bundle = _copy(labeled, tmp_path), _bundle(tmp_path / "bundle", **{PATIENTS: []})
    _leaks(run, ("p1", "p3"))
    evaluate.run(run, _settings(bundle))
    metrics = json.loads((_results(run) / "metrics.json").read_text())
    assert (metrics["counts"]["test_patients"], metrics["counted_twice"]["pairs"]) == (9, 1)
    warned = "2 of the patients judged may be 1: `leak` found a pair of their studies"
    assert any(warned in line for line in metrics["warnings"])
    assert warned in capsys.readouterr().err
    assert "may be 1: `leak` found a pair" in (_results(run) / "report.html").read_text()

    joins = tmp_path / "joins.csv"
    joins.write_text("patient_id,same_as\np3,p1\n")
    split.run(run, SplitSettings(train=0.4, tune=0.2, test=0.4, joined=joins))
    evaluate.run(run, _settings(bundle))
    metrics = json.loads((_results(run) / "metrics.json").read_text())
    assert (metrics["counts"]["test_patients"], metrics["counted_twice"]["identifiers"]) == (8, 9)
    assert {e["clusters"] for e in metrics["figures"] if (e["figure"], e["finding"]) == ("auc", "any_finding")} == {8}
    assert not any("`leak` found" in line for line in metrics["warnings"])
    assert warned not in capsys.readouterr().err


def test_joins_of_an_earlier_cohort_are_refused(labeled: Path, tmp_path: Path) -> None:
    run, joins = _copy(labeled, tmp_path), tmp_path / "joins.csv"
    joins.write_text("patient_id,same_as\np3,p1\n")
    split.run(run, SplitSettings(train=0.4, tune=0.2, test=0.4, joined=joins))
    cohort = tables.read(run, tables.COHORT)
    tables.write(cohort.with_columns(pl.lit("x").alias("manufacturer")), run, tables.COHORT)
    _refused(run, _settings(_bundle(tmp_path / "bundle")), TableError, "changed since `split` read it")


def test_a_bundle_that_has_seen_whom_leak_takes_for_a_judged_patient_is_refused(labeled: Path, tmp_path: Path) -> None:
    run = _copy(labeled, tmp_path)
    split.run(run, SplitSettings(train=0.4, tune=0.2, test=0.4))
    where = dict(tables.read(run, tables.MANIFEST).select("patient_id", "split").iter_rows())
    seen, judged = (next(name for name, side in where.items() if side == wanted) for wanted in ("train", "test"))
    _leaks(run, (seen, judged))
    for key, said in ((PATIENTS, "bundle was trained on"), (TUNED_ON, "thresholds of this bundle were chosen on")):
        bundle = _bundle(tmp_path / key, **{PATIENTS: [], key: pseudonyms([seen])})
        _refused(run, _settings(bundle, split="test"), LeakError, f"{said} 1 patient identifier that `leak` takes")


def test_a_bundle_whose_thresholds_were_chosen_on_some_of_the_patients_is_refused(
    labeled: Path, tmp_path: Path
) -> None:
    run = _copy(labeled, tmp_path)
    bundle = _bundle(tmp_path / "bundle", **{PATIENTS: [], TUNED_ON: pseudonyms(["p1", "p4", "elsewhere"])})
    with pytest.raises(LeakError, match=r"thresholds of this bundle were chosen on 2 of 9 patient.*--split test"):
        evaluate.run(run, _settings(bundle))


@pytest.mark.parametrize(
    ("trained", "tuned", "said", "judged_on"),
    [
        (["train"], ["tune"], "trained on other patients of this run", "the test split"),
        (
            [],
            ["tune"],
            "trained elsewhere; its probabilities and thresholds were chosen on other patients of this run",
            "the test split of a run that it was calibrated, not trained on",
        ),
        ([], [], "trained elsewhere:", "the test split of a run that it was not trained on"),
    ],
)
def test_a_report_says_what_other_patients_of_the_run_were_to_the_bundle(
    labeled: Path, tmp_path: Path, trained: list[str], tuned: list[str], said: str, judged_on: str
) -> None:
    run = _copy(labeled, tmp_path)
    split.run(run, SplitSettings(train=0.4, tune=0.2, test=0.4))
    manifest = tables.read(run, tables.MANIFEST)
    names = {
        key: pseudonyms(manifest.filter(pl.col("split").is_in(splits))["patient_id"])
        for key, splits in ((PATIENTS, trained), (TUNED_ON, tuned))
    }
    evaluate.run(run, _settings(_bundle(tmp_path / "bundle", **names), split="test"))
    metrics = json.loads((_results(run) / "metrics.json").read_text())
    assert metrics["judged_on"] == judged_on
    assert (metrics["external"]["trained_here"], metrics["external"]["calibrated_here"]) == (bool(trained), bool(tuned))
    assert said in (_results(run) / "report.html").read_text()


@pytest.mark.parametrize("known", [{}, {PATIENTS: [], PARTIAL: True}])
def test_a_bundle_that_does_not_name_all_its_patients_is_judged_with_a_warning(
    labeled: Path, tmp_path: Path, known: dict[str, object]
) -> None:
    run = _copy(labeled, tmp_path)
    evaluate.run(run, _settings(_bundle(tmp_path / "bundle", **known)))
    metrics = json.loads((_results(run) / "metrics.json").read_text())
    assert any("does not say which patients" in line for line in metrics["warnings"])
    assert not metrics["external"]["names_patients"]


def test_the_runs_own_model_is_not_external_and_is_never_judged_on_all_slices(labeled: Path, tmp_path: Path) -> None:
    run = _copy(labeled, tmp_path)
    _bundle(run / "model")
    _refused(run, _settings(run / "model"), ConfigError, "own model")
    _refused(run, EvaluateSettings(split="all"), ConfigError, "trained elsewhere")


def test_without_labels_or_a_test_split_it_is_refused(labeled: Path, tmp_path: Path) -> None:
    run, bundle = _copy(labeled, tmp_path), _bundle(tmp_path / "bundle")
    _refused(run, _settings(bundle, split="test"), SplitError, "manifest.parquet: no slice has a split.*--split all")
    split.run(run, SplitSettings(train=0.6, tune=0.4, test=0.0))
    _refused(run, _settings(bundle, split="test"), SplitError, "test split is empty.*--split all")
    labels = tables.read(run, tables.LABELS)
    tables.write(labels.with_columns(pl.col(pl.Int8) * None), run, tables.LABELS)
    (run / "images.run.json").unlink()
    _refused(run, _settings(bundle), LabelError, "no label on any of 54 slices")


def test_an_altered_bundle_is_refused_with_both_hashes(labeled: Path, tmp_path: Path) -> None:
    run, bundle = _copy(labeled, tmp_path), _bundle(tmp_path / "bundle")
    expected = hashlib.sha256((bundle / "model.onnx").read_bytes()).hexdigest()
    (bundle / "model.onnx").write_bytes(b"altered")
    found = hashlib.sha256(b"altered").hexdigest()
    _refused(run, _settings(bundle), BundleError, f"model.onnx.*{found}.*{expected}")


@pytest.mark.parametrize(("split", "slices"), [("test", 80), ("all", 240)])
def test_slices_of_the_synthetic_world_are_judged_as_they_were_made(tmp_path: Path, split: str, slices: int) -> None:
    run = tiny.run_folder(tmp_path / "run")
    before = tables.PREPARED.path(run).read_bytes()
    evaluate.run(run, _settings(_bundle(tmp_path / "bundle", **{PATIENTS: []}), split=split))
    metrics = json.loads((_results(run) / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["counts"]["test_slices"] == slices
    assert {"auc", "pointing_game"} <= {entry["figure"] for entry in metrics["figures"]}
    assert any("synthetic" in line for line in metrics["limits"] + metrics["warnings"])
    assert tables.PREPARED.path(run).read_bytes() == before


@pytest.mark.parametrize("made", ["trained", "calibrated"])
def test_a_bundle_that_was_made_on_slices_of_a_world_is_judged_on_its_test_slices_alone(
    tmp_path: Path, made: str
) -> None:
    run = tiny.run_folder(tmp_path / "run")
    here = {"prepared_sha256": file_hash(tables.PREPARED.path(run))}
    bundle = _bundle(tmp_path / "bundle", **(here if made == "trained" else {"calibrated": here}))
    with pytest.raises(LeakError, match=r"made on slices of this run.*--split test"):
        evaluate.run(run, _settings(bundle))
    assert not (run / "test_looks.json").exists()
    evaluate.run(run, _settings(bundle, split="test"))
    external = json.loads((_results(run) / "metrics.json").read_text(encoding="utf-8"))["external"]
    assert [key for key in ("trained_here", "calibrated_here") if external[key]] == [f"{made}_here"]


def test_a_world_without_test_patients_or_of_another_size_is_refused(tmp_path: Path) -> None:
    run = tiny.run_folder(tmp_path / "run")
    for shard in (run / tables.SHARD_FOLDER).glob("*.npy"):
        np.save(shard, np.load(shard)[..., ::2, ::2])
    with pytest.raises(BundleError, match=r"expected \(planes, size, size\) = \(1, 64, 64\)"):
        evaluate.run(run, _settings(_bundle(tmp_path / "bundle")))
    frame = tables.read(run, tables.PREPARED).filter(pl.col("split") != "test")
    tables.write(frame, run, tables.PREPARED)
    with pytest.raises(SplitError, match=r"the test split is empty.*plainscan world --test"):
        evaluate.run(run, _settings(_bundle(tmp_path / "bundle"), split="test"))
