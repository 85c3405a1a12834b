from __future__ import annotations

import io
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian
from tests.dicom.build import ROOT, ct, encode
from tests.dicom.build_sr import (
    COMPREHENSIVE,
    FINDING,
    FINDINGS,
    IMPRESSION,
    OBSERVER,
    Code,
    coded,
    content,
    evidence,
    image,
    number,
    sr,
    text,
)
from tests.dicom.test_deidentify import table

from plainscan.dicom.deidentify import Person, deidentify, identifiers
from plainscan.dicom.deidentify_key import Key
from plainscan.dicom.deidentify_sr import deidentify_report, report_identifiers
from plainscan.dicom.deidentify_sr_table import report_table
from plainscan.dicom.header import header_of
from plainscan.errors import DicomError

KEY = Key(bytes(range(32)))
MM: Code = ("mm", "UCUM", "mm")
YEARS: Code = ("a", "UCUM", "year")
LENGTH: Code = ("410668003", "SCT", "Length")
CHINESE = "右侧基底节区脑出血，周围见水肿带。"


def raw(ds: Dataset) -> Dataset:
    return dcmread(io.BytesIO(encode(ds)))


def cleaned(*items: Dataset, **tags: Any) -> Dataset:
    source = raw(sr(*items, **tags))
    person = Person(KEY, "P1", identifiers(source) | report_identifiers(source))
    return dcmread(io.BytesIO(encode(deidentify_report(source, person)[0])))


def test_every_code_of_the_basic_profile_is_the_standard_s() -> None:
    listed = table()
    for rule in (*report_table().header.values(), *report_table().items.values()):
        assert rule.codes.get("basic", "") == listed.get(rule.tag, ""), rule.keyword
        if rule.tag in listed and rule.action in "CK":
            assert set(rule.codes) & {"dates"}, rule.keyword


def test_references_in_header_and_tree_hold_to_the_new_uids_of_the_images() -> None:
    slices = [f"{ROOT}1.1.{n}" for n in (1, 2)]
    listed = evidence(f"{ROOT}1", f"{ROOT}1.1", slices)
    new = cleaned(
        image(slices[0]),
        image(slices[1], kind="COMPOSITE"),
        content("UIDREF", ("121018", "DCM", "Procedure Study Instance UID"), UID=f"{ROOT}1"),
        CurrentRequestedProcedureEvidenceSequence=listed,
        PertinentOtherEvidenceSequence=listed,
        PredecessorDocumentsSequence=listed,
        IdenticalDocumentsSequence=listed,
    )
    images = [deidentify(raw(ct(number=n)), Person(KEY, "P1"))[0] for n in (1, 2)]
    found = [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in new.ContentSequence[:2]]
    assert found == [ds.SOPInstanceUID for ds in images]
    assert new.ContentSequence[2].UID == new.StudyInstanceUID == images[0].StudyInstanceUID
    for keyword in ("CurrentRequestedProcedureEvidence", "PertinentOtherEvidence", "PredecessorDocuments"):
        (study,) = new[f"{keyword}Sequence"].value
        (series,) = study.ReferencedSeriesSequence
        assert study.StudyInstanceUID == images[0].StudyInstanceUID
        assert series.SeriesInstanceUID == images[0].SeriesInstanceUID
        assert [one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence] == found
    assert len(new.IdenticalDocumentsSequence) == 1


def test_frames_of_a_reference_stay_all_of_them() -> None:
    item = image(f"{ROOT}1.1.1")
    item.ReferencedSOPSequence[0].ReferencedFrameNumber = list(range(1, 101))
    item.ReferencedSOPSequence[0].IconImageSequence = Sequence([Dataset()])
    (one,) = cleaned(item).ContentSequence[0].ReferencedSOPSequence
    assert list(one.ReferencedFrameNumber) == list(range(1, 101))
    assert "IconImageSequence" not in one


