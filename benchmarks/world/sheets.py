"""Contact sheets: rows of prepared slices under one window. They may hold real slices: never committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from benchmarks.world.sources import View, Views, above_base, by_patient
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from plainscan.ct.window import Window, to_unit
from plainscan.evaluation import appearance
from plainscan.findings import HEMORRHAGE_KEYS

BRAIN, BONE = Window(40, 80), Window(600, 2800)
TILE_PX = 224
LEVELS = (0.03, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)


def nearest(views: Views, level: float) -> View:
    return min(views, key=lambda v: abs(v.level - level))


def sheet(path: Path, rows: dict[str, Views], window: Window) -> None:
    """Draw one row per entry, with its name."""
    across = max(map(len, rows.values()), default=0)
    page = Image.new("L", (max(across, 1) * TILE_PX, len(rows) * TILE_PX))
    draw = ImageDraw.Draw(page)
    for r, (name, views) in enumerate(rows.items()):
        for c, view in enumerate(views):
            tile = Image.fromarray((to_unit(view.hu, window) * 255).astype(np.uint8)).resize((TILE_PX, TILE_PX))
            page.paste(tile, (c * TILE_PX, r * TILE_PX))
        draw.text((4, r * TILE_PX + 4), name, fill=255)
    page.save(path)


def level_rows(views: Views, patients: int) -> dict[str, Views]:
    groups = sorted(by_patient(views).items())
    chosen = groups[:: max(1, len(groups) // patients)][:patients]
    return {patient: [nearest(own, level) for level in LEVELS] for patient, own in chosen}


def finding_rows(sources: dict[str, Views]) -> dict[str, Views]:
    return {
        f"{name}: {key}": (own := [v for v in views if key in v.findings])[:: max(1, len(own) // 10)][:10]
        for key in (*HEMORRHAGE_KEYS, "skull_fracture")
        for name, views in sources.items()
    }


def draw_sheets(out: Path, plain: dict[str, Views], pictures: dict[str, Views]) -> None:
    for kind, sources in (("pictures", pictures), ("dicom", plain)):
        rows = {row: views for source in sources.values() for row, views in level_rows(source, 4).items()}
        sheet(out / f"{kind}_brain.png", rows, BRAIN)
        if kind == "dicom":
            sheet(out / f"{kind}_bone.png", rows, BONE)
    sheet(out / "findings.png", finding_rows({k: pictures[k] for k in pictures if k != "synthetic"}), BRAIN)


def draw_histograms(path: Path, plain: dict[str, Views], pictures: dict[str, Views]) -> None:
    """HU of brain as pictures and in full, HU of bone, and noise power: one line per source."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    for name, views, panel in [
        *((name, views, panels[0]) for name, views in pictures.items()),
        *((name, views, panels[1]) for name, views in plain.items()),
    ]:
        shown = [(v.hu, appearance.regions(appearance.clipped(v.hu))) for v in above_base(views)]
        if not shown:
            continue
        bins = np.arange(-5, 71)
        panel.stairs(_density(bins, [hu[part.brain] for hu, part in shown]), bins, label=name)
        if panel is panels[1]:
            wide = np.arange(0, 2001, 50)
            panels[2].stairs(_density(wide, [hu[part.bone] for hu, part in shown]), wide, label=name)
        flat = np.concatenate([appearance.patches(appearance.clipped(hu), part.brain) for hu, part in shown])
        power = appearance.noise(flat).power
        panels[3].plot(
            np.arange(1, len(power) + 1) / appearance.PATCH, power, "--" if panel is panels[0] else "-", label=name
        )
    titles = ("brain, pictures: HU", "brain, full HU", "bone: HU", "noise power, HU² px² (dashed: pictures), cycles/px")
    for panel, title in zip(panels, titles, strict=True):
        panel.set_title(title)
        panel.legend(fontsize=7)
    figure.savefig(path, dpi=80)


def _density(bins: NDArray[np.integer], values: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    count, _ = np.histogram(np.concatenate(values), bins)
    result: NDArray[np.float64] = count / max(count.sum(), 1) / np.diff(bins)
    return result
