"""The flow of a cohort as one SVG picture, laid out like the CONSORT diagram (Schulz et al., BMJ 2010;340:c332).

What goes on runs down the left, what is left out and its reasons stand at the right, the splits below.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from html import escape
from typing import Final

from plainscan.cohort.flow import Counts, Flow, Left, Part, Step

WIDTH: Final = 1120
LEFT: Final = (20, 320)  # x and width in px
RIGHT: Final = (390, 710)
LINE: Final = 20
PAD: Final = 14
SPACE: Final = 28
GAP: Final = 20  # between the boxes of the splits
COLUMN: Final = 72  # of a number in a box of reasons
WHY_LETTERS: Final = 52  # that fit beside four numbers
LETTERS_MORE: Final = 11  # that fit for each number less
_ORDER: Final = ("files", "images", "series", "studies", "patients")

_STYLE: Final = (
    "text{font:14px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1c2430}"
    ".t{font-weight:600}.n{fill:#51606f}.m{text-anchor:end;font-variant-numeric:tabular-nums}"
    ".h{text-anchor:end;fill:#51606f;font-size:12px}"
    "rect{fill:#fff;stroke:#8292a2;stroke-width:1.2}.out{fill:#f5f7f9;stroke:#c3ccd5}.end{fill:#eaf3ee;stroke:#3c7a57}"
    "path{stroke:#8292a2;stroke-width:1.4;fill:none}"
)


def draw(found: Flow) -> str:
    """The diagram as a self-contained SVG document."""
    parts: list[str] = []
    top, steps, splits = 20, found["steps"], found["splits"]
    for index, step in enumerate(steps):
        last = index == len(steps) - 1
        lines = _numbers(step["counts"])
        height = 2 * PAD + LINE * (1 + len(lines))
        beside = _height_of_reasons(step) if step["excluded"] else 0
        parts += _box(LEFT, top, height, "end" if last and not splits else "in", step["title"], lines)
        bottom = top + max(height, beside) + SPACE
        if not last or splits:
            parts.append(_arrow(f"M{LEFT[0] + LEFT[1] // 2} {top + height}V{bottom}"))
        if step["excluded"]:
            parts.append(_arrow(f"M{sum(LEFT)} {top + height // 2}H{RIGHT[0]}"))
            parts += _reasons(top, beside, step["excluded"])
        top = bottom
    if splits:
        below, top = _splits(splits, found["shared"], top)
        parts += below
    return _document(parts, top)


def _numbers(counts: Counts) -> list[str]:
    words = [_words(level, counts[level]) for level in _ORDER if level in counts]
    return [", ".join(words[i : i + 2]) for i in range(0, len(words), 2)]


def _words(level: str, number: int) -> str:
    one = {"studies": "study", "series": "series"}.get(level, level.removesuffix("s"))
    return f"{number:,} {level if number != 1 else one}"


def _box(place: tuple[int, int], top: int, height: int, kind: str, title: str, lines: list[str]) -> list[str]:
    x, width = place
    parts = [f'<rect class="{kind}" x="{x}" y="{top}" width="{width}" height="{height}" rx="5"/>']
    parts.append(_text(x + PAD, top + PAD + 14, title, "t"))
    return parts + [_text(x + PAD, top + PAD + 14 + LINE * (i + 1), line, "n") for i, line in enumerate(lines)]


def _columns(excluded: list[Left]) -> list[str]:
    return [level for level in _ORDER if level in excluded[0]["counts"]]


def _why(item: Left) -> list[str]:
    letters = WHY_LETTERS + LETTERS_MORE * (4 - len(_columns([item])))
    return textwrap.wrap(item["why"].replace("`", ""), letters)


def _height_of_reasons(step: Step) -> int:
    return 2 * PAD + LINE * (1 + sum(len(_why(item)) for item in step["excluded"]))


def _reasons(top: int, height: int, excluded: list[Left]) -> list[str]:
    """The box at the right: a number a level, and why."""
    levels = _columns(excluded)
    total = sum(item["counts"][levels[0]] for item in excluded)
    parts = _box(RIGHT, top, height, "out", "", [])[:1]
    ends = [RIGHT[0] + COLUMN * (i + 1) for i in range(len(levels))]
    parts += [_text(x, top + PAD + 14, level, "h") for x, level in zip(ends, levels, strict=True)]
    parts.append(_text(ends[-1] + PAD, top + PAD + 14, f"Left out: {_words(levels[0], total)}", "t"))
    row = 1
    for item in excluded:
        y = top + PAD + 14 + LINE * row
        for x, level in zip(ends, levels, strict=True):
            parts.append(_text(x, y, f"{item['counts'][level]:,}", "m"))
        for i, line in enumerate(_why(item)):
            parts.append(_text(ends[-1] + PAD, y + LINE * i, line, "n"))
        row += len(_why(item))
    return parts


def _splits(splits: list[Part], shared: Mapping[str, int], top: int) -> tuple[list[str], int]:
    """The boxes of the splits side by side, what more than one of them counts, and where the picture ends."""
    width = (WIDTH - 2 * LEFT[0] - GAP * (len(splits) - 1)) // len(splits)
    middle, row = LEFT[0] + LEFT[1] // 2, top + SPACE
    places = [(LEFT[0] + i * (width + GAP), width) for i in range(len(splits))]
    centers = [middle, *(x + width // 2 for x, _ in places[1:])]
    parts = [f'<path d="M{middle} {top}H{centers[-1]}"/>']
    lines = [[*_numbers(part["counts"]), *_prevalence(part)] for part in splits]
    height = 2 * PAD + LINE * (1 + max(map(len, lines)))
    for place, center, part, said in zip(places, centers, splits, lines, strict=True):
        parts.append(_arrow(f"M{center} {top}V{row}"))
        parts += _box(place, row, height, "end", part["name"], said)
    bottom = row + height + SPACE
    if shared:
        words = ", ".join(_words(level, number) for level, number in shared.items())
        parts.append(_text(LEFT[0], bottom, f"Counted in more than one split: {words} too many.", "n"))
        bottom += SPACE
    return parts, bottom


def _prevalence(part: Part) -> list[str]:
    lines = []
    for level in ("images", "studies"):
        state = part["finding"][level]
        known = state["with"] + state["without"]
        share = f" ({100 * state['with'] / known:.1f} %)" if known else ""
        lines.append(f"any finding: {state['with']:,} of {_words(level, known)}{share}")
        if state["not labeled"]:
            lines.append(f"not labeled: {_words(level, state['not labeled'])}")
    return lines


def _arrow(path: str) -> str:
    return f'<path d="{path}" marker-end="url(#a)"/>'


def _text(x: int, y: int, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'


def _document(parts: list[str], height: int) -> str:
    arrow = (
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" style="fill:#8292a2;stroke:none"/></marker></defs>'
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-label="Flow from files to the cohort and its splits">'
    )
    paper = f'<rect width="{WIDTH}" height="{height}" style="fill:#fff;stroke:none"/>'
    return "\n".join([head, f"<style>{_STYLE}</style>", arrow, paper, *parts, "</svg>", ""])
