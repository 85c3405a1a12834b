from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.reports.test_spreadsheet import workbook

from plainscan import tables
from plainscan.config import ImagesSettings
from plainscan.errors import LabelError, SourceError, StorageError, TableError
from plainscan.stages.images import read_labels, run

HEADER = "file,patient,slice,Subdural,any_finding\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "set" / "images"
    source.mkdir(parents=True)
    for name in ("A_1", "A_2", "A_10", "B_1"):
        Image.fromarray(np.full((64, 64), 120, np.uint8)).save(source / f"{name}.png")
    return tmp_path / "set"


def built(source: Path, text: str, **more: object) -> Path:
    labels = source.parent / "labels.csv"
    labels.write_bytes(text.encode() if isinstance(text, str) else text)
    out = source.parent / "run"
    run(out, ImagesSettings(source=source, labels=labels, window=(40, 120), **more))
    return out


ROWS = "A_1.png,a,1,0,0\nA_2.png,a,2,1,1\nA_10.png,a,10,,\nB_1.png,b,1,0,\n"


def test_pictures_become_the_tables_of_scan_select_and_label(folder: Path) -> None:
    out = built(folder, HEADER + ROWS)
    cohort = tables.read(out, tables.COHORT)
    first = cohort.row(0, named=True)
    assert first["path"] == "images/A_1.png"
    assert first["kind"] == "picture"
    assert (first["window_center_hu"], first["window_width_hu"], first["rows"]) == (40.0, 120.0, 64)
    assert first["slice_position_mm"] is None
    assert Path(first["source"], first["path"]).is_file()
    assert tables.read(out, tables.CATALOGUE).height == cohort.height == 4
    assert tables.read(out, tables.REJECTS).is_empty()
    assert tables.read(out, tables.EXCLUSIONS).is_empty()


def test_missing_labels_stay_missing(folder: Path) -> None:
    labels = tables.read(built(folder, HEADER + ROWS), tables.LABELS)
    assert labels["any_finding"].to_list() == [0, 1, None, None]
    assert labels["subdural_hemorrhage"].to_list() == [0, 1, None, 0]
    assert labels["mass"].null_count() == 4
    assert set(labels["label_source"]) == {"csv"}


def test_slice_numbers_order_a_study_from_the_feet_up(folder: Path) -> None:
    cohort = tables.read(built(folder, HEADER + ROWS), tables.COHORT).filter(patient_id="a")
    assert cohort["path"].to_list() == [f"images/A_{n}.png" for n in (1, 2, 10)]
    assert cohort["slice_height"].to_list() == [0.0, 0.5, 1.0]
    turned = tables.read(built(folder, HEADER + ROWS, first_slice="highest"), tables.COHORT).filter(patient_id="a")
    assert turned["path"].to_list() == [f"images/A_{n}.png" for n in (10, 2, 1)]


def test_without_slice_numbers_file_names_order_a_study(folder: Path) -> None:
    text = "file,patient,any\nA_10.png,a,0\nA_2.png,a,1\nA_1.png,a,0\n"
    cohort = tables.read(built(folder, text), tables.COHORT)
    assert cohort["path"].to_list() == [f"images/A_{n}.png" for n in (1, 2, 10)]
    assert cohort["flags"].to_list() == [["order_by_name"]] * 3


def test_made_up_uids_are_stable_and_do_not_hold_the_patient(folder: Path) -> None:
    first = tables.read(built(folder, HEADER + ROWS), tables.COHORT)
    turned = tables.read(built(folder, HEADER + "".join(reversed(ROWS.splitlines(keepends=True)))), tables.COHORT)
    key = list(tables.SLICE_KEY)
    assert first.select("path", *key).sort("path").equals(turned.select("path", *key).sort("path"))
    assert first["study_uid"].str.contains("^picture:[0-9a-f]{16}$").all()
    assert first["study_uid"].n_unique() == 2


