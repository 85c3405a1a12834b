"""The parts of a sentence between two commas, and what the shape of each says of a cue's reach."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Final

from plainscan.reports.clause import is_described
from plainscan.reports.lexicon import COMMA, EXCUSES, NAMES, Token

_JOINED: Final = re.compile(r"\s*(?:$|(?:and|or|nor)\b|[及或和与、/])")
_PART: Final = re.compile(
    r"\bwith\b|\band (?:is|are|appears?|remains?|lies?|normal|unremarkable)\b|\bcompared\b|(?<=对称)(?=[略稍较])"
    r"|(?<=[大宽小厚窄m])(?=密度|形态|边缘|居中|第|其余)"
)
JOINS: Final = re.compile(r"(?:以?及|或者?|和|与)\s*")
_DENIAL: Final = re.compile(r"\b(?:no|not|without|neg|negative)\b|无|未")
_ALSO: Final = re.compile(r"\s*(?:or|nor|for)\b|[及或和与、]")


@dataclass(frozen=True, slots=True)
class Segment:
    """What stands between two commas.

    Args:
        start: First character in the sentence.
        text: Its characters.
        tokens: Its phrases; places are those of the sentence.
    """

    start: int
    text: str
    tokens: tuple[Token, ...]

    def bare(self) -> bool:
        """Whether it is nothing but the name of a finding, as in a list; an item has neither degree nor place."""
        if is_described(self.text):
            return False
        return len(self.tokens) == 1 and names(self.tokens[0]) and len(self.text.strip()) == _length(self.tokens[0])

    def names_alone(self) -> bool:
        """Whether it is nothing but names, joined: 出血及脑积水."""
        rest, place = "", self.start
        for token in self.tokens:
            rest += self.text[place - self.start : token.start - self.start]
            place = token.end
        rest += self.text[place - self.start :]
        return len(self.tokens) > 1 and all(map(names, self.tokens)) and JOINS.fullmatch(rest) is not None

    def points_ahead(self, i: int) -> bool:
        """Whether the cue at this place speaks of what follows; at the very end (脑出血未见) it cannot."""
        cue, rest = self.tokens[i], self.tokens[i + 1 :]
        direction = cue.kind.partition(".")[2].partition(".")[0]
        if direction == "either":
            return any(map(names, rest))
        return direction == "before" and bool(rest or self.text[cue.end - self.start :].strip())

    def tails_off(self) -> bool:
        """Whether words follow its last finding that continue no list: "no bleed with", but not "no bleed or"."""
        if not self.tokens or not names(self.tokens[-1]):
            return False
        return not _JOINED.match(self.text, self.tokens[-1].end - self.start)

    def listed(self) -> bool:
        """Whether it is nothing but the name of a finding of the list; a described density is no item of a list."""
        return self.bare() and self.tokens[0].kind != "other"

    def goes_on_after(self, token: Token) -> bool:
        """Whether words follow this phrase."""
        return bool(self.text[token.end - self.start :].strip())

    def denies(self) -> bool:
        """Whether a cue of its own begins in it."""
        return any(token.kind == "negation.before" for token in self.tokens)

    def excuses(self, i: int) -> bool:
        """Whether something is called normal, or a variant, from this token to the next "but"."""
        part = takewhile(lambda token: not token.kind.startswith("terminator"), self.tokens[i:])
        return any(token.family in EXCUSES for token in part)

    def parts(self) -> list[tuple[int, int, bool]]:
        """Its parts, of which normality in one says nothing of another: "dense with intact insular ribbon".

        Returns:
            Each one's first character, one past its last, and whether something in it is called normal or a variant.
        """
        cuts = [
            self.start,
            *(self.start + cut.start() for cut in _PART.finditer(self.text)),
            self.start + len(self.text),
        ]
        normal = [token.start for token in self.tokens if token.family in EXCUSES]
        return [(a, b, bisect_left(normal, a) < bisect_left(normal, b)) for a, b in pairwise(cuts)]

    def denies_on(self, token: Token) -> bool:
        """Whether this statement of normality is a denial that goes on: "not dilated or effaced", "CT negative for"."""
        at = token.end - self.start
        return bool(_DENIAL.search(self.text, token.start - self.start, at) and _ALSO.match(self.text, at))

    def affirms(self) -> bool:
        """Whether it says that something is there."""
        return any(token.kind.startswith("affirmation") for token in self.tokens)


def segments_of(sentence: str, tokens: Sequence[Token]) -> list[Segment]:
    """A sentence cut at its commas, each part with its phrases."""
    segments: list[Segment] = []
    start, held = 0, list[Token]()
    for token in [*tokens, Token(COMMA, len(sentence), len(sentence))]:
        if token.kind == COMMA:
            segments.append(Segment(start, sentence[start : token.start], tuple(held)))
            start, held = token.end, []
        else:
            held.append(token)
    return segments


def names(token: Token) -> bool:
    """Whether a phrase names a finding or an abnormality."""
    return token.family in NAMES


def _length(token: Token) -> int:
    return token.end - token.start
