import pytest

from plainscan.errors import ReportError
from plainscan.reports.hl7 import read_oru
from plainscan.reports.label import read_report

HEAD = "MSH|^~\\&|RIS|A|B|C|20261125||ORU^R01^ORU_R01|1|P|2.5\rPID|1||x\r"


def test_text_is_joined_by_heading_with_repetitions_and_escapes() -> None:
    message = HEAD + (
        "OBR|1|||CT\rZDS|1.2.840.1^^Application^DICOM\r"
        "OBX|1|TX|CT&GDT||Left mass\\.br\\5 mm \\T\\ edema~No shift.\rOBX|2|NM|1||7\r"
        "OBX|3|FT|CT&IMP||Mass.\rOBX|4|TX|CT&IMP||Withdrawn.||||||D\r"
    )
    assert list(read_oru(message, "r")) == [
        ("1.2.840.1", "Findings:\nLeft mass\n5 mm & edema\nNo shift.\nImpression:\nMass.")
    ]


@pytest.mark.parametrize(
    "study", ["ZDS|1.2.3^^Application^DICOM", "IPC|a|b|1.2.3", "OBX|9|ST|113014^DICOM Study^DCM||1.2.3"]
)
@pytest.mark.parametrize("frame", ["{}", "\x0b{}\x1c\r", "{}\n"])
def test_study_is_found_in_each_place_and_framing_does_not_matter(study: str, frame: str) -> None:
    text = frame.format(f"{HEAD}{study}\rOBX|1|TX|||颅内未见出血。\r")
    assert list(read_oru(text + text, "r")) == [("1.2.3", "颅内未见出血。")] * 2
    assert list(read_oru(text.replace("\r", "\r\n"), "r")) == [("1.2.3", "颅内未见出血。")]


def test_other_separators_and_hexadecimal_escapes_are_honored() -> None:
    message = "MSH#*~!&#######ORU*R01\rZDS#1.2.3\rOBX#1#TX###No mass!X0A!No bleed!F!stroke.\r"
    ((_, text),) = read_oru(message, "r")
    assert text == "No mass\nNo bleed#stroke."
    assert read_report(text)["any_finding"].status == "absent"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not_hl7"),
        ("study_uid,report\r1,a", "not_hl7"),
        (HEAD.replace("ORU", "ORM") + "ZDS|1.2.3\rOBX|1|TX|||a\r", "not_oru"),
        (HEAD + "OBX|1|TX|||a\r", "no_study_uid"),
        (HEAD + "ZDS|1.2.3\rOBX|1|ED|||a\r", "no_report_text"),
    ],
)
def test_what_is_no_result_of_a_study_is_refused(text: str, code: str) -> None:
    with pytest.raises(ReportError, match=r"r\.hl7") as caught:
        list(read_oru(text, "r.hl7"))
    assert caught.value.code == code
