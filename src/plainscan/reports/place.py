"""Where a report says that its findings are: sites by name, slices by number.

Read from every sentence that speaks of a finding without denying it, not only from the one that decides its status:
the description often says where, the conclusion what.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from plainscan.findings import ANY_FINDING, SPECIFIC_KEYS
from plainscan.reports.mention import read_mentions

MOST_SLICES: Final = 200  # a longer range is no reference to slices
_TO: Final = r"\s*(?:-|~|–|—|to|至|到)\s*"
_ITEM: Final = rf"\d{{1,3}}(?:{_TO}\d{{1,3}})?"
_LIST: Final = rf"{_ITEM}(?:\s*(?:,|、|and|和|及)\s*{_ITEM})*"
_NO_MEASURE: Final = r"(?!\s*(?:mm|cm|毫米|厘米|hu|%|\.?\d))"
_SLICES: Final = re.compile(
    rf"(?:(?<![a-z])(?:im|img|ima|images?|slices?)\s*[.:#=]?\s*|层面\s*:?\s*|图像?\s*:?\s*)({_LIST}){_NO_MEASURE}"
    rf"|第\s*({_LIST})\s*(?:层|幅|帧)(?!厚)"
)
_RANGE: Final = re.compile(rf"(\d+)(?:{_TO}(\d+))?")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a finding is said to be.

    Args:
        sites: Keys of ``places.toml``, sorted.
        slices: Numbers as the report has them, sorted; what they count, the report does not say.
    """

    sites: tuple[str, ...] = ()
    slices: tuple[int, ...] = ()


def read_places(report: str) -> dict[str, Places]:
    """Places by finding; ``any_finding`` has those of all, named or not. One without any has no entry.

    >>> read_places("Findings: Left thalamic hematoma (im 12-14). No fracture.")["intraparenchymal_hemorrhage"]
    Places(sites=('thalamus',), slices=(12, 13, 14))
    """
    sites: dict[str, set[str]] = {}
    slices: dict[str, set[int]] = {}
    for mention in read_mentions(report).mentions:
        if mention.status != "absent":
            for key in {ANY_FINDING, mention.finding} & {ANY_FINDING, *SPECIFIC_KEYS}:
                sites.setdefault(key, set()).update(sites_in(mention.sentence))
                slices.setdefault(key, set()).update(slices_in(mention.sentence))
    return {
        key: Places(tuple(sorted(sites[key])), tuple(sorted(slices[key]))) for key in sites if sites[key] | slices[key]
    }


def sites_in(sentence: str) -> set[str]:
    """The sites that a sentence names.

    >>> sorted(sites_in("右侧小脑幕旁及左额颞部硬膜下血肿")), sites_in("bitemporal")
    (['frontal', 'temporal', 'tentorium'], set())
    """
    pattern, known = _words()
    return {site for match in pattern.finditer(_plain(sentence)) for site in known[match.group()]}


def slices_in(sentence: str) -> set[int]:
    """The slice numbers that a sentence gives.

    >>> sorted(slices_in("血肿（层面12-14、17）")), sorted(slices_in("第8～9层")), slices_in("slices 5 mm thick")
    ([12, 13, 14, 17], [8, 9], set())
    """
    return {
        number for match in _SLICES.finditer(_plain(sentence)) for number in _numbers(match.group(1) or match.group(2))
    }


def _numbers(text: str) -> Iterator[int]:
    for match in _RANGE.finditer(text):
        first, last = int(match.group(1)), int(match.group(2) or match.group(1))
        if 0 < first <= last < first + MOST_SLICES:
            yield from range(first, last + 1)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


@cache
def _words() -> tuple[re.Pattern[str], dict[str, list[str]]]:
    """One pattern of all words, the longest first, and the sites of each."""
    file = resources.files("plainscan.reports") / "places.toml"
    known: dict[str, list[str]] = {}
    for site, words in tomllib.loads(file.read_text(encoding="utf-8")).items():
        for word in words:
            known.setdefault(word, []).append(site)
    ordered = sorted(known, key=len, reverse=True)
    return re.compile("|".join(rf"(?<![a-z]){re.escape(w)}" if w.isascii() else re.escape(w) for w in ordered)), known
