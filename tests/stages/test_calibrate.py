from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from tests.evaluation import tiny

from plainscan import tables
from plainscan.bundle import MODEL_FILE, Calibration, Card, Int8, Int8Check, Measured, read_card, write_bundle
from plainscan.config import CalibrateSettings
from plainscan.errors import BundleError, ConfigError, LabelError, LeakError, SplitError, UserError
from plainscan.evaluation.calibration import fit_platt
from plainscan.evaluation.hemorrhage import ANY_HEMORRHAGE
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.inference.engine import Model, load
from plainscan.inference.held_out import RunSlices, score_slices
from plainscan.inference.int8 import measured_tensors
from plainscan.inference.predict import Scores, score, study_probability
from plainscan.stages import calibrate, tuning
from plainscan.stages.calibrate import CALIBRATED_FOLDER
from plainscan.stages.lineage import PATIENTS, TUNED_ON, pseudonyms

UNTOLD = "lacune"  # never labeled in these run folders
SOME_ILL = pl.when(pl.col(ANY_FINDING) == 1).then(1).cast(pl.Int8)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Ten patients of eight slices in each split."""
    return tiny.run_folder(tmp_path / "run")


def bundle(folder: Path, **changes: Any) -> Path:
    model = tiny.network(np.random.default_rng(1))
    card = tiny.card(model, provenance={PATIENTS: []}).model_copy(update={"context_mm": 10.0, **changes})
    write_bundle(folder, model, card)
    return folder


def made(run: Path, of: Path, **settings: Any) -> Card:
    calibrate.run(run, CalibrateSettings(model=of, **settings))
    return read_card(run / CALIBRATED_FOLDER)


def prepared(run: Path, *splits: str) -> pl.DataFrame:
    frame = tables.read(run, tables.PREPARED)
    return frame.filter(pl.col("split").is_in(splits)).sort("shard", "row")


def rewrite(run: Path, **columns: pl.Expr) -> None:
    frame = tables.read(run, tables.PREPARED).with_columns(**columns)
    tables.write(frame, run, tables.PREPARED)


def scored(run: Path, of: Path, rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Logits and probabilities of any finding, by the one scoring path."""
    found = list(score_slices(load(of, engine="fp32"), RunSlices(run), rows, 0.5))
    return np.array([one.logits[0] for one in found]), np.array([one.probability[0] for one in found])


@pytest.mark.parametrize("splits", ["tune", "train+tune"])
def test_probabilities_are_fitted_on_the_slices_as_they_are_scored(run: Path, tmp_path: Path, splits: str) -> None:
    rows, before = prepared(run, *splits.split("+")), bundle(tmp_path / "bundle")
    logits, _ = scored(run, before, rows)
    card = made(run, before, splits=splits)
    slope, intercept = fit_platt(logits, rows[ANY_FINDING].to_numpy())
    fitted = Calibration(finding=ANY_FINDING, slope=slope, intercept=intercept, fitted_on=splits)
    assert card.calibration[0].model_dump() == pytest.approx(fitted.model_dump())
    assert card.calibration[0].slope != 1.0


@pytest.mark.parametrize("target", [0.8, 0.95])
def test_thresholds_reach_the_sensitivity_that_was_asked_for_at_the_best_specificity(
    run: Path, tmp_path: Path, target: float
) -> None:
    card, rows = made(run, bundle(tmp_path / "bundle"), target_sensitivity=target), prepared(run, "tune")
    _, probability = scored(run, run / CALIBRATED_FOLDER, rows)
    studies = rows.with_columns(pl.Series("p", probability)).group_by("study_uid")
    of_studies = studies.agg(pl.col(ANY_FINDING).max(), pl.col("p").map_elements(study_probability, pl.Float64))
    both = {"slice": (rows[ANY_FINDING], probability), "study": (of_studies[ANY_FINDING], of_studies["p"])}
    for level, (labels, values) in both.items():
        (point,) = [p for p in card.operating_points if (p.level, p.finding) == (level, ANY_FINDING)]
        label, p = np.asarray(labels) == 1, np.asarray(values)
        assert (p[label] >= point.threshold).mean() == pytest.approx(point.sensitivity)
        assert (p[~label] < point.threshold).mean() == pytest.approx(point.specificity)
        better = [(p[~label] < t).mean() for t in p if (p[label] >= t).mean() >= target]
        assert point.sensitivity >= target
        assert point.specificity >= max(better)
        assert (point.n, point.chosen_on) == (len(p), "tune")


