"""How far a cue reaches: the status of each finding in one sentence.

The method is that of ConText (Harkema et al., J Biomed Inform 2009;42:839-851): a cue such as "no", "未见" or
"cannot be excluded" colors the findings in its reach; a terminator such as "but" or an affirmation such as
"there is" ends it. Here a comma ends it too, unless a list goes on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from plainscan.reports.lexicon import COMMA, Lexicon, Token

Status: TypeAlias = Literal["present", "absent", "uncertain"]
_Reach: TypeAlias = Literal["present", "absent", "uncertain", "history"]
_CUES: Final[dict[str, _Reach]] = {"negation": "absent", "uncertainty": "uncertain", "history": "history"}
_NAMES: Final = frozenset({"finding", "group", "other"})
_JOINED: Final = re.compile(r"\s*(?:$|(?:and|or|nor)\b|[及或和与、/])")
_OR: Final = re.compile(r"\b(?:or|nor)\b")


@dataclass(frozen=True, slots=True)
class _Segment:
    """What stands between two commas."""

    start: int
    text: str
    tokens: tuple[Token, ...]

    def bare(self) -> bool:
        """Whether it is nothing but the name of a finding, as in a list."""
        return len(self.tokens) == 1 and _names(self.tokens[0]) and len(self.text.strip()) == _length(self.tokens[0])

    def points_ahead(self, i: int) -> bool:
        """Whether the cue at this place speaks of what follows; at the very end (脑出血未见) it cannot."""
        cue, rest = self.tokens[i], self.tokens[i + 1 :]
        direction = cue.kind.partition(".")[2]
        if direction == "either":
            return any(map(_names, rest))
        return direction == "before" and bool(rest or self.text[cue.end - self.start :].strip())

    def tails_off(self) -> bool:
        """Whether words follow its last finding that continue no list: "no bleed with", but not "no bleed or"."""
        if not self.tokens or not _names(self.tokens[-1]):
            return False
        return not _JOINED.match(self.text, self.tokens[-1].end - self.start)

    def listed(self) -> bool:
        """Whether it is nothing but the name of a finding of the list; a described density is no item of a list."""
        return self.bare() and self.tokens[0].kind != "other"

    def affirms(self) -> bool:
        """Whether it says that something is there."""
        return any(token.kind == "affirmation" for token in self.tokens)


class _Reader:
    """Walks through a sentence, colors each finding and keeps the text between phrases that nothing denies."""

    def __init__(self) -> None:
        self.found: list[tuple[Token, _Reach]] = []
        self.open: list[tuple[int, int]] = []
        self.reach: _Reach = "present"
        self._back = 0  # the first finding that a cue behind it reaches
        self._denied = 0  # findings met when the last negation began
        self._remarked = False

    def segment(self, segment: _Segment, *, after_bare: bool) -> None:
        """Read what stands between two commas."""
        if not after_bare:
            self._back = len(self.found)
        spans = len(self.open)
        place = segment.start
        for i, token in enumerate(segment.tokens):
            self._between(place, token.start)
            place = token.end
            kind = token.kind.partition(".")[0]
            if kind in _CUES:
                self._cue(_CUES[kind], segment.points_ahead(i))
            elif kind == "aftermath":
                self._treated()
                self.found.append((token, "present"))
            elif kind == "normal":
                self.found.append((token, "absent"))
            elif kind in _NAMES:
                self.found.append((token, self.reach))
            elif kind in ("affirmation", "terminator"):
                self.reach, self._back = "present", len(self.found)
                spans = len(self.open)
            elif kind == "remark":
                self._remarked = True
            behind = token.kind == "normal.subject" or kind in ("negation", "history", "aftermath")
            if behind and self.reach not in ("absent", "history"):
                del self.open[spans:]  # it speaks of what stands before it
        if self.reach == "absent" and segment.tails_off():
            self.open.append((place, segment.start + len(segment.text)))
        else:
            self._between(place, segment.start + len(segment.text))

    def _between(self, start: int, end: int) -> None:
        """Keep a stretch without phrases, unless it is denied, past, or belongs to advice."""
        if start < end and self.reach not in ("absent", "history") and not self._remarked:
            self.open.append((start, end))

    def _cue(self, reach: _Reach, forward: bool) -> None:
        if not forward:
            self._color(reach)
        elif self.reach == "history":
            pass  # "if there is concern for": the doubt belongs to what is not said
        elif reach == "uncertain" and self.reach == "absent" and self._denied == len(self.found):
            pass  # "no suspicious mass": the doubt is denied too
        else:
            self.reach, self._denied = reach, len(self.found)

    def _color(self, reach: _Reach) -> None:
        behind = self.found[self._back :]
        self.found[self._back :] = [(token, "history" if old == "history" else reach) for token, old in behind]

    def _treated(self) -> None:
        """What was there before a treatment is past; what is said to be gone stays gone."""
        behind = self.found[self._back :]
        self.found[self._back :] = [(token, old if old == "absent" else "history") for token, old in behind]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a sentence says: its findings with their status, and the stretches between phrases that nothing denies."""

    said: tuple[tuple[Token, Status], ...]
    open: tuple[tuple[int, int], ...]


def read_scope(sentence: str, tokens: Sequence[Token], words: Lexicon) -> Scope:
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
        reader.segment(segment, after_bare=i > 0 and segments[i - 1].listed())
    said = tuple((token, reach) for token, reach in reader.found if reach != "history")
    return Scope(said, tuple(reader.open))


def _segments(sentence: str, tokens: Sequence[Token]) -> list[_Segment]:
    segments: list[_Segment] = []
    start, held = 0, list[Token]()
    for token in [*tokens, Token(COMMA, len(sentence), len(sentence))]:
        if token.kind == COMMA:
            segments.append(_Segment(start, sentence[start : token.start], tuple(held)))
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
