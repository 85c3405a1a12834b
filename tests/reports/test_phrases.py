"""Every line of the phrase files is proved by its own example."""

import tomllib
from importlib import resources

import pytest

from plainscan.findings import ANY_FINDING, SPECIFIC_KEYS
from plainscan.reports.lexicon import Entry, lexicon
from plainscan.reports.mention import Mention, read_mentions
from plainscan.reports.notation import LANGUAGES, Language

LINES = [(language, entry) for language in LANGUAGES for entry in lexicon(language).entries]


def proves(entry: Entry, mentions: tuple[Mention, ...]) -> bool:
    kind, _, name = entry.kind.partition(".")
    said = {(mention.finding, mention.status) for mention in mentions}
    statuses = {mention.status for mention in mentions}
    return {
        "finding": (name, "present") in said,
        "group": (name, "present") in said,
        "other": ("other", "present") in said,
        "aftermath": said == {("other", "present")},
        "normal": statuses == {"absent"} and (ANY_FINDING if name in ("subject", "trait") else name, "absent") in said,
        "variant": not mentions,
        "history": not mentions,
        "remark": not mentions,
        "pseudo": "present" in statuses,
        "negation": statuses == {"absent"},
        "uncertainty": "uncertain" in statuses,
        "affirmation": {"present", "absent"} <= statuses,
        "terminator": {"present", "absent"} <= statuses,
    }[kind]


@pytest.mark.parametrize(("language", "entry"), LINES, ids=lambda value: getattr(value, "phrase", value))
def test_the_example_of_a_phrase_reads_as_its_heading_says(language: Language, entry: Entry) -> None:
    assert entry.kind in {token.kind for token in lexicon(language).tokens(entry.example.lower().replace("，", ","))}
    assert proves(entry, read_mentions(entry.example).mentions)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_finding_has_phrases(language: Language) -> None:
    kinds = {entry.kind for entry in lexicon(language).entries}
    assert {f"finding.{key}" for key in SPECIFIC_KEYS} <= kinds
    assert {kind for kind in kinds if kind.startswith("finding.")} == {f"finding.{key}" for key in SPECIFIC_KEYS}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_heading_stands_under_one_section_and_a_plain_word_once_in_its_group(language: Language) -> None:
    file = resources.files("plainscan.reports") / "phrases" / f"{language}.toml"
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    headings = [name.lower() for names in tables["sections"].values() for name in names]
    assert len(set(headings)) == len(headings)
    for words in map(str.split, tables["plain"].values()):
        assert len(set(words)) == len(words)
