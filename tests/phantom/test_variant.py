from __future__ import annotations

from typing import get_args

import numpy as np

from plainscan.phantom.anatomy import make_patient
from plainscan.phantom.study import StudyOptions, make_study
from plainscan.phantom.truth import VariantKind
from plainscan.phantom.variant import draw_specks


def test_a_training_draws_every_variant() -> None:
    rng = np.random.default_rng(1)
    kinds = {speck.kind for _ in range(300) for speck in draw_specks(rng, 60, np.ones(3), wide=True)}
    assert kinds == set(get_args(VariantKind)) - {"asymmetric_sinus"}  # that one is the patient's look


def test_wide_adds_to_what_is_drawn_and_changes_nothing_before_it() -> None:
    narrow = draw_specks(np.random.default_rng(2), 70, np.ones(3))
    wide = draw_specks(np.random.default_rng(2), 70, np.ones(3), wide=True)
    assert wide[: len(narrow)] == narrow


def test_variants_are_painted_and_never_labelled() -> None:
    rng = np.random.default_rng(8)
    patient = make_patient(rng, wide=True)
    study = make_study(rng, StudyOptions(128, (12, 12), acute=False), patient)
    assert study.truth.variants
    assert not study.labels.any()
