import csv
import io

import polars as pl

from plainscan.spreadsheet import csv_text


def test_what_a_spreadsheet_would_run_is_shown_as_text() -> None:
    hostile = ["=cmd|' -C calc'!A0", "+1", "-1", "@a", "\ta", "\ra", "a=1", "颅脑"]
    rows = list(csv.reader(io.StringIO(csv_text(pl.DataFrame({"text": hostile}), 3), newline="")))
    assert [row[0] for row in rows[1:]] == [*("'" + text for text in hostile[:6]), "a=1", "颅脑"]


def test_a_list_is_one_cell_and_nothing_is_an_empty_one() -> None:
    frame = pl.DataFrame({"flags": [["a", "b"], [], None], "number": [[1.5, -2.0], None, [3.0]]})
    rows = list(csv.reader(io.StringIO(csv_text(frame, 3))))
    assert rows == [["flags", "number"], ["a; b", "1.5; -2.0"], ["", ""], ["", "3.0"]]


def test_numbers_are_rounded_and_whole_numbers_are_not() -> None:
    frame = pl.DataFrame({"x": [0.123456, None], "n": [123456789, -1]})
    assert csv_text(frame, 4).splitlines() == ["x,n", "0.1235,123456789", ",-1"]
