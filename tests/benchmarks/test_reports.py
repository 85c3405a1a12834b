"""The develop half of the judging set must stay well read; the judge half is scored by hand only."""

import numpy as np
import pytest

from benchmarks import reports
from plainscan.reports.notation import LANGUAGES, Language

FLOOR = {("sentences", "absent"): 0.95, ("reports", "absent"): 0.88, ("sentences", "present"): 0.95}


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_300_sentences_and_100_reports_and_hashing_halves_them(language: Language) -> None:
    for kind, least in (("sentences", 300), ("reports", 100)):
        sizes = [len(reports.lines(kind, language, half)) for half in ("develop", "judge")]
        assert sum(sizes) >= least
        assert min(sizes) > 0.4 * sum(sizes)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", reports.KINDS)
def test_the_develop_half_is_read_above_its_floor(kind: str, language: Language) -> None:
    judged = reports.lines(kind, language, "develop")
    answers = [reports.read(line.text) for line in judged]
    study = reports.f1(reports.study_counts(judged, answers).sum(axis=0))
    for status, score in zip(("present", "absent"), study, strict=False):
        assert score >= FLOOR.get((kind, status), 0.95)
    assert reports.f1(reports.finding_counts(judged, answers, "present").sum(axis=(0, 1))) >= 0.95


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", reports.KINDS)
def test_no_text_of_the_develop_half_reads_as_without_finding_that_has_one(kind: str, language: Language) -> None:
    judged = reports.lines(kind, language, "develop")
    assert [line.text for line in judged if reports.read(line.text)[1] == "absent" != line.study] == []


def test_figures_are_those_counted_by_hand() -> None:
    counts = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    precision, recall, score, low, high = reports.figures(counts)
    assert (precision, recall, score) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert low < score < high
    assert np.isnan(reports.f1(np.zeros((1, 3), np.int64))).all()
