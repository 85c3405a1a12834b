from __future__ import annotations

import numpy as np
import polars as pl

from plainscan.evaluation.hemorrhage import ANY_HEMORRHAGE, JUDGED_KEYS, noisy_or, with_label, with_score
from plainscan.findings import ANY_FINDING, FINDING_KEYS, HEMORRHAGE_KEYS


def test_the_score_is_the_chance_that_not_all_kinds_are_absent() -> None:
    p = np.random.default_rng(0).random((50, 5))
    assert np.allclose(noisy_or(p), 1 - np.prod(1 - p, axis=1))


def test_the_score_rises_with_every_kind_and_keeps_tiny_ones_apart() -> None:
    assert (np.diff(noisy_or([[1e-18, 1e-18], [2e-18, 1e-18], [0.3, 0.3], [0.3, 0.4]])) > 0).all()
    assert noisy_or([[1.0, 0.0], [0.0, 0.0]]).tolist() == [1.0, 0.0]
    assert noisy_or(np.zeros((0, 5))).shape == (0,)


def test_a_label_is_unknown_while_a_kind_that_is_unknown_could_be_there() -> None:
    rows = [
        (0, 0, 0, 0, 0, 0),
        (1, 0, 0, 0, 0, 0),
        (1, 0, 1, 0, 0, 0),
        (1, None, 1, 0, 0, 0),
        (1, None, 0, 0, 0, 0),
        (0, None, 0, 0, 0, 0),
        (None,) * 6,
    ]
    frame = pl.DataFrame(rows, schema=dict.fromkeys((ANY_FINDING, *HEMORRHAGE_KEYS), pl.Int8), orient="row")
    assert with_label(frame)[ANY_HEMORRHAGE].to_list() == [0, 0, 1, 1, None, 0, None]


def test_the_score_is_made_of_the_hemorrhages_alone() -> None:
    one = {f"probability_{key}": [0.5 if key in HEMORRHAGE_KEYS[:2] else 0.0] for key in FINDING_KEYS}
    frame = pl.DataFrame(one | {f"probability_{FINDING_KEYS[0]}": [0.9]})
    assert np.isclose(with_score(frame)[f"probability_{ANY_HEMORRHAGE}"][0], 0.75)


def test_it_is_judged_beside_every_finding_and_no_finding_is_lost() -> None:
    assert set(JUDGED_KEYS) == {ANY_HEMORRHAGE, *FINDING_KEYS}
    assert JUDGED_KEYS[1] == ANY_HEMORRHAGE
