"""A person's table of slice labels: workbook or CSV, and slices that are known but not in the cohort."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tests.reports.test_spreadsheet import workbook

from plainscan.errors import LabelError
from plainscan.stages.slice_table import read_slice_table
from plainscan.tables import CATALOGUE, from_rows, write

COHORT = pl.DataFrame(
    {"study_uid": "st", "series_uid": "se", "instance_uid": ["1.1", "1.2"], "frame": 0, "path": ["a", "b"]}
)
SHEET = """
<row r="1"><c r="A1" t="inlineStr"><is><t>instance_uid</t></is></c><c r="B1" t="inlineStr"><is><t>any</t></is></c></row>
<row r="2"><c r="A2" t="inlineStr"><is><t>1.1</t></is></c><c r="B2"><v>1</v></c></row>
<row r="3"><c r="A3" t="inlineStr"><is><t>1.2</t></is></c></row>
"""


def test_a_workbook_is_read_as_a_csv_is(tmp_path: Path) -> None:
    (tmp_path / "l.xlsx").write_bytes(workbook(SHEET))
    (tmp_path / "l.csv").write_text("instance_uid,any\n1.1,1\n1.2,\n", encoding="utf-8")
    sheet, text = (read_slice_table(tmp_path / name, COHORT, tmp_path, "slices") for name in ("l.xlsx", "l.csv"))
    assert sheet == text
    assert [values["any_finding"] for values in sheet.values()] == [1, None]


def test_a_slice_that_was_left_out_is_counted_and_one_that_nobody_knows_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "l.csv").write_text("instance_uid,any\n1.1,1\n9.9,0\n", encoding="utf-8")
    with pytest.raises(LabelError, match=r"row 3: an empty or unknown slice name"):
        read_slice_table(tmp_path / "l.csv", COHORT, tmp_path, "slices")
    write(from_rows([{"instance_uid": "9.9"}], CATALOGUE), tmp_path, CATALOGUE)
    assert len(read_slice_table(tmp_path / "l.csv", COHORT, tmp_path, "slices")) == 1
    assert "slices: 1 row of slices that are not in the cohort; not used" in capsys.readouterr().err
