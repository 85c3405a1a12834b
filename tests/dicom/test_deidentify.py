from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from tests.dicom.build import ct, encode

from plainscan.dicom.deidentify import Person, deidentify, identifiers, sign
from plainscan.dicom.deidentify_key import Key
from plainscan.dicom.deidentify_table import kept
from plainscan.reports.identifiers import Known

KEY = Key(bytes(range(32)))
TABLE = Path(__file__).parent / "data" / "table_e1_1.txt"


def table() -> dict[int, str]:
    """Codes of the Basic Profile by tag, as the standard lists them."""
    rows = [line.split() for line in TABLE.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    return {int(tag.replace(",", ""), 16): code for tag, code in rows}


def again(ds: Dataset) -> Dataset:
    """The data set as it comes from a file, values raw."""
    return dcmread(io.BytesIO(encode(ds)), stop_before_pixels=True)


def cleaned(known: Known | None = None, **tags: object) -> Dataset:
    source = again(ct(**tags))
    return deidentify(source, Person(KEY, "P1", known or identifiers(source)))[0]


def test_every_code_of_the_basic_profile_is_the_standard_s() -> None:
    listed = table()
    assert len(listed) == 655
    for tag, rule in kept().items():
        assert rule.codes.get("basic", "") == listed.get(tag, ""), rule.keyword


def test_nothing_that_the_basic_profile_removes_stays_unless_an_option_says_so() -> None:
    listed = table()
    for tag, rule in kept().items():
        if tag in listed and rule.action in "CK":
            assert set(rule.codes) & {"dates", "descriptors", "patient"}, rule.keyword


def test_no_attribute_that_can_hold_free_text_is_kept_as_it_is() -> None:
    for rule in kept().values():
        if rule.vr in ("LO", "SH", "LT", "ST", "UT", "UC", "PN", "UR", "OB", "OW", "UN", "AE"):
            assert rule.action in "CZD", rule.keyword


def test_every_text_attribute_of_the_table_is_gone_emptied_or_changed() -> None:
    planted: dict[int, str] = {}
    ds = ct()
    for tag in table():
        if (
            4 < tag >> 16 < 0x5000
            and dictionary_has_tag(tag)
            and dictionary_VR(tag) in ("LO", "SH", "LT", "ST", "UT", "UC", "PN", "UI")
        ):
            planted[tag] = "1.2.826.99.4711" if dictionary_VR(tag) == "UI" else "Kilroy"
            ds.add_new(tag, dictionary_VR(tag), planted[tag])
    new = deidentify(again(ds), Person(KEY, "P1"))[0]
    assert len(planted) > 300
    assert not [tag for tag, value in planted.items() if tag in new and str(new[tag].value) == value]


def test_dates_move_by_the_same_days_and_times_are_cut_to_the_hour() -> None:
    first = cleaned(StudyDate="20200301", AcquisitionDateTime="20200301101112.5+0800", StudyTime="101112.345")
    second = cleaned(StudyDate="20210301")
    gap = (_day(second.StudyDate) - _day(first.StudyDate)).days
    assert gap == 365
    assert first.StudyDate != "20200301"
    assert first.AcquisitionDateTime == first.StudyDate + "100000"
    assert first.StudyTime == "100000"


def _day(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:8]))


def test_descriptions_keep_what_names_nobody() -> None:
    new = cleaned(
        SpecificCharacterSet="ISO_IR 192",
        PatientName="Sharp^Ann",
        SeriesDescription="Head 5.0 H31s Sharp, Dr Kilroy",
        ProtocolName="CT 2020-03-05 头颅平扫",
    )
    assert new.SeriesDescription == "Head 5.0 H31s"
    assert new.ProtocolName == "CT 头颅平扫"


def test_a_number_that_is_the_patient_s_is_dropped_and_one_that_only_holds_it_stays() -> None:
    new = cleaned(PatientID="47110", SeriesNumber=47110, ImagePositionPatient=[-60.47110, -60, 5])
    assert "SeriesNumber" not in new
    assert [float(v) for v in new.ImagePositionPatient] == [-60.4711, -60, 5]


def test_private_overlay_icon_curve_and_unknown_attributes_are_gone() -> None:
    ds = ct()
    ds.private_block(0x0029, "KILROY", create=True).add_new(1, "LO", "Kilroy")
    ds.add_new(0x60003000, "OW", b"Kilroy")
    ds.add_new(0x50003000, "OW", b"Kilroy")
    icon = Dataset()
    icon.PatientName = "Kilroy"
    ds.IconImageSequence = Sequence([icon])
    ds.add_new(0x00091001, "UN", b"Kilroy")
    new, counts = deidentify(again(ds), Person(KEY, "P1"))
    assert not [element for element in new.iterall() if element.tag.group in (0x9, 0x29, 0x5000, 0x6000, 0x88)]
    assert counts["private"] == 3


def test_identifiers_are_read_in_sequences_and_in_every_character_set() -> None:
    inner = Dataset()
    inner.PatientName = "Kilroy^Inner"
    ds = ct(PatientID="CT4711", InstitutionName="General")
    ds.RequestAttributesSequence = Sequence([inner])
    ds.SpecificCharacterSet = "GB18030"
    ds.PatientName = "Zhang^San=张^三"
    known = identifiers(again(ds))
    assert known.names >= {"Zhang^San=张^三", "Kilroy^Inner"}
    assert {"CT4711", "General"} <= known.ids


def test_it_says_what_was_done_in_words_and_codes() -> None:
    new = cleaned()
    sign(new, defaced=True, masked=False)
    assert new.PatientIdentityRemoved == "YES"
    codes = [item.CodeValue for item in new.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113102", "113105", "113107", "113108"]
    assert new.LongitudinalTemporalInformationModified == "MODIFIED"
    assert all(len(value) <= 64 for value in new.DeidentificationMethod)


@pytest.mark.parametrize(("age", "expected"), [("067Y", "067Y"), ("093Y", "090Y"), ("018D", "000M"), ("", None)])
def test_ages_stay_up_to_89(age: str, expected: str | None) -> None:
    assert cleaned(PatientAge=age).get("PatientAge") == expected


@pytest.mark.parametrize(
    ("encoding", "name"), [("gb18030", "王玥喆"), ("big5", "陳怡君"), ("gb18030", "王^玥喆"), ("latin-1", "Müller^An")]
)
@pytest.mark.parametrize("declared", ["ISO_IR 100", "", "ISO_IR 192"])
def test_a_name_is_known_whatever_its_bytes_are_declared_to_be(encoding: str, name: str, declared: str) -> None:
    ds = again(ct(PatientName="x", SpecificCharacterSet=declared))
    element = ds.get_item(0x00100010)
    ds._dict[element.tag] = element._replace(value=name.encode(encoding))
    assert name in identifiers(ds).names


def test_a_number_keeps_no_date_and_no_identifier() -> None:
    new = cleaned(SeriesNumber="20200301", AcquisitionNumber="1234567", InstanceNumber="123456")
    assert "SeriesNumber" not in new
    assert "AcquisitionNumber" not in new
    assert new.InstanceNumber == 123456
