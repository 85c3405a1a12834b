from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from plainscan.errors import SplitError
from plainscan.evaluation.hemorrhage import ANY_HEMORRHAGE
from plainscan.evaluation.learning_curve import (
    RANDOM,
    START,
    WORDS,
    Estimate,
    Job,
    deal,
    estimates,
    plan,
    plot,
    score_of,
    table,
    training_order,
    worth,
)
from plainscan.findings import ANY_FINDING, FINDING_KEYS, HEMORRHAGE_KEYS

PATIENTS, POSITIVE, SLICES = 40, 18, 10


def _frame() -> pl.DataFrame:
    """Forty patients of ten slices; eighteen have blood on the middle ones."""
    patient = [f"p{i:02d}" for i in range(PATIENTS) for _ in range(SLICES)]
    label = [int(i < POSITIVE and 4 <= k < 7) for i in range(PATIENTS) for k in range(SLICES)]
    height = [k / (SLICES - 1) for _ in range(PATIENTS) for k in range(SLICES)]
    return pl.DataFrame(
        {"patient_id": patient, "slice_height": height, ANY_FINDING: label, ANY_HEMORRHAGE: label},
        schema_overrides={ANY_FINDING: pl.Int8, ANY_HEMORRHAGE: pl.Int8},
    )


FRAME = _frame()
JOBS = plan(FRAME, [2, 5, 10, 20], folds=4, repeats=2, seed=0)
HAS = set(FRAME.filter(pl.col(ANY_HEMORRHAGE) == 1)["patient_id"])


def test_each_patient_is_tested_once_a_repeat_and_never_trained_on_there() -> None:
    for repeat in (0, 1):
        folds = {job.fold: job.tested for job in JOBS if job.repeat == repeat}
        everyone = [patient for tested in folds.values() for patient in tested]
        assert sorted(everyone) == sorted(FRAME["patient_id"].unique())
    assert not any(set(job.patients) & set(job.tested) for job in JOBS)


def test_every_training_set_holds_positives_as_the_cohort_does_and_the_smaller_one() -> None:
    for job in JOBS:
        positive = len(set(job.patients) & HAS)
        assert abs(positive - len(job.patients) * POSITIVE / PATIENTS) <= 1.5
        assert positive or not job.patients
        larger = [j.patients for j in JOBS if j[:2] == job[:2] and len(j.patients) >= len(job.patients)]
        assert all(patients[: len(job.patients)] == job.patients for patients in larger)


def test_both_starts_see_the_same_patients() -> None:
    by_start = [{(*j[:2], j.patients) for j in JOBS if j.start == start and j.patients} for start in (RANDOM, START)]
    assert by_start[0] == by_start[1]
    assert len(by_start[0]) == 2 * 4 * 4


def test_another_number_of_patients_leaves_the_trainings_that_are_there() -> None:
    names = {(job.name, job.patients) for job in JOBS}
    assert {(j.name, j.patients) for j in plan(FRAME, [5, 15], 4, 1, 0) if len(j.patients) != 15} <= names


def test_the_first_patient_trained_on_is_a_positive_one_however_rare() -> None:
    order = training_order(["a"], [str(i) for i in range(30)], np.random.default_rng(0))
    assert order[0] == "a"
    assert len(set(order)) == 31


def test_folds_share_the_positives() -> None:
    folds = deal([f"a{i}" for i in range(18)], [f"b{i}" for i in range(22)], 4, np.random.default_rng(0))
    assert [len(fold) for fold in folds] == [10] * 4
    assert all(4 <= sum(p.startswith("a") for p in fold) <= 5 for fold in folds)


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(SplitError, match="30 patients are left to train on"):
        plan(FRAME, [35], 4, 1, 0)


def _scores(seed: int = 0) -> dict[tuple[int, int, str], np.ndarray]:
    rng, label = np.random.default_rng(seed), FRAME[ANY_FINDING].to_numpy()[:, None]
    keys = {(job.repeat, len(job.patients), job.start) for job in JOBS}
    good = {RANDOM: 0.3, START: 2.0}
    return {k: rng.normal(0, 1, (len(label), len(FINDING_KEYS))) + label * good[k[2]] for k in sorted(keys)}


def test_only_slices_that_one_network_scored_are_compared() -> None:
    scores = _scores()
    tested = {(j.repeat, j.fold): FRAME["patient_id"].is_in(j.tested).to_numpy() for j in JOBS}
    before = estimates(FRAME, JOBS, scores, ANY_FINDING)
    for (repeat, fold), rows in tested.items():
        for key in [k for k in scores if k[0] == repeat]:
            scores[key][rows] += 100 * fold  # another scale in each fold
    after = estimates(FRAME, JOBS, scores, ANY_FINDING)
    assert before == after


def test_with_one_fold_it_is_the_plain_auc() -> None:
    job, scores = Job(0, 0, (), tuple(FRAME["patient_id"].unique()), START), _scores()[0, 0, START]
    found = estimates(FRAME, [job], {(0, 0, START): scores}, ANY_FINDING)[f"all 0 {START}"]
    assert found.value == pytest.approx(roc_auc_score(FRAME[ANY_FINDING], scores[:, 0]))
    assert found.low < found.value < found.high


def test_differences_are_paired_and_unknown_labels_are_left_out() -> None:
    unknown = pl.when(pl.int_range(pl.len()) % 7 == 0).then(None).otherwise(pl.col(ANY_FINDING)).alias(ANY_FINDING)
    found = estimates(FRAME.with_columns(unknown), JOBS, _scores(), ANY_FINDING)
    gap = found[f"all 5 {START}"].value - found[f"all 5 {RANDOM}"].value
    assert found["difference all 5"].value == pytest.approx(gap)
    assert found["difference all 5"].low > 0


def test_hemorrhage_is_scored_by_its_kinds_alone() -> None:
    logits = np.full((1, len(FINDING_KEYS)), 9.0)
    logits[:, [FINDING_KEYS.index(key) for key in HEMORRHAGE_KEYS]] = 0.0
    assert score_of(logits, ANY_HEMORRHAGE)[0] == pytest.approx(1 - 0.5**5)
    assert score_of(logits, ANY_FINDING)[0] == 9.0


def test_the_worth_of_the_start_is_the_patients_that_random_weights_need() -> None:
    def at(value: float) -> Estimate:
        return Estimate(value, value, value)

    found = {f"all {n} {RANDOM}": at(v) for n, v in ((2, 0.6), (5, 0.7), (10, 0.8))}
    found |= {f"all {n} {START}": at(v) for n, v in ((0, 0.65), (2, 0.8), (5, 0.9))}
    assert worth(found, [2, 5, 10], 0, "all") == "5"
    assert worth(found, [2, 5, 10], 2, "all") == "10"
    assert worth(found, [2, 5, 10], 5, "all") == "more than 10"


def test_table_and_figure_hold_every_point() -> None:
    found = {finding: estimates(FRAME, JOBS, _scores(), finding) for finding in WORDS}
    text = table(found, [2, 5, 10, 20])
    assert len([line for line in text.splitlines() if line.startswith("| any")]) == 2 * 2 * 5
    assert "slice height alone" in text
    svg = plot(found, [2, 5, 10, 20])
    assert "<svg" in svg
    assert svg == plot(found, [2, 5, 10, 20])
