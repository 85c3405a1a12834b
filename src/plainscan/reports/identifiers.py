"""Report text without identities: first what the study's own headers name, then what looks like an identity.

In Chinese and English. What is found is replaced by a word in brackets; dates move by the patient's days, so that
"compared with 3 March" still says how long ago that was. Names that neither the headers hold nor a word such as
"Dr." or 医师 announces are not found: nothing tells 王芳 from any other two characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from plainscan.reports.dates import DATE, WHEN, Day, moved_date
from plainscan.reports.descriptor import known_words
from plainscan.reports.identity_patterns import AGES, HAN, ID, NAME, NUMBERS, OLDEST, PATTERNS, TIME, TIMES
from plainscan.reports.traditional import TABLE

SHORTEST_ID: Final = 4  # a shorter one, such as 17, is only found after a word such as 住院号 or MRN
_SHORTEST_LOWER: Final = 4  # a shorter name part, such as An or He, counts only with a capital

# Full-width forms, dashes and traditional characters count as the usual ones; each is one character, so that places
# in the text stay.
_PLAIN: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: 0x20,
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2212), 0x2D),
    **{traditional: ord(simple) for traditional, simple in TABLE.items()},
}
_LATIN: Final = "[A-Za-z\u00c0-\u024f]"  # in Chinese text a name stands between characters, without spaces
_JOINT: Final = r"[\s\u200b-\u200d\u00ad\ufeff^=,.·•\-_/]"
_GAP: Final = _JOINT + "{0,3}"


@dataclass(frozen=True, slots=True)
class Known:
    """What the headers of a study, or a table, say about the people in it.

    Args:
        names: As the headers write them: ``ZHANG^SAN=张^三``.
        ids: Numbers and codes: patient, accession, phone, address, institution.
        days: Dates of the study and of birth.
    """

    names: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    days: frozenset[Day] = frozenset()

    def __or__(self, other: Known) -> Known:
        return Known(self.names | other.names, self.ids | other.ids, self.days | other.days)


def clean_report(text: str, known: Known, move: Callable[[Day], Day | None], study: Day | None = None) -> str:
    """A report without identities.

    Args:
        text: As it was written.
        known: What the study's headers hold.
        move: A date to the patient's moved one; None when there is no such day.
        study: Its date, for dates without a year.

    >>> known = Known(frozenset({"ZHANG^SAN=张^三"}), frozenset({"CT0042"}))
    >>> clean_report("患者张 三，检查号CT0042，2020年3月5日。", known, lambda day: (2019, 1, 31))
    '患者[NAME]，检查号[ID]，2019年1月31日。'
    """
    for pattern, token in (*_known_patterns(known), *PATTERNS):
        text = _replace(text, pattern, _always(token))
    text = _replace(text, WHEN, lambda match: moved_date(match, move, study))
    for pattern, token in ((TIMES, TIME), (AGES, f"{OLDEST + 1}"), (NUMBERS, ID)):
        text = _replace(text, pattern, _always(token))
    return text


def left_over(text: str, known: Known) -> bool:
    """Whether a text still holds a whole name or number of the headers, however it is spaced; for a last look.

    >>> left_over("号 4 7 1 1", Known(ids=frozenset({"4711"}))), left_over("[ID]", Known(ids=frozenset({"4711"})))
    (True, False)
    """
    squeezed = _squeeze(text)
    wanted = [_squeeze(one) for one in (*_whole_names(known.names), *known.ids)]
    return any(_is_telling(one) and one in squeezed for one in wanted)


def name_parts(known: Known) -> frozenset[str]:
    """Each word of the names, lower-case, for texts that keep nothing but known words.

    >>> sorted(name_parts(Known(frozenset({"HEAD^Ann Marie=张^三"}))))
    ['ann', 'head', 'marie', '三', '张', '张三']
    """
    parts = {part.casefold() for part in _parts(known.names)}
    return frozenset(parts | {name.casefold() for name in _whole_names(known.names) if re.search(HAN, name)})


def _is_telling(squeezed: str) -> bool:
    return len(squeezed) >= SHORTEST_ID or bool(re.search(HAN + "{2}", squeezed))


def _squeeze(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.translate(_PLAIN)).casefold()


def _always(token: str) -> Callable[[re.Match[str]], str]:
    return lambda _: token


def _replace(text: str, pattern: re.Pattern[str], make: Callable[[re.Match[str]], str]) -> str:
    """Replace in the text what the pattern finds in its plain form: its group ``x``, or all of it."""
    group: str | int = "x" if "x" in pattern.groupindex else 0
    parts, end = [], 0
    for match in pattern.finditer(text.translate(_PLAIN)):
        parts += [text[end : match.start(group)], make(match)]
        end = match.end(group)
    return "".join(parts) + text[end:]


def _known_patterns(known: Known) -> Iterable[tuple[re.Pattern[str], str]]:
    wholes = sorted(_whole_names(known.names), key=len, reverse=True)
    yield from ((_spaced(one), NAME) for one in wholes)
    ids = sorted({form for one in known.ids for form in (one.strip(), one.strip().lstrip("0"))}, key=len, reverse=True)
    yield from ((_spaced(one), ID) for one in ids if _is_telling(_squeeze(one)))
    for part in sorted(_parts(known.names), key=len, reverse=True):
        if len(part) >= 2:
            yield _part_pattern(part), NAME
    for _, m, d in known.days:  # 3/5 or 03-05 without a year is a date only when it is one of the study's
        forms = f"0?{m}/0?{d}|0?{d}/0?{m}|{m:02d}-{d:02d}|{d:02d}-{m:02d}"
        yield re.compile(rf"(?<![\d./-])(?:{forms})(?![\d./-])"), DATE


def _parts(names: Iterable[str]) -> set[str]:
    """The words of all names, without titles' dots."""
    return {part for name in names for part in re.split(rf"(?:{_JOINT}|')+", name.translate(_PLAIN)) if part}


