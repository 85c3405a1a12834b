"""One self-contained HTML page that shows why reports read as they do: every phrase in its place, colored by status.

It shows report text. It belongs where the reports belong, and nowhere else.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Final

from plainscan.findings import ANY_FINDING, FINDINGS
from plainscan.reports.label import read_report
from plainscan.reports.mention import Mark, read_marks

_NAMES: Final = {finding.key: f"{finding.english} {finding.chinese}" for finding in FINDINGS}
# What a kind of phrase means, in words; by the first part of its heading.
_MEANINGS: Final = {
    "finding": "a finding of the list",
    "group": "speaks of several findings",
    "other": "abnormal, without a column",
    "normal": "says that something is normal",
    "variant": "normal variant or artifact: no finding",
    "pseudo": "looks like a cue and is none",
    "negation": "denies",
    "uncertainty": "doubts",
    "affirmation": "ends the reach of a cue",
    "terminator": "ends the reach of a cue",
    "history": "belongs to the past, or depends on something",
    "aftermath": "was treated: abnormal, the finding itself is not said",
    "remark": "says nothing of the brain",
    "unknown": "nothing accounts for this: the study is not taken to be without finding",
    "skip": "not read: history, indication, technique, comparison",
}
_STYLE: Final = """
:root { color-scheme: light; }
body { font: 15px/1.6 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; margin: 2rem auto; max-width: 62rem;
  padding: 0 1rem; color: #1b1f24; }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.1rem; border-top: 1px solid #d0d7de; padding-top: 1.2rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; line-height: 2.1; background: #f6f8fa;
  padding: .8rem 1rem; border-radius: 6px; }
mark { color: inherit; border-radius: 3px; padding: .1em .2em; background: #e7eaee; }
mark.present { background: #ffc9c4; } mark.absent { background: #bfe8c7; } mark.uncertain { background: #ffe49a; }
mark.unknown { background: #e5ccff; outline: 1px dashed #7d4cc2; }
mark.cue { background: none; border-bottom: 2px solid #57606a; border-radius: 0; padding: 0; }
mark.skip { background: none; color: #6e7781; text-decoration: line-through 1px; }
mark sup { font-size: .65em; margin-left: .15em; color: #57606a; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; margin: .6rem 0; }
th, td { overflow-wrap: break-word; }
td:nth-child(5) { overflow-wrap: anywhere; } /* phrases: long, without blanks */
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #e2e6ea; }
th { color: #57606a; font-weight: 600; } td.number { color: #57606a; width: 2rem; }
.legend mark { margin-right: .8rem; }
"""
_CUES: Final = frozenset({"negation", "uncertainty", "affirmation", "terminator", "history"})


def explain(reports: Mapping[str, str], note: str = "") -> str:
    """The page.

    Args:
        reports: Report text by title, in the order they shall stand.
        note: A line under the heading, such as how many were left out.
    """
    numbers = count(1)
    legend = "".join(f'<mark class="{name}">{name}</mark>' for name in ("present", "absent", "uncertain", "unknown"))
    legend += '<mark class="cue">cue</mark><mark class="skip">not read</mark><mark>variant, remark, treated</mark>'
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>How reports were read</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n<h1>How reports were read</h1>\n"
        "<p>Research software, not a medical device. "
        "This page holds report text: keep it where the reports are kept.</p>"
        f'\n<p>{html.escape(note)}</p>\n<p class="legend">{legend}</p>\n'
        + "\n".join(f"<h2>{next(numbers)}. {html.escape(title)}</h2>\n{_body(text)}" for title, text in reports.items())
        + "\n</body>\n</html>\n"
    )


def _body(report: str) -> str:
    marks = read_marks(report)
    return f"{_findings(report)}\n<pre>{_colored(report, marks)}</pre>\n{_reasons(report, marks)}"


def _findings(report: str) -> str:
    """The findings with the sentence that decides each."""
    rows = [(_NAMES[key], mention.status, mention.sentence) for key, mention in read_report(report).items()]
    return _table(("finding", "status", "sentence that says so"), rows or [(_NAMES[ANY_FINDING], "not said", "")])


def _colored(report: str, marks: Iterable[Mark]) -> str:
    pieces, place = [], 0
    for number, mark in enumerate(marks, start=1):
        words = html.escape(report[mark.start : mark.end])
        title = html.escape(f"{mark.kind}: {mark.phrase}" if mark.phrase else mark.kind, quote=True)
        pieces.append(html.escape(report[place : mark.start]))
        pieces.append(f'<mark class="{_class(mark)}" title="{title}">{words}<sup>{number}</sup></mark>')
        place = mark.end
    return "".join([*pieces, html.escape(report[place:])])


def _class(mark: Mark) -> str:
    kind = mark.kind.split(".")[0]
    return mark.status or ("cue" if kind in _CUES else kind)


def _reasons(report: str, marks: Iterable[Mark]) -> str:
    rows = [
        (
            str(number),
            report[mark.start : mark.end],
            mark.status or "",
            f"[{mark.kind}]" if mark.phrase else "",
            mark.phrase,
            _MEANINGS[mark.kind.split(".")[0]],
        )
        for number, mark in enumerate(marks, start=1)
    ]
    return _table(("", "words", "status", "heading", "phrase in the file", "which means"), rows) if rows else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + line(head, "th") + "".join(line(row, "td") for row in rows) + "</table>"
