"""Stage evaluate: score the test split once, judge it, and write figures and report.

With a bundle that was trained elsewhere, on the test split or on all labeled slices (see ``stages.external``).

What cannot be judged is refused before the test labels are opened. Every time they are, `test_looks.json` counts
it first, so that a look that ends in an error counts too.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

import plainscan
from plainscan import tables
from plainscan.bundle import CARD_FILE, Card
from plainscan.config import EvaluateSettings
from plainscan.errors import ConfigError, MissingPartError, SplitError
from plainscan.findings import ANY_FINDING, FINDING_KEYS, SPECIFIC_KEYS, find
from plainscan.inference.engine import Model, load
from plainscan.inference.held_out import RunSlices, ScoredSlice, brain_share, picture, score_slices
from plainscan.inference.predict import study_probability
from plainscan.stages import evaluate_maps
from plainscan.stages.chain import check_fresh
from plainscan.stages.external import Judgement, described, judged_on, make_ready
from plainscan.stages.leak import accepted_note, refuse_leaks
from plainscan.stages.leak_meter import meter_plot
from plainscan.stages.lineage import PATIENTS, TUNED_ON, check_trained_here, names_all, start_note
from plainscan.stages.looks import LOOKS_FILE, count_look
from plainscan.stages.record import Counts, recorded, say, track
from plainscan.stages.slices import decided_note
from plainscan.stages.tuning import every_slice
from plainscan.stages.twice import counted_twice, twice_limits, twice_warning
from plainscan.storage import file_hash, whole_file

METRICS_FILE: Final = "metrics.json"
REPORT_FILE: Final = "report.html"
COMPARISON_FILE: Final = "comparison.md"
PLACE_SLICES: Final = 2000  # of train and tune, for brain area alone
PER_PATIENT: Final = 2  # slices in the gallery
FALLBACK: Final = 0.5  # threshold for any finding when tune allowed none
FLOWS: Final = ("account.svg", "flow.svg")  # to the splits, or to the cohort; the first that is there is shown
STUDY_WORDS: Final = {"mean_of_top_3": "the mean of its three highest slices"}


def run(folder: Path, settings: EvaluateSettings) -> Counts:
    """Judge a run folder's model on its test split, or another bundle on its labeled slices.

    The last lines printed are the table of AUCs.

    Raises:
        MissingPartError: The extra `study` is not installed.
        BundleError: The bundle is incomplete, altered or does not fit the prepared slices.
        ConfigError: All slices, with the model that was trained on some of them.
        LabelError: No slice has a label.
        LeakError: The bundle was trained on another split, or on patients to judge, or a pair that `leak` found crosses
            splits.
        SplitError: The test split is empty.
        TableError: A table is stale, or pixels or masks that one names are missing.
    """
    _need_study_extra()
    task = _task(folder, settings)
    names = ("manifest.parquet", "prepared.parquet", "prepared", "truth.parquet", *FLOWS)
    bundle = [task.bundle / CARD_FILE] if task.external else [task.bundle]
    outputs = [METRICS_FILE, REPORT_FILE, f"{tables.PREDICTIONS.name}.parquet"]
    counts = recorded(
        "evaluate",
        task.folder,
        settings,
        lambda: _evaluate(task, settings),
        inputs=[*(task.folder / name for name in names), *bundle, tables.LEAKS.path(task.home)],
        outputs=[task.folder / name for name in (outputs if task.external else [*outputs, LOOKS_FILE])],
    )
    _print_table(task.folder)
    return counts


def _task(folder: Path, settings: EvaluateSettings) -> Judgement:
    if settings.model is not None:
        return make_ready(folder, settings)
    if settings.split != "test":
        raise ConfigError(
            "the run's own model, on the slices that it was trained on",
            where="--split all",
            expected="--split test, or --model with a bundle that was trained elsewhere",
        )
    check_fresh(folder, "evaluate")
    refuse_leaks(folder)
    return Judgement(folder, folder, folder / "model")


def _print_table(folder: Path) -> None:
    from plainscan.evaluation.overview import overview

    metrics = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
    for line in twice_warning(metrics.get("counted_twice", {})):
        say(f"evaluate: {line}")
    print(f"\n{overview(metrics).text()}")


def compare_units(folder: Path, units: Sequence[str]) -> None:
    """Print the runs in `folder/<unit>` and the paper side by side; write the table as Markdown."""
    from plainscan.evaluation.compare import compare

    runs = {unit: json.loads((folder / unit / METRICS_FILE).read_text(encoding="utf-8")) for unit in units}
    comparison = compare(runs)
    with whole_file(folder / COMPARISON_FILE) as partial_file:
        partial_file.write_text(f"# Splits side by side\n\n{comparison.markdown()}", encoding="utf-8")
    print(comparison.text())


def _need_study_extra() -> None:
    for package in ("jinja2", "matplotlib"):
        if importlib.util.find_spec(package) is None:
            raise MissingPartError(
                f"the package {package} is not installed",
                where="evaluate",
                expected="the extra `study`",
                remedy="pip install 'plainscan[study]'",
            )


@dataclass(frozen=True)
class _Run:
    """What the parts of an evaluation share."""

    task: Judgement
    settings: EvaluateSettings
    model: Model
    slices: RunSlices
    prepared: pl.DataFrame

    @property
    def folder(self) -> Path:
        """Where prepared slices lie and results go."""
        return self.task.folder

    @property
    def test(self) -> pl.DataFrame:
        """The prepared table's test rows, in shard order."""
        return self.prepared.filter(pl.col("split") == "test").sort("shard", "row")

    def rng(self, purpose: str) -> np.random.Generator:
        """A generator of its own for each purpose, so that one does not shift the other."""
        return np.random.default_rng([self.settings.seed, *purpose.encode()])


