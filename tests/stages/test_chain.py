from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from plainscan.config import EvaluateSettings, LabelSettings, PrepareSettings, TrainSettings
from plainscan.errors import LabelError, TableError
from plainscan.stages import evaluate, prepare, train
from plainscan.stages.chain import check_fresh
from plainscan.stages.record import Counts, fingerprint, recorded

STAGES = {
    "label": (["cohort.parquet", "reports.csv", "truth.parquet"], ["labels.parquet"]),
    "split": (["cohort.parquet", "labels.parquet"], ["manifest.parquet"]),
    "prepare": (["manifest.parquet", "cohort.parquet"], ["prepared.parquet", "prepared"]),
    "train": (["prepared.parquet", "prepared"], ["model"]),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder as the stages leave it: tables and records that belong together."""
    run = tmp_path / "run"
    for name in ("prepared", "model", "train"):
        (run / name).mkdir(parents=True)
        (run / name / "file").write_text(name)
    for stage in STAGES:
        for name in (*STAGES[stage][0], *STAGES[stage][1]):
            if not (run / name).exists():
                (run / name).write_text(name)
    for stage, (inputs, outputs) in STAGES.items():
        sides = {"inputs": inputs, "outputs": outputs}
        record = {side: {name: fingerprint(run / name) for name in names} for side, names in sides.items()}
        (run / f"{stage}.run.json").write_text(json.dumps({"stage": stage, **record}))
    return run


def again(folder: Path, stage: str) -> None:
    """Another result of a stage, with its record."""
    path = folder / f"{stage}.run.json"
    record = json.loads(path.read_text())
    for name in (name for name in record["outputs"] if (folder / name).is_file()):
        (folder / name).write_text("another")
        record["outputs"][name] = fingerprint(folder / name)
    path.write_text(json.dumps(record))


@pytest.mark.parametrize("stage", ["prepare", "train", "evaluate"])
def test_tables_that_belong_together_pass_also_when_copied(folder: Path, tmp_path: Path, stage: str) -> None:
    check_fresh(folder, stage)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)  # other times of modification
    check_fresh(copy, stage)


@pytest.mark.parametrize(
    ("changed", "refused", "remedy"),
    [
        ("label", ("prepare", "train", "evaluate"), "split"),
        ("split", ("train", "evaluate"), "prepare"),
        ("prepare", ("evaluate",), "train"),
    ],
)
def test_a_stage_run_again_needs_the_next_one_again(
    folder: Path, changed: str, refused: tuple[str, ...], remedy: str
) -> None:
    again(folder, changed)
    for stage in refused:
        with pytest.raises(TableError, match=f"Run `plainscan {remedy}` again") as caught:
            check_fresh(folder, stage)
        assert caught.value.exit_code == 2


def test_what_comes_later_does_not_matter(folder: Path) -> None:
    again(folder, "prepare")
    check_fresh(folder, "prepare")
    check_fresh(folder, "train")


@pytest.mark.parametrize("stage", ["prepare", "train", "evaluate"])
def test_slice_labels_that_came_after_the_split_need_it_again(folder: Path, stage: str) -> None:
    (folder / "slice_labels.parquet").write_text("of slices, run for the first time")
    check_fresh(folder, "split")
    with pytest.raises(TableError, match=r"slice_labels.parquet: new since `split` ran.*Run `plainscan split` again"):
        check_fresh(folder, stage)
    path = folder / "split.run.json"
    record = json.loads(path.read_text())
    del record["inputs"]["labels.parquet"]
    record["inputs"]["slice_labels.parquet"] = fingerprint(folder / "slice_labels.parquet")
    path.write_text(json.dumps(record))
    check_fresh(folder, stage)


def test_tables_made_by_hand_pass(folder: Path) -> None:
    (folder / "reports.csv").write_text("of another folder")
    (folder / "truth.parquet").write_text("of another folder")
    (folder / "prepared.parquet").write_text("by hand")
    check_fresh(folder, "train")
    for path in folder.glob("*.run.json"):
        path.unlink()
    check_fresh(folder, "evaluate")


def test_an_unreadable_record_says_nothing(folder: Path) -> None:
    again(folder, "label")
    (folder / "split.run.json").write_text("{")
    check_fresh(folder, "prepare")


@pytest.mark.parametrize(
    ("stage", "made", "refused"),
    [
        ("label", "labels.parquet", ("split", "prepare", "evaluate")),
        ("train", "model", ("evaluate",)),
    ],
)
def test_what_a_stage_that_did_not_end_left_is_refused(
    folder: Path, stage: str, made: str, refused: tuple[str, ...]
) -> None:
    (folder / f"{stage}.begun.json").write_text(json.dumps({"stage": stage, "makes": [made]}))
    check_fresh(folder, "evaluate")  # with its record: the mark is older
    (folder / f"{stage}.run.json").unlink()
    check_fresh(folder, stage)
    for later in refused:
        with pytest.raises(TableError, match=f"`{stage}` did not end.*Run `plainscan {stage}` again") as caught:
            check_fresh(folder, later)
        assert caught.value.code == "stale"


def test_a_stage_that_did_not_end_and_left_nothing_stops_no_other(folder: Path) -> None:
    (folder / "slices.begun.json").write_text(json.dumps({"stage": "slices", "makes": ["slice_labels.parquet"]}))
    check_fresh(folder, "evaluate")


def test_labels_of_another_cohort_stay_refused_after_a_label_run_that_failed(tmp_path: Path) -> None:
    cohort, labels, typed = (tmp_path / name for name in ("cohort.parquet", "labels.parquet", "typed.csv"))
    cohort.write_text("first")
    typed.write_text("right")

    def label(work: Callable[[], Counts]) -> None:
        recorded("label", tmp_path, LabelSettings(), work, inputs=[cohort, typed], outputs=[labels])

    def fail() -> Counts:
        raise LabelError("value '2'", where="labels.csv: row 2", expected="1 or 0")

    label(lambda: {"characters": labels.write_text("of the first")})
    typed.write_text("a typo")
    with pytest.raises(LabelError):
        label(fail)
    check_fresh(tmp_path, "split")  # untouched and of this cohort
    cohort.write_text("second")
    with pytest.raises(LabelError):
        label(fail)
    with pytest.raises(TableError, match=r"changed since `label` read it.*Run `plainscan label` again"):
        check_fresh(tmp_path, "split")
    label(lambda: {"characters": labels.write_text("of the second")})
    check_fresh(tmp_path, "split")


def test_the_stages_ask_before_they_work(folder: Path) -> None:
    again(folder, "label")
    before = sorted(folder.rglob("*"))
    for call in (
        lambda: prepare.run(folder, PrepareSettings()),
        lambda: train.run(folder, TrainSettings(device="cpu")),
        lambda: evaluate.run(folder, EvaluateSettings()),
    ):
        with pytest.raises(TableError, match="Run `plainscan split` again"):
            call()
    assert sorted(folder.rglob("*")) == before
