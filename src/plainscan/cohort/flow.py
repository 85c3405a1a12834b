"""The flow of a cohort: numbers in, numbers out, and why; as plain data and as one SVG picture.

Laid out like the CONSORT diagram (Schulz 2010): what goes on runs down the left, what is left out and its reasons
stand at the right.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final, TypedDict

import polars as pl

from plainscan.cohort.series import CODES

CODE_NAMES: Final = tuple(CODES)
# Which reasons belong to which step of the selection.
IMAGE_CODES: Final = CODE_NAMES[: CODE_NAMES.index("perfusion")]
VOLUME_CODES: Final = CODE_NAMES[CODE_NAMES.index("perfusion") : CODE_NAMES.index("inconsistent_geometry")]
CHOICE_CODES: Final = CODE_NAMES[CODE_NAMES.index("inconsistent_geometry") : CODE_NAMES.index("no_suitable_series")]


class Left(TypedDict):
    """One reason and what it took along."""

    code: str
    why: str
    images: int
    series: int


class Step(TypedDict):
    """One box on the left and the one at its right."""

    title: str
    counts: dict[str, int]
    excluded: list[Left]


class Flow(TypedDict):
    """The whole diagram, and the studies that no series is left of."""

    steps: list[Step]
    studies_without_series: int


def flow(
    catalogue: pl.DataFrame,
    cohort: pl.DataFrame,
    exclusions: pl.DataFrame,
    rejects: pl.DataFrame | None = None,
    reject_reasons: Mapping[str, str] | None = None,
) -> Flow:
    """Count the way from files to the cohort.

    Args:
        catalogue: The table of that name.
        cohort: The table of that name.
        exclusions: The table of that name.
        rejects: The table of that name, where it is at hand.
        reject_reasons: Words for its codes.
    """
    refused = _rejects(rejects, reject_reasons or {})
    files = catalogue.select(pl.struct("source", "path").n_unique()).item() + sum(item["images"] for item in refused)
    images = exclusions.filter(pl.col("level") != "study")
    parts = [_excluded(images, codes) for codes in (IMAGE_CODES, VOLUME_CODES, CHOICE_CODES)]
    left = [catalogue.height]
    for part in parts:
        left.append(left[-1] - sum(item["images"] for item in part))
    steps: list[Step] = [
        {"title": "Files looked at", "counts": {"files": files}, "excluded": refused},
        {"title": "Images in the catalogue", "counts": _counts(catalogue), "excluded": parts[0]},
        {"title": "Axial CT slices in HU", "counts": {"images": left[1]}, "excluded": parts[1]},
        {"title": "Plain soft-tissue head CT", "counts": {"images": left[2]}, "excluded": parts[2]},
        {"title": "Cohort: one series a study", "counts": _counts(cohort), "excluded": []},
    ]
    return {"steps": steps, "studies_without_series": exclusions.filter(pl.col("level") == "study").height}


def _counts(table: pl.DataFrame) -> dict[str, int]:
    names = {"patients": "patient_id", "studies": "study_uid", "series": "series_uid"}
    return {**{name: table[column].drop_nulls().n_unique() for name, column in names.items()}, "images": table.height}


def _rejects(rejects: pl.DataFrame | None, reasons: Mapping[str, str]) -> list[Left]:
    if rejects is None:
        return []
    counted = rejects.group_by("code").len().sort("len", "code", descending=[True, False])
    return [
        {"code": code, "why": reasons.get(code, code.replace("_", " ")), "images": count, "series": 0}
        for code, count in counted.iter_rows()
    ]


def _excluded(exclusions: pl.DataFrame, codes: tuple[str, ...]) -> list[Left]:
    counted = exclusions.group_by("code").agg(pl.col("slices").sum(), pl.col("series_uid").n_unique())
    found = {code: (int(images), int(series)) for code, images, series in counted.iter_rows()}
    return [
        {"code": code, "why": CODES[code], "images": found[code][0], "series": found[code][1]}
        for code in codes
        if code in found
    ]


WIDTH: Final = 1000
LEFT: Final = (20, 340)  # x and width in px
RIGHT: Final = (420, 560)
LINE: Final = 20
PAD: Final = 14
SPACE: Final = 28

_STYLE: Final = (
    "text{font:14px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1c2430}"
    ".t{font-weight:600}.n{fill:#51606f}.m{text-anchor:end;font-variant-numeric:tabular-nums}"
    "rect{fill:#fff;stroke:#8292a2;stroke-width:1.2}.out{fill:#f5f7f9;stroke:#c3ccd5}.end{fill:#eaf3ee;stroke:#3c7a57}"
    "path{stroke:#8292a2;stroke-width:1.4;fill:none}"
)


def draw(found: Flow) -> str:
    """The diagram as a self-contained SVG document."""
    parts: list[str] = []
    top = 20
    last = len(found["steps"]) - 1
    for index, step in enumerate(found["steps"]):
        lines = _numbers(step["counts"])
        if index == last and found["studies_without_series"]:
            lost = found["studies_without_series"]
            lines.append(f"{lost:,} {'study has' if lost == 1 else 'studies have'} no suitable series")
        height = 2 * PAD + LINE * (1 + len(lines))
        beside = 2 * PAD + LINE * (1 + len(step["excluded"])) if step["excluded"] else 0
        parts += _box(LEFT, top, height, "end" if index == last else "in", step["title"], lines)
        bottom = top + max(height, beside) + SPACE
        if index < last:
            x = LEFT[0] + LEFT[1] // 2
            parts.append(f'<path d="M{x} {top + height}V{bottom}" marker-end="url(#a)"/>')
        if step["excluded"]:
            middle = top + height // 2
            parts.append(f'<path d="M{sum(LEFT)} {middle}H{RIGHT[0]}" marker-end="url(#a)"/>')
            parts += _reasons(top, beside, step["excluded"])
        top = bottom
    return _document(parts, top)


def _numbers(counts: dict[str, int]) -> list[str]:
    words = [f"{count:,} {name if count != 1 else _one(name)}" for name, count in counts.items()]
    return [", ".join(words[i : i + 2]) for i in range(0, len(words), 2)]


def _one(name: str) -> str:
    return {"studies": "study", "series": "series"}.get(name, name.removesuffix("s"))


def _box(place: tuple[int, int], top: int, height: int, kind: str, title: str, lines: list[str]) -> list[str]:
    x, width = place
    parts = [f'<rect class="{kind}" x="{x}" y="{top}" width="{width}" height="{height}" rx="5"/>']
    parts.append(_text(x + PAD, top + PAD + 14, title, "t"))
    return parts + [_text(x + PAD, top + PAD + 14 + LINE * (i + 1), line, "n") for i, line in enumerate(lines)]


def _reasons(top: int, height: int, excluded: list[Left]) -> list[str]:
    total = sum(item["images"] for item in excluded)
    x = RIGHT[0]
    parts = _box(RIGHT, top, height, "out", f"Left out: {total:,}", [])
    for row, item in enumerate(excluded, 1):
        y = top + PAD + 14 + LINE * row
        series = f" ({item['series']:,} series)" if item["series"] else ""
        parts.append(_text(x + PAD + 56, y, f"{item['images']:,}", "m"))
        parts.append(_text(x + PAD + 68, y, f"{item['why']}{series}", "n"))
    return parts


def _text(x: int, y: int, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'


def _document(parts: list[str], height: int) -> str:
    arrow = (
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" style="fill:#8292a2;stroke:none"/></marker></defs>'
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-label="Flow of images from files to the cohort">'
    )
    paper = f'<rect width="{WIDTH}" height="{height}" style="fill:#fff;stroke:none"/>'
    return "\n".join([head, f"<style>{_STYLE}</style>", arrow, paper, *parts, "</svg>", ""])