def _evaluate(task: Judgement, settings: EvaluateSettings) -> Counts:
    folder = task.folder
    prepared = tables.read(folder, tables.PREPARED).with_columns(pl.col("slice_height").fill_null(0.5))
    run_ = _Run(task, settings, load(task.bundle), RunSlices(folder), prepared)
    _check(run_)
    looks = _count_look(run_)
    predictions, scored = _score(run_)
    tables.write(predictions, folder, tables.PREDICTIONS)
    metrics, plots = _judge(run_, predictions, scored)
    metrics |= {"test_looks": looks}
    _write(run_, metrics, plots, predictions, scored)
    auc = next(e for e in metrics["figures"] if (e["figure"], e["finding"]) == ("auc", ANY_FINDING))
    value = "not estimable" if auc["value"] is None else f"{auc['value']:.3f}"
    return {
        "test slices": predictions.height,
        "test studies": metrics["counts"]["test_studies"],
        "slice AUC": value,
        "engine": run_.model.engine,
    }


def _check(run_: _Run) -> None:
    """Refuse what cannot be judged, before a look is counted."""
    if not run_.task.external:
        check_trained_here(run_.model.card, run_.folder)
    if run_.test.is_empty():
        raise SplitError(
            "the test split is empty",
            where=str(tables.PREPARED.path(run_.folder)),
            expected="slices that train and tune have not seen",
            remedy="Run `plainscan split` with a larger --test, then the stages after it.",
            code="empty_test",
        )
    run_.slices.check(run_.prepared, run_.model.card)


def _count_look(run_: _Run) -> dict[str, int]:
    look: dict[str, Any] = {
        "model_sha256": run_.model.card.model_sha256,
        "prepared_sha256": file_hash(tables.PREPARED.path(run_.folder)),
        "test_slices": run_.test.height,
    }
    if run_.task.external:
        look["split"] = run_.settings.split
    return count_look(run_.task.home, look)


def _score(run_: _Run) -> tuple[pl.DataFrame, list[ScoredSlice]]:
    test, threshold = run_.test, _thresholds(run_.model.card)["slice", ANY_FINDING]
    scored = list(track(score_slices(run_.model, run_.slices, test, threshold), "evaluate", test.height))
    columns = np.array([one.probability for one in scored]).reshape(-1, len(FINDING_KEYS))
    frame = test.with_columns(
        pl.Series("brain_share", [one.brain_share for one in scored], pl.Float64),
        *(pl.Series(f"probability_{key}", columns[:, i], pl.Float64) for i, key in enumerate(FINDING_KEYS)),
    )
    return frame.select(list(tables.PREDICTIONS.columns)), scored


