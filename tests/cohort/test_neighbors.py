from __future__ import annotations

import numpy as np

from plainscan.cohort import neighbors as nb
from plainscan.cohort.fingerprint import unit


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, 64)).astype(np.float32))


def test_planted_near_vectors_are_found_and_only_their_owners() -> None:
    known = vectors(4000)
    noise = np.random.default_rng(1).normal(size=(40, 64)).astype(np.float32)
    known[:40] = unit(known[2000:2040] + 0.03 * noise)
    owner = np.arange(4000) // 8
    found = nb.near_pairs(known, known, owner, 0.9)
    assert found == {(i, 250 + i) for i in range(5)}


def test_slices_of_one_study_are_no_pair() -> None:
    known = np.repeat(vectors(1), 8, axis=0)
    assert nb.near_pairs(known, known, np.zeros(8, np.intp), 0.9) == set()


def test_a_crowd_costs_no_square() -> None:
    crowd = np.repeat(vectors(1), 5000, axis=0)
    found = nb.near_pairs(crowd, crowd, np.arange(5000), 0.9)
    assert len(found) <= 5000 * nb.CROWD


def test_each_slice_is_matched_once() -> None:
    one = vectors(5)
    doubled = np.concatenate([one, one])
    assert nb.matched(doubled, one, 0.9) == (5, 1.0) or nb.matched(doubled, one, 0.9)[0] == 5
    assert nb.matched(vectors(5, 3), one, 0.9) == (0, 0.0)
