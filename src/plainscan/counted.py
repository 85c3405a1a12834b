"""How many of what, in words: 1 study, 2 studies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

# Every noun that a count of ours is of, as one and as more.
ONE: Final = {
    "bytes": "byte",
    "cells": "cell",
    "epochs": "epoch",
    "files or images": "file or image",
    "files": "file",
    "frames": "frame",
    "identifiers": "identifier",
    "images": "image",
    "instances": "instance",
    "labels": "label",
    "members": "member",
    "numbers": "number",
    "pairs": "pair",
    "patients": "patient",
    "people": "person",
    "pictures": "picture",
    "questions": "question",
    "rejects": "reject",
    "reports": "report",
    "rows": "row",
    "series": "series",
    "shards": "shard",
    "slices": "slice",
    "steps": "step",
    "studies": "study",
}
_NOUN: Final = re.compile(rf"(?<![a-z])({'|'.join(ONE)})(?![a-z])")


def counted(number: float | str, what: str, form: str = "") -> str:
    """A number with what it counts; the first noun is singular where there is one of it.

    Args:
        number: How many; a figure that is no count stays as it is.
        what: In the plural, with whatever follows it.
        form: Of the number, as ``format`` takes it.

    >>> counted(1, "studies"), counted(2, "studies"), counted(0, "studies")
    ('1 study', '2 studies', '0 studies')
    >>> counted(1, "slices of other patients"), counted(1, "across splits"), counted(1234, "rows", ",")
    ('1 slice of other patients', '1 across splits', '1,234 rows')
    """
    if number == 1:
        what = _NOUN.sub(lambda found: ONE[found[0]], what, count=1)
    return f"{number:{form}} {what}"


def tally(codes: Iterable[str]) -> str:
    """How often each code comes, the commonest first.

    >>> tally(["no_head", "not_ct", "not_ct"])
    '2 not_ct, 1 no_head'
    """
    return ", ".join(f"{count} {code}" for code, count in Counter(codes).most_common())
