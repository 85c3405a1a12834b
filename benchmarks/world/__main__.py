"""`python -m benchmarks.world`: measure, draw, print."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import benchmarks.world
from benchmarks.world.report import into_page, judge, summary
from benchmarks.world.sheets import draw_histograms, draw_sheets
from benchmarks.world.sources import Views, dicom_views, measured, picture_views, synthetic_views


def main() -> int:
    parser = argparse.ArgumentParser(description=(benchmarks.world.__doc__ or "").splitlines()[0])
    parser.add_argument("--real", type=Path, help="folder of real slices; without it, the synthetic side alone")
    parser.add_argument("--out", type=Path, default=Path("runs/world"))
    parser.add_argument("--studies", type=int, default=24, help="synthetic studies of each kind")
    parser.add_argument("--size", type=int, default=224, help="side of a slice, px")
    parser.add_argument("--picks", type=int, default=10, help="slices of each study")
    parser.add_argument("--rows", type=int, default=15, help="rows of each domain table")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", type=Path, help="a Markdown page that gets the summary between its marks")
    asked = parser.parse_args()
    pictures: dict[str, Views] = {}
    plain: dict[str, Views] = {}
    if asked.real:
        pictures["CT-ICH"] = measured(picture_views(asked.real / "ctich-dev", asked.size, asked.picks))
        for folder in sorted((asked.real / "dicom").iterdir()):
            plain[folder.name] = measured(dicom_views(folder, asked.size))
    for name, wide in (("synthetic", False), ("synthetic wide", True)):
        views = synthetic_views(asked.studies, wide, asked.seed, asked.size, asked.picks)
        plain[name], pictures[name] = (measured(v) for v in views)
    asked.out.mkdir(parents=True, exist_ok=True)
    draw_sheets(asked.out, plain, pictures)
    draw_histograms(asked.out / "histograms.png", plain, pictures)
    if asked.page:
        page = asked.page.read_text(encoding="utf-8")
        asked.page.write_text(into_page(page, summary(plain, pictures)), encoding="utf-8")
    report = judge(plain, pictures, asked.rows)
    (asked.out / "world.md").write_text(report, encoding="utf-8")
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
