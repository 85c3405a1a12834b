"""The notation of the phrase files, turned into regular expressions.

``[x]`` x may be missing; ``(x|y)`` x or y; ``..`` a gap within the clause; in English a space also stands for a
hyphen or a line break.

>>> import re
>>> expression = regex(parse("no [definite] (bleed|blood)"), "english")
>>> [bool(re.fullmatch(expression, text)) for text in ("no bleed", "no definite blood", "no definitebleed")]
[True, True, False]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["chinese", "english"]
LANGUAGES: Final[tuple[Language, ...]] = ("chinese", "english")

_SPACE: Final = r"[\s:-]+"
# A gap stays within a clause and does not run over words that deny, join, or name another place or kind.
_GAP: Final[dict[Language, str]] = {
    "chinese": "(?:(?!硬膜|蛛网膜|帽状|头皮|腔隙|大于|小于|高于|低于|宽于|窄于|失去|丧失|未|无|没|不|伴|及|和)"
    "[^,.;:!?。、()]){0,10}?",
    "english": r"(?:(?!(?:and|or|nor|no|not|never|hardly|without|but|with|than|from|lost|loss|isn't|aren't|lacunar)\b)"
    rf"[\w/%']+{_SPACE}){{0,4}}?",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several sequences; an optional part has an empty one."""

    options: tuple[Sequence, ...]


class Gap:
    """A gap within a clause."""


Item: TypeAlias = str | Choice | Gap  # a string is one character
Sequence: TypeAlias = tuple[Item, ...]


def parse(phrase: str) -> Sequence:
    """The phrase as a sequence of characters, choices and gaps."""
    sequence, rest = _sequence(phrase)
    if rest:
        raise ValueError(f"{phrase!r}: unbalanced {rest[0]!r}")
    return sequence


def _sequence(text: str) -> tuple[Sequence, str]:
    items: list[Item] = []
    while text and text[0] not in "])|":
        if text[0] in "[(":
            leads = text[0] == "[" and not items
            choice, text = _choice(text)
            if leads and text.startswith(" "):
                choice, text = _spaced(choice, after=" "), text[1:]
            items.append(choice)
        elif text.startswith(" ["):
            choice, text = _choice(text[1:])
            items.append(_spaced(choice, before=" "))
        elif gap := re.match(r" ?\.\. ?", text):
            items += [" ", Gap()] if gap[0].startswith(" ") else [Gap()]
            text = text[gap.end() :]
        else:
            items.append(text[0])
            text = text[1:]
    return tuple(items), text


def _spaced(choice: Choice, before: str = "", after: str = "") -> Choice:
    """The space beside an optional word belongs to the word: it goes with it."""
    return Choice(tuple((*before, *option, *after) if option else () for option in choice.options))


def _choice(text: str) -> tuple[Choice, str]:
    close, options = {"[": "]", "(": ")"}[text[0]], []
    optional = text[0] == "["
    while True:
        option, text = _sequence(text[1:])
        options.append(option)
        if not text or text[0] != "|":
            break
    if not text or text[0] != close:
        raise ValueError(f"{close!r} is missing")
    if () in options:
        raise ValueError("a choice with nothing in it")
    return Choice((*options, ()) if optional else tuple(options)), text[1:]


def regex(sequence: Sequence, language: Language) -> str:
    """The regular expression of a sequence."""
    return "".join(_item(item, language) for item in sequence)


def _item(item: Item, language: Language) -> str:
    if isinstance(item, Gap):
        return _GAP[language]
    if isinstance(item, Choice):
        ordered = sorted((regex(option, language) for option in item.options), key=len, reverse=True)
        return f"(?:{'|'.join(ordered)})"
    return _SPACE if item == " " and language == "english" else re.escape(item)


def heads(sequence: Sequence, language: Language) -> Iterator[tuple[str, str]]:
    """Each first character of a sequence, with the expression of what may follow it."""
    if not sequence or isinstance(sequence[0], Gap):
        raise ValueError("a phrase must start with a word")
    first, rest = sequence[0], sequence[1:]
    if isinstance(first, str):
        yield first, regex(rest, language)
        return
    for option in first.options:
        yield from heads((*option, *rest), language)
