"""What a report says is to be done next, or was looked for: nothing of the brain, in words that no list can hold.

Known by how it begins and by an examination, a visit or a treatment that it names. Findings and parts of the head that
stand in it count as anywhere, and so does a thing that it speaks of as known: "follow the blob", 处理包块.
"""

from __future__ import annotations

import re
from typing import Final

_CHINESE: Final = re.compile(
    "拟行[^,。;)]{1,8}?(?:手术|治疗|化疗|移植|麻醉|术)|"
    "(?:建议|请|[无不毋]需|不必|若|如(?=[有仍果需头症病疼疑出])|必要时|除非|每年)[^。;]*?"
    "(?:复查|复诊|随访|随诊|结合|观察|就诊|检查|体检|腰穿|流程|mr|cta|会诊|追踪|就医|考虑|查|恶化|治疗)[^。;]*"
)
_ENGLISH: Final = re.compile(
    r"^\s*(?:we\s+)?(?:would\s+)?"
    r"(?:suggest|recommend|advise|consider|please|proceed|return|correlate|follow|refer|discuss|repeat)\b"
    r"(?=.*\b(?:mri|mra|ct|cta|imaging|scan|correlation|correlate|follow|review|clinical|clinically|clinic|team|if|ed|er|gp)\b)"
    "[^;]*"
)
_THING: Final = re.compile(
    r"\b(?:the|this|these|those|known|previous|old|an?|his|her)(?:\s+(?!(?:of|with|by|in|to)\b)[a-z]+){1,4}"
    r"|\b(?:characteri[sz]e|evaluate|assess|(?:characteri[sz]ation|evaluation|assessment) of)(?:\s+[a-z]+){1,4}"
    r"|\b(?:regarding|about|concerning|for)\s+(?:(?:the|this|these|an?|his|her)\s+)?[a-z]+"
    r"|(?:原有?|该|此|的|处理|清除|切除|取出|修补|拔除|复查|随访|观察|追踪|明确|评估)[\u3400-\u9fff]{1,4}"
    "|[若如].{1,4}[增变长扩肿]大"
)
_PURPOSE: Final = re.compile(
    r"\b(?:to\s+(?:account\s+for|explain)|accounting\s+for|explaining)\b(?:(?!\b(?:other|besides|except|apart)\b)[^,;])*"
)


def asides(sentence: str) -> list[tuple[int, int]]:
    """Where a sentence says what was looked for, or what is to be done; lower case, half width, simplified.

    >>> [text[first:last] for text in ["no bleed to explain the qwerty"] for first, last in asides(text)]
    ['to explain the qwerty']
    >>> [text[first:last] for text in ["未见异常,请留院观察,有变化随时复查"] for first, last in asides(text)]
    ['请留院观察,有变化随时复查']
    >>> text = "follow the blob with mri qwerty"
    >>> [text[first:last] for first, last in asides(text)]
    ['follow ', ' with mri qwerty']
    """
    said = [found.span() for found in _PURPOSE.finditer(sentence)]
    for found in (*_CHINESE.finditer(sentence), *_ENGLISH.finditer(sentence)):
        things = [thing.span() for thing in _THING.finditer(sentence, *found.span())]
        starts, ends = zip((found.start(), found.start()), *things, (found.end(), found.end()), strict=True)
        said += zip(ends[:-1], starts[1:], strict=True)
    return said
