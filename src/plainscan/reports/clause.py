"""What the words between phrases say of a cue's reach: another clause, a list, what is taken as given.

"No shift and the subdural is stable": the denial ends before "and the". "No fracture beneath the scalp hematoma": what
has an article behind a preposition is there. 左额叶出血周围水肿不明显: only the edema is denied.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from plainscan.reports.lexicon import COMMA, NEAR, SAYS, Token

_OWN: Final = "left|right|bilateral|old|chronic|remote|known|stable|unchanged|residual|persistent"
# What stands in a list of names has neither degree nor place.
_DESCRIBED: Final = re.compile(
    r"\b(?:(?:mild|slight|moderate|marked|minimal|subtle|small|tiny|large|severe)(?:ly)?|frontal|parietal)\b"
    rf"|\b(?:{_OWN})\b|[轻中重]度|轻微|少许|少量|大量|陈旧|慢性|老年|[较略稍左右]|双侧|两侧|[额颞顶枕][部叶区]"
)
_BY_ITSELF: Final = re.compile(rf"\s*(?:{_OWN}|opacified|enlarged)\b")
_CLAUSE: Final = re.compile(
    r"\band\s+(?=(?:the|this|these|that|those|an?|his|her|its|known|previous|previously|prior|old|existing|residual)\b"
    r"[^,;]{0,80}?\b(?:is|are|was|were|has|have|remains?|shows?|appears?|looks?|persists?|measures?|continues?|contains?"
    r"|harbou?rs?|demonstrates?|reveals?|displays?|exhibits?)\b)"
    rf"|\band\s+(?=(?:{_OWN}|mild|moderate|scalp|sinus|mastoid|small vessel|age.related|periventricular)\b"
    r"(?!\s+(?:and|or)\b))"
    r"|\band\s+(?=[a-z ]{3,40}?\b(?:noted|unchanged|stable|persists?)\b)|且(?![无未不没亦])"
)
_SHORT_LINE: Final = re.compile(r"(?<![^\n])[^\n]{1,40}(\n)")  # the next is no part of it
_SIGN: Final = re.compile("[-–—>+&/():~*余]")
# Signs that part what is said as a comma does.
_PARTS: Final = re.compile(
    r"\s+(?:-{1,2}|–|—|>|\+|&|w/)\s+|——|(?<=[\u3400-\u9fff])[-+/—~*]+(?=[\u3400-\u9fff])|[()]|(?<![\d:])\s*/\s+|/(?=(?:stable|chronic|old|left|right|mild|unchanged)\b)"
    r"|(?<!\bfor)(?<!\bof)(?<!\bno):(?!\d|\s*(?:none|nil|neg|no|not|absent|normal|-|[未无阴])\b)|(?=余[未无脑颅各均])"
)
_PREPOSITION: Final = "of|in|beneath|under|underlying|surrounding|around|by|with|to|near|within|over|at|about|on"
_AGAINST: Final = (
    "from|following|complicating|superimposed on|after|since|explain|account for|background of|"
    "associated with|due to|with known|with unchanged|with stable|in a patient with|"
    "(?:change|changes|decrease|increase) in|(?:progression|enlargement|growth|worsening) of"
)
_ADJECTIVES: Final = r"(?:(?!or\b|and\b|nor\b)[\w/-]+\s+){0,4}"
_GIVEN: Final = re.compile(
    rf"(?<!\bloss )(?<!effacement )\b(?:{_PREPOSITION})\s+(?:the|this|that|these|those|her|his|its)\s+{_ADJECTIVES}$"
    rf"|(?<!\barea )(?<!areas )(?<!focus )(?<!region )(?<!loss )\b(?:{_PREPOSITION})\s+(?=(?:{_OWN})\b){_ADJECTIVES}$"
    rf"|\b(?:{_AGAINST})\s+(?:(?:the|this|that|these|those|an?)\s+)?{_ADJECTIVES}$"
)
# 无移位的骨折, 未见的血肿: what stands before 的 is denied, what stands behind it is there.
_ATTRIBUTE: Final = re.compile(
    "(?:移位|错位|效应|强化|水肿|症状|扩大|增大|变化|硬化|骨折|出血|意义|吸收)[^的之]{0,4}[的之]"
)
_WITHOUT: Final = re.compile("无(?:明显|明确)?(?:移位|错位|占位效应|水肿|强化)$")  # 无水肿低密度灶
_FORM: Final = re.compile("变形|扩大|扩张|增大|增宽|变窄|缩小|受压|移位")
_BESIDE: Final = re.compile(
    r"(?:病?灶|影|征象)?\s*(?:[、及和与]\s*(?=[左右双两]侧?|陈旧|慢性|老年)|并|合并|伴|(?=[左右双两]侧|[额颞顶枕]部))"
    r"|.*\b(?:with|along with|post|within|underlying|adjacent to)\b"
)
# 未见血肿周围水肿: the hematoma is there.
_ITS: Final = re.compile(
    "(?:病?灶)?(?:灶内|内(?=出血|血肿)|周围|瘤周|下方|下(?=颅骨)|旁|所致|破入|占位效应|出血转化|[区腔]?再出血|"
    "(?:范围|明显|进一步|再)?(?:移位|扩大|增大|进展|加重|恶化))"
)
_LIST: Final = re.compile(r"[、及和与或/,]|\b(?:and|or|nor)\b")
_NO_LIST: Final = re.compile(r"[伴并致]|\bwith\b")
_OF_SOMETHING_ELSE: Final = re.compile(r"\b(?:with|and|but)\s*$|[\u3400-\u9fff]{2}")
_FILLER: Final = re.compile(
    "ct可?|可?为|病灶|灶|(?<!伪)影|征象|征|改变|线|均|亦|也|现|已|目前|基本|明显|完全|[的了者]|诊断|可能|依据|存在"
)


def with_clauses(sentence: str, tokens: Sequence[Token]) -> list[Token]:
    """The tokens, a terminator where another clause begins in a sentence, and a comma for signs that part like one."""
    begun = []
    if "and " in sentence or "且" in sentence:
        begun += [Token("terminator", *found.span()) for found in _CLAUSE.finditer(sentence)]
    if _SIGN.search(sentence):
        begun += [Token(COMMA, *found.span()) for found in _PARTS.finditer(sentence)]
    if "\n" in sentence:
        said = [token.start for token in tokens if token.family in SAYS]
        lines = (line for line in _SHORT_LINE.finditer(sentence) if any(line.start() <= at < line.end() for at in said))
        begun += [Token(COMMA, *line.span(1)) for line in lines]
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


def is_by_itself(text: str) -> bool:
    """Whether an English text begins with a side or an age: "left frontal hypodensity" is no item of a list."""
    return _BY_ITSELF.match(text) is not None


def is_given(sentence: str, cued: int, place: int, name: Token) -> bool:
    """Whether a name in the reach of a denial is taken as given: "no growth of the meningioma", 无移位的骨折.

    Args:
        sentence: Lower case, half width, simplified.
        cued: Where the denial ends.
        place: Where the name or the cue before it ends.
        name: What is named.
    """
    near = max(cued, name.start - NEAR)
    if _GIVEN.search(sentence[max(place, near) : name.start]):
        return True
    if _FORM.match(sentence, name.start):
        return False
    if sentence.startswith("的", cued) or _WITHOUT.search(sentence, max(0, near - 4), name.start):
        return True
    return bool(_ATTRIBUTE.search(sentence, near, name.start) or _ITS.match(sentence, name.end))


def is_beside(between: str) -> bool:
    """Whether a name may be told beside one that is denied: 未见出血及左侧额叶软化灶, "no bleed with atrophy"."""
    return _BESIDE.match(between) is not None


def is_list(between: str) -> bool:
    """Whether what stands between two names makes a list of them."""
    return bool(_LIST.search(between)) and not _NO_LIST.search(between)


def speaks_of(between: str) -> bool:
    """Whether a cue speaks of the name before it: in 骨折移位不明显 and "bleed and none elsewhere" it does not."""
    return not _OF_SOMETHING_ELSE.search(_FILLER.sub("", between))
