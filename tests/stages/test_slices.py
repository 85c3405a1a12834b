"""The slices stage: who is labeled by what, what goes to a person, and that a person wins."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from plainscan.config import LabelSettings, SlicesSettings, SplitSettings
from plainscan.errors import LabelError, TableError
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.stages import label, slices, split
from plainscan.tables import COHORT, LABELS, MANIFEST, SCORES, SLICE_KEY, SLICE_LABELS, from_rows, read, write

COUNT = 12
REPORTS = {
    "clear": "颅脑CT平扫未见明显异常。",
    "bleed": "右侧丘脑出血（层面7）。未见骨折。",
    "doubt": "可疑骨折。",
    "silent": "",
    "strange": "右侧丘脑出血。",
}
BLED = (6, 7)  # slices of `bleed` that score high


def score_of(study: str, index: int) -> float:
    return 0.995 if study == "bleed" and index in BLED else 0.5 if study == "bleed" and index == 8 else 0.001


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five studies of twelve slices, their reports and scores."""
    rows: list[dict[str, object]] = [
        {"patient_id": f"p-{study}", "study_uid": study, "series_uid": "s", "instance_uid": f"{study}.{i}", "frame": 0}
        | {
            "slice_index": i,
            "slice_count": COUNT,
            "slice_height": i / (COUNT - 1),
            "source": ".",
            "path": f"{study}/{i}",
        }
        for study in REPORTS
        for i in range(COUNT)
    ]
    write(from_rows(rows, COHORT), tmp_path, COHORT)
    scored = [
        {name: row[name] for name in ("patient_id", *SLICE_KEY)}
        | {f"probability_{ANY_FINDING}": score_of(str(row["study_uid"]), int(str(row["slice_index"])))}
        for row in rows
    ]
    write(from_rows(scored, SCORES), tmp_path, SCORES)
    lines = [f'{study},"{text}"' for study, text in REPORTS.items() if text]
    (tmp_path / "reports.csv").write_text("study_uid,report\n" + "\n".join(lines) + "\n", encoding="utf-8")
    label.run(tmp_path, LabelSettings(reports=tmp_path / "reports.csv"))
    return tmp_path


def of(folder: Path, study: str) -> pl.DataFrame:
    return read(folder, SLICE_LABELS).filter(pl.col("study_uid") == study)


def test_a_report_without_finding_labels_its_slices_and_one_that_is_unclear_none(folder: Path) -> None:
    counts = slices.run(folder, SlicesSettings())
    assert set(of(folder, "clear")["label_source"]) == {"report:no_finding"}
    for study in ("doubt", "silent"):
        rows = of(folder, study)
        assert rows[ANY_FINDING].null_count() == rows["probability"].null_count() == COUNT
    assert counts["studies without a clear report"] == 2
    assert counts["labeled before"] == COUNT


def test_only_slices_in_doubt_go_to_a_person(folder: Path) -> None:
    counts = slices.run(folder, SlicesSettings())
    rows = of(folder, "bleed")
    sure = rows.filter(pl.col("label_source") == "probability")
    assert sure.filter(pl.col(ANY_FINDING) == 1)["instance_uid"].to_list() == [f"bleed.{i}" for i in BLED]
    assert (sure["probability"].is_between(0.05, 0.95)).sum() == 0
    assert (folder / "reading_list.csv").read_bytes().startswith(b"\xef\xbb\xbf")  # a spreadsheet looks for it
    listed = pl.read_csv(folder / "reading_list.csv").filter(pl.col("instance_uid").str.starts_with("bleed"))
    doubt = rows.filter(pl.col("label_source").is_null())
    assert listed["instance_uid"].to_list() == doubt["instance_uid"].to_list()
    assert "bleed.8" in listed["instance_uid"].to_list()
    assert set(listed["key_slice"]) <= set(BLED)
    assert counts["to be read"] == listed.height + COUNT  # and all of `strange`


def test_a_slice_without_finding_is_0_for_all_and_one_with_a_finding_says_no_more(folder: Path) -> None:
    slices.run(folder, SlicesSettings())
    rows = of(folder, "bleed").filter(pl.col("label_source") == "probability")
    assert rows.filter(pl.col(ANY_FINDING) == 0).select(FINDING_KEYS).sum_horizontal().sum() == 0
    positive = rows.filter(pl.col(ANY_FINDING) == 1)
    assert positive["intraparenchymal_hemorrhage"].null_count() == positive.height


def test_a_study_with_a_finding_that_no_slice_seems_to_show_is_read_whole(folder: Path) -> None:
    slices.run(folder, SlicesSettings(absent_below=0.5, present_above=0.99))
    assert of(folder, "strange")[ANY_FINDING].null_count() == COUNT


