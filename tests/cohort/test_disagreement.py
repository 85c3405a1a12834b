"""The least likely label comes first, and the page names nobody."""

from __future__ import annotations

import numpy as np

from plainscan.cohort.disagreement import doubt, page, without_numbers


def test_planted_wrong_labels_come_first_on_either_side() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, 200)
    score = np.clip(rng.normal(0.3 + 0.4 * truth, 0.08), 0.01, 0.99)
    wrong = rng.choice(200, 10, replace=False)
    label = truth.copy()
    label[wrong] = 1 - label[wrong]
    assert set(np.argsort(-doubt(score, label))[:10]) == set(wrong)


def test_on_each_side_the_order_is_that_of_the_score() -> None:
    score, label = np.array([0.2, 0.5, 0.9, 0.3, 0.6, 0.8]), np.array([0, 0, 0, 1, 1, 1])
    found = doubt(score, label)
    assert found[0] < found[1] < found[2]
    assert found[3] > found[4] > found[5]


def test_a_score_of_0_or_1_is_no_certainty() -> None:
    assert np.isfinite(doubt([0.0, 1.0, 0.4, 0.6], [1, 0, 0, 1])).all()


def test_dates_and_long_numbers_leave_a_sentence_and_measures_stay() -> None:
    assert without_numbers("Compared with 03/04/2021, ID 8812345: 5 mm, im 12-15, 3.5 cm.") == (
        "Compared with …, ID …: 5 mm, im 12-15, 3.5 cm."
    )


def test_the_page_escapes_what_reports_say() -> None:
    study = {
        **{"rank": 1, "study_code": "ab12", "report": "absent", "score": 0.9, "doubt": 0.8, "key_slice": 3},
        **{"slice_count": 20, "sentence": "<b>none</b>", "picture": None},
    }
    text = page([study], "1 & only")
    assert "&lt;b&gt;none&lt;/b&gt;" in text
    assert "1 &amp; only" in text
    assert "slice 4 of 20" in text
    assert "http" not in text
