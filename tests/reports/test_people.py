"""Persons' names and what brought a patient here say nothing of the brain; whatever speaks of the head still does."""

import pytest

from plainscan.findings import ANY_FINDING
from plainscan.reports.label import read_report
from plainscan.reports.people import circumstances, persons


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Dr. A. Patel, Consultant", ["Dr. A. Patel"]),
        ("Signed by Jane Q Smith MD on Monday", ["Signed by Jane Q Smith"]),
        ("Jane Q Smith, FRCR", ["Jane Q Smith, FRCR"]),
        ("DR SMITH SAW THE BLOB", []),
        ("Dr Patel Polymicrogyria", []),
        ("surrounded by Gloop", []),
        ("王医生已阅", ["王"]),
        ("the left pons", []),
    ],
)
def test_a_name_is_known_by_its_title_its_degree_or_by(text: str, names: list[str]) -> None:
    assert [text[first:last] for first, last in persons(text)] == names


def test_an_accident_in_a_first_sentence_about_a_person_holds_no_unknown_word() -> None:
    text = "82-year-old retired glassblower, found beneath a wardrobe. No hemorrhage. Normal ventricles."
    assert read_report(text)[ANY_FINDING].status == "absent"


@pytest.mark.parametrize(
    "text",
    [
        "82-year-old man, qwerty of the pons. No hemorrhage.",
        "Normal ventricles. 82-year-old glassblower, qwerty.",
        "Qwerty. No hemorrhage.",
        "3-month-old with lissencephaly. No bleed.",
        "A man with a blob, fell off a llama. No bleed.",
        "Toddler, fell on a qwerty of the pons. No bleed.",
        "Apart from the left temporal pole, no abnormality.",
        "除左侧额叶外未见异常。",
    ],
)
def test_an_unknown_word_elsewhere_is_still_unknown(text: str) -> None:
    assert read_report(text)[ANY_FINDING].status == "uncertain"


def test_an_accident_is_read_behind_a_person_only() -> None:
    assert circumstances("患者被钢筋砸伤")
    assert not circumstances("脑实质被钢筋砸伤")
