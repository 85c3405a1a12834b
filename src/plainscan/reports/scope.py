"""How far a cue reaches: the status of each finding in one sentence.

The method is that of ConText (Harkema et al., J Biomed Inform 2009;42:839-851): a cue such as "no", "未见" or
"cannot be excluded" colors the findings in its reach; a terminator such as "but" or an affirmation such as
"there is" ends it. Here a comma ends it too, unless a list goes on.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, Literal, TypeAlias

from plainscan.reports.clause import is_beside, is_by_itself, is_described, is_given, is_list, speaks_of, with_clauses
from plainscan.reports.lexicon import EXCUSES, NAMES, NEAR, Lexicon, Token
from plainscan.reports.segment import JOINS, Segment, names, segments_of

Status: TypeAlias = Literal["present", "absent", "uncertain"]
_Reach: TypeAlias = Literal["present", "absent", "uncertain", "history"]
_CUES: Final[dict[str, _Reach]] = {"negation": "absent", "uncertainty": "uncertain", "history": "history"}
_PROMISES: Final = frozenset({"affirmation.before", "terminator.before"})  # what follows them is there
_ANY: Final = re.compile(r"\b(?:and|or|nor)\b|\betc\b")
_ANY_JOIN: Final = re.compile(r"\b(?:and|or)\b|[及或和与、](?![左右双两])")
_ALL: Final = re.compile(r"均|都|皆|\b(?:are|were|all|both|none)\b")
_SELDOM_DENIED: Final = frozenset(
    {"other", "finding.lacune", "finding.atrophy", "finding.late_infarct", "finding.scalp_hematoma"}
)
_MOST_ITEMS: Final = 20  # that are looked at, so that no report takes the square of its length
_LEAST_ITEMS: Final = 3  # behind the first: so many names between commas are a list
_CUT_SHORT: Final = "、及和与或/"
_IF: Final = ("if", "(如", "(sensitive")
_EXCLUSIONS: Final = ("(is|are) (excluded|ruled out)", "(ruled out|excluded)", "(unlikely|not likely)")
_NOW: Final = re.compile(r"\b(?:with|now|showing)\b|[现今]")
_STILL: Final = re.compile(
    r"较前|如前|同前|本次|仍|增大|\b(?:which|that) (?:is|are|has|have)\b|\b(?:larger|smaller|unchanged|stable)\b"
)
_AND_NOW: Final = re.compile(r"\s*,\s*(?:unchanged|stable|larger|smaller|growing)\b")
_UNLESS: Final = re.compile(r"\b(?:not|cannot|\w+n't|should|must|needs?|best|never|incompletely|yet)\b[^,;]*$")
_OR: Final = re.compile(r"\b(?:or|nor)\b")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Text between phrases that nothing denies.

    Args:
        start: First character in the sentence.
        end: One past its last.
        segment: Where the part between two commas begins that it belongs to.
        excused: Whether that part says that something is normal, or a variant.
    """

    start: int
    end: int
    segment: int
    excused: bool


@dataclass(frozen=True, slots=True)
class Hollow:
    """A cue that names no finding: "possible left frontal", "no septum pellucidum", "except the left insula".

    Args:
        cue: The phrase.
        subject: What a denial speaks of, characters of the sentence: an abnormality if it is a part of the head. None
            where the cue is a doubt or an affirmation, which always says something.
    """

    cue: Token
    subject: tuple[int, int] | None


