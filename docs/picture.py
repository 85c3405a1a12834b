"""The README's picture, from a run's own test split: `python docs/picture.py runs/demo`.

Each tile is a slice with its masks outlined, beside the same slice under its heat map. The four slices with a
finding that scored highest, one a patient and kind, and the two that scored lowest without one.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from plainscan import tables
from plainscan.findings import SPECIFIC_KEYS, find
from plainscan.inference.engine import Model, load, operating_point
from plainscan.inference.held_out import RunSlices, picture, score_slices

TARGET = Path(__file__).parent / "images" / "demo.png"
COLUMNS, SIDE, CAPTION = 3, 180, 34


def main(folder: Path) -> None:
    """Write the picture of a run folder."""
    model, slices = load(folder / "model"), RunSlices(folder)
    threshold = operating_point(model.card, "slice").threshold
    prepared = tables.read(folder, tables.PREPARED)
    rows = tables.read(folder, tables.PREDICTIONS).join(
        prepared.select(*tables.SLICE_KEY, "shard", "row", "^box_.*$", "rows", "columns"), on=tables.SLICE_KEY
    )
    tiles = []
    for row in [*_found(rows, 4), *_clear(rows, 2)]:
        logits = _logits(model, slices, prepared, row, threshold)
        image = Image.open(io.BytesIO(picture(model, slices, row, logits, threshold)))
        tiles.append(_captioned(image.resize((2 * SIDE, SIDE), Image.Resampling.BICUBIC), row))
    sheet = Image.new("RGB", (COLUMNS * 2 * SIDE, -(-len(tiles) // COLUMNS) * (SIDE + CAPTION)))
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % COLUMNS * 2 * SIDE, i // COLUMNS * (SIDE + CAPTION)))
    TARGET.parent.mkdir(exist_ok=True)
    sheet.save(TARGET, optimize=True)


def _logits(
    model: Model, slices: RunSlices, prepared: pl.DataFrame, row: dict[str, object], threshold: float
) -> NDArray[np.float32]:
    """Of a slice among its neighbors: (findings,)."""
    series = prepared.filter(pl.col("series_uid") == row["series_uid"])
    at = [tuple(key) for key in series.select(tables.SLICE_KEY).rows()].index(tuple(row[k] for k in tables.SLICE_KEY))
    return list(score_slices(model, slices, series, threshold))[at].logits


def _found(rows: pl.DataFrame, count: int) -> list[dict[str, object]]:
    """The highest scores among slices with a finding: one a patient, one of each set of findings."""
    best = rows.filter(pl.col("any_finding") == 1).sort("probability_any_finding", descending=True)
    return best.unique("patient_id", keep="first", maintain_order=True).unique(
        SPECIFIC_KEYS, keep="first", maintain_order=True
    ).head(count).to_dicts()  # fmt: skip


def _clear(rows: pl.DataFrame, count: int) -> list[dict[str, object]]:
    """The lowest scores among slices that show brain and have no finding."""
    brain = rows.filter((pl.col("any_finding") == 0) & pl.col("slice_height").is_between(0.4, 0.8))
    return brain.sort("probability_any_finding").unique("patient_id", keep="first", maintain_order=True).head(
        count
    ).to_dicts()  # fmt: skip


def _captioned(image: Image.Image, row: dict[str, object]) -> Image.Image:
    names = ", ".join(f.english for key in SPECIFIC_KEYS if row[key] == 1 and (f := find(key))) or "no finding"
    tile = Image.new("RGB", (image.width, image.height + CAPTION))
    tile.paste(image)
    draw = ImageDraw.Draw(tile)
    draw.text((6, image.height + 3), f"truth: {names}", "white", ImageFont.load_default(11))
    score = f"p(any finding) {row['probability_any_finding']:.2f}"
    draw.text((6, image.height + 17), score, (190, 190, 190), ImageFont.load_default(11))
    return tile


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo"))
