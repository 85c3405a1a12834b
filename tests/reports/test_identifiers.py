from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from plainscan.reports.dates import Day
from plainscan.reports.identifiers import Known, clean_report, left_over, name_parts

KNOWN = Known(
    frozenset({"ZHANG^SAN=张^三", "Müller^An", "O'Brien", "Li", "欧阳^明月"}),
    frozenset({"CT0042", "H7004711", "City General"}),
    frozenset({(2020, 3, 5)}),
)
STUDY = (2020, 3, 5)
DATA = Path(__file__).parent / "data"


def year_before(day: Day) -> Day | None:
    try:
        moved = date(*day) - timedelta(days=366)
    except ValueError:
        return None
    return moved.year, moved.month, moved.day


def cleaned(text: str, known: Known = KNOWN) -> str:
    return clean_report(text, known, year_before, STUDY)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("患者张三，女", "患者[NAME]，女"),
        ("张 三 的片", "[NAME] 的片"),
        ("請張三複查", "請[NAME]複查"),
        ("Zhang San was told", "[NAME] was told"),
        ("San Zhang; zhangsan", "[NAME]; [NAME]"),
        ("told Müller, MÜLLER", "told [NAME], [NAME]"),
        ("请Li医生看", "请[NAME]医生看"),
        ("Mr O'Brien", "Mr [NAME]"),
        ("明月陪同", "[NAME]陪同"),
        ("检查号CT 0042，ＣＴ００４２", "检查号[ID]，[ID]"),
        ("h7004711/CT-0042", "[ID]/[ID]"),
        ("at City  General today", "at [ID] today"),
    ],
)
def test_what_the_headers_name_goes_wherever_and_however_it_is_written(text: str, expected: str) -> None:
    assert cleaned(text) == expected
    assert not left_over(cleaned(text), KNOWN)


@pytest.mark.parametrize("text", ["an acute lesion, slight", "San Francisco sign? no: sanity", "CT00421, XCT0042Y"])
def test_words_that_only_look_like_a_name_or_number_stay(text: str) -> None:
    kept = {
        "San Francisco sign? no: sanity": "[NAME] Francisco sign? no: sanity",
        "CT00421, XCT0042Y": "[ID], XCT0042Y",
    }
    assert cleaned(text) == kept.get(text, text)


def test_a_number_is_known_without_its_leading_zeros() -> None:
    assert cleaned("CT 4711", Known(ids=frozenset({"00004711"}))) == "CT [ID]"


