from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from plainscan.dicom.report import read_report_object
from plainscan.errors import ReportError


def item(kind: str, code: str = "", text: str = "", children: tuple[Dataset, ...] = ()) -> Dataset:
    ds, name = Dataset(), Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = code, "DCM", f"meaning of {code}"
    ds.ValueType = kind
    if code:
        ds.ConceptNameCodeSequence = [name]
    if text:
        ds.TextValue = text
    if children:
        ds.ContentSequence = list(children)
    return ds


def write(path: Path, study: str = "1.2.3", **values: object) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    meta.MediaStorageSOPInstanceUID = "1.2.9"
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.StudyInstanceUID = study
    for name, value in values.items():
        setattr(ds, name, value)
    ds.save_as(path)
    return path


def test_a_structured_report_is_its_texts_under_their_headings(tmp_path: Path) -> None:
    tree = [
        item("CONTAINER", "121070", children=(item("TEXT", "121071", "左侧硬膜下血肿。"), item("NUM", "1"))),
        item("TEXT", "121077", "硬膜下血肿。"),
    ]
    path = write(tmp_path / "sr.dcm", ContentSequence=tree)
    expected = "Findings:\nFindings:\n左侧硬膜下血肿。\nImpression:\n硬膜下血肿。"
    assert read_report_object(path, "sr") == ("1.2.3", expected)


def test_an_encapsulated_text_is_decoded(tmp_path: Path) -> None:
    data = "颅内未见出血。".encode("gb18030")
    values = {"MIMETypeOfEncapsulatedDocument": "text/plain", "EncapsulatedDocument": data + bytes(len(data) % 2)}
    assert read_report_object(write(tmp_path / "e.dcm", **values), "e") == ("1.2.3", "颅内未见出血。")


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, "no_report_object"),
        ({"ContentSequence": [item("NUM", "1")]}, "no_report_text"),
        ({"ContentSequence": [item("TEXT", "", "a")], "study": ""}, "no_study_uid"),
        ({"MIMETypeOfEncapsulatedDocument": "application/pdf", "EncapsulatedDocument": b"%PDF"}, "encapsulated"),
    ],
)
def test_what_holds_no_report_of_a_study_is_refused(tmp_path: Path, values: dict[str, object], code: str) -> None:
    with pytest.raises(ReportError, match=r"^s: ") as caught:
        read_report_object(write(tmp_path / "s.dcm", **values), "s")  # type: ignore[arg-type]
    assert caught.value.code == code


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.dcm").write_bytes(b"not a DICOM file")
    with pytest.raises(ReportError, match=r"x: unreadable"):
        read_report_object(tmp_path / "x.dcm", "x")