def test_names_of_people_become_a_word_and_the_patient_s_his_pseudonym() -> None:
    subject, mother = ("121029", "DCM", "Subject Name"), ("121036", "DCM", "Mother of fetus")
    new = cleaned(
        content("PNAME", OBSERVER, text(("121009", "DCM", "Organization"), "General Hospital"), PersonName="Li^Ming"),
        content("PNAME", subject, PersonName="Zhang^San"),
        content("PNAME", mother, PersonName="Zhang^Mu"),
        text(FINDING, "Told Ming Li. 张三 well."),
        PatientName="Zhang^San=张^三",
    )
    assert [item.get("PersonName") for item in new.ContentSequence] == ["[NAME]", KEY.patient("P1"), None]
    assert "ContentSequence" not in new.ContentSequence[0]
    assert new.ContentSequence[2].TextValue == "Told [NAME]. [NAME] well."


def test_context_of_the_subject_goes_or_becomes_what_the_header_has() -> None:
    new = cleaned(
        text(("121030", "DCM", "Subject ID"), "CT4711"),
        content("DATE", ("121031", "DCM", "Subject Birth Date"), Date="19300101"),
        content("CODE", ("121032", "DCM", "Subject Sex"), ConceptCodeSequence=coded(("F", "DCM", "Female"))),
        number(("121033", "DCM", "Subject Age"), "93", YEARS),
        number(("30525-0", "LN", "Age"), "20", ("d", "UCUM", "day")),
        text(("121022", "DCM", "Accession Number"), "A4711"),
        number(("29463-7", "LN", "Body weight"), "81", ("kg", "UCUM", "kg")),
        text(FINDING, "CT4711 and A4711: none."),
    )
    subject, sex, age, days, last = new.ContentSequence
    assert subject.TextValue == new.PatientID == KEY.patient("P1")
    assert sex.ConceptCodeSequence[0].CodeValue == "F"
    assert age.MeasuredValueSequence[0].NumericValue == 90
    assert days.MeasuredValueSequence[0].NumericValue == 0
    assert days.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue == "mo"
    assert last.TextValue == "[ID] and [ID]: none."


def test_dates_of_items_move_as_those_of_the_header_and_a_birth_date_goes() -> None:
    when = ("111526", "DCM", "DateTime Started")
    new = cleaned(
        content("DATE", when, Date="20200301"),
        content("DATETIME", when, DateTime="20200301101112.5", ObservationDateTime="20200301235959"),
        content("TIME", when, Time="101112"),
        content("DATE", when, Date="19500607"),
        content("DATE", ("B1", "99HIS", "出生日期"), Date="19500608"),
        content("DATETIME", when, DateTime="2020"),
        PatientBirthDate="19500607",
    )
    day = new.StudyDate
    assert day != "20200301"
    first, second, third = new.ContentSequence
    assert (first.Date, second.DateTime, second.ObservationDateTime) == (day, f"{day}100000", f"{day}230000")
    assert third.Time == "100000"


def test_texts_and_meanings_of_codes_are_cleaned_as_reports_are() -> None:
    phone, heading = "13912345678", ("R1", "99HIS", "报告医师")
    new = cleaned(
        content(
            "CONTAINER", ("F1", "99HIS", "检查所见 CT4711"), text(FINDING, f"{CHINESE}电话{phone}，2020年3月1日。")
        ),
        text(heading, "褚菲琪"),
        content("CODE", heading, ConceptCodeSequence=coded(("4711", "99ZHANG", "褚菲琪"))),
        PatientID="CT4711",
    )
    container, name, person = new.ContentSequence
    moved = new.StudyDate
    date = f"{moved[:4]}年{int(moved[4:6])}月{int(moved[6:])}日"
    assert container.ContentSequence[0].TextValue == f"{CHINESE}电话[PHONE]，{date}。"
    assert container.ConceptNameCodeSequence[0].CodeMeaning == "检查所见 [ID]"
    assert name.TextValue == person.ConceptCodeSequence[0].CodeMeaning == "[NAME]"


