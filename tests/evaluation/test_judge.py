from __future__ import annotations

import numpy as np
import pytest

from plainscan.evaluation.bootstrap import Figure, Group, draw
from plainscan.evaluation.judge import Units, judge


def _units(finding: str = "any_finding", threshold: float | None = 0.5) -> Units:
    rng = np.random.default_rng(0)
    labels, cluster = (rng.random(300) < 0.4).astype(np.int8), np.repeat(np.arange(30), 10)
    height = rng.random(300)
    p = np.clip(0.3 * labels + 0.7 * rng.random(300), 0, 1)
    group = Group(finding, "slice", labels, cluster.astype(np.intp))
    return Units(group, p, threshold, {"height": height}, {"height": (height * 10).astype(np.int64)})


def _by_name(figures: list[Figure]) -> dict[tuple[str, str], Figure]:
    return {(f.figure, f.finding): f for f in figures}


def test_every_figure_has_one_entry_with_an_interval_around_it() -> None:
    figures = judge(_units(), draw(30, 200, np.random.default_rng(0)))
    assert len(_by_name(figures)) == len(figures)
    for figure in figures:
        assert figure.value is not None
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.high
        if figure.figure != "calibration_error":  # resampling only adds to it
            assert figure.low <= figure.value <= figure.high


def test_recall_of_no_finding_is_the_specificity_with_the_same_interval() -> None:
    found = _by_name(judge(_units(), draw(30, 200, np.random.default_rng(0))))
    a, b = found["recall", "no_finding"], found["specificity", "any_finding"]
    assert a.value == pytest.approx(b.value)
    assert (a.low, a.high) == pytest.approx((b.low, b.high))
    assert a.n_positive == b.n - b.n_positive


def test_without_a_threshold_only_the_ranking_is_judged() -> None:
    names = {f.figure for f in judge(_units(threshold=None), draw(30, 20, np.random.default_rng(0)))}
    assert "auc" in names
    assert "precision" not in names


def test_only_any_finding_has_the_second_class() -> None:
    figures = judge(_units("mass"), draw(30, 20, np.random.default_rng(0)))
    assert {f.finding for f in figures} == {"mass"}


def test_no_unit_gives_entries_that_say_so() -> None:
    empty = Units(Group("mass", "slice", np.zeros(0, np.int8), np.zeros(0, np.intp)), np.zeros(0), 0.5)
    figures = judge(empty, draw(3, 20, np.random.default_rng(0)))
    assert {f.value for f in figures} == {None}
    assert {f.note for f in figures} == {"no labeled unit"}
