"""The phrase files, compiled: one regular expression per language that finds every phrase and comma in a sentence.

Phrases are data (``phrases/*.toml``) in a small notation, see ``notation``. At one place the longest phrase
wins, and pseudo phrases, variants and statements of normality win over the rest.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, Literal, TypeAlias

from plainscan.reports.notation import Language, heads, parse

COMMA: Final = "comma"
_FIRST: Final = ("pseudo", "variant", "normal")
NAMES: Final = frozenset({"finding", "group", "other"})  # families whose phrases name a finding or an abnormality
EXCUSES: Final = frozenset({"normal", "variant"})
SAYS: Final = NAMES | {"normal"}
NEAR: Final = 60  # characters beside a word that may tell what it is about: no text takes the square of its length
_PLURAL: Final = r"(?:e?s)?(?!\w)"
# What may follow the name of a finding in Chinese and adds nothing.
SHADOW: Final = "(?:线?影|病?灶|征象?|发现|所见|改变|表现)?"


Section: TypeAlias = Literal["findings", "impression", "skip", "aside"]
Candidate: TypeAlias = tuple[int, re.Pattern[str], str, str]  # precedence, expression, what it is, the phrase
_Tail: TypeAlias = tuple[int, str, str, str]  # the same, of the expression what follows its first character


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a phrase file: what it is (``finding.mass``, ``negation.before``), how it reads, its example."""

    kind: str
    phrase: str
    example: str


@dataclass(frozen=True, slots=True)
class Token:
    """A phrase or comma found in a sentence; ``start`` and ``end`` count characters of the sentence."""

    kind: str
    start: int
    end: int
    phrase: str = ""

    @property
    def family(self) -> str:
        """The first part of its kind."""
        return self.kind.partition(".")[0]


@dataclass(frozen=True)
class Lexicon:
    """The phrases of one language, compiled."""

    language: Language
    entries: tuple[Entry, ...]
    headings: dict[str, Section]  # by heading in lower case
    conjunctions: re.Pattern[str]  # at the start of a segment: the cue before the comma goes on
    starts: re.Pattern[str]  # finds where a phrase or a comma begins
    candidates: dict[str, tuple[Candidate, ...]]  # by first two characters, else by the first
    plain: dict[str, frozenset[str]]  # words that say nothing abnormal on their own, by group, see ``residue``

    def tokens(self, sentence: str) -> list[Token]:
        """All phrases and commas of a sentence in lower case with half-width punctuation, in order."""
        tokens, place = [], 0
        while match := self.starts.search(sentence, place):
            start = match.start()
            _, place, kind, phrase = max(
                (rank, hit.end(), kind, phrase)
                for rank, expression, kind, phrase in self.candidates.get(
                    sentence[start : start + 2], self.candidates[sentence[start]]
                )
                if (hit := expression.match(sentence, start))
            )
            tokens.append(Token(kind, start, place, phrase))
        return tokens


@cache
def lexicon(language: Language) -> Lexicon:
    """Read and compile a language's phrases, once."""
    file = resources.files("plainscan.reports") / "phrases" / f"{language}.toml"
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    headings = {name.lower(): kind for kind, names in tables.pop("sections").items() for name in names}
    joins = "|".join(sorted(map(re.escape, tables.pop("scope")["continue"]), key=len, reverse=True))
    plain = {group: frozenset(words.split()) for group, words in tables.pop("plain").items()}
    boundary = r"\b" if language == "english" else ""
    entries = tuple(_entries(tables, ""))
    starts, candidates = _compile(entries, language)
    return Lexicon(language, entries, headings, re.compile(rf"\s*(?:{joins}){boundary}"), starts, candidates, plain)


def _entries(table: dict[str, object], kind: str) -> Iterator[Entry]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _entries(value, f"{kind}.{name}" if kind else name)
        else:
            yield Entry(kind, name, str(value))


def _ending(entry: Entry, language: Language) -> str:
    if language == "english":
        return _PLURAL if entry.phrase.rstrip(")]")[-1].isalnum() else ""
    return SHADOW if entry.kind.split(".")[0] in SAYS and entry.phrase.rstrip(")]")[-1].isalnum() else ""


def _compile(
    entries: tuple[Entry, ...], language: Language
) -> tuple[re.Pattern[str], dict[str, tuple[Candidate, ...]]]:
    """One expression that finds a place where a phrase begins, and the phrases that may begin there.

    Branches go by first character, so that a place where no phrase begins costs one look-up.
    """
    rest: dict[str, list[_Tail]] = {",": [(0, "", COMMA, ",")]}
    for entry in entries:
        rank = int(entry.kind.split(".")[0] in _FIRST)
        ending = _ending(entry, language)
        for first, expression in heads(parse(entry.phrase.lower()), language):
            rest.setdefault(first, []).append((rank, expression + ending, entry.kind, entry.phrase))
    branches = []
    for first, found in rest.items():
        before = r"\b" if language == "english" and first.isalnum() else ""
        branches.append(before + re.escape(first) + "(?:" + "|".join(expression for _, expression, _, _ in found) + ")")
    return re.compile("|".join(branches)), {
        key: tuple(
            (rank, re.compile(re.escape(key[0]) + expression), kind, phrase) for rank, expression, kind, phrase in found
        )
        for key, found in _by_two(rest).items()
    }


def _by_two(rest: dict[str, list[_Tail]]) -> dict[str, list[_Tail]]:
    """The same by the first two characters, where the second is one letter; by the first those of any second."""
    branches: dict[str, list[_Tail]] = {}
    for first, found in rest.items():
        anyhow = [tail for tail in found if not tail[1][:1].isalnum()]
        branches[first] = anyhow
        for tail in found:
            if tail[1][:1].isalnum():
                branches.setdefault(first + tail[1][0], list(anyhow)).append(tail)
    return branches