def test_public_codes_stay_and_a_department_s_own_get_one_from_the_key() -> None:
    def code(value: str, scheme: str) -> tuple[str, str]:
        item = content("CODE", FINDING, ConceptCodeSequence=coded((value, scheme, "Bleeding")))
        (found,) = cleaned(item, PatientID="121071").ContentSequence[0].ConceptCodeSequence
        assert found.CodeMeaning == "Bleeding"
        return found.CodeValue, found.CodingSchemeDesignator

    for public in (("50960005", "SCT"), ("RID4700", "RADLEX"), ("I61.9", "I10"), ("18748-4", "LN"), ("121070", "DCM")):
        assert code(*public) == public
    for own in (("4711", "99HIS"), ("13912345678", "SCT"), ("ZHANG", "DCM"), ("121071", "DCM")):
        assert own[0] not in code(*own)[0] or own[0] == "121071"
        assert code(*own)[1] == "99PLAINSCAN"
    assert code("4711", "99HIS") == code("4711", "99HIS") != code("4712", "99HIS")


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("12.5", MM, "12.5"),
        ("13912345678", MM, None),
        ("20200301", ("1", "UCUM", "1"), None),
        ("4711", MM, None),
        ("97", YEARS, "90"),
    ],
)
def test_a_number_stays_when_it_is_no_identifier(value: str, unit: Code, expected: str | None) -> None:
    (item,) = cleaned(number(LENGTH, value, unit), PatientID="4711").ContentSequence
    assert [str(one.NumericValue) for one in item.MeasuredValueSequence] == ([expected] if expected else [])


def test_coordinates_stay_and_letters_written_as_numbers_stop_it() -> None:
    good = content("SCOORD", LENGTH, GraphicType="POLYLINE", GraphicData=[0.0, 10.5, 511.25, 300.0] * 100)
    (item,) = cleaned(good, SOPClassUID=COMPREHENSIVE).ContentSequence
    assert (item.GraphicType, list(item.GraphicData)) == ("POLYLINE", [0.0, 10.5, 511.25, 300.0] * 100)
    bad = content("SCOORD", LENGTH, GraphicType="POINT", GraphicData=[1.4e15, 1.0])
    with pytest.raises(DicomError) as caught:
        cleaned(bad)
    assert caught.value.code == "sr_content"


def test_a_report_that_was_cleaned_before_goes_through_again() -> None:
    first = cleaned(
        content("PNAME", OBSERVER, PersonName="Li^Ming"),
        text(FINDING, "Told Ming Li in General Hospital."),
        VerificationFlag="VERIFIED",
        VerifyingObserverSequence=Sequence([observer("Li^Ming")]),
    )
    assert first.ContentSequence[1].TextValue == "Told [NAME] in [ID]."
    again = deidentify_report(first, Person(KEY, "P2", identifiers(first) | report_identifiers(first)))[0]
    assert again.ContentSequence[1].TextValue == "Told [NAME] in [ID]."
    assert again.ContentSequence[0].PersonName == "[NAME]"


def test_a_deflated_report_is_whole_though_it_is_longer_than_its_file() -> None:
    data = encode(sr(text(FINDING, CHINESE * 100)), DeflatedExplicitVRLittleEndian)
    assert header_of(data).complete


def link(*place: int) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ReferencedContentItemIdentifier = "INFERRED FROM", list(place)
    return item


def test_an_item_that_stands_for_another_one_still_finds_it() -> None:
    subject = text(("121022", "DCM", "Accession Number"), "A4711")
    new = cleaned(subject, text(FINDING, "one", link(1, 3)), text(FINDING, "two"), SOPClassUID=COMPREHENSIVE)
    assert list(new.ContentSequence[0].ContentSequence[0].ReferencedContentItemIdentifier) == [1, 2]
    assert new.ContentSequence[1].TextValue == "two"
    with pytest.raises(DicomError) as caught:
        cleaned(subject, text(FINDING, "one", link(1, 1)))
    assert caught.value.code == "sr_content"