class _Reader:
    """Walks through a sentence, colors each finding and keeps the text between phrases that nothing denies."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        self.found: list[tuple[Token, _Reach]] = []
        self.open: list[Stretch] = []
        self.hollow: list[Hollow] = []
        self.reach: _Reach = "present"
        self._back = 0  # the first finding that a cue behind it reaches
        self._denied = 0  # findings met when the last negation began
        self._named = False  # whether something was named where a cue behind it would reach
        self._waiting: Token | None = None  # the cue ahead of which nothing has been named yet
        self._place = 0
        self._parts: list[tuple[int, int, bool]] = []  # of the segment that is read
        self._cued = 0  # where the last cue ahead ends
        self._if = False  # whether it makes a condition

    def segment(self, segment: Segment, *, after_bare: bool) -> None:
        """Read what stands between two commas."""
        if not after_bare:
            self._back, self._named = len(self.found), False
        spans, self._place, self._parts = len(self.open), segment.start, segment.parts()
        excused = segment.excuses(0)
        for i, token in enumerate(segment.tokens):
            self._between(token.start, segment, excused)
            self._token(token, segment.points_ahead(i), segment)
            self._place = token.end
            kind = token.family
            if kind in ("affirmation", "terminator"):
                spans = len(self.open)
                excused = segment.excuses(i + 1) if kind == "terminator" else excused
            behind = token.kind == "normal.subject" or kind in ("negation", "history", "aftermath")
            if behind and self.reach not in ("absent", "history"):
                cut = self._parts[bisect_right(self._parts, (token.start, len(self.sentence))) - 1][0]
                kept = [stretch for stretch in self.open[spans:] if stretch.end <= cut]
                self.open[spans:] = kept  # it speaks of what stands before it in its part
        end = segment.start + len(segment.text)
        if self.reach == "absent" and segment.tails_off():
            self.open.append(Stretch(self._place, end, segment.start, excused=True))
        else:
            self._between(end, segment, excused)
        self._complete(segment, "uncertain")  # nothing follows: 硬膜下及蛛网膜下腔 names no blood
        if self._waiting and self._waiting.kind in _PROMISES:
            self.settle(end)
        self._place = end

    def settle(self, end: int) -> None:
        """A cue's reach ends here: keep the cue if it has named nothing."""
        if self._waiting:
            denies = self._waiting.kind.startswith("negation")
            self.hollow.append(Hollow(self._waiting, (self._waiting.end, end) if denies else None))
        self._waiting = None

    def _token(self, token: Token, ahead: bool, segment: Segment) -> None:
        kind = token.family
        if kind in _CUES:
            self._cue(token, _CUES[kind], ahead, segment)
        elif kind == "aftermath":
            self._treated()
            self._name(token, "present", segment)
        elif kind == "normal":
            sure = self.reach not in ("absent", "uncertain") or self._waiting is None
            self._name(token, "absent" if sure else "uncertain", segment)
            if sure and segment.denies_on(token):
                self.reach, self._denied = "absent", len(self.found)
        elif kind in NAMES:
            self._name(token, self._now(token, segment), segment)
        elif kind == "variant":
            self._waiting, self._named = None, True
        elif kind in ("affirmation", "terminator"):
            self.settle(token.start)
            self.reach, self._back, self._named = "present", len(self.found), False
            if token.kind in _PROMISES and segment.goes_on_after(token):
                self._waiting = token

    def _now(self, token: Token, segment: Segment) -> _Reach:
        """The reach at a name: what is taken as given is there, and what a history tells more of need not be past."""
        place = max(self._cued, self.found[-1][0].end if self.found else 0)
        given = self.reach in ("absent", "history") and is_given(self.sentence, self._cued, place, token)
        if self.reach == "absent":
            beside = self._denied < len(self.found) and is_beside(self.sentence[self._place : token.start])
            return "present" if given else "uncertain" if beside else "absent"
        if self.reach == "history":
            still = _STILL.search(self.sentence, token.end, min(token.end + NEAR, segment.start + len(segment.text)))
            more = (
                (given and self._if)
                or still
                or _NOW.search(self.sentence, max(self._cued, token.start - NEAR), token.start)
            )
            return "uncertain" if more or _AND_NOW.match(self.sentence, token.end) else "history"
        return self.reach

    def _name(self, token: Token, reach: _Reach, segment: Segment) -> None:
        self._complete(segment, reach)
        self.found.append((token, reach))
        self._waiting, self._named = None, True

    def _complete(self, segment: Segment, reach: _Reach) -> None:
        """What was cut short goes with what follows: 硬膜外、硬膜下未见出血."""
        for i in range(len(self.found) - 1, -1, -1):
            before = self.found[i][0]
            if before.start < segment.start or segment.text[before.end - segment.start - 1] not in _CUT_SHORT:
                break
            self.found[i] = before, reach

    def _between(self, end: int, segment: Segment, excused: bool) -> None:
        """Keep a stretch without phrases, unless it is denied or past."""
        start = self._place
        if self.reach == "history" and (now := _NOW.search(segment.text, start - segment.start, end - segment.start)):
            start = segment.start + now.end()  # "history of a fall with": what follows need not be past
        elif self.reach in ("absent", "history"):
            return
        if start >= end:
            return
        if not excused:
            self.open.append(Stretch(start, end, segment.start, excused))
            return
        at = max(bisect_right(self._parts, (start, len(self.sentence))) - 1, 0)
        for first, last, normal in takewhile(lambda part: part[0] < end, self._parts[at:]):
            if max(first, start) < min(last, end):
                self.open.append(Stretch(max(first, start), min(last, end), segment.start, normal))

    def _cue(self, token: Token, reach: _Reach, forward: bool, segment: Segment) -> None:
        if not forward:
            if (
                reach == "absent"
                and token.phrase in _EXCLUSIONS
                and _UNLESS.search(self.sentence, max(0, token.start - NEAR), token.start)
            ):
                reach = "uncertain"  # "should be excluded", "not fully excluded"
            gone = token.kind in ("negation.gone", "negation.before")
            if not self._named and self.reach != "history" and (reach == "uncertain" or gone):
                self.hollow.append(Hollow(token, (segment.start, token.start) if gone else None))
            self.settle(token.start)
            self._color(reach, token)
        elif self.reach == "history":
            pass  # "if there is concern for": the doubt belongs to what is not said
        elif reach == "uncertain" and self.reach == "absent" and self._denied == len(self.found):
            pass  # "no suspicious mass": the doubt is denied too
        else:
            if reach == "history" and token.phrase.startswith(_IF) and self._named:
                self.hollow.append(Hollow(token, None))  # "normal if the spot is an artifact"
            if self._waiting and self._waiting.kind != "affirmation.before" and reach != self.reach:
                self.settle(token.start)
            self.reach, self._denied, self._cued = reach, len(self.found), token.end
            self._if = token.phrase.startswith(_IF)
            self._waiting = None if reach == "history" else token

    def _color(self, reach: _Reach, cue: Token) -> None:
        """What a cue says of the names before it; a denial and a history reach the last alone, or a list of them."""
        first = len(self.found)
        while first > self._back and (reach == "uncertain" or self._reaches(first, cue)):
            first -= 1
        behind = self.found[first:]
        self.found[first:] = [(token, "history" if old == "history" else _of(token, reach)) for token, old in behind]

    def _reaches(self, first: int, cue: Token) -> bool:
        """Whether a cue that reaches the names from this number on reaches the one before them, too."""
        name = self.found[first - 1][0]
        end, last = name.end, self.found[-1][0].end
        if first == len(self.found):
            return speaks_of(self.sentence[end : cue.start])
        between = self.sentence[end : self.found[first][0].start]
        if cue.kind.endswith(".change"):
            return False  # 骨折、血肿已吸收
        if _ALL.search(self.sentence, last, cue.end) or _ANY_JOIN.search(self.sentence, end, cue.start):
            return is_list(between)
        own = is_described(self.sentence[max(0, name.start - 6) : name.start]) or is_described(between)
        return is_list(between) and "," not in between and not own

    def _treated(self) -> None:
        """What was there before a treatment is past; what is said to be gone stays gone."""
        behind = self.found[self._back :]
        self.found[self._back :] = [(token, old if old == "absent" else "history") for token, old in behind]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a sentence says: its findings with their status, what nothing denies, and cues that name nothing."""

    said: tuple[tuple[Token, Status], ...]
    open: tuple[Stretch, ...]
    hollow: tuple[Hollow, ...]
    normal: tuple[Token, ...]  # what is said to be normal, or a variant: unknown words may hide in their gaps


def read_scope(sentence: str, tokens: Sequence[Token], words: Lexicon) -> Scope:
    """Each finding of a sentence with its status; one that belongs to the past is left out.

    Args:
        sentence: In lower case, half width.
        tokens: Its phrases and commas, in order.
        words: The language they were found with.
    """
    tokens = with_clauses(sentence, tokens)
    segments = segments_of(sentence, tokens)
    reader = _Reader(sentence)
    for i, segment in enumerate(segments):
        if reader.reach != "present" and not _goes_on(segments[i:], words):
            reader.settle(segment.start)
            reader.reach = "present"
        elif (reader.reach == "absent" and _loose(segments, i, words)) or (
            reader.reach == "history" and segment.bare()
        ):
            reader.reach = "uncertain"
        reader.segment(segment, after_bare=i > 0 and segments[i - 1].listed())
    reader.settle(len(sentence))
    if not reader.found:  # "nearly resolved": what is not named was there
        reader.hollow += [Hollow(token, None) for token in tokens if token.kind.endswith(".change")]
    said = tuple((token, reach) for token, reach in reader.found if reach != "history")
    normal = tuple(token for token in tokens if token.family in EXCUSES)
    return Scope(said, tuple(reader.open), tuple(reader.hollow), normal)


def _goes_on(segments: Sequence[Segment], words: Lexicon) -> bool:
    """Whether a cue before the comma still reaches the first segment: "no bleed, mass or shift"."""
    first = segments[0]
    if first.affirms() and not _OR.search(first.text):
        return False
    if words.language == "english" and is_by_itself(first.text) and not _OR.search(first.text):
        return False  # "no bleed, left frontal hypodensity, infarct or tumor"
    joined = words.conjunctions.match(first.text)
    if joined and not _OR.search(joined[0]) and is_described(first.text):
        return False  # "no bleed, and an old infarct"
    if first.bare() or joined or (first.names_alone() and not is_described(first.text)):
        return True
    list_of_it = takewhile(lambda segment: segment is first or not segment.denies(), segments)
    return words.language == "english" and any(_OR.search(segment.text) for segment in list_of_it)


def _loose(segments: Sequence[Segment], at: int, words: Lexicon) -> bool:
    """Whether a name follows a denial over a comma alone, so that it may be denied or not.

    未见骨折，头皮血肿 or "no bleed, sinusitis"; not where a list is joined or long, unless by what is seldom denied
    (未见出血，腔隙灶及脑白质疏松).
    """
    one = segments[at]
    if one.names_alone():
        return words.language == "chinese" and any(token.kind in _SELDOM_DENIED for token in one.tokens)
    if not one.bare():
        return False
    first = max(0, at - _MOST_ITEMS)
    before = len(list(takewhile(Segment.bare, reversed(segments[first:at]))))
    items = list(
        takewhile(lambda segment: segment.bare() or segment.names_alone(), segments[at - before : at + _MOST_ITEMS])
    )
    if words.language == "chinese":
        joined = any(JOINS.search(segment.text.strip()) for segment in items)
        long = len(items) >= _LEAST_ITEMS and all(segment.listed() for segment in items)  # 未见出血，梗死，占位，骨折
        return not (joined or long)
    denied, last = segments[max(first, at - before - 1)], segments[at - 1]
    if not any(map(names, last.tokens)):
        return False  # a line that was wrapped: "no evidence of", "hemorrhage"
    if _OR.search(denied.text) or (at > 1 and last.denies() and segments[at - 2].denies()):
        return True  # the list before it has ended
    rest = segments[at - before : at + _MOST_ITEMS]
    return len(items) == 1 and not any(_ANY.search(segment.text) for segment in rest)


def _of(token: Token, reach: _Reach) -> _Reach:
    """What a cue behind a phrase makes of it: normality that is denied is no normality."""
    return "uncertain" if reach == "absent" and token.kind.startswith("normal") else reach
