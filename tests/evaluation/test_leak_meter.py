from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plainscan.evaluation.bootstrap import Figure, draw
from plainscan.evaluation.leak_meter import SPLITS, Sample, folds_of, measure, probe

PATIENTS, STUDIES, SLICES, CHANNELS = 60, 2, 6, 24


def sample(identity: float, seed: int = 0) -> Sample:
    """Patients with two studies each; features hold the label, the person as strongly as asked, and noise."""
    rng = np.random.default_rng(seed)
    study = np.repeat(np.arange(PATIENTS * STUDIES), SLICES)
    patient = study // STUDIES
    labels = (rng.random(study.size) < np.where(patient % 2, 0.6, 0.1)).astype(np.int8)
    direction = rng.normal(size=CHANNELS)
    features = rng.normal(size=(study.size, CHANNELS)) + 0.5 * labels[:, None] * direction
    features += identity * rng.normal(size=(PATIENTS, CHANNELS))[patient]
    features += 0.5 * identity * rng.normal(size=(PATIENTS * STUDIES, CHANNELS))[study]
    return Sample(
        features.astype(np.float32), labels, patient, study, patient // 6 % 4, 730_000 + 7 * (study % 50) + patient
    )


def measured(one: Sample, seed: int = 1) -> dict[str, Figure]:
    rng = np.random.default_rng(seed)
    return {f.figure: f for f in measure(one, draw(PATIENTS, 200, rng), 0.95, rng)}


def ends(figure: Figure) -> tuple[float, float]:
    assert figure.low is not None
    assert figure.high is not None
    return figure.low, figure.high


def test_memory_shows_where_it_is_possible_and_nowhere_else() -> None:
    found = measured(sample(identity=1.5))
    for split in ("image", "study"):
        assert ends(found[f"coin_auc_{split}"])[0] > 0.5, split
    for split in ("patient", "scanner", "time"):
        low, high = ends(found[f"coin_auc_{split}"])
        assert low <= 0.5 <= high, split
    assert found["coin_auc_image"].value > found["coin_auc_study"].value  # type: ignore[operator]
    assert ends(found["auc_image_above_patient"])[0] > 0


def test_features_without_a_person_in_them_hold_no_memory() -> None:
    found = measured(sample(identity=0.0))
    for split in SPLITS:
        low, high = ends(found[f"coin_auc_{split}"])
        assert low <= 0.5 <= high, split
        assert found[f"auc_{split}"].value > 0.8, split  # type: ignore[operator]
    low, high = ends(found["auc_image_above_patient"])
    assert low <= 0 <= high


def test_coins_by_patient_are_not_always_on_one_side_of_a_half() -> None:
    values = [measured(sample(1.5, seed), seed)["coin_auc_patient"].value for seed in range(6)]
    assert min(values) < 0.5 < max(values)  # type: ignore[type-var,operator]


@pytest.mark.parametrize("split", ["patient", "scanner", "time"])
def test_no_patient_is_learned_on_and_judged(split: str) -> None:
    one = sample(1.0)
    folds = folds_of(one, split, np.random.default_rng(0))
    assert not isinstance(folds, str)
    for learned, judged in folds:
        assert judged.any()
        assert not set(one.patient[learned]) & set(one.patient[judged])
    if split == "time":
        ((learned, judged),) = folds
        assert one.day[learned].max() <= one.day[judged].min()


@pytest.mark.parametrize(("split", "column"), [("scanner", "scanner"), ("time", "day")])
def test_slices_that_may_be_of_the_side_that_is_judged_are_not_learned_on(split: str, column: str) -> None:
    one = sample(1.0)
    known = getattr(one, column).copy()
    known[one.patient % 5 == 0] = -1
    folds = folds_of(replace(one, **{column: known}), split, np.random.default_rng(0))
    assert not isinstance(folds, str)
    for learned, judged in folds:
        assert known[learned].min() >= 0
        assert known[judged].min() >= 0


@pytest.mark.parametrize("split", ["image", "study", "patient"])
def test_every_slice_is_judged_once(split: str) -> None:
    folds = folds_of(sample(1.0), split, np.random.default_rng(0))
    assert not isinstance(folds, str)
    assert (np.sum([judged for _, judged in folds], axis=0) == 1).all()
    assert all((learned != judged).all() for learned, judged in folds)


def test_what_the_data_cannot_give_is_said_and_not_faked() -> None:
    one = sample(1.0)
    unknown = np.full(one.labels.size, -1)
    bare = replace(one, scanner=unknown, day=unknown, study=one.patient)
    found = measured(bare)
    for split, why in (
        ("scanner", "no scanner in the headers"),
        ("time", "no dates"),
        ("study", "every patient has one"),
    ):
        for name in ("auc", "coin_auc"):
            assert found[f"{name}_{split}"].value is None
            assert why in found[f"{name}_{split}"].note
    rng = np.random.default_rng(0)
    assert folds_of(replace(one, scanner=np.zeros_like(unknown)), "scanner", rng) == "one scanner"
    assert folds_of(replace(one, day=np.zeros_like(unknown)), "time", rng) == "dates that cannot be divided"


def test_the_probe_learns_nothing_from_what_it_judges() -> None:
    one = sample(1.0)
    folds = folds_of(one, "patient", np.random.default_rng(0))
    assert not isinstance(folds, str)
    labels = one.labels[:, None].astype(np.float64)
    judged = folds[0][1]
    other = np.where(judged[:, None], 1 - labels, labels)
    assert np.array_equal(probe(one.features, labels, folds[:1])[judged], probe(one.features, other, folds[:1])[judged])


def test_the_same_seed_gives_the_same_figures() -> None:
    assert measured(sample(1.0)) == measured(sample(1.0))
