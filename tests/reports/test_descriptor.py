from __future__ import annotations

import pytest

from plainscan.reports.descriptor import clean_descriptor, is_known, known_words


@pytest.mark.parametrize(
    "text",
    [
        "HEAD 5.0 H31s",
        "Head Routine 5mm",
        "头颅平扫",
        "CT HEAD WITHOUT CONTRAST",
        "AXIAL BONE 1.25mm",
        "FC26",
        "SOMATOM Force",
        "Head 0.6, 1.2mm",
        "HEAD_5mm_H31s",
        "头颅 120kV 5mm",
    ],
)
def test_what_scanners_write_stays(text: str) -> None:
    assert clean_descriptor(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Head Kilroy", "Head"),
        ("头颅平扫 张三", "头颅平扫"),
        ("张三头颅平扫", "头颅平扫"),
        ("HEAD 13800138000", "HEAD"),
        ("HEAD 138 0013 8000", "HEAD"),
        ("CT 2020-03-05", "CT"),
        ("CT 2020.03", "CT"),
        ("HEAD 5 MAR", "HEAD"),
        ("ID 12-34-56", ""),
        ("头颅平扫2020年3月1日", "头颅平扫"),
        ("头颅 3月1日", "头颅"),
        ("1985年7月12日生 头", "头"),
        ("HEAD_1985_07_12_H31s", "HEAD_ _H31s"),
        ("HEAD 01_03_20", "HEAD"),
        ("HEAD 12|07|85", "HEAD"),
        ("CT (138)001-380_00", "CT"),
        ("HEAD 13,800,138", "HEAD"),
        ("床12 头颅 302床", "头颅"),
        ("头颅 93岁", "头颅"),
        ("HEAD AGE 93", "HEAD 93"),
        ("Kilroy", ""),
        ("", ""),
    ],
)
def test_what_may_name_somebody_goes(text: str, expected: str) -> None:
    assert clean_descriptor(text) == expected


def test_a_patient_called_sharp_takes_the_word_with_him() -> None:
    assert clean_descriptor("Head Sharp", frozenset({"sharp"})) == "Head"


def test_codes_are_known_or_not_as_a_whole() -> None:
    assert is_known("AXIAL")
    assert not is_known("AXIAL KILROY")


def test_no_word_of_the_list_is_a_run_of_digits() -> None:
    assert not [word for word in known_words().words if word.isdecimal()]
    assert not known_words().pattern.fullmatch("12345")