def test_the_weights_stay_and_the_card_says_whence_the_rest_is(run: Path, tmp_path: Path) -> None:
    before = bundle(tmp_path / "bundle")
    card = made(run, before)
    assert (run / CALIBRATED_FOLDER / MODEL_FILE).read_bytes() == (before / MODEL_FILE).read_bytes()
    origin, rows = card.provenance["calibrated"], prepared(run, "tune")
    assert (card.name, origin["bundle"], origin["splits"]) == ("tiny-calibrated", "tiny", "tune")
    assert (origin["patients"], origin["slices"]) == (10, 80)
    assert card.provenance[TUNED_ON] == pseudonyms(rows["patient_id"])
    assert card.provenance[PATIENTS] == []
    assert json.loads((run / "calibrate.run.json").read_text(encoding="utf-8"))["counts"]["patients"] == 10


def test_a_calibrated_bundle_that_is_calibrated_again_has_one_ending_and_the_same_card(
    run: Path, tmp_path: Path
) -> None:
    first = made(run, bundle(tmp_path / "bundle"))
    (tmp_path / "again").mkdir()
    write_bundle(tmp_path / "again", (run / CALIBRATED_FOLDER / MODEL_FILE).read_bytes(), first)
    again = made(run, tmp_path / "again")
    assert again.name == first.name
    assert (again.calibration, again.operating_points) == (first.calibration, first.operating_points)


def test_whoever_chose_what_was_before_is_still_named(run: Path, tmp_path: Path) -> None:
    card = made(run, bundle(tmp_path / "bundle", provenance={PATIENTS: [], TUNED_ON: ["0123456789abcdef"]}))
    assert card.provenance[TUNED_ON] == sorted({*pseudonyms(prepared(run, "tune")["patient_id"]), "0123456789abcdef"})


def test_of_a_finding_that_the_slices_do_not_tell_all_stays_and_says_of_whom(run: Path, tmp_path: Path) -> None:
    own = tiny.card(b"").operating_points[0].model_copy(update={"finding": UNTOLD, "threshold": 0.3})
    before = bundle(tmp_path / "bundle", operating_points=(own,))
    card = made(run, before)
    untold, mass = (card.calibration[FINDING_KEYS.index(key)] for key in (UNTOLD, "mass"))
    assert untold == Calibration(finding=UNTOLD, fitted_on="tune of tiny")
    assert mass == Calibration(finding="mass", fitted_on="none")
    (point,) = [p for p in card.operating_points if p.finding == UNTOLD]
    assert (point.threshold, point.chosen_on) == (0.3, "tune of tiny")


def test_figures_that_a_threshold_changes_are_not_carried_over(run: Path, tmp_path: Path) -> None:
    figures = tuple(
        Measured(data="d", figure=name, level="slice", finding=ANY_FINDING, value=0.9, n=9, n_positive=4, clusters=3)
        for name in ("auc", "auc_within_height", "recall", "specificity")
    )
    card = made(run, bundle(tmp_path / "bundle", figures=figures))
    assert [item.figure for item in card.figures] == ["auc", "auc_within_height"]


