"""Reports and images that disagree: which study's report label is the least likely, given a score that has not seen it.

The score of studies is fitted to the labels of all reports of the cohort by Platt scaling, and a label is the less
likely the further the fitted chance lies from it. Most reports are right, so a few wrong ones hardly move the fit;
this is the simplest case of confident learning (Northcutt et al., J Artif Intell Res 2021;70:1373-1411).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plainscan.evaluation.calibration import fit_platt

SURE: Final = 1e-4  # a score of 0 or 1 is no more certain than this
_DATE_OR_NUMBER: Final = re.compile(
    r"\d{4}\s*[-/.年]\s*\d{1,2}(?:\s*[-/.月]\s*\d{1,2}\s*日?)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{5,}"
)
_STYLE: Final = """
:root { color-scheme: light; }
body { font: 15px/1.55 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; margin: 2rem auto; max-width: 62rem;
  padding: 0 1rem; color: #1b1f24; }
section { display: grid; grid-template-columns: 22rem 1fr; gap: 1.2rem; padding: 1rem 0; }
section { border-top: 1px solid #d0d7de; }
img { width: 100%; } h2 { margin: 0 0 .4rem; font-size: 1.05rem; } p { margin: .3rem 0; }
blockquote { margin: .5rem 0; padding: .4rem .8rem; background: #f6f8fa; border-left: 3px solid #8292a2; }
.soft { color: #57606a; }
"""


def doubt(score: ArrayLike, label: ArrayLike) -> NDArray[np.float64]:
    """How unlikely each report's label is, (studies,), [0, 1].

    Args:
        score: (studies,), probability of any finding by a model that has not seen the study.
        label: (studies,), 1 where the report has a finding, 0 where it has none.

    >>> int(doubt([0.1, 0.2, 0.9, 0.8, 0.95], [0, 0, 1, 1, 0]).argmax())
    4
    """
    if not np.size(score):
        return np.zeros(0)
    p, said = np.clip(np.asarray(score, np.float64), SURE, 1 - SURE), np.asarray(label, np.float64)
    logits = np.log(p / (1 - p))
    chance = fit_platt(logits, said)(logits)
    result: NDArray[np.float64] = np.abs(said - chance)
    return result


def without_numbers(sentence: str) -> str:
    """A sentence without dates and long numbers, which may name someone.

    >>> without_numbers("与2021-03-04片(号10023456)比较，层面12-15，5mm")
    '与…片(号…)比较，层面12-15，5mm'
    """
    return _DATE_OR_NUMBER.sub("…", sentence)


def page(studies: Iterable[Mapping[str, Any]], note: str) -> str:
    """The queue as one self-contained page.

    Args:
        studies: Each with `rank`, `study_code`, `report`, `score`, `doubt`, `key_slice`, `slice_count`, `sentence` and
            `picture`, a data URI or None.
        note: A line under the heading.
    """
    cards = "\n".join(map(_card, studies))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Reports and images that disagree</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n<h1>Reports and images that disagree</h1>\n"
        "<p>Research software, not a medical device: it looks for wrong labels, for no clinical decision. "
        "This page holds report text: keep it where the reports are kept.</p>\n"
        f'<p class="soft">{html.escape(note)}</p>\n{cards}\n'
        "</body>\n</html>\n"
    )


def _card(study: Mapping[str, Any]) -> str:
    said = "has a finding" if study["report"] == "present" else "has no finding"
    picture = (
        f'<img src="{study["picture"]}" alt="key slice with heat map">'
        if study["picture"]
        else "<p>No picture: another bundle scored this study.</p>"
    )
    where = f"slice {study['key_slice'] + 1} of {study['slice_count']}, counted from the lowest"
    return (
        f"<section><div>{picture}</div><div><h2>{study['rank']}. study <code>{study['study_code']}</code></h2>"
        f"<p>The report {said}; the model gives the study {study['score']:.2f}. Doubt {study['doubt']:.2f}.</p>"
        f"<blockquote>{html.escape(study['sentence'])}</blockquote>"
        f'<p class="soft">The slice with the highest score is {where}.</p></div></section>'
    )
