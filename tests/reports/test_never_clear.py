"""Texts made to be misread: a finding or a doubt in unusual words in normal text must never be read as clear.

Beside them texts without finding, in the ways departments write, that must be. One text a line; `|` stands for a line
break; those of `-named.txt`, in both languages, hold invented names and numbers. Whether the
former are read as present or as uncertain is left open.
"""

from pathlib import Path

import pytest

from plainscan.findings import ANY_FINDING
from plainscan.reports.label import read_report

DATA = Path(__file__).parent / "data"
FILES = ("chinese", "english", "named")


def texts(name: str) -> list[str]:
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [line.replace("|", "\n") for line in lines if line.strip()]


@pytest.mark.parametrize("text", [text for name in FILES for text in texts(f"never-clear-{name}.txt")])
def test_a_finding_or_a_doubt_in_unusual_words_is_never_read_as_clear(text: str) -> None:
    assert read_report(text)[ANY_FINDING].status in ("present", "uncertain")


@pytest.mark.parametrize("text", [text for name in FILES for text in texts(f"clear-{name}.txt")])
def test_a_text_without_finding_is_read_as_clear(text: str) -> None:
    assert read_report(text)[ANY_FINDING].status == "absent"


def test_thirty_texts_a_language_attack_the_engine() -> None:
    assert min(len(texts(f"never-clear-{language}.txt")) for language in ("chinese", "english")) >= 30