def test_figures_of_several_probabilities_together_are_not_carried_over(run: Path, tmp_path: Path) -> None:
    figures = tuple(
        Measured(data="d", figure="auc", level=level, finding=finding, value=0.9, n=9, n_positive=4, clusters=3)
        for level, finding in (("slice", "mass"), ("slice", ANY_HEMORRHAGE), ("study", ANY_FINDING), ("study", "mass"))
    )
    card = made(run, bundle(tmp_path / "bundle", figures=figures))
    assert [(item.level, item.finding) for item in card.figures] == [("slice", "mass")]


def test_what_was_known_of_the_old_thresholds_is_not_said_of_the_new_ones(run: Path, tmp_path: Path) -> None:
    known = (
        "Thin blood beside bone",
        "The slice threshold calls 62% a finding",
        "Thresholds are rough",
    )
    assert made(run, bundle(tmp_path / "bundle", known_failures=known)).known_failures == known[:1]


def test_integers_are_checked_at_the_new_thresholds(run: Path, tmp_path: Path) -> None:
    model = tiny.network(np.random.default_rng(1))
    ranges = {name: (0.0, 1.0 if name == "image" else 40.0) for name in measured_tensors(model)}
    old = Int8Check(data="old", n=1, n_positive=0, auc_fall=0.0, decisions_changed=0.0, largest_logit_change=0.0)
    int8 = Int8(ranges=ranges, measured_on="old", checks=(old,))
    card = made(run, bundle(tmp_path / "bundle", int8=int8))
    assert card.int8 is not None
    assert (card.int8.ranges, card.int8.measured_on) == (int8.ranges, "old")
    said = ("slices of 10 patients", 80, prepared(run, "tune")[ANY_FINDING].sum())
    assert [(check.engine, check.data, check.n, check.n_positive) for check in card.int8.checks] == [
        ("int8", *said),
        ("mixed", *said),
    ]


