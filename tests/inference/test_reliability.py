from __future__ import annotations

import numpy as np
import pytest
from tests.inference.tiny_bundle import head_slice, tiny_card

from plainscan.bundle import Measured
from plainscan.ct.prepare import Box, head_box
from plainscan.evaluation.sanity import CHECKS, Check
from plainscan.findings import FINDING_KEYS
from plainscan.inference.heatmap import energy, pooled
from plainscan.inference.reliability import (
    CONTRADICTS,
    FLAT,
    OUTSIDE,
    head_cells,
    not_reliable,
    outside_share,
    spread,
)

HU = head_slice(192)
BOX = head_box(HU)
GRID = 24
HEAD = head_cells(HU, BOX, GRID)


def _marks(grid: np.ndarray, logit: float | None = None, **card: object) -> tuple[str, ...]:
    maps = np.tile(grid.astype(np.float32), (len(FINDING_KEYS), 1, 1))
    value = float(pooled(maps[0], "log_mean_exp")) if logit is None else logit
    logits = np.full(len(FINDING_KEYS), value, np.float32)
    return not_reliable(maps, logits, HU, BOX, tiny_card(b"", **{"pooling": "log_mean_exp", **card}), 0.6)


def _spot(row: int, column: int, height: float = 12.0) -> np.ndarray:
    grid = np.full((GRID, GRID), -6.0)
    grid[row, column] = height
    return grid


def test_the_head_is_filled_and_the_air_around_it_is_not_in_it() -> None:
    holed = HU.copy()
    holed[90:100, 90:100] = -1000  # a sinus
    np.testing.assert_array_equal(head_cells(holed, BOX, GRID), HEAD)
    assert HEAD[12, 12]
    assert not HEAD[0, 0]
    assert not head_cells(np.full((64, 64), -1000), Box(0, 0, 64), 8).any()


def test_a_peak_inside_the_head_is_not_marked() -> None:
    assert _marks(_spot(12, 12)) == ()


def test_evidence_in_the_air_is_marked() -> None:
    assert _marks(_spot(0, 0)) == ("outside_head",)


@pytest.mark.parametrize(("share", "marked"), [(OUTSIDE + 0.01, True), (OUTSIDE - 0.01, False)])
def test_the_limit_outside_the_head_is_a_share_of_the_energy(share: float, marked: bool) -> None:
    grid = np.full((GRID, GRID), -20.0)
    grid[12, 12], grid[0, 0] = np.log(1 - share), np.log(share)
    assert outside_share(energy(grid.astype(np.float32), "log_mean_exp"), HEAD) == pytest.approx(share, abs=1e-4)
    assert ("outside_head" in _marks(grid + 9)) is marked


def test_a_cell_beside_the_head_is_not_outside() -> None:
    left = int(np.flatnonzero(HEAD[12])[0])
    assert _marks(_spot(12, left - 1)) == ()


@pytest.mark.parametrize(("off", "marked"), [(-8, False), (8, True)])
def test_spread_counts_the_cells_of_an_even_map(off: int, marked: bool) -> None:
    cells = np.argwhere(HEAD)[: round(FLAT["log_mean_exp"] * HEAD.sum()) + off]
    grid = np.full((GRID, GRID), -20.0)
    grid[tuple(cells.T)] = 2.0
    assert spread(np.exp(grid).astype(np.float32), HEAD) == pytest.approx(len(cells) / HEAD.sum(), rel=1e-3)
    assert ("flat" in _marks(grid, logit=3.0)) is marked


def test_a_map_without_any_energy_is_flat() -> None:
    assert spread(np.zeros((GRID, GRID), np.float32), HEAD) == np.inf
    assert _marks(np.full((GRID, GRID), -1.0), logit=3.0, pooling="mean") == ("flat",)
    assert _marks(np.full((GRID, GRID), 1.0), logit=3.0, pooling="mean") == ("outside_head",)


@pytest.mark.parametrize(("excess", "marked"), [(0.5, True), (-0.5, False)])
def test_strong_color_on_a_slice_called_free_contradicts_its_score(excess: float, marked: bool) -> None:
    grid = np.full((GRID, GRID), -20.0)
    grid[12, 12] = 0.0
    at_point = float(np.log(0.6 / 0.4))
    logit = at_point + 8 * CONTRADICTS + excess + float(pooled(grid.astype(np.float32), "log_mean_exp"))
    assert logit < at_point
    assert (_marks(grid, logit) == ("contradicts_score",)) is marked


def test_a_quiet_slice_is_not_marked_for_having_nothing_to_point_at() -> None:
    assert _marks(np.full((GRID, GRID), -6.0)) == ()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.figure)
def test_a_bundle_whose_card_says_that_a_check_failed_has_every_map_marked(check: Check) -> None:
    rest = {"data": "d", "level": "slice", "finding": "any_finding", "n": 9, "n_positive": 9, "clusters": 9}
    for step, expected in ((0.0, ()), (-0.01 if check.least else 0.01, ("bundle_failed_checks",))):
        figure = Measured(figure=check.figure, value=check.limit + step, **rest)
        assert _marks(_spot(12, 12), figures=(figure,)) == expected


@pytest.mark.parametrize("order", [1, -1])
def test_a_check_that_failed_on_one_set_of_slices_is_not_made_good_by_another(order: int) -> None:
    check = CHECKS[0]
    rest = {"level": "slice", "finding": "any_finding", "n": 9, "n_positive": 9, "clusters": 9}
    figures = [Measured(data=f"{i}", figure=check.figure, value=check.limit + i, **rest) for i in (0, 0.2)]
    assert _marks(_spot(12, 12), figures=tuple(figures[::order])) == ("bundle_failed_checks",)