def _elsewhere(run_: _Run) -> pl.DataFrame:
    """Train and tune slices; brain area is measured on at most `PLACE_SLICES`, evenly spread."""
    others = run_.prepared.filter(pl.col("split") != "test").sort("shard", "row")
    step = max(1, -(-others.height // PLACE_SLICES))
    area: list[float | None] = [None] * others.height
    for i in range(0, others.height, step):
        row = others.row(i, named=True)
        hu = run_.slices.hu(row)
        area[i] = brain_share(hu[hu.shape[0] // 2], row)
    return others.with_columns(pl.Series("brain_share", area, pl.Float64))


def _thresholds(card: Card) -> dict[tuple[str, str], float]:
    found = {(p.level, p.finding): p.threshold for p in card.operating_points}
    return {("slice", ANY_FINDING): FALLBACK} | found


def _judge(
    run_: _Run, predictions: pl.DataFrame, scored: list[ScoredSlice]
) -> tuple[dict[str, Any], Sequence[tuple[str, str, str]]]:
    from plainscan.evaluation import plots, summary
    from plainscan.evaluation.bootstrap import draw
    from plainscan.evaluation.units import Elsewhere, patient_rows

    settings, card, rows = run_.settings, run_.model.card, patient_rows(predictions)
    counts = draw(len(rows), settings.resamples, run_.rng("bootstrap"))
    frozen = summary.Frozen(
        partial(study_probability, rule=card.study_rule),
        _thresholds(card),
        frozenset(FINDING_KEYS) - set(_uncalibrated(card)),
    )
    elsewhere = Elsewhere.of(_elsewhere(run_), predictions)
    whole = every_slice(run_.folder, run_.prepared)
    judged = summary.judge_all(predictions, elsewhere, whole, frozen, counts, settings.level)
    judging = evaluate_maps.Judging(
        *(run_.model, run_.task.bundle, run_.slices, run_.prepared),
        *(frozen.thresholds["slice", ANY_FINDING], rows, counts, settings.level),
    )
    of_maps, said = evaluate_maps.judge(judging, scored, run_.test, run_.rng("sanity"))
    figures = judged.figures + of_maps
    metrics = {
        **_description(run_, predictions),
        **said,
        "confusion": {
            "slice": summary.confusion_counts(judged.slices),
            "study": summary.confusion_counts(judged.studies),
        },
        "positive_patients": judged.positive_patients,
        "figures": [figure.entry() for figure in figures],
    }
    bands = plots.Bands.of(judged.figures, settings.level)
    drawn, memory = plots.all_plots(judged.slices, judged.studies, counts, bands), meter_plot(run_.task.folder)
    return metrics, [*drawn, memory] if memory else drawn


def _uncalibrated(card: Card) -> list[str]:
    """Findings whose score is not a probability: tune could not tell."""
    return [item.finding for item in card.calibration if item.fitted_on == "none"]


def _description(run_: _Run, predictions: pl.DataFrame) -> dict[str, Any]:
    from plainscan.evaluation import summary
    from plainscan.evaluation.demographics import cohort_table

    card = run_.model.card
    synthetic = summary.is_synthetic(run_.prepared) or tables.TRUTH.path(run_.folder).is_file()
    unit, splits = summary.split_unit(run_.prepared), summary.split_table(run_.prepared)
    external, judged = described(run_.task, run_.settings.split, card), summary.patients_by_class(predictions)
    twice = counted_twice(run_.task.home, predictions)
    point = next((p for p in card.operating_points if (p.level, p.finding) == ("slice", ANY_FINDING)), None)
    rule = f"{point.rule}, chosen on {point.chosen_on}" if point else "0.5, since tune allowed no choice"
    return {
        "format": 1,
        "name": card.name,
        "confidence": run_.settings.level,
        "resamples": run_.settings.resamples,
        "external": external,
        "judged_on": judged_on(external),
        "learned_on": "the other patients" if external else "train and tune",
        "split_unit": unit,
        "splits": splits,
        "cohort": cohort_table(run_.prepared, tables.SPLITS),
        "uncalibrated": _uncalibrated(card),
        "counts": {
            "test_slices": predictions.height,
            "test_studies": predictions["study_uid"].n_unique(),
            "test_patients": predictions["patient_id"].n_unique(),
        },
        "counted_twice": twice,
        "threshold": point.threshold if point else FALLBACK,
        "threshold_rule": rule,
        "study_rule_words": STUDY_WORDS.get(card.study_rule, card.study_rule),
        "operating_points": [p.model_dump() for p in card.operating_points],
        "strata": summary.strata_words("the slices judged" if external else "train and tune"),
        "warnings": [
            *summary.warnings(unit, synthetic, splits, judged),
            *start_note(card, synthetic, external is not None),
            *_unknown_patients(run_),
            *decided_note(run_.test),
            *accepted_note(run_.task.folder),
            *twice_warning(twice),
        ],
        "limits": [*summary.limits(unit, synthetic, external is not None), *twice_limits(twice)],
        "provenance": _provenance(run_),
    }


def _unknown_patients(run_: _Run) -> list[str]:
    if not run_.task.external or names_all(run_.model.card):
        return []
    return ["The bundle does not say which patients it was trained on: whether some are judged here is open."]


def _provenance(run_: _Run) -> dict[str, Any]:
    card = run_.model.card
    return {
        "plainscan": plainscan.__version__,
        "model_sha256": card.model_sha256,
        "prepared_sha256": file_hash(tables.PREPARED.path(run_.folder)),
        "network": card.network,
        "input_size_px": card.input_size,
        "windows_hu": [f"center {center:g}, width {width:g}" for center, width in card.windows],
        "neighboring_slices": card.neighbors,
        "seed": run_.settings.seed,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": importlib.metadata.version("onnxruntime"),
        "engine": run_.model.engine,
        "training": {key: value for key, value in card.provenance.items() if key not in (PATIENTS, TUNED_ON)},
    }


def _write(
    run_: _Run,
    metrics: Mapping[str, Any],
    plots: Sequence[tuple[str, str, str]],
    predictions: pl.DataFrame,
    scored: Sequence[ScoredSlice],
) -> None:
    from plainscan.evaluation.report import Picture, render

    flow = next((path for name in FLOWS if (path := run_.folder / name).is_file()), None)
    page = render(
        metrics,
        [Picture(*plot) for plot in plots],
        _gallery(run_, predictions.with_row_index("at"), scored, metrics["threshold"]),
        flow.read_text(encoding="utf-8") if flow else None,
    )
    with whole_file(run_.folder / METRICS_FILE) as partial_file:
        text = json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False)
        partial_file.write_text(text + "\n", encoding="utf-8")
    with whole_file(run_.folder / REPORT_FILE) as partial_file:
        partial_file.write_text(page, encoding="utf-8")
    say(f"Report: {run_.folder / REPORT_FILE}")


def _gallery(run_: _Run, predictions: pl.DataFrame, scored: Sequence[ScoredSlice], threshold: float) -> list[Any]:
    """The most confident errors: half of the places for misses, half for false alarms."""
    from plainscan.evaluation.report import Case

    p, known = pl.col(f"probability_{ANY_FINDING}"), pl.col(ANY_FINDING)
    missed = predictions.filter((known == 1) & (p < threshold)).sort(p, maintain_order=True)
    alarms = predictions.filter((known == 0) & (p >= threshold)).sort(p, descending=True, maintain_order=True)
    cases = []
    for kind, errors in (("missed", missed), ("false alarm", alarms)):
        few = errors.group_by("patient_id", maintain_order=True).head(PER_PATIENT)
        worst = few.sort(p, descending=kind != "missed", maintain_order=True).head(run_.settings.gallery // 2)
        pixels = worst.select(tables.SLICE_KEY).join(
            run_.prepared, on=tables.SLICE_KEY, how="left", maintain_order="left"
        )
        for row, pixel_row in zip(worst.iter_rows(named=True), pixels.iter_rows(named=True), strict=True):
            png = picture(run_.model, run_.slices, pixel_row, scored[row["at"]].logits, threshold)
            names = tuple(f.english for key in SPECIFIC_KEYS if row[key] == 1 and (f := find(key)))
            place = f"slice {row['slice_index'] + 1} of {row['slice_count']}, counted from the lowest"
            cases.append(Case(kind, place, row[p.meta.output_name()], names, png))
    return cases
