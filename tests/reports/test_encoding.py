import pytest

from plainscan.errors import LabelError, ReportError
from plainscan.reports.encoding import decode, table_rows

TEXT = "study_uid,report\n1,颅脑平扫未见异常。\n2,左侧基底节区脑出血。\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be"])
def test_chinese_encodings_are_told_apart(encoding: str) -> None:
    assert decode(TEXT.encode(encoding), "r.csv") == TEXT


@pytest.mark.parametrize(
    ("data", "row"),
    [
        (TEXT.encode() + b"3,\xff\xff\n", 4),
        ("a,b\n1,h\xe9matome \xe0 gauche\n".encode("latin-1"), 2),
        (TEXT.encode("utf-16")[:-1], 3),
        (TEXT.encode("utf-16-le")[1:], 3),
        (b"\xff\xfe" + "a\nb\n\ufffd".encode("utf-16-le"), 3),
        ("a,b\n1,ok\n2,\ufffd\ufffd\n".encode(), 3),
        (b'a,b\n1,"two\nlines"\n2,\x00\n', 3),
    ],
)
def test_another_encoding_is_refused_and_the_row_is_named(data: bytes, row: int) -> None:
    with pytest.raises(ReportError, match=rf"r\.csv: row {row}: .*expected UTF-8, UTF-16 or GB18030") as caught:
        decode(data, "r.csv")
    assert caught.value.code == "unknown_encoding"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_cells_may_be_separated_as_a_spreadsheet_does(separator: str) -> None:
    text = f'a{separator}b\n1{separator}"x,y;z"\n'
    assert table_rows(text, "t.csv") == [{"a": "1", "b": "x,y;z"}]


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;\r", "sep=;;;"])
def test_a_line_that_names_the_separator_is_no_row(line: str) -> None:
    assert table_rows(f"{line}\nfile;note, if any\n1.png;a, b\n", "t.csv") == [
        {"file": "1.png", "note, if any": "a, b"}
    ]


def test_a_header_with_a_comma_is_not_split_at_anything_else() -> None:
    assert table_rows("a,b;c\n1,2;3\n", "t.csv") == [{"a": "1", "b;c": "2;3"}]


def test_columns_are_known_in_capitals_too() -> None:
    assert table_rows("Study_UID, REPORT\n1.2,X\n", "t.csv") == [{"study_uid": "1.2", "report": "X"}]
    with pytest.raises(ReportError, match="columns 1, 2 with a name that another one has"):
        table_rows("Report,REPORT\n1,2\n", "t.csv")


def test_rows_are_padded_and_stray_cells_are_refused() -> None:
    assert table_rows("a,b\n1\n", "t.csv") == [{"a": "1", "b": ""}]
    with pytest.raises(LabelError, match=r"t\.csv: row 3: 3 cells"):
        table_rows("a,b\n1,2\n1,2,3\n", "t.csv", LabelError)
    with pytest.raises(ReportError, match="row 1: columns 1, 2 with a name that another one has"):
        table_rows("a,a\n", "t.csv")
    with pytest.raises(ReportError, match="an empty file"):
        table_rows("", "t.csv")


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ('a,b\n1,ok\n2,"never closed\n3,ok\n', 3),
        ('a,b\n1,"two\nlines"\n2,"size "3" cm"\n', 3),
        (f'a,b\n1,ok\n2,ok\n3,"{"x" * 200_000}\n', 4),
    ],
)
def test_a_quote_that_is_not_closed_is_refused_and_the_row_is_named(text: str, row: int) -> None:
    with pytest.raises(ReportError, match=rf"t\.csv: row {row}: .*a quote inside it written twice") as caught:
        table_rows(text, "t.csv")
    assert caught.value.code == "not_csv"
