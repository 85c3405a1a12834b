"""What the words between phrases say of a cue's reach: another clause, a list, what is taken as given.

"No shift and the subdural is stable": the denial ends before "and the". "No fracture beneath the scalp hematoma": what
has an article behind a preposition is there. 左额叶出血周围水肿不明显: only the edema is denied.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from plainscan.reports.lexicon import Token

# What stands in a list of names has neither degree nor place.
_DESCRIBED: Final = re.compile(
    r"\b(?:(?:mild|slight|moderate|marked|minimal|subtle|small|tiny|large|severe)(?:ly)?|left|right|bilateral|frontal|parietal)\b"
    r"|\b(?:old|chronic|remote|known|stable|unchanged)\b|[轻中重]度|轻微|少许|少量|大量|陈旧|慢性|老年|[较略稍左右]|双侧|两侧"
    r"|[额颞顶枕][部叶区]"
)
_CLAUSE: Final = re.compile(
    r"\band\s+(?=(?:the|this|these|that|those|an?|his|her|its|known|previous|previously|prior|old|existing|residual)\b"
    r"[^,;]*?\b(?:is|are|was|were|has|have|remains?|shows?|appears?|looks?|persists?|measures?|continues?|contains?"
    r"|harbou?rs?|demonstrates?|reveals?|displays?|exhibits?)\b)|且(?![无未不没亦])"
)
_GIVEN: Final = re.compile(
    r"(?<!\bloss )(?<!effacement )\b(?:of|in|beneath|under|around|from|by|with|to|near|within|over|at|about|since)\s+"
    r"(?:the|this|that|these|those|her|his|its)\s+(?:(?!or\b|and\b|nor\b)[\w/-]+\s+){0,4}$"
)
# 无移位的骨折, 未见的血肿: what stands before 的 is denied, what stands behind it is there.
_ATTRIBUTE: Final = re.compile("^的|(?:移位|错位|效应|强化|水肿|症状|扩大|增大|变化|硬化|骨折|出血|意义)[^的]{0,4}的")
# 未见血肿周围水肿: the hematoma is there.
_ITS: Final = re.compile("灶?(?:灶内|内(?=出血|血肿)|周围|下方|明显移位|扩大|增大|进展)")
_LIST: Final = re.compile(r"[、及和与或/,]|\b(?:and|or|nor)\b")
_NO_LIST: Final = re.compile(r"[伴并致]|\bwith\b")
_OF_SOMETHING_ELSE: Final = re.compile(r"\b(?:with|and|but)\s*$|[\u3400-\u9fff]{2}")
_FILLER: Final = re.compile(
    "ct可?|可?为|病灶|灶|(?<!伪)影|征象|征|改变|线|均|亦|也|现|已|目前|基本|明显|完全|[的了者]|诊断|可能|依据|存在"
)


def with_clauses(sentence: str, tokens: Sequence[Token]) -> list[Token]:
    """The tokens, and a terminator where another clause begins within a sentence."""
    begun = [Token("terminator", *found.span()) for found in _CLAUSE.finditer(sentence)]
    if not begun:
        return list(tokens)
    new = [one for one in begun if not any(token.start < one.end and one.start < token.end for token in tokens)]
    return sorted([*tokens, *new], key=lambda token: token.start)


def is_described(text: str) -> bool:
    """Whether a degree, an age or a place stands with a name: then it is a statement, and no item of a list.

    >>> [is_described(text) for text in ("mass", "mild atrophy", "头皮血肿", "枕部头皮血肿")]
    [False, True, False, True]
    """
    return _DESCRIBED.search(text) is not None


def is_given(sentence: str, cued: int, place: int, name: Token) -> bool:
    """Whether a name in the reach of a denial is taken as given: "no growth of the meningioma", 无移位的骨折.

    Args:
        sentence: Lower case, half width, simplified.
        cued: Where the denial ends.
        place: Where the phrase before the name ends.
        name: What is named.
    """
    before = _GIVEN.search(sentence[place : name.start]) or _ATTRIBUTE.search(sentence[cued : name.start])
    return bool(before or _ITS.match(sentence, name.end))


def is_list(between: str) -> bool:
    """Whether what stands between two names makes a list of them."""
    return bool(_LIST.search(between)) and not _NO_LIST.search(between)


def speaks_of(between: str) -> bool:
    """Whether a cue speaks of the name before it: in 骨折移位不明显 and "bleed and none elsewhere" it does not."""
    return not _OF_SOMETHING_ELSE.search(_FILLER.sub("", between))
