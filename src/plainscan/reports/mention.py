"""Mentions of findings in a report: section by section, sentence by sentence, each present, absent or uncertain.

The method is that of ConText (Harkema et al., J Biomed Inform 2009;42:839-851): a cue such as "no", "未见" or
"cannot be excluded" colors the findings in its reach; terminators such as "but" end the reach. Here the reach
also ends at a comma, unless a list goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

from plainscan.findings import ANY_FINDING
from plainscan.reports.advice import asides
from plainscan.reports.clause import is_described
from plainscan.reports.lexicon import COMMA, NEAR, Lexicon, Section, Token, lexicon
from plainscan.reports.notation import LANGUAGES
from plainscan.reports.people import circumstances, medical, persons
from plainscan.reports.residue import names_a_part, unaccounted
from plainscan.reports.scope import Scope, Status, read_scope
from plainscan.reports.traditional import TABLE

OTHER: Final = "other"  # an abnormality that no finding of the closed list names
UNKNOWN: Final = "unknown"  # words that nothing accounts for: they may name an abnormality

_HALF_WIDTH: Final[dict[int, int | str]] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    **TABLE,
    **str.maketrans("\u3000\u00a0\r【】｡", "  \n[]。"),
}
_CJK: Final = re.compile("[\u4e00-\u9fff]")
# A sentence ends at a full stop that is no decimal point, at a semicolon, at a line that does not go on in lower case.
# An initial in a name that a title or "by" announces ends none.
_STOP: Final = (
    r"(?=[。;!|.\n、)(\s<•*~\\一二三四五六\u2460-\u249b])(?:"
    r"[。;!|]|(?<!\b[Dd]r)(?<!\b[Dd]r [A-Z])(?<!\b[Dd]r\. [A-Z])(?<!\b[Bb]y [A-Z])(?<!\b[Bb]y: [A-Z])"
    r"\.(?=\s|$|[\u4e00-\u9fff])|(?<=[a-z]{2})\.(?=[A-Z]|\d{1,2}[.)])|(?<=\d)[.、)](?=[\u4e00-\u9fff])"
    r"|<br\s*/?>|\\\.br\\|[\t•]|(?:^|(?<=\s))[*~](?!\s*\d)|\s{2,}(?=[A-Z\d])|\s\d{1,2}-\s?(?=[A-Za-z])"
    # numbered items in one line, and blanks between Chinese words that part what is said
    r"|[\u2460-\u249b]|\([一二三四五六]\)|(?<!第)[一二三四五六]、(?![三四五六])|\s\(?(?:\d|[a-e])[):](?=\s)"
    r"|(?<=[\u4e00-\u9fff])(?<![见无未显确的及和与或、示])\s+(?:\d{1,2}[:.、)\s]\s*)?(?=[\u4e00-\u9fff])"
)
_END: Final = re.compile(_STOP + r"|\n(?!\s*[a-z]))")
_END_WITHOUT_CAPITALS: Final = re.compile(_STOP + r"|\n)")
_UNREAD: Final = ("skip", "aside")
_ASKED: Final = re.compile(r"[若如]|综合考虑$|请考虑$|\bif\b|^\s*suggest$")
_ACUTE: Final = re.compile(r"\b(?:acute|new|recent|fresh|worsening|interval)\b|急性|新发|新鲜|不符的")
_THE: Final = re.compile(r"\bthe\b")
_LINE: Final = re.compile(r"\n")
_WORD: Final = re.compile(r"[^\W\d_]{2}")
_LATIN: Final = re.compile("[a-z]{3}")
_NOT_LATIN: Final = re.compile("[^\x00-\x7f]")


@dataclass(frozen=True, slots=True)
class Mention:
    """A finding named in a sentence.

    Args:
        finding: A finding's key, ``any_finding`` for "no abnormality", ``other``, or the group ``hemorrhage`` or
            ``infarct``.
        status: What the sentence says of it.
        section: Where the sentence stands.
        sentence: The sentence.
        start: First character of the phrase in the report.
        end: One past its last character.
        acute: Whether what it denies is acute, new or worse alone: an older one may be there.
    """

    finding: str
    status: Status
    section: Section
    sentence: str
    start: int
    end: int
    acute: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """All mentions of a report, and the words that nothing accounts for, as mentions of ``unknown``."""

    mentions: tuple[Mention, ...]
    unread: tuple[Mention, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a report with the phrase that read it, for looking at.

    Args:
        start: First character in the report.
        end: One past its last.
        kind: The phrase's heading in the phrase file; ``unknown`` for words that nothing accounts for; ``skip`` for
            what is not read.
        phrase: The phrase as the file writes it.
        status: What the sentence says of it, where it names a finding.
    """

    start: int
    end: int
    kind: str
    phrase: str = ""
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    start: int
    section: Section


