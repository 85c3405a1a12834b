from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from benchmarks.world import __main__ as command
from benchmarks.world import report, sheets, sources
from PIL import Image

SIZE = 96


@pytest.fixture(scope="module")
def views() -> tuple[sources.Views, sources.Views]:
    return sources.synthetic_views(studies=1, wide=False, seed=0, size=SIZE, picks=4)


def test_a_picture_keeps_what_its_window_shows() -> None:
    hu = np.full((SIZE, SIZE), -1000, np.int16)
    hu[20:70, 20:70] = 40
    hu[40:50, 40:50] = 900
    seen = sources.as_picture(hu)
    assert seen.shape == (sources.PICTURE_PX, sources.PICTURE_PX)
    assert seen.min() == pytest.approx(-20, abs=1)
    assert seen.max() == pytest.approx(100, abs=1)
    at = round(30 * sources.PICTURE_PX / SIZE)
    assert seen[at, at] == pytest.approx(40, abs=1)


def test_picks_reach_from_the_lowest_to_the_highest_slice() -> None:
    picks = list(sources.level_picks(30, 4))
    assert picks[0] == (0, 0.0)
    assert picks[-1] == (29, 1.0)
    assert len(list(sources.level_picks(3, 10))) == 3


def test_synthetic_views_are_the_same_slices_twice(views: tuple[sources.Views, sources.Views]) -> None:
    plain, pictures = views
    assert [v.level for v in plain] == [v.level for v in pictures]
    assert plain[0].hu.shape == (SIZE, SIZE)
    assert [v.level for v in plain] == sorted(v.level for v in plain)
    assert max(float(v.hu.max()) for v in pictures) <= 100.5


def test_labels_of_pictures_become_findings(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    rows = []
    for number in range(3):
        pixels = np.zeros((64, 64), np.uint8)
        pixels[10:50, 10:50] = 128
        Image.fromarray(pixels).save(tmp_path / "images" / f"007_{number}.jpg")
        rows.append({"file": f"007_{number}.jpg", "patient": "7", "slice": number, "Epidural": int(number == 1)})
    with (tmp_path / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    found = sources.picture_views(tmp_path, size=32, picks=12)
    assert [sorted(v.findings) for v in found] == [[], ["epidural_hemorrhage"], []]
    assert {v.patient for v in found} == {"ctich-7"}


def test_a_sheet_has_a_row_for_each_name(tmp_path: Path, views: tuple[sources.Views, sources.Views]) -> None:
    sheets.sheet(tmp_path / "s.png", {"a": views[0], "b": views[1][:2]}, sheets.BRAIN)
    with Image.open(tmp_path / "s.png") as page:
        assert page.size == (len(views[0]) * sheets.TILE_PX, 2 * sheets.TILE_PX)


def test_missing_values_are_a_dash_and_one_value_has_no_range() -> None:
    assert report.spread([float("nan")]) == "-"
    assert report.spread([2.0]) == "2.0"
    assert report.spread([1.0, 2.0, 3.0]) == "2.0 (1.2 to 2.8)"


def test_shares_get_more_digits_than_hu() -> None:
    assert [report.row_digits(name) for name in ("share 99 to 100 HU", "depth 2-4 px HU", "scalp of head")] == [3, 1, 3]


def test_pairs_of_worlds_are_compared_everywhere_and_above_the_base(
    views: tuple[sources.Views, sources.Views],
) -> None:
    measured = sources.measured(views[0])
    found = report.pairs({"real": measured}, {"synthetic": measured})
    assert [(p.real, p.synthetic, p.where) for p in found] == [
        ("real", "synthetic", "all"),
        ("real", "synthetic", "above the base"),
    ]
    assert found[0].told is None  # one patient: no classifier
    assert all(difference.auc == 0.5 for difference in found[0].found)
    assert len(report.domain_line(found[0])) == len(report.DOMAIN_HEAD)


def test_the_summary_replaces_what_stood_between_the_marks() -> None:
    begin, end = report.MARKS
    page = f"before\n{begin}\nold\n{end}\nafter\n"
    once = report.into_page(page, "new")
    assert once == f"before\n{begin}\n\nnew\n\n{end}\nafter\n"
    assert report.into_page(once, "new") == once


def test_the_page_has_the_marks() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "the-synthetic-world.md").read_text(encoding="utf-8")
    assert [page.count(mark) for mark in report.MARKS] == [1, 1]


@pytest.mark.slow
def test_the_command_prints_tables_without_real_slices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--out", str(tmp_path), "--studies", "2", "--size", str(SIZE), "--picks", "6"]
    monkeypatch.setattr("sys.argv", ["world", *options])
    assert command.main() == 0
    printed = capsys.readouterr().out
    assert "| white matter, HU |" in printed
    assert (tmp_path / "world.md").read_text(encoding="utf-8").strip() == printed.strip()
    assert {p.name for p in tmp_path.glob("*.png")} >= {"pictures_brain.png", "dicom_bone.png", "histograms.png"}
