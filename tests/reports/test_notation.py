import re

import pytest

from plainscan.reports.notation import heads, parse, regex


@pytest.mark.parametrize(
    ("phrase", "text", "fits"),
    [
        ("midline [structures] shift", "midline shift", True),
        ("midline [structures] shift", "midline structures shift", True),
        ("midline [structures] shift", "midlineshift", False),
        ("fracture [line]", "fracture", True),
        ("infarct[ion]", "infarction", True),
        ("acute .. infarct", "acute left mca territory infarct", True),
        ("acute .. infarct", "acute bleed and old infarct", False),
        ("acute .. infarct", "acute bleed, infarct", False),
        ("extra axial", "extra-axial", True),
        ("extra axial", "extra\naxial", True),
    ],
)
def test_english_notation(phrase: str, text: str, fits: bool) -> None:
    assert bool(re.fullmatch(regex(parse(phrase), "english"), text)) == fits


@pytest.mark.parametrize(
    ("phrase", "text", "fits"),
    [
        ("脑室..积血", "脑室后角内积血", True),
        ("脑室..积血", "脑室未见积血", False),
        ("脑室..积血", "脑室扩大,积血", False),
        ("(急|慢)性血肿[形成]", "慢性血肿", True),
    ],
)
def test_chinese_notation(phrase: str, text: str, fits: bool) -> None:
    assert bool(re.fullmatch(regex(parse(phrase), "chinese"), text)) == fits


def test_heads_give_every_first_character() -> None:
    assert [first for first, _ in heads(parse("[急]性(a|b)"), "chinese")] == ["急", "性"]


@pytest.mark.parametrize("phrase", ["(a|b", "a]", "[a"])
def test_unbalanced_brackets_are_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match=r"missing|unbalanced"):
        parse(phrase)


@pytest.mark.parametrize("phrase", ["a (b||c)", "a (b|c|)", "[]a"])
def test_a_choice_with_nothing_in_it_is_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match="nothing in it"):
        parse(phrase)


def test_a_phrase_starts_with_a_word() -> None:
    with pytest.raises(ValueError, match="start with a word"):
        list(heads(parse("..a"), "chinese"))
