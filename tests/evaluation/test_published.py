from __future__ import annotations

import pytest

from plainscan.evaluation import metrics as m
from plainscan.evaluation import published as p


def test_the_confusion_matrix_gives_every_figure_of_the_abstract() -> None:
    c = m.Confusion(*(m.once(1)[0] * cell for cell in (p.TP, p.FN, p.FP, p.TN)))
    for finding, counts in (("any_finding", c), ("no_finding", c.of_negatives())):
        for name, figure in (("precision", m.precision), ("recall", m.recall), ("f1", m.f1)):
            assert figure(counts)[0] == pytest.approx(p.FIGURES[name, finding], abs=0.00052)
    assert m.accuracy(c)[0] == pytest.approx(p.DERIVED["accuracy", "any_finding"], abs=0.0005)
    assert m.mcc(c)[0] == pytest.approx(p.DERIVED["mcc", "any_finding"], abs=0.0005)


def test_the_class_sizes_add_up() -> None:
    assert p.TP + p.FN == p.N_ANY
    assert p.FP + p.TN == p.N_NO
    assert p.N_ANY + p.N_NO == p.N


def test_no_other_matrix_of_these_class_sizes_gives_these_figures() -> None:
    found = []
    for tp in range(p.N_ANY + 1):
        if round(tp / p.N_ANY, 3) != 0.961:
            continue
        for tn in range(p.N_NO + 1):
            fp, fn = p.N_NO - tn, p.N_ANY - tp
            if (round(tn / p.N_NO, 3), round(tp / (tp + fp), 3), round(tn / (tn + fn), 3)) == (0.883, 0.838, 0.973):
                found.append((tp, fn, fp, tn))
    assert found == [(p.TP, p.FN, p.FP, p.TN)]