def test_no_slice_is_scored_twice_by_one_engine(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.network(np.random.default_rng(1))
    ranges = {name: (0.0, 1.0 if name == "image" else 40.0) for name in measured_tensors(model)}
    old = Int8Check(data="old", n=1, n_positive=0, auc_fall=0.0, decisions_changed=0.0, largest_logit_change=0.0)
    engines: Counter[str] = Counter()

    def counting(model: Model, hu: NDArray[np.int16]) -> Scores:
        engines[model.engine] += len(hu)
        return score(model, hu)

    monkeypatch.setattr(tuning, "score", counting)
    made(run, bundle(tmp_path / "bundle", int8=Int8(ranges=ranges, measured_on="old", checks=(old,))))
    assert engines == {"fp32": 80, "int8": 80, "mixed": 80}


@pytest.mark.parametrize(
    ("fall", "changed", "said"),
    [(0.0, 0.01, "1.00 % of decisions changed"), (0.01, 0.0, "AUC falls by +0.0100"), (0.0, 0.005, None)],
)
def test_what_forbids_integers_is_said(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fall: float,
    changed: float,
    said: str | None,
) -> None:
    check = Int8Check(data="d", n=9, n_positive=4, auc_fall=fall, decisions_changed=changed, largest_logit_change=0.1)
    monkeypatch.setattr(calibrate, "checks", lambda *_: (check,))
    model = tiny.network(np.random.default_rng(1))
    ranges = {name: (0.0, 1.0 if name == "image" else 40.0) for name in measured_tensors(model)}
    card = made(run, bundle(tmp_path / "bundle", int8=Int8(ranges=ranges, measured_on="old", checks=(check,))))
    err = capsys.readouterr().err
    assert card.int8 is not None
    assert card.int8.default == ("int8" if said is None else "fp32")
    assert ("Default engine: fp32" in err) == (said is not None)
    assert said is None or said in err


def test_studies_of_one_class_leave_no_study_threshold_not_even_the_old_one(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ill = prepared(run, "tune").filter(pl.col(ANY_FINDING) == 1)["study_uid"].unique().to_list()
    rewrite(run, split=pl.when(pl.col("study_uid").is_in(ill)).then(pl.lit("tune")).otherwise(pl.lit("train")))
    card = made(run, bundle(tmp_path / "bundle"))
    assert not [point for point in card.operating_points if point.level == "study"]
    assert "one class only; no operating point at study level" in " ".join(capsys.readouterr().err.split())


def test_studies_are_ill_by_slices_too_that_could_not_be_read(run: Path, tmp_path: Path) -> None:
    first = pl.col("slice_index") == 0
    rewrite(run, **{ANY_FINDING: pl.when(first).then(pl.lit(1, pl.Int8)).otherwise(ANY_FINDING)})
    tiny.unread(run, first)
    assert prepared(run, "tune").group_by("study_uid").agg(pl.col(ANY_FINDING).max())[ANY_FINDING].n_unique() == 2
    card = made(run, bundle(tmp_path / "bundle"))
    assert [point.level for point in card.operating_points if point.finding == ANY_FINDING] == ["slice"]


@pytest.mark.parametrize(
    ("splits", "column", "error", "match"),
    [
        ("tune", {"split": pl.lit("train")}, SplitError, "no slice in tune.*larger --tune"),
        ("train+tune", {"split": pl.lit("test")}, SplitError, r"no slice in train\+tune"),
        ("tune", {ANY_FINDING: pl.lit(0, pl.Int8)}, LabelError, "any_finding is 0 on all 80 labeled slices of tune"),
        ("tune", {ANY_FINDING: SOME_ILL}, LabelError, r"any_finding is 1 on all \d+ labeled slices of tune"),
        ("tune", {ANY_FINDING: pl.lit(None, pl.Int8)}, LabelError, "any_finding is not known on any slice of tune"),
    ],
)
def test_slices_that_teach_nothing_are_refused(
    run: Path, tmp_path: Path, splits: str, column: dict[str, pl.Expr], error: type[UserError], match: str
) -> None:
    rewrite(run, **column)
    with pytest.raises(error, match=match):
        made(run, bundle(tmp_path / "bundle"), splits=splits)
    assert not (run / CALIBRATED_FOLDER).exists()


def test_a_bundle_that_was_trained_on_patients_to_calibrate_on_is_refused(run: Path, tmp_path: Path) -> None:
    seen = pseudonyms(prepared(run, "train")["patient_id"].unique()[:3])
    before = bundle(tmp_path / "bundle", provenance={PATIENTS: seen})
    with pytest.raises(LeakError, match=r"trained on 3 of 20 patient identifiers to calibrate on"):
        made(run, before, splits="train+tune")
    assert made(run, before).provenance[PATIENTS] == seen


@pytest.mark.parametrize("names", [True, False])
def test_a_bundle_that_does_not_name_its_patients_is_calibrated_with_a_warning(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], names: bool
) -> None:
    made(run, bundle(tmp_path / "bundle", provenance={PATIENTS: []} if names else {}))
    assert ("does not say which patients it was trained on" in capsys.readouterr().err) != names


def test_slices_of_another_size_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"\(1, 128, 128\).*--size 128 --neighbors 0"):
        made(run, bundle(tmp_path / "bundle", input_size=128))


def test_its_own_product_is_not_calibrated_in_place(run: Path, tmp_path: Path) -> None:
    made(run, bundle(tmp_path / "bundle"))
    before = (run / CALIBRATED_FOLDER / "card.json").read_bytes()
    with pytest.raises(ConfigError, match="the bundle that this command writes"):
        made(run, run / CALIBRATED_FOLDER)
    assert (run / CALIBRATED_FOLDER / "card.json").read_bytes() == before


def test_nothing_changed_is_not_done_again_and_another_target_is(run: Path, tmp_path: Path) -> None:
    before = bundle(tmp_path / "bundle")
    made(run, before)
    path = run / CALIBRATED_FOLDER / "card.json"
    written = path.stat().st_mtime_ns
    made(run, before)
    assert path.stat().st_mtime_ns == written
    made(run, before, target_sensitivity=0.5)
    assert path.stat().st_mtime_ns != written
