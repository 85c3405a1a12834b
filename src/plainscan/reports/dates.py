"""Dates in reports, in Chinese and English: found, and moved by a patient's days in the form they were written in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

Day: TypeAlias = tuple[int, int, int]  # year, month, day
DATE: Final = "[DATE]"

_YEAR: Final = r"(?P<year>(?:19|20)\d{2})"
_MONTH: Final = r"(?P<month>1[0-2]|0?[1-9])"
_DAY: Final = r"(?P<day>3[01]|[12]\d|0?[1-9])"
_TWO: Final = r"(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])"
_NAMES: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# "may" is a verb as well: it counts with a capital only.
_MONTHS: Final = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|(?-i:May|MAY)|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_WORD: Final = rf"(?P<word>{_MONTHS})\.?"
_CHINESE: Final = "[〇零○一二三四五六七八九十]"
_ANY_MONTH: Final = rf"(?:\d{{1,2}}|{_CHINESE}{{1,2}})"
_ANY_DAY: Final = rf"(?:\d{{1,2}}|{_CHINESE}{{1,3}})"


def _once(*options: str) -> re.Pattern[str]:
    """One of several expressions; their groups are numbered apart, for a name may stand only once."""
    numbered = (re.sub(r"\(\?P<(\w+)>", rf"(?P<\g<1>_{i}>", option) for i, option in enumerate(options))
    return re.compile("|".join(f"(?:{option})" for option in numbered), re.IGNORECASE)


WHEN: Final = _once(
    rf"{_YEAR}\s?年\s?{_MONTH}\s?月\s?{_DAY}\s?[日号]",
    rf"(?<![\d.]){_YEAR}\s?[-/.]\s?{_MONTH}\s?[-/.]\s?{_DAY}(?!\d)",
    rf"(?<!\d){_YEAR}{_TWO}(?!\d)",
    rf"(?<!\d){_YEAR}[\s-]{_WORD}[\s-]{_DAY}(?!\d)",
    rf"(?<!\w){_DAY}(?:st|nd|rd|th)?[\s-]?(?:of\s)?{_WORD},?[\s-]?{_YEAR}(?!\d)",
    rf"(?<!\w){_WORD}\s{_DAY}(?:st|nd|rd|th)?,?\s{_YEAR}",
    # Without a year: that of the study.
    rf"(?<!\d){_MONTH}\s?月\s?{_DAY}\s?[日号]",
    rf"(?<!\w){_DAY}(?:st|nd|rd|th)?\s(?:of\s)?{_WORD}(?!\w)",
    rf"(?<!\w){_WORD}\s{_DAY}(?:st|nd|rd|th)?(?![\w.])",
    # Which part is the day is not known, or there is none: these go.
    r"(?<![\d./-])\d{1,2}[/.-]\d{1,2}[/.-](?:19|20)?\d{2}(?![\d./]|-\d)",
    r"(?<![\d./-])[0-3]\d\.(?:1[0-2]|0?[1-9])\.(?:3[01]|[12]\d|0?[1-9])(?![\d.])",
    r"(?<![\d./-])(?:19|20)\d{2}[-/.](?:1[0-2]|0?[1-9])(?![\d./-]|\s?mGy)",
    r"(?<![\d./-])(?:1[0-2]|0?[1-9])[-/.](?:19|20)\d{2}(?![\d./-])",
    rf"(?:19|20)\d{{2}}\s?年(?:\s?{_ANY_MONTH}\s?月(?:份|\s?{_ANY_DAY}\s?[日号])?)?",
    rf"(?<!\d)\d{{2}}\s?年\s?{_ANY_MONTH}\s?月(?:\s?{_ANY_DAY}\s?[日号])?",
    rf"\b{_MONTHS}\.?,?[\s-](?:19|20)\d{{2}}\b|(?<!\w)\d{{1,2}}-{_MONTHS}-\d{{2}}(?!\d)|\b{_MONTHS}\s['’]\d{{2}}\b",
    r"(?:(?<=\bin )|(?<=\bsince )|(?<=\bborn ))(?:19|20)\d{2}\b(?!\s?(?:m[lm]|cc|HU|mGy))",
    rf"{_CHINESE}{{4}}年(?:{_CHINESE}{{1,2}}月(?:{_CHINESE}{{1,3}}[日号])?)?",
    rf"{_CHINESE}{{1,2}}月{_CHINESE}{{1,3}}[日号]",
)


def moved_date(match: re.Match[str], move: Callable[[Day], Day | None], study: Day | None) -> str:
    """The date, moved, in the form that it was written in.

    Args:
        match: Of ``WHEN``.
        move: A date to the moved one; None when there is no such day.
        study: Date of the study, whose year a date without one has.

    Returns:
        The moved date; ``DATE`` where it cannot be moved, or would need a year that it does not have.
    """
    parts = {name.rpartition("_")[0]: name for name, value in match.groupdict().items() if value is not None}
    day = _read(match, parts, study[0] if study else None)
    moved = move(day) if day else None
    if moved is None:
        return DATE
    new = dict(zip(("year", "month", "day"), moved, strict=True))
    text = match.group()
    for name, group in sorted(parts.items(), key=lambda item: match.start(item[1]), reverse=True):
        start, end = (place - match.start() for place in match.span(group))
        text = text[:start] + _write(name, new, match[group]) + text[end:]
    if "year" in parts:
        return text
    moved_study = move(study) if study else None
    return text if moved_study and moved_study[0] == moved[0] else DATE


def _read(match: re.Match[str], parts: dict[str, str], year: int | None) -> Day | None:
    number = int(match[parts["year"]]) if "year" in parts else year
    if number is None or "day" not in parts:
        return None
    month = _NAMES.index(match[parts["word"]][:3].lower()) + 1 if "word" in parts else int(match[parts["month"]])
    return number, month, int(match[parts["day"]])


def _write(name: str, new: dict[str, int], old: str) -> str:
    if name == "word":
        return _NAMES[new["month"] - 1].capitalize()
    return f"{new[name]:0{2 if old.startswith('0') or (len(old) == 2 and new[name] < 10) else 1}d}"
