import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainscan.reports.mention import read_mentions


def said(text: str) -> list[tuple[str, str]]:
    return [(mention.finding, mention.status) for mention in read_mentions(text).mentions]


def test_span_and_sentence_point_into_the_report() -> None:
    report = "检查所见：脑沟如常。 左侧额部硬膜下血肿，厚５ｍｍ。\n诊断意见：硬膜下血肿。"
    mentions = read_mentions(report).mentions
    assert [report[m.start : m.end] for m in mentions] == ["硬膜下血肿", "硬膜下血肿"]
    assert all(m.sentence in report for m in mentions)
    assert [m.section for m in mentions][-1] == "impression"


@pytest.mark.parametrize(
    "report",
    [
        "【病史】脑出血\n【影像所见】未见骨折。",
        "临床诊断：脑出血？\n所见：未见骨折。",
        "INDICATION: rule out subdural hematoma.\nFINDINGS: No fracture.",
        "History: stroke. Findings: No fracture.",
    ],
)
def test_history_and_indication_are_not_read(report: str) -> None:
    assert said(report) == [("skull_fracture", "absent")]


def test_a_field_after_the_description_ends_with_its_sentence_or_its_line() -> None:
    assert said("Findings: No fracture. Comparison: None. Left mass.")[-1] == ("mass", "present")
    assert said("FINDINGS: No fracture.\nADVICE\nCOMPARISON: None. Old films.\nLeft mass.")[-1] == ("mass", "present")


def test_what_is_cut_short_goes_with_what_follows() -> None:
    assert set(said("硬膜外、硬膜下及蛛网膜下腔均未见出血。")) == {
        ("epidural_hemorrhage", "absent"),
        ("subdural_hemorrhage", "absent"),
        ("subarachnoid_hemorrhage", "absent"),
    }


def test_headings_are_found_in_brackets_with_colons_and_on_their_own_line() -> None:
    for report in (
        "所见：骨折。印象：骨折。",
        "【影像所见】骨折\n【影像诊断】骨折",
        "FINDINGS\nFracture.\nIMPRESSION\nFracture.",
    ):
        assert [m.section for m in read_mentions(report).mentions] == ["findings", "impression"]


def test_a_full_stop_in_a_number_or_a_wrapped_line_ends_no_sentence() -> None:
    assert said("No evidence of acute\nintracranial hemorrhage.") == [("hemorrhage", "absent")]
    assert read_mentions("Left mass of 3.5 cm.").mentions[0].sentence == "Left mass of 3.5 cm"


def test_full_width_and_half_width_read_alike() -> None:
    assert said("ＳＡＨ，未见骨折；脑积水？") == said("SAH,未见骨折;脑积水?")


@pytest.mark.parametrize(
    ("report", "statuses"),
    [
        ("未见出血、梗死及占位，中线居中", ["absent", "absent", "absent", "absent"]),
        ("未见骨折、脑积水", ["absent", "absent"]),
        ("未见骨折，脑积水", ["absent", "uncertain"]),
        ("未见骨折，出血及脑积水", ["absent", "absent", "absent"]),
        ("未见骨折，枕部头皮血肿", ["absent", "present"]),
        ("未见骨折，出血，占位，脑积水", ["absent"] * 4),
        ("颅骨完整，脑室正常，未见骨折，脑积水", ["absent", "absent", "absent", "uncertain"]),
        ("No bleed, no fracture, hydrocephalus", ["absent", "absent", "uncertain"]),
        ("未见骨折，右额部头皮血肿", ["absent", "present"]),
        ("未见骨折；头皮血肿", ["absent", "present"]),
        ("No hemorrhage, mass or hydrocephalus is seen.", ["absent"] * 3),
        ("No hemorrhage, mild atrophy is present.", ["absent", "present"]),
        ("No fracture, mild scalp swelling.", ["absent", "present"]),
        ("No suspicious mass.", ["absent"]),
        ("Possible infarct, but no mass.", ["uncertain", "absent"]),
        ("No hemorrhage; SAH cannot be excluded.", ["absent", "uncertain"]),
        ("No hydrocephalus although SAH is not excluded.", ["absent", "uncertain"]),
    ],
)
def test_the_reach_of_a_cue(report: str, statuses: list[str]) -> None:
    assert [status for _, status in said(report)] == statuses


@pytest.mark.parametrize(
    ("report", "unknown"),
    [
        ("Findings: Xyz abc. Impression: No mass.", ["Xyz", "abc"]),
        ("Impression: No mass. Clinical correlation advised.", []),
        ("Qwerty without fracture.", ["Qwerty"]),
        ("No mass, qwerty or fracture.", []),
        ("No fracture with qwerty.", ["qwerty"]),
        ("No fracture or qwerty.", []),
        ("Qwerty is not seen.", []),
        ("The septum pellucidum is not seen.", ["is not seen"]),
        ("No septum pellucidum.", ["No"]),
        ("No qwerty septum.", []),
        ("The ventricles are large.", ["large"]),
        ("The ventricles are large, no: normal.", ["large"]),
        ("Head CT with 5 mm axial slices.", []),
        ("Third ventricle of 14 mm.", ["14 mm"]),
        ("Possible left frontal.", ["Possible"]),
        ("Normal except the left insula.", ["except"]),
        ("Brain qwerty in normal position.", ["qwerty"]),
        ("Compared with 2020 the qwerty.", ["qwerty"]),
        ("MRI of the qwerty is recommended.", ["qwerty"]),
        ("History of a fall with qwerty.", ["qwerty"]),
        ("Normal if the left is artifact.", ["if"]),
        ("Signed by Jane Qwerty MD.", []),
        ("Discussed with Dr. Qwerty by phone.", []),
        ("侧脑室大。", ["大"]),
        ("透明隔未显示。", ["未显示"]),
        ("左额怪变境界清晰。", ["怪变"]),
        ("左额怪变，未见骨折。", ["怪变"]),
        ("怪变未见显示。", []),
        ("双侧脑沟不顺，未见骨折。", ["不顺"]),
        ("双侧大脑半球对称，未见出血。", []),
    ],
)
def test_words_that_nothing_accounts_for_are_found_unless_they_are_denied(report: str, unknown: list[str]) -> None:
    assert [report[m.start : m.end] for m in read_mentions(report).unread] == unknown


@settings(deadline=None, max_examples=60)
@given(st.text(st.sampled_from("未见出血，。；、：脑梗死可能不除外 \n\t1.No hemorhage,?;[]【】İßＡ"), max_size=80))
def test_any_text_is_read_and_spans_stay_inside(report: str) -> None:
    for mention in read_mentions(report).mentions:
        assert 0 <= mention.start < mention.end <= len(report)
        assert mention.sentence in report
