from pathlib import Path

import polars as pl
import pytest
from tests.learning.toy import write_run

from plainscan.errors import StorageError, TableError
from plainscan.stages.sheets import write_sheets
from plainscan.tables import PREPARED, REJECTS, read, write


def test_every_table_of_a_run_becomes_a_file_with_its_rows_and_columns(tmp_path: Path) -> None:
    write_run(tmp_path)
    write_sheets(tmp_path, tmp_path / "csv")
    table = pl.read_parquet(PREPARED.path(tmp_path))
    sheet = pl.read_csv(tmp_path / "csv" / "prepared.csv", infer_schema=False)
    assert sheet.columns == table.columns
    assert sheet["instance_uid"].to_list() == table["instance_uid"].to_list()
    assert sorted(path.stem for path in (tmp_path / "csv").glob("*.csv")) == sorted(
        path.stem for path in tmp_path.glob("*.parquet")
    )


def test_a_spreadsheet_is_told_that_it_is_unicode(tmp_path: Path) -> None:
    row = dict.fromkeys(REJECTS.columns) | {"source": "/归档", "path": "=报告.txt"}
    write(pl.DataFrame([row], schema=REJECTS.columns), tmp_path, REJECTS)
    write_sheets(tmp_path, tmp_path)
    data = (tmp_path / "rejects.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert "'=报告.txt" in data.decode("utf-8-sig")


def test_a_file_that_is_not_of_sheets_is_refused_before_any_is_written(tmp_path: Path) -> None:
    write_run(tmp_path)
    own = tmp_path / "csv" / "prepared.csv"
    own.parent.mkdir()
    own.write_text("instance_uid,any_finding\n1,1\n", encoding="utf-8")
    with pytest.raises(StorageError, match=r"prepared\.csv: .*not written by `sheets`.*Choose another --out"):
        write_sheets(tmp_path, own.parent)
    assert own.read_text(encoding="utf-8") == "instance_uid,any_finding\n1,1\n"
    assert list(own.parent.iterdir()) == [own]


def test_a_sheet_is_replaced_until_somebody_changes_it(tmp_path: Path) -> None:
    write_run(tmp_path)
    out = tmp_path / "csv"
    write_sheets(tmp_path, out)
    table = read(tmp_path, PREPARED)
    write(table.head(3), tmp_path, PREPARED)
    write_sheets(tmp_path, out)
    assert pl.read_csv(out / "prepared.csv").height == 3
    (out / "sheets.run.json").unlink()
    write_sheets(tmp_path, out)  # nothing is lost: they are the same
    (out / "prepared.csv").write_text("filled in by hand", encoding="utf-8")
    with pytest.raises(StorageError, match="not written by `sheets`, or changed since"):
        write_sheets(tmp_path, out)
    assert (out / "prepared.csv").read_text(encoding="utf-8") == "filled in by hand"


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no table in it"):
        write_sheets(tmp_path, tmp_path / "csv")
    assert not (tmp_path / "csv").exists()
