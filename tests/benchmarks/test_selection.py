"""The develop half of the labeled series must stay well judged; the judge half is scored by hand only."""

from __future__ import annotations

from collections import Counter

from benchmarks import selection


def test_there_are_200_labeled_series_of_every_kind_and_hashing_halves_them() -> None:
    halves = [selection.lines(half) for half in ("develop", "judge")]
    assert sum(map(len, halves)) >= 200
    assert min(map(len, halves)) > 0.4 * sum(map(len, halves))
    counts = Counter(line["label"] for half in halves for line in half)
    assert set(counts) == {"plain", *selection.CAUSES}
    assert min(counts.values()) >= 10
    assert len({tuple(line.values()) for half in halves for line in half}) == counts.total()


def test_the_develop_half_is_judged_above_its_floor() -> None:
    found = selection.judge("develop", show=False)
    assert found["precision"] >= FLOOR["precision"]
    assert found["recall"] >= FLOOR["recall"]


FLOOR = {"precision": 0.95, "recall": 0.95}


def test_a_share_has_its_interval() -> None:
    assert selection.share(9, 10) == "0.900 (0.596-0.982)"
    assert selection.share(0, 0) == "none"
