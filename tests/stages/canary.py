"""An archive with identifiers planted wherever a file or a report can hold one; every one of them is made up."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pydicom
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from tests.dicom.build import ROOT, ct, encode
from tests.dicom.test_deidentify import table

PATIENTS, STUDIES, FILES = 40, 5, 5
LETTERS: Final = "bdfgklmnprstvz"
FAMILY: Final = "褚卫蒋沈韩尤许吕曹严魏陶姜戚谢邹喻窦章潘葛奚范彭鲁韦昌马苗凤花方俞柳酆鲍史唐费廉岑"
GIVEN: Final = "菲琪瑶璐雯琳彤怡欣妍"
# Each study of a patient comes another way: character set and transfer syntax.
WAYS: Final = (
    ("ISO_IR 192", ExplicitVRLittleEndian),
    ("GB18030", ImplicitVRLittleEndian),
    ("\\ISO 2022 IR 58", ExplicitVRLittleEndian),
    ("ISO_IR 192", ExplicitVRBigEndian),
    ("GB18030", DeflatedExplicitVRLittleEndian),
)


@dataclass(frozen=True, slots=True)
class Planted:
    """One study's identifiers."""

    number: int
    study: int
    latin: tuple[str, str]
    chinese: str
    physician: tuple[str, str]
    ids: dict[str, str]
    date: str
    birth: str

    @property
    def uids(self) -> list[str]:
        base = f"{ROOT}{self.number + 100}{self.study}"
        return [base, f"{base}.1", *(f"{base}.1.{1000 + i}" for i in range(FILES)), f"{base}.77"]

    @property
    def words(self) -> list[str]:
        """Everything that must be found nowhere."""
        return [*self.latin, self.chinese, *self.physician, *self.ids.values(), *self.uids, self.birth]

    @property
    def dates(self) -> list[str]:
        """What must not be found in its own study: another patient's date may move to it."""
        return [form(day) for day in (self.date, self.birth) for form in (str, _dashed, _chinese_day)]


def word(number: int, syllables: int = 3) -> str:
    """A name that is no word of any language.

    >>> word(1), word(2)
    ('Dabubaq', 'Fabubaq')
    """
    text = ""
    for place in range(syllables):
        text += LETTERS[number % len(LETTERS)] + "au"[place % 2 == 1]
        number //= len(LETTERS)
    return text.capitalize() + "q"


