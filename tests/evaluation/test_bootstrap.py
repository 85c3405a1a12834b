from __future__ import annotations

import numpy as np
import pytest

from plainscan.evaluation import metrics as m
from plainscan.evaluation.bootstrap import Group, draw, estimate, replicate


def _group(labels: np.ndarray, cluster: np.ndarray) -> Group:
    return Group("any_finding", "slice", labels.astype(np.int8), cluster.astype(np.intp))


def _clustered(seed: int = 0, patients: int = 40, each: int = 25) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score, labels, patient: slices of one patient are alike in both."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(patients), each)
    severity = rng.normal(0, 2, patients)[cluster]
    labels = (rng.random(cluster.size) < 1 / (1 + np.exp(-severity))).astype(np.int8)
    return labels + rng.normal(0, 1, patients)[cluster] + rng.normal(0, 0.5, cluster.size), labels, cluster


def _auc(score: np.ndarray, labels: np.ndarray):
    ranking = m.rank(score, labels)
    return lambda w: {"auc": m.auc(ranking, w)}


def test_first_row_is_the_sample_and_each_row_draws_as_many_patients() -> None:
    counts = draw(7, 50, np.random.default_rng(0))
    assert counts.shape == (51, 7)
    assert (counts[0] == 1).all()
    assert (counts.sum(axis=1) == 7).all()


def test_same_seed_same_interval() -> None:
    score, labels, cluster = _clustered()
    a, b = (
        estimate(_auc(score, labels), _group(labels, cluster), draw(40, 200, np.random.default_rng(4)))[0]
        for _ in range(2)
    )
    assert a == b


def test_interval_holds_the_value() -> None:
    score, labels, cluster = _clustered()
    figure = estimate(_auc(score, labels), _group(labels, cluster), draw(40, 500, np.random.default_rng(0)))[0]
    assert figure.value is not None
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < figure.value < figure.high
    assert (figure.n, figure.n_positive, figure.clusters) == (1000, int(labels.sum()), 40)
    assert figure.valid_resamples == 500


def test_resampling_patients_is_wider_than_resampling_slices_when_slices_are_alike() -> None:
    score, labels, cluster = _clustered()
    by_patient = estimate(_auc(score, labels), _group(labels, cluster), draw(40, 300, np.random.default_rng(0)))[0]
    naive_group = _group(labels, np.arange(labels.size))
    naive = estimate(_auc(score, labels), naive_group, draw(labels.size, 300, np.random.default_rng(0)))[0]
    assert by_patient.high - by_patient.low > 1.5 * (naive.high - naive.low)  # type: ignore[operator]


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(8), 0
    for _ in range(200):
        rate = np.clip(rng.normal(0.5, 0.2, 60), 0, 1)
        labels = (rng.random((60, 10)) < rate[:, None]).astype(np.int8).ravel()
        group = _group(labels, np.repeat(np.arange(60), 10))
        figure = estimate(lambda w, y=labels: {"rate": m.mean(y, w)}, group, draw(60, 200, rng))[0]
        covered += figure.low < 0.5 < figure.high  # type: ignore[operator]
    assert 0.88 <= covered / 200 <= 0.99


def test_a_figure_that_only_rounding_moves_has_no_interval() -> None:
    values, group = np.full(40, 0.3), _group(np.tile([0, 1], 20), np.arange(40))
    counts = draw(40, 200, np.random.default_rng(0))
    assert np.ptp(replicate(lambda w: {"mean": m.mean(values, w)}, group.cluster, counts)["mean"]) > 0
    figure = estimate(lambda w: {"mean": m.mean(values, w)}, group, counts)[0]
    assert (figure.low, figure.high) == (None, None)
    assert figure.note == "no interval: every resample gave the same value"


def test_a_value_outside_its_own_interval_says_so() -> None:
    """Resampling adds chance of its own: here it can only raise the figure, as it does a calibration error."""
    group = _group(np.tile([0, 1], 20), np.arange(40))
    counts = draw(40, 200, np.random.default_rng(0))
    figure = estimate(lambda w: {"spread": w.var(axis=1)}, group, counts)[0]
    assert figure.value == 0
    assert figure.low is not None
    assert figure.low > 0
    assert figure.note == "resampling alone raises it: the value is outside its interval"
    assert estimate(lambda w: {"spread": -w.var(axis=1)}, group, counts)[0].note.startswith(
        "resampling alone lowers it"
    )


def test_resamples_of_one_class_are_left_out_and_reported() -> None:
    labels = np.array([1, 1, 1, 1, 0, 0])
    score = np.array([0.9, 0.8, 0.2, 0.7, 0.5, 0.6])
    group = _group(labels, np.array([0, 1, 2, 3, 4, 5]))
    figure = estimate(_auc(score, labels), group, draw(6, 400, np.random.default_rng(0)))[0]
    assert 0 < figure.valid_resamples < 400
    assert f"{400 - figure.valid_resamples} of 400 resamples left out" in figure.note


@pytest.mark.parametrize(("value", "words"), [(0, "none of 4 labels is positive"), (1, "each of 4 labels is positive")])
def test_one_class_is_not_estimable_and_says_why(value: int, words: str) -> None:
    labels = np.full(4, value)
    group = _group(labels, np.array([0, 0, 1, 1]))
    figure = estimate(_auc(np.arange(4.0), labels), group, draw(2, 50, np.random.default_rng(0)))[0]
    assert (figure.value, figure.low, figure.high) == (None, None, None)
    assert words in figure.note


def test_no_unit_is_not_estimable() -> None:
    group = _group(np.zeros(0), np.zeros(0))
    figure = estimate(_auc(np.zeros(0), np.zeros(0)), group, draw(0, 10, np.random.default_rng(0)))[0]
    assert figure.value is None
    assert figure.note == "no labeled unit"


def test_a_share_of_one_gets_the_exact_bound_for_its_patients() -> None:
    labels = np.ones(30)
    group = _group(labels, np.repeat(np.arange(10), 3))
    shares = {"rate": np.ones(30, bool)}
    figure = estimate(
        lambda w: {"rate": m.mean(labels, w)}, group, draw(10, 50, np.random.default_rng(0)), 0.95, shares
    )
    assert figure[0].low == pytest.approx(0.025 ** (1 / 10))  # Clopper-Pearson for 10 of 10
    assert figure[0].high == 1.0


def test_positives_of_a_single_patient_allow_no_interval() -> None:
    score, labels, cluster = _clustered()
    labels = (cluster == 3).astype(np.int8)
    figure = estimate(_auc(score, labels), _group(labels, cluster), draw(40, 100, np.random.default_rng(0)))[0]
    assert figure.value is not None
    assert figure.low is None
    assert "one patient" in figure.note


def test_chunks_do_not_change_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    score, labels, cluster = _clustered()
    counts = draw(40, 30, np.random.default_rng(0))
    whole = replicate(_auc(score, labels), cluster, counts)["auc"]
    monkeypatch.setattr("plainscan.evaluation.bootstrap._CELLS", 1)
    np.testing.assert_allclose(replicate(_auc(score, labels), cluster, counts)["auc"], whole, rtol=1e-12)
