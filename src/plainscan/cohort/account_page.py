"""The account of a cohort as one HTML page that loads nothing and names nobody: flow, people, data sheet, tables."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from plainscan.cohort.datasheet import QUESTIONS, Question
from plainscan.counted import counted
from plainscan.findings import find

_STYLE: Final = """
:root { color-scheme: light; }
body { font: 15px/1.55 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; margin: 2rem auto; max-width: 70rem;
  padding: 0 1rem; color: #1b1f24; }
h2 { margin: 2.2rem 0 .6rem; font-size: 1.2rem; } h3 { margin: 1.4rem 0 .3rem; font-size: 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid #e2e6ea;
  overflow-wrap: break-word; }
th { color: #57606a; font-weight: 600; } svg { max-width: 100%; height: auto; }
dt { font-weight: 600; margin-top: .7rem; } dd { margin: .1rem 0 0 1rem; } code { color: #57606a; font-size: .85em; }
.open { background: #fff4d6; padding: .1rem .4rem; border-radius: 4px; } summary { cursor: pointer; margin-top: .6rem; }
p.soft, dd.soft { color: #57606a; }
"""


@dataclass(frozen=True)
class Inventory:
    """A table as it lies in the run folder.

    Args:
        name: Of the table.
        row: What a row is.
        rows: How many.
        columns: Name, type, number of rows in which it is null, meaning.
    """

    name: str
    row: str
    rows: int
    columns: Sequence[tuple[str, str, int, str]]


@dataclass(frozen=True)
class Account:
    """Everything on the page.

    Args:
        flow_svg: The diagram.
        cohort: From ``evaluation.demographics.cohort_table``.
        prevalence: From ``evaluation.demographics.prevalence_table``.
        inventory: The tables of the run.
        measured: Answers of the run to questions of the data sheet, by key.
        answers: Answers of people, by key.
    """

    flow_svg: str
    cohort: Sequence[Mapping[str, Any]]
    prevalence: Sequence[Mapping[str, Any]]
    inventory: Sequence[Inventory]
    measured: Mapping[str, str]
    answers: Mapping[str, str]


def render(account: Account) -> str:
    """The page."""
    parts = [
        "<h1>Account of the cohort</h1>",
        "<p>Research software, not a medical device. Made from the tables of the run.</p>",
        f"<h2>Flow</h2>\n{account.flow_svg}",
        _people(account) if account.cohort else "",
        f"<h2>Data sheet</h2>\n{_sheet(account)}",
        "<h2>Tables</h2>\n" + "\n".join(map(_table_of, account.inventory)),
    ]
    head = f'<meta charset="utf-8"><title>Account of the cohort</title><style>{_STYLE}</style>'
    body = "\n".join(part for part in parts if part)
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


def _people(account: Account) -> str:
    kinds = [name for name in account.cohort[0] if name not in ("split", "age_years", "slice_thickness_mm")]
    rows = [
        (
            row["split"],
            _quartiles(row["age_years"]),
            *(", ".join(f"{name} {number:,}" for name, number in row[kind].items()) or "–" for kind in kinds),
            _quartiles(row["slice_thickness_mm"]),
        )
        for row in account.cohort
    ]
    note = (
        "As far as the headers say. Sex and age count patients, the rest studies. Age and thickness: median "
        "(quartiles), from five patients on. Fewer than five of a kind are only counted together with others; what "
        "is missing is counted as unknown."
    )
    people = _table(("split", "age, years", *kinds, "slice thickness, mm"), rows)
    splits = [row["split"] for row in account.cohort]
    found = [(_name(row["finding"]), *(_prevalence(row[split]) for split in splits)) for row in account.prevalence]
    how = "Slices with the finding of those labeled, and the studies and patients that they belong to."
    return (
        f'<h2>Who, and with what</h2>\n<p class="soft">{note}</p>\n{people}\n<h2>How often</h2>\n'
        f'<p class="soft">{how}</p>\n{_table(("finding", *splits), found)}'
    )


def _name(key: str) -> str:
    finding = find(key)
    return f"{finding.english} {finding.chinese}" if finding else key


def _prevalence(cell: Mapping[str, int]) -> str:
    if not cell["known"]:
        return "no label"
    share = 100 * cell["slices"] / cell["known"]
    return (
        f"{cell['slices']:,} of {cell['known']:,} ({share:.1f} %); {counted(cell['studies'], 'studies', ',')}, "
        f"{counted(cell['patients'], 'patients', ',')}"
    )


def _quartiles(found: Mapping[str, Any]) -> str:
    if found["median"] is None:
        return f"known of {found['n']}" if found["n"] else "not known"
    return f"{found['median']:g} ({found['low']:g} to {found['high']:g}), n = {found['n']:,}"


def _sheet(account: Account) -> str:
    unanswered = [q.key for q in QUESTIONS if not q.measured and q.key not in account.answers]
    lines = [
        '<p class="soft">After Gebru et al., Datasheets for Datasets, Commun ACM 2021;64(12):86-92. '
        f"{counted(len(unanswered), 'questions')} for people; <code>account --answers</code> takes their answers.</p>"
    ]
    for section, questions in groupby(QUESTIONS, key=lambda question: question.section):
        asked = "\n".join(_asked(question, account) for question in questions)
        lines.append(f"<h3>{section}</h3>\n<dl>\n{asked}\n</dl>")
    return "\n".join(lines)


def _asked(question: Question, account: Account) -> str:
    said = [html.escape(text[question.key]) for text in (account.measured, account.answers) if question.key in text]
    answer = "<br>".join(said) or '<span class="open">to be answered</span>'
    return f"<dt>{html.escape(question.text)} <code>{question.key}</code></dt><dd>{answer}</dd>"


def _table_of(found: Inventory) -> str:
    rows = [(name, kind, f"{nulls:,}" if nulls else "", means) for name, kind, nulls, means in found.columns]
    return (
        f"<details><summary><code>{found.name}.parquet</code>: {counted(found.rows, 'rows', ',')}. "
        f"A row is {html.escape(found.row)}.</summary>"
        f"{_table(('column', 'type', 'missing', 'meaning'), rows)}</details>"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + line(head, "th") + "".join(line(row, "td") for row in rows) + "</table>"