def test_a_name_that_is_a_word_too_goes_with_a_capital_only() -> None:
    known = Known(frozenset({"Small^He"}))
    assert cleaned("Small, He: small bleed, he said", known) == "[NAME]: small bleed, he said"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("报告医师：王芳  审核：李小明", "报告医师：[NAME]  审核：[NAME]"),
        ("王主任已阅", "[NAME]主任已阅"),
        ("Dr. Jane Doe; reported by John Q. Public", "Dr. [NAME]; reported by [NAME]"),
        ("John Smith, MD", "[NAME], MD"),
        ("电话 010-87654321，手机13800138000", "电话 [PHONE]，手机[PHONE]"),
        ("call +1 (555) 123-4567 or 555-123-4567", "call [PHONE] or [PHONE]"),
        ("身份证号：11010119900307123X", "身份证号：[ID]"),
        ("住院号：17 床号 3", "住院号：[ID] 床号 [ID]"),
        ("MRN: A17, SSN 078-05-1120", "MRN: [ID], SSN [ID]"),
        ("mail a.b@c.example", "mail [ID]"),
        ("住址：北京市朝阳区三里屯路12号", "住址：[PLACE]"),
        ("北京市海淀区中关村大街27号", "[PLACE]"),
        ("由协和医院转来", "由[PLACE]转来"),
        ("from Mount Sinai Hospital", "from [PLACE]"),
        ("D/W DR SMITH. NO BLEED", "D/W DR [NAME]. NO BLEED"),
        ("DR. JOHN SMITH AT 9, DR JONES NO", "DR. [NAME] AT 9, DR [NAME] NO"),
        ("Dr.Smith, Prof. Dr. Müller, Dr. med. Örs", "Dr.[NAME], Prof. Dr. [NAME], Dr. med. [NAME]"),
        ("Dr. Élodie Durand and Dr van der Berg", "Dr. [NAME] and Dr [NAME]"),
        ("Reported by: J. Smith; signed: John Smith", "Reported by: [NAME]; signed: [NAME]"),
        ("cc: John Smith; SMITH, JOHN M.D.", "cc: [NAME]; [NAME] M.D."),
        ("患者李玥，男，56岁。病人李玥 女", "患者[NAME]，男，56岁。病人[NAME] 女"),
        ("李玥，女，56岁，头痛", "[NAME]，女，56岁，头痛"),
        ("报告医师 王玥  审核者　李小明", "报告医师 [NAME]  审核者　[NAME]"),
        ("请示王玥主任医师、李明副主任医师", "请示[NAME]主任医师、[NAME]副主任医师"),
        ("技师：阿不都热合曼·买买提", "技师：[NAME]"),
        ("138.0013.8000, 1380-013-8000, 138 00 13 80 00", "[PHONE], [PHONE], [PHONE]"),
        ("call 555 123 4567 or 020 7946 0958", "call [PHONE] or [PHONE]"),
        ("胶片号 4711，片号：CT-4711，工号1234，护照号 E1234", "胶片号 [ID]，片号：[ID]，工号[ID]，护照号 [ID]"),
        ("神经外科12床, bed 12, room 302", "神经外科[ID]床, bed [ID], room [ID]"),
        ("1.2.840.113619.2.55.3.604", "[ID]"),
        ("FROM ST MARY'S HOSPITAL", "FROM [PLACE]"),
        ("九十三岁，aged 93, 93F", "90岁，aged 90, 90F"),
        ("患者93岁，97 years old, 89岁", "患者90岁，90 years old, 89岁"),
    ],
)
def test_what_looks_like_an_identity_goes(text: str, expected: str) -> None:
    assert cleaned(text, Known()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020年3月5日", "2019年3月5日"),
        ("2020-03-05", "2019-03-05"),
        ("2020.3.5", "2019.3.5"),
        ("20200305", "20190305"),
        ("2020 / 03 / 05", "2019 / 03 / 05"),
        ("5 March 2020", "5 Mar 2019"),
        ("Mar 5th, 2020", "Mar 5th, 2019"),
        ("3月5日", "3月5日"),
        ("12月30日", "12月30日"),
        ("05/03/20", "[DATE]"),
        ("2020 Mar 5", "2019 Mar 5"),
        ("2020年3月", "[DATE]"),
        ("March 2020", "[DATE]"),
        ("二〇二〇年三月五日", "[DATE]"),
        ("三月五日", "[DATE]"),
        ("2021年2月29日", "[DATE]"),
        ("2020.03, 2020-03, 2018/3", "[DATE], [DATE], [DATE]"),
        ("3/2018, 03-2018", "[DATE], [DATE]"),
        ("Mar-2020, Mar 2020", "[DATE], [DATE]"),
        ("5-Mar-20, 05MAR2020, 2020-Mar-05", "[DATE], 05Mar2019, 2019-Mar-05"),
        ("20.3.5, 85年7月", "[DATE], [DATE]"),
        ("2020年三月5日", "[DATE]"),
        ("born 1985, since 2018", "born [DATE], since [DATE]"),
        ("10:11, 上午9点30分", "[TIME], 上午[TIME]"),
    ],
)
def test_dates_move_in_the_form_they_were_written_in(text: str, expected: str) -> None:
    assert cleaned(text, Known()) == expected


def test_the_study_s_own_day_without_a_year_goes_and_fractions_stay() -> None:
    assert cleaned("3/5, 03-05; 4/5") == "[DATE], [DATE]; 4/5"


@pytest.mark.parametrize(
    "text",
    [
        "decreased 5 mm, marked 3 mm shift, septum 4 mm, may 2 be seen",
        "血肿约2.5×3.0cm，CT值65HU，第12-20层，多发3点状高密度影",
        "IM 15-17, series 2, 1.2 x 3.4 cm, window 40/80",
        "MR BRAIN, MS PLAQUE, DLP 2020.1 mGy*cm, CT 1024, matrix 512 512, slices 12 13 14 15 16",
        "病史10年，患者高血压，女性，层厚5mm，医师 见上",
        "患者高热，女性多见；DR胸片；HU 120 150 200；病人黄疸",
        "3.5 x 2.8 x 4.1 cm, 12-13-14-15, 0.625/0.625/512",
    ],
)
def test_findings_with_numbers_stay(text: str) -> None:
    assert cleaned(text) == text


def test_nothing_but_dates_and_times_goes_from_reports_without_identities() -> None:
    told = re.compile(r"(?i)\[(?:DATE|TIME)\]|\b(?:january|jan|march|mar|may)\b|[\d年月日:/. -]|[ap]m\b")
    for path in sorted(set(DATA.rglob("*.*")) - set(DATA.glob("*-named.txt"))):
        for line in path.read_text(encoding="utf-8").splitlines():
            after = clean_report(line, Known(), year_before)
            assert told.sub("", after) == told.sub("", line)


def test_a_left_over_is_seen_through_spaces_and_full_width_forms() -> None:
    assert left_over("张．三", KNOWN)
    assert left_over("Ｈ７００ ４７１１", KNOWN)
    assert not left_over("[NAME] [ID]", KNOWN)


def test_name_parts_are_every_word_in_lower_case() -> None:
    assert {"zhang", "san", "张三", "müller", "o", "brien"} <= name_parts(KNOWN)