def read_mentions(report: str) -> Reading:
    """Every mention in a report.

    >>> [(m.finding, m.status) for m in read_mentions("右侧额部头皮血肿，未见骨折。").mentions]
    [('scalp_hematoma', 'present'), ('skull_fracture', 'absent')]
    """
    mentions: list[Mention] = []
    unread: list[Mention] = []
    for sentence in _sentences(report):
        if sentence.section == "aside":
            unread += _let_slip(sentence, report)
        elif sentence.section != "skip":
            said, unknown = _read(sentence, report, opening=not mentions)
            mentions += said
            unread += unknown
    return Reading(tuple(mentions), tuple(unread))


def read_marks(report: str) -> list[Mark]:
    """Every phrase found in a report and every word that nothing accounts for, in order.

    >>> [(mark.kind, mark.status) for mark in read_marks("未见骨折。")]
    [('negation.before', None), ('finding.skull_fracture', 'absent')]
    """
    marks: list[Mark] = []
    for sentence in _sentences(report):
        start = sentence.start
        if sentence.section in _UNREAD:
            told = _let_slip(sentence, report) if sentence.section == "aside" else []
            edges = [start, *(edge for slip in told for edge in (slip.start, slip.end)), start + len(sentence.text)]
            marks += [Mark(a, b, "skip") for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]
            marks += [Mark(slip.start, slip.end, UNKNOWN) for slip in told]
            continue
        tokens, scope = _scope(sentence.text)
        unknown = _unknown(sentence, report, scope, opening=not any(mark.status for mark in marks))
        said = dict(scope.said)
        marks += [
            Mark(start + t.start, start + t.end, t.kind, t.phrase, said.get(t)) for t in tokens if t.kind != COMMA
        ]
        marks += [Mark(start + a, start + b, UNKNOWN) for a, b in unknown]
    return sorted(marks, key=lambda mark: mark.start)


def _plain(report: str) -> str:
    """Half width, simplified and lower case, character for character, so that places stay places."""
    wide = report.translate(_HALF_WIDTH)
    lower = wide.lower()
    if len(lower) != len(wide):
        lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in wide)
    return lower.replace("(-)", " 阴性") if _CJK.search(lower) else lower


def _sentences(report: str) -> Iterator[_Sentence]:
    text, cased = _plain(report), report.translate(_HALF_WIDTH)
    ends = _END_WITHOUT_CAPITALS if cased.islower() else _END
    for start, end, section in _sections(text):
        cuts = [(start, start), *(m.span() for m in ends.finditer(cased, start, end)), (end, end)]
        for (_, first), (last, _) in pairwise(cuts):
            if _WORD.search(text, first, last):
                yield _Sentence(text[first:last], first, section)


def _sections(text: str) -> Iterator[tuple[int, int, Section]]:
    pattern, sections = _headings()
    headings: list[tuple[int, int, Section]] = [
        (m.start(), m.end(), sections[m[1] or m[2] or m[3] or m[4]]) for m in pattern.finditer(text)
    ]
    headed = any(kind == "findings" for _, _, kind in headings)
    ends = [start for start, _, _ in headings] + [len(text)]
    yield 0, ends[0], "findings"
    described = False
    for (begin, start, section), end in zip(headings, ends[1:], strict=True):
        left_out = section in _UNREAD
        described |= not left_out
        # "Indication: fall. No fracture.", "Comparison: none. Mass.": no heading says where the description goes on
        if left_out and (described or not headed):
            line = None if text[:begin].rstrip(" ").rpartition("\n")[2] else _LINE.search(text, start, end)
            stop = line or _END.search(text, start, end)
            middle = stop.end() if stop else end
            yield start, middle, section
            yield middle, end, "findings"
        else:
            yield start, end, section


