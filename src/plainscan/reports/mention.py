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

from plainscan.reports.lexicon import Section, lexicon
from plainscan.reports.notation import LANGUAGES
from plainscan.reports.scope import Status, statuses

OTHER: Final = "other"  # an abnormality that no finding of the closed list names

_HALF_WIDTH: Final[dict[int, int]] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    **str.maketrans("\u3000\u00a0\r【】｡", "  \n[]。"),
}
_CJK: Final = re.compile("[\u4e00-\u9fff]")
# A sentence ends at a full stop that is no decimal point, at a semicolon, at a line that does not go on in lower case.
_END: Final = re.compile(r"[。;!]|\.(?=\s|$|[\u4e00-\u9fff])|(?<=\d)[.、)](?=[\u4e00-\u9fff])|\n(?!\s*[a-z])")
_WORD: Final = re.compile(r"[^\W\d_]{2}")
_KNOWN: Final = frozenset({"finding", "other", "group", "normal", "variant", "aftermath", "history", "remark"})


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
    """

    finding: str
    status: Status
    section: Section
    sentence: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """All mentions of a report, and how many sentences of its conclusion (or of all of it) said nothing known."""

    mentions: tuple[Mention, ...]
    unread: int


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
    sentences = [s for s in _sentences(report) if s.section != "skip"]
    concluding = {"impression"} if any(s.section == "impression" for s in sentences) else {"findings"}
    mentions: list[Mention] = []
    unread = 0
    for sentence in sentences:
        said, known = _read(sentence, report)
        mentions += said
        unread += not known and sentence.section in concluding
    return Reading(tuple(mentions), unread)


def _plain(report: str) -> str:
    """Half width and lower case, character for character, so that places stay places."""
    wide = report.translate(_HALF_WIDTH)
    lower = wide.lower()
    return lower if len(lower) == len(wide) else "".join(c.lower() if len(c.lower()) == 1 else c for c in wide)


def _sentences(report: str) -> Iterator[_Sentence]:
    text, cased = _plain(report), report.translate(_HALF_WIDTH)
    for start, end, section in _sections(text):
        cuts = [(start, start), *(m.span() for m in _END.finditer(cased, start, end)), (end, end)]
        for (_, first), (last, _) in pairwise(cuts):
            if _WORD.search(text, first, last):
                yield _Sentence(text[first:last], first, section)


def _sections(text: str) -> Iterator[tuple[int, int, Section]]:
    pattern, sections = _headings()
    section: Section = "findings"
    start = 0
    for match in pattern.finditer(text):
        yield start, match.start(), section
        section, start = sections[match[1]], match.end()
    yield start, len(text), section


@cache
def _headings() -> tuple[re.Pattern[str], dict[str, Section]]:
    sections: dict[str, Section] = {
        name: kind for language in LANGUAGES for name, kind in lexicon(language).headings.items()
    }
    names = "|".join(sorted(map(re.escape, sections), key=len, reverse=True))
    pattern = re.compile(rf"(?:^|(?<=[\n。.;\]]))\s*[\[(<]?\s*({names})\s*(?:[\])>]\s*:?|:|(?=\n))")
    return pattern, sections


def _read(sentence: _Sentence, report: str) -> tuple[list[Mention], bool]:
    """The mentions of a sentence, and whether it holds anything known."""
    words = lexicon("chinese" if _CJK.search(sentence.text) else "english")
    tokens = words.tokens(sentence.text)
    found = [
        Mention(
            _finding(token.kind),
            status,
            sentence.section,
            report[sentence.start : sentence.start + len(sentence.text)].strip(),
            sentence.start + token.start,
            sentence.start + token.end,
        )
        for token, status in statuses(sentence.text, tokens, words)
    ]
    return found, any(token.kind.split(".")[0] in _KNOWN for token in tokens)


def _finding(kind: str) -> str:
    return OTHER if kind in ("other", "aftermath") else kind.split(".")[1]