def test_the_answers_of_a_person_win_over_report_and_probability(folder: Path) -> None:
    answers = ["instance_uid,any_finding", "bleed.6,0", "clear.3,1", "doubt.1,0", "silent.2,", "bleed.8,1"]
    (folder / "answers.csv").write_text("\n".join(answers) + "\n", encoding="utf-8")
    counts = slices.run(folder, SlicesSettings(answers=folder / "answers.csv"))
    found = {row["instance_uid"]: row for row in read(folder, SLICE_LABELS).iter_rows(named=True)}
    assert {uid: found[uid][ANY_FINDING] for uid in ("bleed.6", "clear.3", "doubt.1", "bleed.8")} == {
        "bleed.6": 0,
        "clear.3": 1,
        "doubt.1": 0,
        "bleed.8": 1,
    }
    assert found["silent.2"]["label_source"] is None
    assert counts["by a person"] == 4
    assert "bleed.8" not in (folder / "reading_list.csv").read_text(encoding="utf-8")


def test_the_reading_list_can_be_filled_in_and_given_back(folder: Path) -> None:
    slices.run(folder, SlicesSettings())
    pl.read_csv(folder / "reading_list.csv").with_columns(any_finding=pl.lit(0)).write_csv(folder / "answers.csv")
    counts = slices.run(folder, SlicesSettings(answers=folder / "answers.csv"))
    assert counts["to be read"] == 0
    assert read(folder, SLICE_LABELS).filter(pl.col("study_uid") == "strange")[ANY_FINDING].sum() == 0


def test_the_answers_of_several_days_lie_in_a_folder_and_must_agree(folder: Path) -> None:
    days = folder / "answers"
    days.mkdir()
    with pytest.raises(LabelError, match="no table of answers"):
        slices.run(folder, SlicesSettings(answers=days))
    (days / "1.csv").write_text("instance_uid,any_finding\nbleed.6,0\nbleed.8,\n", encoding="utf-8")
    (days / "2.CSV").write_text("instance_uid;any_finding\nbleed.8;1\nbleed.6;0\n;\n", encoding="utf-16")
    assert slices.run(folder, SlicesSettings(answers=days))["by a person"] == 2
    (days / "3.csv").write_text("instance_uid,any_finding\nbleed.8,0\n", encoding="utf-8")
    with pytest.raises(LabelError, match=r"3\.csv: 1 slice that an earlier file answers otherwise"):
        slices.run(folder, SlicesSettings(answers=days))


def test_columns_of_the_list_are_known_and_others_are_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slices.run(folder, SlicesSettings())
    filled = pl.read_csv(folder / "reading_list.csv").with_columns(any_finding=pl.lit(0), mas=pl.lit(1))
    filled.write_csv(folder / "answers.csv")
    slices.run(folder, SlicesSettings(answers=folder / "answers.csv"))
    assert "slices: columns not used: mas\n" in capsys.readouterr().err


@pytest.mark.parametrize(("row", "message"), [("nobody.1,1", "unknown slice"), ("bleed.1,2", "value '2'")])
def test_a_wrong_answer_is_refused_by_its_row(folder: Path, row: str, message: str) -> None:
    (folder / "answers.csv").write_text(f"instance_uid,any_finding\n{row}\n", encoding="utf-8")
    with pytest.raises(LabelError, match=rf"row 2: .*{message}"):
        slices.run(folder, SlicesSettings(answers=folder / "answers.csv"))


@pytest.mark.parametrize(("numbered", "named"), [("none", None), ("lowest", 6), ("highest", 5)])
def test_slice_numbers_count_from_where_the_setting_says(folder: Path, numbered: str, named: int | None) -> None:
    slices.run(folder, SlicesSettings(numbered=numbered))
    rows = of(folder, "bleed")
    if named is None:
        assert rows["named"].null_count() == COUNT
    else:
        assert rows.filter("named")["instance_uid"].to_list() == [f"bleed.{named}"]


def test_split_takes_the_labels_of_slices_where_they_are(folder: Path) -> None:
    slices.run(folder, SlicesSettings())
    split.run(folder, SplitSettings())
    manifest = read(folder, MANIFEST)
    assert set(manifest["label_source"]) == {"report:no_finding", "probability", None}
    SLICE_LABELS.path(folder).unlink()
    split.run(folder, SplitSettings())
    assert set(read(folder, MANIFEST)["label_source"]) == {"report:no_finding", None}


def test_test_labels_by_a_probability_are_said_to_flatter(folder: Path) -> None:
    slices.run(folder, SlicesSettings())
    (said,) = slices.decided_note(of(folder, "bleed"))
    assert said.startswith(f"{(of(folder, 'bleed')['label_source'] == 'probability').sum()} of {COUNT} test labels")
    assert slices.decided_note(of(folder, "clear")) == []


def test_labels_that_changed_after_slices_read_them_stop_the_next_stage(folder: Path) -> None:
    slices.run(folder, SlicesSettings())
    write(read(folder, LABELS).with_columns(label_source=pl.lit("slices")), folder, LABELS)
    with pytest.raises(TableError, match="changed since `slices` read it"):
        split.run(folder, SplitSettings())
