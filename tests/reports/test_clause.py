from __future__ import annotations

import pytest

from plainscan.findings import ANY_FINDING
from plainscan.reports.clause import is_list, speaks_of
from plainscan.reports.label import read_report
from plainscan.reports.mention import read_mentions


def said(text: str) -> list[tuple[str, str]]:
    return [(m.finding, m.status) for m in read_mentions(text).mentions]


@pytest.mark.parametrize(
    "text",
    [
        "No herniation and the subdural is stable.",
        "No herniation, and the known subdural persists.",
        "No herniation and stable left subdural.",
        "No herniation (stable left subdural).",
        "No herniation - stable left subdural.",
        "No herniation & chronic subdural.",
        "1) No herniation 2) Left subdural",
        "no herniation\nleft subdural",
        "未见脑疝且左侧硬膜下血肿同前。",
        "未见脑疝(左侧硬膜下血肿同前)。",
        "①未见脑疝②左侧硬膜下血肿",
        "未见脑疝 左侧硬膜下血肿",
    ],
)
def test_a_denial_ends_where_something_else_is_told(text: str) -> None:
    assert said(text) == [("other", "absent"), ("subdural_hemorrhage", "present")]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("No fracture beneath the left frontal scalp hematoma.", "scalp_hematoma"),
        ("No hydrocephalus from IVH.", "intraventricular_hemorrhage"),
        ("No new infarct since the left thalamic bleed.", "intraparenchymal_hemorrhage"),
        ("No mass effect from left subdural.", "subdural_hemorrhage"),
        ("左侧颞骨见无明显移位的线形骨折。", "skull_fracture"),
        ("左额部无占位效应硬膜下血肿。", "subdural_hemorrhage"),
        ("未见左侧硬膜下血肿扩大。", "subdural_hemorrhage"),
    ],
)
def test_what_a_denial_takes_as_given_is_there(text: str, finding: str) -> None:
    assert read_report(text)[finding].status == "present"


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        ("左额叶脑出血周围水肿不明显。", ["present"]),
        ("脑出血、骨折均未见。", ["absent", "absent"]),
        ("Hemorrhage, mass and fracture are not seen.", ["absent", "absent", "absent"]),
        ("Left thalamic hemorrhage with none elsewhere.", ["present"]),
        ("左侧颞骨骨折移位不明显。", ["present", "absent"]),
    ],
)
def test_a_denial_behind_names_reaches_the_last_or_a_list_of_them(text: str, statuses: list[str]) -> None:
    assert [status for _, status in said(text)] == statuses


@pytest.mark.parametrize(
    "text",
    [
        "No loss of the insular ribbon.",
        "No hemorrhage/mass/shift.",
        "Hemorrhage: none.",
        "No bleed or edema of the brain.",
    ],
)
def test_signs_and_prepositions_within_a_denial_leave_it_whole(text: str) -> None:
    assert read_report(text)[ANY_FINDING].status == "absent"


def test_what_stands_between_two_names_makes_a_list_or_not() -> None:
    assert all(map(is_list, (", ", " and ", "、", "及")))
    assert not any(map(is_list, (" with ", "伴", "周围", " and with ")))


def test_a_cue_speaks_of_the_name_before_it_unless_something_stands_between() -> None:
    assert all(map(speaks_of, ("", "灶", "征象均", " is ")))
    assert not any(map(speaks_of, ("移位", "占位效应", " with ")))