def planted() -> Iterator[Planted]:
    """All studies of all patients."""
    for n in range(PATIENTS):
        chinese = FAMILY[n] + GIVEN[n % 10] + GIVEN[(n // 10 + 3) % 10]
        for s in range(STUDIES):
            ids = {
                "patient": f"H{7_004_711 + 13 * n}",
                "accession": f"A{90_210_000 + 10 * n + s}X",
                "phone": f"139{12_340_000 + 97 * n:08d}",
                "national": f"11010119{510_000 + n:06d}{n:03d}X",
                "mail": f"{word(n).lower()}@{word(n + 500).lower()}.example",
                "street": f"{word(n + 900)}straat",
                "hospital": f"{word(n + 1200)} Ziekenhuis",
                "serial": f"SN{55_500_000 + n}",
            }
            yield Planted(
                n,
                s,
                (word(n + 2000), word(n + 3000)),
                chinese,
                (word(n + 4000), word(n + 5000)),
                ids,
                f"20{21 + s}0{1 + n % 9}{11 + n % 17}",
                f"19{30 + n}1{n % 3}{10 + n % 19}",
            )


def _dashed(day: str) -> str:
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"


def _chinese_day(day: str) -> str:
    return f"{day[:4]}年{int(day[4:6])}月{int(day[6:])}日"


def write_archive(folder: Path) -> list[Planted]:
    """The files, in folders and under names that hold identifiers; the last patient's in a ZIP."""
    studies = list(planted())
    for one in studies:
        place = folder / f"{one.chinese}_{one.ids['patient']}" / one.ids["accession"]
        files = {f"{one.latin[0]}_{i}.dcm": data for i, data in enumerate(_files(one))}
        if one.number == PATIENTS - 1:
            folder.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(folder / f"{one.latin[1]}_{one.study}.zip", "w") as archive:
                for name, data in files.items():
                    archive.writestr(f"{one.chinese}/{name}", data)
            continue
        place.mkdir(parents=True)
        for name, data in files.items():
            (place / name).write_bytes(data)
        if one.study == 0:
            _strangers(place, one)
    return studies


def _strangers(place: Path, one: Planted) -> None:
    """What is no CT slice: each must be left out."""
    text = f"{one.latin[0]} {one.chinese} {one.ids['patient']}".encode()
    more = {"PixelData": None, "Rows": None, "Columns": None, "study": one.number + 4000}
    document = ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.104.2", PatientName="^".join(one.latin), Modality="DOC", **more)
    document.MIMETypeOfEncapsulatedDocument = "text/plain"
    document.EncapsulatedDocument = text + b" " * (len(text) % 2)
    capture = ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", ImageComments=one.ids["patient"], study=one.number + 5000)
    burned = ct(BurnedInAnnotation="YES", ImageComments=one.ids["patient"], study=one.number + 6000)
    (place / "doc.dcm").write_bytes(encode(document))
    (place / "capture.dcm").write_bytes(encode(capture))
    (place / "burned.dcm").write_bytes(encode(burned))
    (place / "torn.dcm").write_bytes(encode(burned)[:500])
    (place / "letter.txt").write_bytes(text)


def _files(one: Planted) -> Iterator[bytes]:
    """The study's files: one is built, the others differ in UID and number alone."""
    sets, syntax = WAYS[one.study]
    uids, data = one.uids, b""
    for i in range(FILES):
        if i and syntax != DeflatedExplicitVRLittleEndian:
            yield data.replace(uids[2].encode(), uids[2 + i].encode())
            continue
        ds = _dataset(one, sets)
        ds.SOPInstanceUID = uids[2 + i]
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
        with pydicom.config.disable_value_validation():
            data = encode(ds, syntax)
        note = f"{one.latin[0]} {one.ids['patient']} {one.chinese}".encode()[:128].ljust(128, b"\0")
        data = note + data[128:]
        yield data


def _dataset(one: Planted, sets: str) -> Dataset:
    ids, uids = one.ids, one.uids
    family, given = one.latin
    with pydicom.config.disable_value_validation():
        ds = ct(StudyInstanceUID=uids[0], SeriesInstanceUID=uids[1], FrameOfReferenceUID=uids[-1])
        _listed(ds, one)
        ds.SpecificCharacterSet = sets.split("\\") if "\\" in sets else sets
        ds.PatientName = f"{family}^{given}={one.chinese[0]}^{one.chinese[1:]}"
        ds.PatientID, ds.AccessionNumber, ds.PatientBirthDate = ids["patient"], ids["accession"], one.birth
        ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = one.date
        ds.StudyTime, ds.AcquisitionDateTime = "101112.345", f"{one.date}101112.345+0800"
        ds.PatientAge, ds.PatientSex = "061Y", "F"
        ds.ReferringPhysicianName = "^".join(one.physician)
        ds.PatientTelephoneNumbers, ds.PatientAddress = ids["phone"], ids["street"]
        ds.InstitutionName, ds.DeviceSerialNumber = ids["hospital"], ids["serial"]
        ds.StudyDescription = f"头颅平扫 {one.chinese} {_dashed(one.date)}"
        ds.SeriesDescription = f"Head 5.0 H31s {family} {ids['patient']}"
        ds.ProtocolName = f"HEAD {given} {one.physician[0].upper()}"
        ds.Manufacturer, ds.ManufacturerModelName = f"SYNTH {ids['hospital']}", f"Toroid {ids['serial']}"
        ds.ConvolutionKernel, ds.BodyPartExamined = ["H31s", ids["serial"]], f"HEAD {family}"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", family.upper()]
        ds.SeriesNumber, ds.KVP = int(ids["phone"][2:]), ids["phone"]
        ds.ScanOptions, ds.FilterType = [family.upper()], family
        _hidden(ds, one)
    return ds


def _listed(ds: Dataset, one: Planted) -> None:
    """An identifier in every fifth attribute that the standard's table lists, by its VR; five studies have them all."""
    text = {
        **dict.fromkeys(("LO", "SH", "LT", "ST", "UT", "UC", "UR"), one.ids["patient"]),
        **{"PN": f"{one.latin[0]}^{one.latin[1]}", "AE": one.ids["serial"], "CS": one.latin[0].upper()},
        **{"DA": one.date, "DT": f"{one.date}101112", "TM": "101112", "AS": "061Y", "UI": one.uids[0]},
        **{"DS": one.ids["phone"], "IS": one.ids["phone"][2:], "OB": one.ids["national"].encode()},
    }
    for tag in sorted(table())[one.study :: STUDIES]:
        if 4 < tag >> 16 < 0x5000 and dictionary_has_tag(tag) and dictionary_VR(tag) in text:
            ds.add_new(tag, dictionary_VR(tag), text[dictionary_VR(tag)])


def _hidden(ds: Dataset, one: Planted) -> None:
    """Private attributes, sequences in sequences, overlays, curves, an icon, bytes behind the pixels."""
    note = f"{one.latin[0]} {one.ids['patient']} "
    raw = note.encode() + one.chinese.encode("gb18030") + one.chinese.encode("utf-16-le")
    raw += b" " * (len(raw) % 2)
    block = ds.private_block(0x0029, f"{one.latin[0]} CSA", create=True)
    for place, (vr, value) in enumerate((("LO", note), ("UN", raw), ("OB", raw), ("PN", note), ("DA", one.date))):
        block.add_new(place, vr, value)
    inner = Dataset()
    inner.PatientName, inner.CodeMeaning, inner.StudyDescription = f"{one.latin[0]}^{one.latin[1]}", note, note
    inner.private_block(0x0031, "DEEP", create=True).add_new(1, "LO", note)
    middle = Dataset()
    middle.RequestedProcedureDescription, middle.ReferencedStudySequence = note, Sequence([inner])
    for keyword in ("RequestAttributesSequence", "CTExposureSequence", "SharedFunctionalGroupsSequence"):
        setattr(ds, keyword, Sequence([middle]))
    block.add_new(9, "SQ", Sequence([middle]))
    icon = Dataset()
    icon.Rows = icon.Columns = 8
    icon.PixelData, icon.PatientName = raw, note
    icon["PixelData"].VR = "OB"
    ds.IconImageSequence = Sequence([icon])
    ds.add_new(0x60003000, "OW", raw)
    ds.add_new(0x60004000, "LT", note)
    ds.add_new(0x50003000, "OW", raw)
    ds.add_new(0x00091001, "UN", raw)
    ds.add_new(0xFFFCFFFC, "OB", raw)


def write_reports(folder: Path, studies: list[Planted]) -> None:
    """A report for each study, Chinese and English in turn, in three encodings."""
    folder.mkdir()
    for i, one in enumerate(studies):
        text = (_chinese if i % 2 else _english)(one)
        encoding = ("utf-8", "utf-16", "gb18030")[i % 3] if i % 2 else "utf-8"
        (folder / f"{one.uids[0]}.txt").write_bytes(text.encode(encoding))


def _chinese(one: Planted) -> str:
    ids, name = one.ids, one.chinese
    wide = "".join(chr(ord(sign) + 0xFEE0) for sign in ids["patient"])
    return (
        f"{ids['hospital']} CT诊断报告\n姓名：{name[0]} {name[1:]}  性别：女  年龄：61岁  患者编号：{wide}\n"
        f"检查号{ids['accession'][:4]} {ids['accession'][4:]} 身份证号：{ids['national']} 联系电话：{ids['phone']}\n"
        f"住址：{ids['street']}12号；邮箱 {ids['mail']}\n检查日期：{_chinese_day(one.date)} 10:11\n"
        f"检查所见：对比{_dashed(one.date)}片，{name}右侧基底节区见高密度影，周围见水肿带。脑室系统未见扩张，中线结构居中。\n"
        f"诊断意见：右侧基底节区脑出血。请{one.physician[0]}医生随诊，电话{ids['phone'][:3]}-{ids['phone'][3:7]}-{ids['phone'][7:]}。\n"
        f"报告医师：{one.physician[0]} {one.physician[1]}  出生日期 {_dashed(one.birth)}  "
        f"{one.date} {int(one.date[4:6])}/{int(one.date[6:])}\n"
    )


def _english(one: Planted) -> str:
    ids, (family, given) = one.ids, one.latin
    months = ("Jan", "Feb", "March", "April", "May", "June", "July", "Aug", "Sept", "Oct", "Nov", "Dec")
    day, month = int(one.date[6:]), months[int(one.date[4:6]) - 1]
    return (
        f"{ids['hospital'].upper()}\nPatient: {family.upper()}, {given}   MRN: {ids['patient'].lower()}\n"
        f"Accession {ids['accession']}   DOB {one.birth[4:6]}/{one.birth[6:]}/{one.birth[:4]}\n"
        f"Phone (+86) {ids['phone'][:3]} {ids['phone'][3:7]} {ids['phone'][7:]}   {ids['mail']}   {ids['street']}\n"
        f"Exam of {day} {month} {one.date[:4]}, {month} {day}, {one.date[:4]} at 10:11; {_dashed(one.date)}.\n"
        f"Findings: Ms. {family} has a right basal ganglia hemorrhage with edema. Compared with {month} {day}, "
        "unchanged. No hydrocephalus. No fracture.\n"
        f"Impression: Right basal ganglia hemorrhage. Told {given} and Dr. {one.physician[1]} {one.physician[0]}.\n"
        f"Electronically signed by {one.physician[0]}, {one.physician[1]}; ID {ids['national']}, "
        f"scanner {ids['serial']}, {one.uids[0]}\n"
    )
