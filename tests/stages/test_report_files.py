from pathlib import Path

import pytest

from plainscan.errors import ReportError
from plainscan.stages.report_files import read_reports

ORU = "MSH|^~\\&|||||||ORU^R01\rZDS|{}^^Application^DICOM\rOBX|1|TX|||No bleed.\r"
FHIR = (
    '{{"resourceType": "DiagnosticReport", "conclusion": "No mass.", '
    '"imagingStudy": [{{"identifier": {{"system": "urn:dicom:uid", "value": "urn:oid:{}"}}}}]}}'
)


def test_a_folder_may_hold_every_kind(tmp_path: Path) -> None:
    (tmp_path / "1.1.txt").write_text("颅内未见出血。", encoding="utf-16")
    (tmp_path / "a.HL7").write_text(ORU.format("1.2") + ORU.format("1.3"))
    (tmp_path / "b.json").write_text(FHIR.format("1.4"))
    (tmp_path / "c.csv").write_text("study_uid,report\n1.5,No mass.\n,\n1.6,SAH.\n")
    (tmp_path / "notes.md").write_text("not a report")
    assert read_reports(tmp_path) == {
        "1.1": "颅内未见出血。",
        "1.2": "No bleed.",
        "1.3": "No bleed.",
        "1.4": "Impression: No mass.",
        "1.5": "No mass.",
        "1.6": "SAH.",
    }


def test_a_study_in_two_files_is_refused_without_naming_either(tmp_path: Path) -> None:
    (tmp_path / "1.1.txt").write_text("No mass.")
    (tmp_path / "ACC77.hl7").write_text(ORU.format("1.1"))
    with pytest.raises(ReportError, match=r"file 2 by name: report 1: a study that an earlier") as caught:
        read_reports(tmp_path)
    assert "ACC77" not in str(caught.value)


@pytest.mark.parametrize("name", ["r.xls", "r.xlsx", "r.csv"])
def test_an_old_workbook_is_refused_with_what_to_do_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(512))
    with pytest.raises(ReportError, match=r"old \(\.xls\) or protected workbook; expected an \.xlsx.*save it as"):
        read_reports(tmp_path / name)