def test_one_patient_may_have_several_studies(folder: Path) -> None:
    text = "file,patient,study,slice,any\nA_1.png,a,x,1,0\nA_2.png,a,y,1,1\n"
    cohort = tables.read(built(folder, text), tables.COHORT)
    assert cohort["study_uid"].n_unique() == 2
    assert cohort["slice_count"].to_list() == [1, 1]


def test_pictures_and_rows_without_each_other_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "images" / "B_1.png").write_text("not a picture")
    text = HEADER.replace("Subdural", "Subdural,mood") + "A_1.png,a,1,0,x,0\ngone.png,a,2,0,x,0\nB_1.png,b,1,0,x,0\n"
    out = built(folder, text)
    rejects = tables.read(out, tables.REJECTS).select("path", "code").sort("path").rows()
    assert rejects == [
        ("gone.png", "missing_file"),
        ("images/A_10.png", "no_label_row"),
        ("images/A_2.png", "no_label_row"),
        ("images/B_1.png", "unreadable_picture"),
    ]
    assert tables.read(out, tables.COHORT).height == 1
    told = capsys.readouterr().err
    assert "columns not used: mood" in told
    assert "1 missing_file: row 3; named in rejects.parquet" in told
    assert "2 no_label_row; named in rejects.parquet" in told
    assert ".png" not in told


def test_a_file_name_that_fits_two_pictures_is_not_guessed(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "images" / "A_1.png").rename(folder / "more" / "A_1.png")
    (folder / "images" / "A_2.png").rename(folder / "images" / "A_1.png")
    out = built(folder, HEADER + "A_1.png,a,1,0,0\nmore/A_1.png,a,2,0,0\n")
    assert tables.read(out, tables.COHORT)["path"].to_list() == ["more/A_1.png"]
    assert "ambiguous_file" in tables.read(out, tables.REJECTS)["code"].to_list()