def nested(depth: int) -> Dataset:
    return content("CONTAINER", FINDINGS, nested(depth - 1)) if depth else text(FINDING, "end")


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (content("WAVEFORM", FINDING), "sr_value_type"),
        (content("TCOORD", FINDING), "sr_value_type"),
        (content("SCOORD3D", FINDING), "sr_value_type"),
        (content("TABLE", FINDING), "sr_value_type"),
        (content("", FINDING), "sr_value_type"),
        (content("KILROY", FINDING), "sr_value_type"),
        (text(FINDING, "x", content("WAVEFORM", FINDING)), "sr_value_type"),
        (text(FINDING, "x", relation="KNOWS"), "sr_content"),
        (nested(40), "sr_content"),
    ],
)
def test_what_is_not_known_in_the_tree_stops_the_whole_report(item: Dataset, code: str) -> None:
    with pytest.raises(DicomError) as caught:
        cleaned(item)
    assert caught.value.code == code
    assert "KILROY" not in str(caught.value)


@pytest.mark.parametrize("number", [34, 50, 59, 67, 40, 68])
def test_a_report_of_another_class_is_refused(number: int) -> None:
    with pytest.raises(DicomError, match="Basic Text, Enhanced and Comprehensive") as caught:
        cleaned(text(FINDING, "x"), SOPClassUID=f"1.2.840.10008.5.1.4.1.1.88.{number}")
    assert caught.value.code == "sr_class"


def observer(name: str) -> Dataset:
    item, staff = Dataset(), coded(("D10234", "99HIS", "李建国"))
    item.VerifyingObserverName, item.VerifyingOrganization = name, "General Hospital"
    item.VerificationDateTime, item.VerifyingObserverIdentificationCodeSequence = "20200301101112", staff
    return item


def test_who_verified_wrote_and_took_part_is_left_out_and_that_it_was_verified_stays() -> None:
    new = cleaned(
        text(FINDING, "Seen by Wang Wu, D10234, 李建国 at General Hospital."),
        VerificationFlag="VERIFIED",
        VerifyingObserverSequence=Sequence([observer("Wang^Wu")]),
        AuthorObserverSequence=Sequence([observer("Wang^Wu")]),
        ParticipantSequence=Sequence([observer("Wang^Wu")]),
        CustodialOrganizationSequence=Sequence([observer("Wang^Wu")]),
    )
    (one,) = new.VerifyingObserverSequence
    assert (new.VerificationFlag, one.VerifyingObserverName, one.VerifyingOrganization) == (
        "VERIFIED",
        "[NAME]",
        "[PLACE]",
    )
    assert one.VerificationDateTime == f"{new.StudyDate}100000"
    assert not one.VerifyingObserverIdentificationCodeSequence
    assert not [
        k for k in ("AuthorObserverSequence", "ParticipantSequence", "CustodialOrganizationSequence") if k in new
    ]
    assert new.ContentSequence[0].TextValue == "Seen by [NAME], [ID], [NAME] at [ID]."


@pytest.mark.parametrize("sets", ["GB18030", ["", "ISO 2022 IR 58"], "ISO_IR 192"])
def test_chinese_reports_of_every_character_set_come_out_as_they_went_in(sets: Any) -> None:
    new = cleaned(
        content("CONTAINER", ("121070", "DCM", "检查所见"), text(FINDING, CHINESE)),
        text(IMPRESSION, "脑出血\n破入脑室"),
        SpecificCharacterSet=sets,
    )
    first, second = new.ContentSequence
    assert first.ConceptNameCodeSequence[0].CodeMeaning == "检查所见"
    assert first.ContentSequence[0].TextValue == CHINESE
    assert second.TextValue == "脑出血\n破入脑室"


def test_a_text_in_a_character_set_of_its_own_item_is_read_by_that() -> None:
    source = raw(sr(text(FINDING, "x"), SpecificCharacterSet="ISO_IR 100"))
    item = source.ContentSequence[0]
    item.SpecificCharacterSet = "GB18030"
    del item.TextValue
    item.add_new(0x0040A160, "UT", CHINESE)
    again = raw(source)
    assert deidentify_report(again, Person(KEY, "P1"))[0].ContentSequence[0].TextValue == CHINESE
