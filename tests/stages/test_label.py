from pathlib import Path

import polars as pl
import pytest

from plainscan import tables
from plainscan.config import LabelSettings
from plainscan.errors import LabelError, ReportError
from plainscan.findings import FINDING_KEYS, SPECIFIC_KEYS
from plainscan.stages.label import read_reports, run

NORMAL, BLEED = "颅脑CT平扫未见明显异常。", "左侧基底节区脑出血。"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three studies of three slices."""
    rows: list[dict[str, object]] = [
        {"patient_id": f"p{s}", "study_uid": f"1.{s}", "series_uid": "se", "instance_uid": f"1.{s}.{i}", "frame": 0}
        | {"path": f"{s}/{i}.dcm", "source": "."}
        for s in range(3)
        for i in range(3)
    ]
    tables.write(tables.from_rows(rows, tables.COHORT), tmp_path, tables.COHORT)
    return tmp_path


def reports(folder: Path, *texts: str, encoding: str = "utf-8") -> Path:
    lines = ["study_uid,report,language", *(f'1.{i},"{text}",zh' for i, text in enumerate(texts))]
    (folder / "r.csv").write_text("\n".join(lines) + "\n", encoding=encoding)
    return folder / "r.csv"


def labels(folder: Path) -> dict[str, tuple[int | None, str | None]]:
    rows = tables.read(folder, tables.LABELS).select("instance_uid", "any_finding", "label_source").iter_rows()
    return {uid: (value, source) for uid, value, source in rows}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_report_without_finding_labels_its_slices_0_and_a_finding_labels_none(
    folder: Path, encoding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = run(folder, LabelSettings(reports=reports(folder, NORMAL, BLEED, "可疑骨折。", encoding=encoding)))
    found = labels(folder)
    assert len(found) == 9
    assert [found[f"1.0.{i}"] for i in range(3)] == [(0, "report:no_finding")] * 3
    assert {found[f"1.{s}.{i}"] for s in (1, 2) for i in range(3)} == {(None, None)}
    assert (counts["no finding"], counts["not labeled"], counts["reports"]) == (3, 6, 3)
    said = tables.read(folder, tables.REPORT_FINDINGS)
    row = said.filter((pl.col("study_uid") == "1.1") & (pl.col("finding") == "intraparenchymal_hemorrhage")).row(
        0, named=True
    )
    assert row["status"] == "present"
    assert "label: no slice with a finding: a report labels only" in capsys.readouterr().err
    assert BLEED[row["start"] : row["end"]] in row["sentence"]


def test_slice_labels_count_before_reports_and_a_disagreement_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["file,any_finding,mass,reader"]
    rows += ["0/0.dcm,1,1,A", *(f"1/{i}.dcm,0,,A" for i in range(3)), "2/0.dcm,1,,B"]
    (folder / "l.csv").write_text("\n".join(rows) + "\n")
    settings = LabelSettings(reports=reports(folder, NORMAL, BLEED, NORMAL), slices=folder / "l.csv")
    counts = run(folder, settings)
    found = labels(folder)
    assert found["1.0.0"] == (1, "slices")
    assert found["1.0.1"] == (None, None)  # the report of a study with a positive slice labels nothing
    assert found["1.1.0"] == (0, "slices")
    assert tables.read(folder, tables.LABELS).filter(pl.col("instance_uid") == "1.1.0")["mass"].item() is None
    assert counts["studies where report and slices disagree"] == 3
    said = capsys.readouterr().err
    assert "2 reports without finding where slices are labeled 1" in said
    assert "1 report with a finding where slices are all labeled 0" in said
    assert "columns not used: reader" in said
    assert "no slice with a finding" not in said


def test_truth_labels_every_finding_of_its_slices(folder: Path) -> None:
    cohort = tables.read(folder, tables.COHORT).head(4)
    truth = cohort.select(tables.SLICE_KEY).with_columns(
        pl.lit("m.npz").alias("mask"),
        pl.lit(0, pl.Int32).alias("mask_index"),
        *(pl.lit(int(key in ("any_finding", "mass")), pl.Int8).alias(key) for key in FINDING_KEYS),
    )
    tables.write(truth, folder, tables.TRUTH)
    run(folder, LabelSettings(truth=folder))
    frame = tables.read(folder, tables.LABELS)
    assert frame["mass"].to_list() == [1] * 4 + [None] * 5
    assert frame["atrophy"].to_list() == [0] * 4 + [None] * 5
    assert set(frame["label_source"]) == {"truth", None}


def test_any_finding_agrees_with_the_specific_ones(folder: Path) -> None:
    (folder / "l.csv").write_text("instance_uid,sdh\n1.0.0,1\n1.0.1,0\n")
    run(folder, LabelSettings(slices=folder / "l.csv"))
    frame = tables.read(folder, tables.LABELS)
    any_specific = pl.any_horizontal(pl.col(key) == 1 for key in SPECIFIC_KEYS)
    assert frame.filter(any_specific)["any_finding"].to_list() == [1]
    assert frame["any_finding"].null_count() == 8


def test_uncertain_reports_are_counted_aloud(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder, LabelSettings(reports=reports(folder, NORMAL, NORMAL + "联系人张三。", BLEED)))
    said = capsys.readouterr().err
    assert "label: 1 report uncertain, so no label" in said
    assert "张三" not in said


def test_reports_from_a_folder(folder: Path) -> None:
    texts = folder / "texts"
    texts.mkdir()
    (texts / "1.0.txt").write_text(NORMAL, encoding="gb18030")
    (texts / "1.1.txt").write_text(BLEED, encoding="utf-8")
    assert read_reports(texts) == {"1.0": NORMAL, "1.1": BLEED}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"study,report\n1,a\n", r"row 1: no column study_uid; expected study_uid, report"),
        ("1.2,患者张三\n1.3,x\n".encode(), r"row 1: no column study_uid and no column report; expected [a-z_, ]+$"),
        (b"study_uid,report\n1,a\n1,b\n", r"row 3: a study that an earlier row has"),
        (b"study_uid,report\n,a\n", r"row 2: no study_uid"),
        (b"study_uid,report\n1,\xff\xfe\xff\n", r"row 2: bytes of another encoding"),
    ],
)
def test_bad_reports_name_file_and_row(folder: Path, text: bytes, message: str) -> None:
    (folder / "bad.csv").write_bytes(text)
    with pytest.raises(ReportError, match=r"bad\.csv: " + message):
        run(folder, LabelSettings(reports=folder / "bad.csv"))
    assert not (folder / "labels.parquet").exists()


def test_a_missing_file_or_an_empty_folder_is_named(folder: Path) -> None:
    (folder / "none").mkdir()
    for path in (folder / "gone.csv", folder / "none"):
        with pytest.raises(ReportError, match=path.name):
            run(folder, LabelSettings(reports=path))


@pytest.mark.parametrize("text", ["study_uid,report\n", "study_uid,report\n9.9,x\n9.8,y\n"])
def test_reports_of_which_none_is_of_the_cohort_stop_the_run_and_leave_the_labels(folder: Path, text: str) -> None:
    run(folder, LabelSettings(reports=reports(folder, NORMAL)))
    before = labels(folder)
    (folder / "other.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ReportError, match=r"other\.csv: none of its \d reports belongs to a study of the cohort"):
        run(folder, LabelSettings(reports=folder / "other.csv"))
    assert labels(folder) == before


def test_sources_are_asked_for_and_only_one_of_two(folder: Path) -> None:
    with pytest.raises(LabelError, match="no source of labels"):
        run(folder, LabelSettings())
    with pytest.raises(LabelError, match="both --slices and --truth"):
        run(folder, LabelSettings(slices=folder / "l.csv", truth=folder))


def test_a_second_run_is_skipped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = LabelSettings(reports=reports(folder, NORMAL))
    assert run(folder, settings) == run(folder, settings)
    assert "label: unchanged, skipped" in capsys.readouterr().err
