"""Structured reports beside their images: what is planted in them is nowhere left, what they say and point at stays."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian
from tests.dicom.build import ROOT, ct, encode, save, save_series
from tests.dicom.build_sr import (
    BASIC_TEXT,
    COMPREHENSIVE,
    ENHANCED,
    FINDING,
    FINDINGS,
    IMPRESSION,
    OBSERVER,
    coded,
    content,
    evidence,
    image,
    number,
    sr,
    text,
)
from tests.stages import canary
from tests.stages.canary import WAYS, Planted, planted
from tests.stages.test_deidentify_canary import left_in

from plainscan.config import DeidentifySettings
from plainscan.dicom.deidentify_key import read_key
from plainscan.dicom.report import read_report_object
from plainscan.reports.label import read_report
from plainscan.stages import deidentify
from plainscan.tables import DEIDENTIFIED, LINKS, read

CLASSES: Final = (BASIC_TEXT, ENHANCED, COMPREHENSIVE)
MM: Final = ("mm", "UCUM", "mm")
LENGTH: Final = ("410668003", "SCT", "Length")
SAID: Final = "右侧基底节区脑出血，周围见水肿带。脑室系统未见扩张。"


def run(folder: Path, out: str = "out", **more: object) -> list[dict[str, object]]:
    settings = DeidentifySettings.model_validate({"source": folder / "in", "key": folder / "cohort.key", **more})
    deidentify.run(folder / out, settings)
    return read(folder / out, DEIDENTIFIED).filter(pl.col("kind") != "report").to_dicts()


def report(study: int = 1, *more: Dataset, **tags: Any) -> Dataset:
    """A report of a study of ``save_series`` that points at two of its slices."""
    slices = [f"{ROOT}{study}.1.{n}" for n in (1, 2)]
    found = text(FINDING, SAID, image(slices[0], relation="INFERRED FROM"))
    tree = [
        content("PNAME", OBSERVER, relation="HAS OBS CONTEXT", PersonName="Wang^Wu"),
        content("CONTAINER", FINDINGS, found, number(LENGTH, "12.5", MM)),
        content("CONTAINER", IMPRESSION, text(IMPRESSION, "右侧基底节区脑出血。")),
    ]
    listed = evidence(f"{ROOT}{study}", f"{ROOT}{study}.1", slices)
    return sr(*tree, *more, study=study, CurrentRequestedProcedureEvidenceSequence=listed, **tags)


def written(folder: Path, out: str = "out") -> list[Path]:
    return [path for path in sorted((folder / out).rglob("*.dcm")) if dcmread(path).Modality == "SR"]


def test_a_report_goes_out_beside_its_images_and_points_at_them(tmp_path: Path) -> None:
    save_series(tmp_path / "in", 3, PatientID="CT4711")
    save(tmp_path / "in", "report.dcm", report(PatientID="CT4711", SOPClassUID=COMPREHENSIVE))
    account = run(tmp_path)
    assert sorted(str(row["kind"]) for row in account if row["file"]) == ["dicom"] * 3 + ["sr"]
    (path,) = written(tmp_path)
    ds = dcmread(path)
    assert len({path.parts[-4:-2] for path in (tmp_path / "out").rglob("*.dcm")}) == 1
    slices = {str(dcmread(path).SOPInstanceUID) for path in (tmp_path / "out").rglob("*.dcm")} - {ds.SOPInstanceUID}
    (study,) = ds.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert {one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence} < slices
    assert (
        ds.ContentSequence[1].ContentSequence[0].ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        in slices
    )
    assert study.StudyInstanceUID == ds.StudyInstanceUID
    codes = [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113104", "113105", "113107", "113108"]


def test_what_is_no_report_of_a_study_here_is_left_out_with_its_code(tmp_path: Path) -> None:
    save_series(tmp_path / "in", 2)
    tree = text(FINDING, "x")
    save(tmp_path / "in", "alone.dcm", sr(tree, study=7))
    save(tmp_path / "in", "dose.dcm", sr(tree, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67"))
    save(tmp_path / "in", "wave.dcm", sr(content("WAVEFORM", FINDING)))
    save(tmp_path / "in", "odd.dcm", sr(text(FINDING, "x", relation="KNOWS"), SOPInstanceUID=f"{ROOT}1.90.2"))
    save(tmp_path / "in", "plan.dcm", sr(SOPClassUID="1.2.840.10008.5.1.4.1.1.481.5"))
    account = run(tmp_path)
    codes = sorted((str(row["kind"]), str(row["code"])) for row in account if row["code"])
    expected = ["report_without_study", "sr_class", "sr_content", "sr_value_type"]
    assert codes == [("dicom", "no_pixel_data"), *(("sr", code) for code in expected)]
    links = read(tmp_path / "cohort.key.records" / "out", LINKS).filter(pl.col("code").is_not_null())
    assert dict(links.select("path", "code").iter_rows())["alone.dcm"] == "report_without_study"
    assert not written(tmp_path)


def test_people_whom_only_the_report_names_are_gone_from_the_images_too(tmp_path: Path) -> None:
    save_series(tmp_path / "in", 2, SeriesDescription="HEAD SHARP", PatientID="CT4711")
    person = content("PNAME", OBSERVER, relation="HAS OBS CONTEXT", PersonName="Sharp^Ann")
    save(tmp_path / "in", "report.dcm", report(1, person, PatientID="CT4711"))
    run(tmp_path)
    images = [path for path in (tmp_path / "out").rglob("*.dcm") if path not in written(tmp_path)]
    assert {dcmread(path).SeriesDescription for path in images} == {"HEAD"}


def test_two_exports_under_one_key_are_the_same_bytes_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    save_series(tmp_path / "in", 2)
    save(tmp_path / "in", "report.dcm", report())
    first = run(tmp_path)
    data = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm")}
    assert run(tmp_path) == first
    save_series(tmp_path / "in" / "later", 2, study=2)
    again = run(tmp_path)
    assert [row for row in again if row in first] == first
    run(tmp_path, "else")
    for folder in ("out", "else"):
        files = {path.name: path.read_bytes() for path in (tmp_path / folder).rglob("*.dcm")}
        assert {name: files[name] for name in data} == data


def test_a_report_that_comes_later_goes_out_with_the_next_run(tmp_path: Path) -> None:
    save_series(tmp_path / "in", 2)
    run(tmp_path)
    save(tmp_path / "in", "report.dcm", report())
    assert [row["kind"] for row in run(tmp_path) if row["file"]] == ["dicom", "dicom", "sr"]
    assert len(written(tmp_path)) == 1


@pytest.mark.parametrize("sop_class", CLASSES, ids=("basic", "enhanced", "comprehensive"))
def test_label_reads_the_same_and_dciodvfy_finds_nothing_new(
    sop_class: str, tmp_path: Path, needs_tool: Callable[[str], str]
) -> None:
    save_series(tmp_path / "in", 2)
    tree = report(SOPClassUID=sop_class, VerificationFlag="VERIFIED", VerifyingObserverSequence=verified())
    if sop_class == BASIC_TEXT:
        del tree.ContentSequence[1].ContentSequence[1]
    before = save(tmp_path / "in", "report.dcm", tree)
    run(tmp_path)
    (after,) = written(tmp_path)
    assert findings(before)["intraparenchymal_hemorrhage"] == "present"
    assert findings(after) == findings(before)
    program = needs_tool("dciodvfy")
    new = complaints(program, after) - complaints(program, before)
    assert not [line for line in new if "Retired Person Name form" not in line]  # of names of one word, as in images


def findings(path: Path) -> dict[str, str]:
    return {key: one.status for key, one in read_report(read_report_object(path, "report")[1]).items()}


def verified() -> Sequence:
    one = Dataset()
    one.VerifyingObserverName, one.VerifyingOrganization = "Wang^Wu", "General Hospital"
    one.VerificationDateTime, one.VerifyingObserverIdentificationCodeSequence = "20200301101112", Sequence()
    return Sequence([one])


def complaints(program: str, path: Path) -> set[str]:
    done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False, errors="replace")
    lines = (done.stdout + done.stderr).splitlines()
    return {line.strip() for line in lines if line.strip().startswith(("Error", "Warning"))}


def _tree(one: Planted) -> list[Dataset]:
    """An identifier in every value of every value type."""
    ids, uids = one.ids, one.uids
    who, note = f"{one.latin[0]}^{one.latin[1]}={one.chinese[0]}^{one.chinese[1:]}", f"{one.chinese} {ids['patient']}"
    physician = f"{one.physician[0]}^{one.physician[1]}"
    named, own = (
        ("121070", "DCM", f"Findings {note}"),
        (ids["patient"], f"99{ids['serial']}", f"Dr. {one.physician[0]}"),
    )
    tongue = canary._chinese if one.study % 2 else canary._english  # what the reports of the whole archive say
    pictured = image(uids[2])
    pictured.ReferencedSOPSequence[0].PatientName = who
    measured = number(own, ids["phone"], (ids["accession"], "UCUM", note))
    measured.MeasuredValueSequence[0].NumericValueQualifierCodeSequence = coded(own)
    return [
        content("PNAME", OBSERVER, PersonName=physician, relation="HAS OBS CONTEXT"),
        content("PNAME", ("121029", "DCM", "Subject Name"), PersonName=who, relation="HAS OBS CONTEXT"),
        text(("121030", "DCM", "Subject ID"), ids["patient"]),
        text(("121022", "DCM", "Accession Number"), ids["accession"]),
        text(("128774", "DCM", "Person Observer's Login Name"), ids["mail"]),
        text(("P1", "99HIS", "家庭住址"), f"{ids['street']} 12"),
        text(("P2", "99HIS", "联系电话"), ids["phone"]),
        content("CONTAINER", named, text(FINDING, tongue(one)), text(own, f"{note} {' '.join(one.latin)}")),
        content("CODE", own, ConceptCodeSequence=coded(own)),
        content("CODE", FINDING, ConceptCodeSequence=coded((ids["phone"], "SCT", note))),
        measured,
        content("DATE", ("D1", "99HIS", "检查"), Date=one.date, ObservationDateTime=f"{one.date}101112"),
        content("DATE", ("D2", "99HIS", "日"), Date=one.birth),
        content("DATETIME", FINDING, DateTime=f"{one.date}101112.345", ObservationUID=uids[-1]),
        content("TIME", FINDING, Time="101112.345"),
        content("UIDREF", FINDING, UID=uids[0]),
        pictured,
        image(uids[3], kind="COMPOSITE"),
        content("SCOORD", own, pictured, GraphicType="POINT", GraphicData=[10.0, 20.0]),
    ]


def _planted(one: Planted, sop_class: str) -> Dataset:
    sets, _ = WAYS[one.study]
    ids, uids = one.ids, one.uids
    ds = sr(*_tree(one))
    canary._listed(ds, one)
    canary._hidden(ds, one)
    del ds.IconImageSequence, ds.RequestAttributesSequence
    staff = verified()
    staff[0].VerifyingObserverName, staff[0].VerifyingOrganization = "^".join(one.physician), ids["hospital"]
    staff[0].VerifyingObserverIdentificationCodeSequence = coded((ids["serial"], "99HIS", one.physician[1]))
    more = {
        "SpecificCharacterSet": sets.split("\\") if "\\" in sets else sets,
        "SOPClassUID": sop_class,
        "SOPInstanceUID": f"{uids[0]}.90.1",
        "SeriesInstanceUID": f"{uids[0]}.90",
        "StudyInstanceUID": uids[0],
        "PatientName": f"{one.latin[0]}^{one.latin[1]}={one.chinese[0]}^{one.chinese[1:]}",
        "PatientID": ids["patient"],
        "AccessionNumber": ids["accession"],
        "PatientBirthDate": one.birth,
        "StudyDate": one.date,
        "ContentDate": one.date,
        "ReferringPhysicianName": "^".join(one.physician),
        "DeviceSerialNumber": ids["serial"],
        "InstitutionName": ids["hospital"],
        "PatientTelephoneNumbers": ids["phone"],
        "PatientAddress": ids["street"],
        "CompletionFlagDescription": one.chinese,
        "VerificationFlag": "VERIFIED",
        "VerifyingObserverSequence": staff,
        "AuthorObserverSequence": staff,
        "CurrentRequestedProcedureEvidenceSequence": evidence(uids[0], uids[1], uids[2:4]),
        "PredecessorDocumentsSequence": evidence(uids[0], uids[1], uids[4:5]),
    }
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    return ds


def test_no_planted_identifier_is_left_in_any_encoding(tmp_path: Path) -> None:
    studies = [one for one in planted() if one.number < 3]
    with config.disable_value_validation():
        for one in studies:
            place, uids = tmp_path / "in" / f"{one.chinese}_{one.number}_{one.study}", one.uids
            tags: dict[str, Any] = {"PatientID": one.ids["patient"], "StudyDate": one.date, "StudyInstanceUID": uids[0]}
            save(place, "slice.dcm", ct(SeriesInstanceUID=uids[1], SOPInstanceUID=uids[2], **tags))
            sop_class = CLASSES[(one.number + one.study) % 3]
            data = encode(_planted(one, sop_class), WAYS[one.study][1])
            (place / f"{one.latin[0]}.dcm").write_bytes(data)
            if WAYS[one.study][1] == ExplicitVRLittleEndian:
                assert len(left_in(data, one.words)) > 10
    (tmp_path / "cohort.key").write_text("0123456789abcdef" * 4, encoding="ascii")
    (tmp_path / "cohort.key").chmod(0o600)
    account = run(tmp_path, deface=False)
    assert not [row["code"] for row in account if row["code"]]
    reports = written(tmp_path)
    assert len(reports) == len(studies) == 15
    data = b"".join(path.read_bytes() for path in sorted((tmp_path / "out").rglob("*")) if path.is_file())
    names = "\n".join(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "out").rglob("*"))
    assert left_in(data + names.encode(), [word for one in studies for word in one.words]) == []
    by_study = {str(dcmread(path).StudyInstanceUID): path for path in reports}
    key = read_key(tmp_path / "cohort.key")
    for one in studies:
        path = by_study[key.uid(one.uids[0])]
        assert left_in(path.read_bytes(), [*one.dates, "101112"]) == []
        found = read_report(read_report_object(path, "report")[1])
        assert found["intraparenchymal_hemorrhage"].status == "present"
        assert dcmread(path).ContentSequence[-1].GraphicType == "POINT"