def test_a_folder_that_is_not_gone_into_is_a_reject(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (folder / "link").symlink_to(tmp_path / "far")
    out = built(folder, HEADER + ROWS)
    assert tables.read(out, tables.REJECTS).select("path", "code").rows() == [("link", "link_to_folder")]


def test_the_same_row_twice_counts_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = built(folder, HEADER + "A_1.png,a,1,0,0\nA_1.png,a,1,0,0\n")
    assert tables.read(out, tables.LABELS).height == 1
    assert "1 row of a file that another row names too" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "A_1.png,a,1,0,0\nA_1.png,a,1,1,1\n", "rows 2 and 3 name one file and differ"),
        (HEADER + "A_1.png,a,1,0,0\nA_2.png,a,1,1,1\n", "rows 2 and 3 have one slice number"),
        (HEADER + "A_1.png,a,1,0,0\nimages/A_1.png,a,2,0,0\n", "rows 2 and 3 name one picture"),
        (HEADER + "A_1.png,a,1,1,0\n", "any_finding 0 and subdural_hemorrhage 1"),
        (HEADER + "A_1.png,a,1,2,0\n", "row 2, column subdural_hemorrhage: value '2'; expected 1"),
        (HEADER + "A_1.png,a,first,0,0\n", "row 2: slice number of 5 characters; expected a number"),
        (HEADER + "A_1.png,a,1,Zhang San,0\n", "row 2, column subdural_hemorrhage: value of 9 characters; expected 1"),
        (HEADER + "A_1.png,,1,0,0\n", "row 2: no patient"),
        ("file,any_finding\nA_1.png,0\n", "no column patient"),
        ("file,patient,mood\nA_1.png,a,0\n", "no finding column"),
        ("file,patient,any,any_finding\nA_1.png,a,0,0\n", "two columns for any_finding"),
        (HEADER + "other.png,a,1,0,0\n", "no row names a readable picture"),
        ("", "an empty file"),
        (HEADER, "no row below the header"),
        (HEADER + '"A_1.png,a', "expected text in closed double quotes"),
        (b"file\xff\xfe\x81,patient", "bytes of another encoding; expected UTF-8, UTF-16 or GB18030"),
    ],
)
def test_a_contradictory_or_broken_table_is_explained(folder: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(LabelError, match=message) as caught:
        built(folder, text)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    with pytest.raises(TableError):
        tables.read(folder.parent / "run", tables.COHORT)


def test_any_finding_follows_from_a_finding_that_is_present(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("file,patient,sdh,mass\na.png,1,1,0\nb.png,1,0,0\n")
    assert [row.labels.get("any_finding") for row in read_labels(path)] == [1, None]


def test_a_table_saved_by_a_chinese_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes("file,patient,any\n脑_1.png,甲,1\n".encode("gb18030"))
    assert (read_labels(path)[0].file, read_labels(path)[0].patient) == ("脑_1.png", "甲")


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8"), ("\t", "utf-16"), (",", "utf-16-le")])
def test_a_table_is_read_as_label_reads_one(tmp_path: Path, separator: str, encoding: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes("file,patient,any\n脑.png,甲,1\n".replace(",", separator).encode(encoding))
    assert [(row.file, row.patient, row.labels) for row in read_labels(path)] == [("脑.png", "甲", {"any_finding": 1})]


def test_a_workbook_of_labels_is_read(tmp_path: Path) -> None:
    cells = ("file", "patient", "any", "a.png", "p", "1")
    lines = ("".join(f'<c t="s"><v>{i}</v></c>' for i in numbers) for numbers in ((0, 1, 2), (3, 4, 5)))
    (tmp_path / "labels.xlsx").write_bytes(workbook("".join(f"<row>{line}</row>" for line in lines), cells))
    assert [(row.number, row.file, row.labels) for row in read_labels(tmp_path / "labels.xlsx")] == [
        (2, "a.png", {"any_finding": 1})
    ]


def test_a_folder_without_pictures_is_explained(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(SourceError, match="no PNG or JPEG"):
        built(tmp_path / "set", HEADER)
    with pytest.raises(SourceError, match="no such folder"):
        built(tmp_path / "nothing", HEADER)


def test_the_real_picture_set_comes_in_whole(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "ctich-dev"
    run(tmp_path, ImagesSettings(source=source, labels=source / "labels.csv", window=(40, 120)))
    cohort, labels = tables.read(tmp_path, tables.COHORT), tables.read(tmp_path, tables.LABELS)
    assert (cohort.height, cohort["patient_id"].n_unique()) == (1219, 40)
    assert labels["any_finding"].sum() == 190
    assert labels["skull_fracture"].null_count() == 0
    assert labels["early_infarct"].null_count() == 1219
    rises = pl.col("slice_height").diff().drop_nulls().ge(0).all()
    assert cohort.group_by("study_uid", maintain_order=True).agg(rises).get_column("slice_height").all()


def test_a_run_folder_inside_the_pictures_is_refused(folder: Path) -> None:
    (folder / "labels.csv").write_text(HEADER + ROWS, encoding="utf-8")
    settings = ImagesSettings(source=folder, labels=folder / "labels.csv", window=(40, 120))
    for out in (folder, folder / "run"):
        with pytest.raises(StorageError, match="inside the source"):
            run(out, settings)
    assert sorted(p.name for p in folder.iterdir()) == ["images", "labels.csv"]


def test_a_picture_whose_name_is_not_utf8_is_a_reject(folder: Path) -> None:
    (folder / "images" / "A_1.png").rename(folder / "images" / os.fsdecode(b"\xd5\xc5.png"))
    out = built(folder, HEADER + ROWS)
    rejects = dict(tables.read(out, tables.REJECTS).select("path", "code").iter_rows())
    assert rejects == {"A_1.png": "missing_file", "images/%D5%C5.png": "no_label_row"}
