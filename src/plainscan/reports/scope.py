"""How far a cue reaches: the status of each finding in one sentence.

The method is that of ConText (Harkema et al., J Biomed Inform 2009;42:839-851): a cue such as "no", "未见" or
"cannot be excluded" colors the findings in its reach; a terminator such as "but" or an affirmation such as
"there is" ends it. Here a comma ends it too, unless a list goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from plainscan.reports.lexicon import COMMA, Lexicon, Token

Status: TypeAlias = Literal["present", "absent", "uncertain"]
_Reach: TypeAlias = Literal["present", "absent", "uncertain", "history"]
_CUES: Final[dict[str, _Reach]] = {"negation": "absent", "uncertainty": "uncertain", "history": "history"}
_NAMES: Final = frozenset({"finding", "group", "other"})
_OR: Final = re.compile(r"\b(?:or|nor)\b")


@dataclass(frozen=True, slots=True)
class _Segment:
    """What stands between two commas."""

    text: str
    tokens: tuple[Token, ...]

    def bare(self) -> bool:
        """Whether it is nothing but the name of a finding, as in a list."""
        return len(self.tokens) == 1 and _names(self.tokens[0]) and len(self.text.strip()) == _length(self.tokens[0])

    def affirms(self) -> bool:
        """Whether it says that something is there."""
        return any(token.kind == "affirmation" for token in self.tokens)


class _Reader:
    """Walks through a sentence and colors each finding."""

    def __init__(self) -> None:
        self.found: list[tuple[Token, _Reach]] = []
        self.reach: _Reach = "present"
        self._back = 0  # the first finding that a cue behind it reaches
        self._denied = 0  # findings met when the last negation began

    def segment(self, segment: _Segment, *, after_bare: bool) -> None:
        """Read what stands between two commas."""
        if not after_bare:
            self._back = len(self.found)
        for i, token in enumerate(segment.tokens):
            kind, _, direction = token.kind.partition(".")
            if kind in _CUES:
                ahead = any(map(_names, segment.tokens[i + 1 :]))
                self._cue(_CUES[kind], ahead if direction == "either" else direction == "before")
            elif kind == "aftermath":
                self._color("history")
                self.found.append((token, "present"))
            elif kind == "normal":
                self.found.append((token, "absent"))
            elif kind in _NAMES:
                self.found.append((token, self.reach))
            elif kind in ("affirmation", "terminator"):
                self.reach, self._back = "present", len(self.found)

    def _cue(self, reach: _Reach, forward: bool) -> None:
        if not forward:
            self._color(reach)
        elif reach == "uncertain" and self.reach == "absent" and self._denied == len(self.found):
            pass  # "no suspicious mass": the doubt is denied too
        else:
            self.reach, self._denied = reach, len(self.found)

    def _color(self, reach: _Reach) -> None:
        self.found[self._back :] = [(token, reach) for token, _ in self.found[self._back :]]


def statuses(sentence: str, tokens: Sequence[Token], words: Lexicon) -> Iterator[tuple[Token, Status]]:
    """Each finding of a sentence with its status; one that belongs to the past is left out.

    Args:
        sentence: In lower case, half width.
        tokens: Its phrases and commas, in order.
        words: The language they were found with.
    """
    segments = _segments(sentence, tokens)
    reader = _Reader()
    for i, segment in enumerate(segments):
        if reader.reach != "present" and not _goes_on(segments[i:], words):
            reader.reach = "present"
        reader.segment(segment, after_bare=i > 0 and segments[i - 1].bare())
    for token, reach in reader.found:
        if reach != "history":
            yield token, reach


def _segments(sentence: str, tokens: Sequence[Token]) -> list[_Segment]:
    segments: list[_Segment] = []
    start, held = 0, list[Token]()
    for token in [*tokens, Token(COMMA, len(sentence), len(sentence))]:
        if token.kind == COMMA:
            segments.append(_Segment(sentence[start : token.start], tuple(held)))
            start, held = token.end, []
        else:
            held.append(token)
    return segments


def _goes_on(segments: Sequence[_Segment], words: Lexicon) -> bool:
    """Whether a cue before the comma still reaches the first segment: "no bleed, mass or shift"."""
    first = segments[0]
    if first.affirms() and not _OR.search(first.text):
        return False
    if first.bare() or words.conjunctions.match(first.text):
        return True
    return words.language == "english" and any(_OR.search(segment.text) for segment in segments)


def _names(token: Token) -> bool:
    return token.kind.split(".")[0] in _NAMES


def _length(token: Token) -> int:
    return token.end - token.start
