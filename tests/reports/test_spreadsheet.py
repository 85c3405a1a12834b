import io
import zipfile
from xml.sax.saxutils import escape

import pytest

from plainscan.errors import ReportError
from plainscan.reports.spreadsheet import sheet_rows

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def workbook(rows: str, strings: tuple[str, ...] = (), head: str = "") -> bytes:
    """A workbook as Excel writes it, with its sheet under another name than the first that comes to mind."""
    parts = {
        "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{RELATIONS}"><sheets>'
        '<sheet name="报告" sheetId="3" r:id="rId7"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": "<Relationships>"
        '<Relationship Id="rId7" Target="worksheets/sheet3.xml"/></Relationships>',
        "xl/worksheets/sheet3.xml": f"{head}<worksheet {MAIN}><sheetData>{rows}</sheetData></worksheet>",
        "xl/sharedStrings.xml": f"<sst {MAIN}>" + "".join(f"<si><t>{escape(s)}</t></si>" for s in strings) + "</sst>",
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in parts.items():
            package.writestr(name, text)
    return file.getvalue()


HEADER = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>'
NAMES = ("study_uid", "report", "颅脑CT平扫未见异常。\n第二行")


def test_shared_inline_and_missing_cells_fall_into_their_columns() -> None:
    rows = (
        HEADER + '<row r="2"><c r="A2" t="inlineStr"><is><r><t>1.2</t></r><r><t>.3</t></r></is></c>'
        '<c r="B2" t="s"><v>2</v></c></row><row r="4"><c r="B4" t="str"><v>a_x000D_b</v></c><c r="D4"/></row>'
    )
    assert sheet_rows(workbook(rows, NAMES), "r.xlsx") == [
        {"study_uid": "1.2.3", "report": NAMES[2]},
        {"study_uid": "", "report": ""},
        {"study_uid": "", "report": "a\rb"},
    ]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "old_workbook"),
        (b"study_uid,report\n1,a\n", "not_xlsx"),
        (workbook(HEADER, NAMES)[:-40], "not_xlsx"),
        (workbook('<row><c t="s"><v>9</v></c></row>'), "not_xlsx"),
        (workbook(HEADER, NAMES, head='<!DOCTYPE a [<!ENTITY b "c">]>'), "not_xlsx"),
        (workbook(HEADER + '<row r="2"><c r="A2"><v>1.2840113619E+29</v></c></row>', NAMES), "rounded_number"),
        (workbook(HEADER + '<row r="2"><c r="C2"><v>1</v></c></row>', NAMES), "too_many_cells"),
        (workbook(""), "empty_file"),
    ],
)
def test_what_is_no_table_of_text_is_refused_with_a_name(data: bytes, code: str) -> None:
    with pytest.raises(ReportError, match=r"r\.xlsx") as caught:
        sheet_rows(data, "r.xlsx")
    assert caught.value.code == code
