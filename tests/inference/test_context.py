"""Slices among their neighbors."""

from __future__ import annotations

import itertools
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from plainscan.inference.context import REACH_MM, USUAL_STEP_MM, Place, among_neighbors, place_of, with_neighbors

Logits = NDArray[np.float32]


def column(*values: float) -> Logits:
    return np.array(values, np.float32)[:, None]


def series(*positions_mm: float | None) -> list[Place]:
    return [Place("a", position) for position in positions_mm]


def test_slices_5_mm_apart_count_one_half() -> None:
    found = among_neighbors(column(0, 4, 0, 8), series(0, 5, 10, 15), REACH_MM)
    np.testing.assert_allclose(found[:, 0], [4 / 3, 2, 3, 16 / 3], rtol=1e-6)


def test_slices_10_mm_apart_and_a_reach_of_nothing_leave_every_slice_as_it_was() -> None:
    logits = column(0.1, 0.7, -3)
    np.testing.assert_array_equal(among_neighbors(logits, series(0, 10, 20), REACH_MM), logits)
    np.testing.assert_array_equal(among_neighbors(logits, series(0, 1, 2), 0.0), logits)


def test_thin_slices_hear_all_that_lie_within_reach() -> None:
    positions = np.arange(0, 40, 0.5)
    logits = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    weights = np.clip(1 - np.abs(positions[:, None] - positions) / REACH_MM, 0, None)
    expected = weights @ logits / weights.sum(1, keepdims=True)
    found = among_neighbors(logits, series(*positions), REACH_MM)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_series_do_not_hear_each_other() -> None:
    places = [Place(name, 0.0) for name in "ab"]
    np.testing.assert_array_equal(among_neighbors(column(0, 9), places, REACH_MM), column(0, 9))


def test_a_slice_without_a_place_stands_alone_and_is_not_heard() -> None:
    found = among_neighbors(column(0, 9, 4), series(0, None, 5), REACH_MM)
    np.testing.assert_allclose(found[:, 0], [4 / 3, 9, 8 / 3], rtol=1e-6)


def test_without_a_position_the_index_counts_and_without_either_a_slice_stands_alone() -> None:
    assert place_of("a", 3.0, 7) == Place("a", 3.0)
    assert place_of("a", None, 7) == Place("a", 7 * USUAL_STEP_MM)
    assert place_of("a", None, None) == Place("a", None)


def test_a_slice_without_a_score_keeps_its_turn_and_is_not_heard() -> None:
    logits = {0: column(2)[0], 5: None, 10: column(4)[0]}
    found = list(with_neighbors(logits, lambda mm: Place("a", float(mm)), logits.__getitem__, 12.0))
    assert [mm for mm, _ in found] == [0, 5, 10]
    assert found[1][1] is None
    np.testing.assert_allclose(found[0][1], [(2 + 4 / 6) / (1 + 1 / 6)], rtol=1e-6)


@pytest.mark.parametrize(("step_mm", "held"), [(5.0, 3), (2.0, 6), (10.0, 2)])
def test_no_more_slices_are_held_than_lie_within_reach(step_mm: float, held: int) -> None:
    taken = 0

    def place(i: int) -> Place:
        nonlocal taken
        taken = max(taken, i + 1)
        return Place("a", i * step_mm)

    stream = with_neighbors(itertools.count(), place, lambda i: column(i)[0], REACH_MM)
    for given_back in range(1, 30):
        next(stream)
        assert taken - given_back < held


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(-50, 50, width=32), st.floats(-9, 9, width=32)), max_size=20),
    st.randoms(use_true_random=False),
)
def test_any_order_gives_the_same_bits_between_the_lowest_and_the_highest_logit(
    rows: list[tuple[str, float, float]], random: Random
) -> None:
    rows = list({(name, mm): (name, mm, logit) for name, mm, logit in rows}.values())
    places, logits = [Place(name, mm) for name, mm, _ in rows], column(*(logit for *_, logit in rows))
    found = among_neighbors(logits, places, REACH_MM)
    order = list(range(len(rows)))
    random.shuffle(order)
    again = among_neighbors(logits[order], [places[i] for i in order], REACH_MM)
    np.testing.assert_array_equal(again, found[order])
    assert len(rows) == 0 or (logits.min() - 1e-5 <= found.min() and found.max() <= logits.max() + 1e-5)
