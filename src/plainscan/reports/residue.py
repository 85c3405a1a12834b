"""What nothing accounts for: words of a sentence that are no phrase, not denied, and not in the plain vocabulary.

A report may name an abnormality that no phrase knows. Silence about it must not read as "no finding", so such words
are looked for wherever nothing denies them. The plain vocabulary (``[plain]`` in the phrase files) holds what says
nothing abnormal on its own: anatomy, sides, measures, how the scan was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from plainscan.reports.lexicon import lexicon

# A single character left over is a particle or a slip, but for those that make what is normal abnormal.
_HAN: Final = re.compile("[\u3400-\u9fff]{2,}|[不欠增减肿疝囊瘤裂陷炎病]")
_LATIN: Final = re.compile(r"[a-z]{3,}")


def unaccounted(sentence: str, stretches: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The places of words in these stretches of a sentence that say something unknown.

    Args:
        sentence: In lower case, half width, simplified characters.
        stretches: Where nothing denies what is said.
    """
    chinese, english = _plain()
    for start, end in stretches:
        blank = chinese.sub(lambda found: " " * len(found[0]), sentence[start:end])
        for word in _LATIN.finditer(sentence, start, end):
            if word[0] not in english and word[0].removesuffix("s") not in english:
                yield word.span()
        for run in _HAN.finditer(blank):
            yield start + run.start(), start + run.end()


@cache
def _plain() -> tuple[re.Pattern[str], frozenset[str]]:
    """The plain vocabulary: a pattern of Chinese terms, longest first, and a set of English words."""
    terms = sorted(map(re.escape, lexicon("chinese").plain), key=len, reverse=True)
    return re.compile("|".join(terms)), lexicon("english").plain
