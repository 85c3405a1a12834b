"""What nothing accounts for: words of a sentence that are no phrase, not denied, and not in the plain vocabulary.

A report may name an abnormality that no phrase knows. Silence about it must not read as "no finding", so such words
are looked for wherever nothing denies them. The plain vocabulary (``[plain]`` in the phrase files) holds what says
nothing abnormal on its own: anatomy, sides, measures, how the scan was made. Together such words may still say
something: a degree or a measure of a part of the head that nobody calls normal ("the ventricles are large"), a part
that is not seen, a doubt about nothing named. These are kept as unknown too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from plainscan.reports.lexicon import SHADOW, Token, lexicon
from plainscan.reports.scope import Hollow, Scope, Stretch

# What is left of a Chinese stretch after its plain terms, and English words with the units that stick to numbers.
_HAN: Final = re.compile("[\u3400-\u9fff]+")
_LATIN: Final = re.compile(r"[a-z]{2,}")
_MEASURE: Final = re.compile(r"\d[\d.]*\s*(?:mm|cm|millimeter|centimeter|毫米|厘米)(?![\w/])")
_SIDE: Final = re.compile(r"\s+(on the (?:left|right)\b(?!\s*(?:and|or|as)\b)|only\b)")
_ABOUT: Final = re.compile(
    r"\b(?:ct|scans?|images?|sections|views|study|examination)\s+(?:of|through|from|at)\b|扫描|平扫|检查"
)
_BUT: Final = re.compile(r"\s*(?:but|however|though|although|yet)\b|[但而]|不过|然而")
_EDGE: Final = re.compile(
    r"\b(?:outlines?|contours?|boundar(?:y|ies)|borders?|margins?|interfaces?)\b|轮廓|边界|界限|境界|分界|层次"
)
_ONE_SIDE: Final = re.compile(r"\s*(?:the\s+)?(?:left|right)(?:\s+(?:one|side))?\s*|[左右对]侧?")
_CHANGE: Final = re.compile(
    r"\b(?:larger|smaller|thicker|thinner|denser|less dense|persists?|trace|(?:is|are) new|it (?:now )?measures)\b"
)
# "ventricles above the normal range", 较正常大, "only just preserved", "were normal on the prior": nothing is normal.
_ELSEWHERE: Final = r"\b(?:above|below|outside|beyond|twice|double|half|than)\b"
_INSTEAD: Final = re.compile(
    rf"{_ELSEWHERE}|\b(?:only just|just about|minimally|barely|poorly)\b|(?:较|(?<!对)比)(?=正常)"
    "|[未不非](?=居中|对称|正常|均匀|清晰|完整|连续)"
)
_AHEAD: Final = re.compile(rf"{_ELSEWHERE}\s+(?:the\s+)?$|[未不非]$")
_SIZE: Final = re.compile("[较略稍偏](?:大|宽|小|窄|厚)|(?:大|宽|窄|厚)(?=[但而余第]|其余)")
_WAS: Final = re.compile(r"\bw(?:as|ere)\b")
_THEN: Final = re.compile(
    r"\s*(?:in (?:size|caliber|calibre|width)\s+)?"
    r"(?:(?:on|at|in) (?:the |her |his )?(?:prior|previous|earlier|last)|previously|then)\b"
)
_LITERAL: Final = re.compile(r"[^()\[\]|.,\s]+")


def unaccounted(sentence: str, scope: Scope) -> list[tuple[int, int]]:
    """The places of words in a sentence that say something unknown, in order.

    Args:
        sentence: In lower case, half width, simplified characters.
        scope: What the sentence says.
    """
    places = {place for stretch in scope.open for place in _unknown(sentence, stretch.start, stretch.end)}
    places.update(place for token in scope.normal if ".." in token.phrase for place in _in_gap(sentence, token))
    places.update((hollow.cue.start, hollow.cue.end) for hollow in scope.hollow if _says(sentence, hollow))
    places.update(_degrees(sentence, scope.open))
    if not (places or scope.said or scope.normal):
        places.update(_bare(sentence, scope.open))
    for token in scope.normal:
        places.update((*_one_side(sentence, token), *_compared(sentence, token)))
        if token.kind == "variant" and ".." in token.phrase:
            places.update(_degree_in_gap(sentence, token))
    return sorted(places)


def names_a_part(text: str) -> bool:
    """Whether a text names a part of the head."""
    return _holds(text, "anatomy")


def _unknown(sentence: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    words = _vocabulary()
    text = sentence[start:end]
    if _LATIN.search(text):
        text = words.together.sub(_blank, text)
    for word in _LATIN.finditer(text):
        singular = word[0].removesuffix("s") if len(word[0]) > 4 else word[0]  # "pres" is no plural
        if word[0] not in words.english and singular not in words.english:
            yield start + word.start(), start + word.end()
    if text.isascii():
        return
    for run in _HAN.finditer(words.chinese.sub(_blank, text)):
        yield start + run.start(), start + run.end()


def _in_gap(sentence: str, token: Token) -> Iterator[tuple[int, int]]:
    """Words that a statement of normality runs over: "brain qwerty in normal position"."""
    literals = _literals(token.phrase)
    text = literals.sub(_blank, sentence[token.start : token.end])
    for start, end in _unknown(text, 0, len(text)):
        yield token.start + start, token.start + end


def _says(sentence: str, hollow: Hollow) -> bool:
    """Whether a cue that names no finding says something: a denial does, of a part of the head and nothing else."""
    if hollow.subject is None:
        return True
    start, end = hollow.subject
    subject = sentence[start:end]
    part = _holds(subject, "anatomy") or _EDGE.search(subject) or _ONE_SIDE.fullmatch(subject)
    return bool(part) and not any(_unknown(sentence, start, end))


def _one_side(sentence: str, token: Token) -> Iterator[tuple[int, int]]:
    """A side or an "only" behind normality: "the brain is normal on the right" says nothing of the left."""
    if token.kind.startswith("normal") and (side := _SIDE.match(sentence, token.end)):
        yield side.span(1)


def _compared(sentence: str, token: Token) -> Iterator[tuple[int, int]]:
    """A comparison with what is normal, or a time when it was, where normality itself is taken to be said."""
    start, end = token.start, token.end
    if not token.kind.startswith("normal"):
        return
    found = _INSTEAD.search(sentence, start, end) or _AHEAD.search(sentence, max(0, start - 16), start)
    if found is None and ".." in token.phrase:
        found = _SIZE.search(sentence, start, end)
    if found is None and _WAS.search(sentence, start, end):
        found = _THEN.match(sentence, end)
    if found:
        yield found.span()


def _degree_in_gap(sentence: str, token: Token) -> Iterator[tuple[int, int]]:
    """A degree that a variant runs over: "asymmetric dense transverse sinus"."""
    words = _vocabulary()
    gap = _literals(token.phrase).sub(_blank, sentence[token.start : token.end])
    for word in words.words(gap):
        if word[0] in words.groups["degree"]:
            yield token.start + word.start(), token.start + word.end()


def _degrees(sentence: str, stretches: tuple[Stretch, ...]) -> Iterator[tuple[int, int]]:
    """Degrees and measures of a part of the head that nobody calls normal."""
    found = [(stretch, place) for stretch in stretches if not stretch.excused for place in _telling(sentence, stretch)]
    if not found or _holds(sentence, "slicing"):
        return
    named = any(_holds(sentence[stretch.start : stretch.end], "anatomy") for stretch in stretches)
    for stretch, place in found:
        start = 0 if _BUT.match(sentence, stretch.segment) else stretch.segment
        if named or _holds(sentence[start : stretch.end], "anatomy"):  # "the vermis is present but small"
            yield place


def _bare(sentence: str, stretches: tuple[Stretch, ...]) -> Iterator[tuple[int, int]]:
    """Inner parts of the head, or change, where a sentence says nothing of them: "addendum: pons", "slightly larger".

    No list of plain words holds beside them: a bottle, a treatment, an error in the pons is none of its own.
    """
    words = _vocabulary()
    if _ABOUT.search(sentence) or _holds(sentence, "slicing") or _holds(sentence, "normal"):
        return
    for stretch in stretches:
        for word in words.words(sentence[stretch.start : stretch.end]):
            if word[0] in words.groups["anatomy"] and word[0] not in words.groups["outer"]:
                yield stretch.start + word.start(), stretch.start + word.end()
        for change in _CHANGE.finditer(sentence, stretch.start, stretch.end):
            yield change.span()


def _telling(sentence: str, stretch: Stretch) -> Iterator[tuple[int, int]]:
    words = _vocabulary()
    for word in words.words(sentence[stretch.start : stretch.end]):
        if word[0] in words.groups["degree"]:
            yield stretch.start + word.start(), stretch.start + word.end()
    for measure in _MEASURE.finditer(sentence, stretch.start, stretch.end):
        yield measure.span()


def _holds(text: str, group: str) -> bool:
    words = _vocabulary()
    return any(word[0] in words.groups[group] for word in words.words(text))


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


@cache
def _literals(phrase: str) -> re.Pattern[str]:
    """The words of a phrase as they stand in its line, longest first."""
    words = sorted(_LITERAL.findall(phrase.lower()), key=len, reverse=True)
    patterns = [rf"\b{re.escape(word)}(?:e?s)?\b" if word.isascii() else re.escape(word) for word in words]
    return re.compile("|".join([*patterns, f"{SHADOW}$"]))


@dataclass(frozen=True)
class _Vocabulary:
    """The plain vocabulary: Chinese terms and English terms of several words as patterns, English words as a set."""

    chinese: re.Pattern[str]
    together: re.Pattern[str]
    english: frozenset[str]
    groups: dict[str, frozenset[str]]  # of both languages

    def words(self, text: str) -> Iterator[re.Match[str]]:
        """Every plain Chinese term and every English word of a text."""
        if not text.isascii():
            yield from self.chinese.finditer(text)
        yield from _LATIN.finditer(text)


def _by_head(terms: Iterable[str]) -> str:
    """An expression of terms, the longest first, that looks at each first character once."""
    tails: dict[str, list[str]] = {}
    for term in sorted(terms, key=len, reverse=True):
        tails.setdefault(term[0], []).append(re.escape(term[1:]))
    return "|".join(f"{re.escape(head)}(?:{'|'.join(rest)})" for head, rest in tails.items())


@cache
def _vocabulary() -> _Vocabulary:
    chinese, english = lexicon("chinese").plain, lexicon("english").plain
    terms = frozenset[str]().union(*chinese.values(), *english.values())
    together = [term.replace("_", r"[\s/-]+") for term in terms if "_" in term]
    groups = {name: chinese.get(name, frozenset()) | english.get(name, frozenset()) for name in (*chinese, *english)}
    return _Vocabulary(
        re.compile(_by_head(term for term in terms if not term.isascii())),
        re.compile(rf"\b(?:{'|'.join(sorted(together, key=len, reverse=True))})\b"),
        frozenset(term for term in terms if term.isascii() and "_" not in term),
        groups,
    )