def _part_pattern(part: str) -> re.Pattern[str]:
    """A word of a name standing alone; with a capital only where it is a word too: "an", "he", "small"."""
    if re.search(HAN, part):
        return re.compile(re.escape(part))
    if len(part) < _SHORTEST_LOWER or part.upper() in known_words().words:
        word, flags = f"(?:{re.escape(part.upper())}|{re.escape(part.capitalize())})", re.NOFLAG
    else:
        word, flags = re.escape(part), re.IGNORECASE
    return re.compile(f"(?<!{_LATIN}){word}(?!{_LATIN})", flags)


def _whole_names(names: Iterable[str]) -> set[str]:
    """Each representation of a name as one text, family name first and last.

    >>> sorted(_whole_names(["ZHANG^SAN=张^三", "Li"]))
    ['SAN ZHANG', 'ZHANG SAN', '张三']
    """
    found: set[str] = set()
    for name in names:
        for group in name.translate(_PLAIN).split("="):
            parts = [part for part in re.split(r"[\^\s,·]+", group) if part]
            joint = "" if re.search(HAN, group) else " "
            found |= {joint.join(parts), *([joint.join([*parts[1:], parts[0]])] if joint and parts else [])}
    return {one for one in found if len(one) >= (2 if re.search(HAN, one) else SHORTEST_ID)}


def _spaced(text: str) -> re.Pattern[str]:
    """The text with any small gap between its characters, not inside a longer word or number."""
    signs = [re.escape(sign) for sign in text.translate(_PLAIN) if not re.match(_JOINT, sign)]
    if not signs:
        return re.compile("(?!)")
    is_word = signs[0].isascii(), signs[-1].isascii()
    before, after = "(?<![A-Za-z0-9])" if is_word[0] else "", "(?![A-Za-z0-9])" if is_word[1] else ""
    return re.compile(before + _GAP.join(signs) + after, re.IGNORECASE)