@cache
def _headings() -> tuple[re.Pattern[str], dict[str, Section]]:
    sections: dict[str, Section] = {
        name: kind for language in LANGUAGES for name, kind in lexicon(language).headings.items()
    }
    names = sorted(sections, key=len, reverse=True)
    any_, chinese, told = (
        "|".join(map(re.escape, some))
        for some in (
            names,
            filter(_CJK.search, names),
            (name for name in names if sections[name] in ("findings", "impression")),
        )
    )
    # "CT head: Hx: fall", "CT brain - Findings:": a title may stand before the first heading
    alone = rf"(?:^|(?<=[\n。.;:|\]])|(?<=\s[-–—]))\s*[\[(<]?\s*({any_})\s*(?:[\])>]\s*:?|:|[-–—]+\s|(?=\n))"
    bracketed = rf"\[\s*({any_})\s*\]\s*:?"  # stands anywhere in a line
    behind_blank, behind_comma = rf"(?<=\s)({chinese})\s*:", rf"(?<=,)\s*({told})\s*:"
    return re.compile(f"{alone}|{bracketed}|{behind_blank}|{behind_comma}"), sections


def _let_slip(sentence: _Sentence, report: str) -> list[Mention]:
    """Findings that a sentence under another heading speaks of as there, as words that nothing accounts for.

    "Comparison: CT of 12 March. The left subdural has enlarged." A finding without place or article is no news there.
    """
    _, scope = _scope(sentence.text)
    if not (is_described(sentence.text) or _THE.search(sentence.text)):
        return []
    whole = report[sentence.start : sentence.start + len(sentence.text)].strip()
    return [
        Mention(UNKNOWN, "uncertain", "findings", whole, sentence.start + token.start, sentence.start + token.end)
        for token, status in scope.said
        if status != "absent" and not token.kind.startswith("normal")
    ]


def _read(sentence: _Sentence, report: str, *, opening: bool) -> tuple[list[Mention], list[Mention]]:
    """The mentions of a sentence, and its words that nothing accounts for."""
    text, start = sentence.text, sentence.start
    _, scope = _scope(text)
    whole = report[start : start + len(text)].strip()
    found = [
        Mention(
            _finding(token.kind),
            status,
            sentence.section,
            whole,
            start + token.start,
            start + token.end,
            acute=status == "absent" and _ACUTE.search(text, max(0, token.start - NEAR), token.end) is not None,
        )
        for token, status in scope.said
    ]
    unknown = [
        Mention(UNKNOWN, "uncertain", sentence.section, whole, start + first, start + last)
        for first, last in _unknown(sentence, report, scope, opening=opening)
    ]
    return found, unknown


def _unknown(sentence: _Sentence, report: str, scope: Scope, *, opening: bool) -> list[tuple[int, int]]:
    """The words that nothing accounts for, without persons' names, advice and the accident that brought a patient here.

    ``opening``: nothing has been said of the head before this sentence.
    """
    text, start = sentence.text, sentence.start
    places = unaccounted(text, scope)
    if not places:
        return places
    excused = persons(report[start : start + len(text)])
    if opening:
        excused += [(first, last) for first, last in circumstances(text) if not names_a_part(text[first:last])]
    doubts = {(hollow.cue.start, hollow.cue.end) for hollow in scope.hollow if not _asked(text, hollow.cue)}
    advised = []
    for first, last in asides(text):
        named = any(first <= token.start < last for token, _ in scope.said)
        if not (named or names_a_part(text[first:last]) or medical(text[first:last])):
            advised.append((first, last))
    return [
        (a, b)
        for a, b in places
        if not any(first <= a and b <= last for first, last in excused)
        and ((a, b) in doubts or not any(first <= a and b <= last for first, last in advised))
    ]


def _asked(text: str, cue: Token) -> bool:
    """Whether a doubt is about what may come, or is for others to think of: "if ... possible", 请综合考虑."""
    start = text.rfind(",", max(0, cue.start - NEAR), cue.start) + 1 or max(0, cue.start - NEAR)
    return _ASKED.search(text, start, cue.end) is not None


def _scope(text: str) -> tuple[list[Token], Scope]:
    words = lexicon("chinese" if _CJK.search(text) else "english")
    tokens = _tokens(text, words)
    return tokens, read_scope(text, tokens, words)


def _tokens(text: str, words: Lexicon) -> list[Token]:
    """The phrases of a sentence; of a Chinese one also the English phrases that stand in it."""
    tokens = words.tokens(text)
    if words.language == "english" or not _LATIN.search(text):
        return tokens
    taken = {place for token in tokens for place in range(token.start, token.end)}
    foreign = lexicon("english").tokens(_NOT_LATIN.sub("。", text))
    more = [t for t in foreign if t.kind != COMMA and taken.isdisjoint(range(t.start, t.end))]
    return sorted([*tokens, *more], key=lambda token: token.start)


def _finding(kind: str) -> str:
    if kind in ("normal.subject", "normal.trait"):
        return ANY_FINDING
    return OTHER if kind in ("other", "aftermath") else kind.split(".")[1]
