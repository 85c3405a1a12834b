import pytest

from plainscan.reports.label import read_report
from plainscan.reports.mention import read_mentions
from plainscan.reports.traditional import TABLE, simplified


def test_each_character_becomes_one_other_that_stays() -> None:
    assert all(len(after) == 1 and chr(before) != after for before, after in TABLE.items())
    assert all(simplified(after) == after for after in TABLE.values())


@pytest.mark.parametrize(
    ("traditional", "plain"),
    [
        ("左側額顳部硬膜下血腫，中線結構向右移位。", "左侧额颞部硬膜下血肿，中线结构向右移位。"),
        ("雙側基底節區多發腔隙性腦梗塞，腦萎縮。", "双侧基底节区多发腔隙性脑梗塞，脑萎缩。"),
        ("腦實質未見異常密度，顱骨未見骨折。", "脑实质未见异常密度，颅骨未见骨折。"),
    ],
)
def test_traditional_characters_read_as_simplified_ones(traditional: str, plain: str) -> None:
    def said(text: str) -> dict[str, str]:
        return {key: mention.status for key, mention in read_report(text).items()}

    assert said(traditional) == said(plain)


def test_spans_and_sentence_keep_the_characters_of_the_report() -> None:
    report = "左側硬膜下血腫。"
    assert [report[m.start : m.end] for m in read_mentions(report).mentions] == ["硬膜下血腫"]
    assert read_mentions(report).mentions[0].sentence == "左側硬膜下血腫"


def test_a_character_outside_the_table_makes_the_study_uncertain_beside_a_denial() -> None:
    assert read_report("左側顬灣巖鬱，無出血。")["any_finding"].status == "uncertain"
