from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from plainscan.evaluation import metrics as m
from plainscan.evaluation import plots
from plainscan.evaluation.bootstrap import Group, draw
from plainscan.evaluation.judge import Units, judge
from plainscan.evaluation.plots import Bands


def _units(n: int = 200) -> Units:
    rng = np.random.default_rng(0)
    labels, height = (rng.random(n) < 0.4).astype(np.int8), rng.random(n)
    group = Group("any_finding", "slice", labels, np.arange(n, dtype=np.intp) // 10)
    p = np.clip(0.3 * labels + 0.7 * rng.random(n), 0, 1)
    return Units(group, p, 0.5, {"height": height, "learned_height": height}, {})


def test_plots_are_svg_that_loads_nothing_and_is_the_same_each_time() -> None:
    units, counts = _units(), draw(20, 20, np.random.default_rng(0))
    first, second = (plots.all_plots(units, units, counts, Bands()) for _ in range(2))
    assert first == second
    assert len(first) == 5
    for _, _, svg in first:
        root = ET.fromstring(svg)
        links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
        assert all(link.startswith("#") for link in links)


def test_the_area_under_the_drawn_curve_is_the_auc() -> None:
    units, counts = _units(), draw(20, 3, np.random.default_rng(0))
    curves = plots.roc_curve(units, counts)
    exact = m.auc(m.rank(units.probability, units.group.labels), counts[:, units.group.cluster].astype(float))
    np.testing.assert_allclose(np.trapezoid(curves, dx=0.01, axis=1), exact, atol=0.01)


def test_precision_at_full_sensitivity_is_that_of_the_last_positive() -> None:
    units = _units()
    curve = plots.precision_curve(units, draw(20, 0, np.random.default_rng(0)))[0]
    lowest = units.probability[units.group.labels == 1].min()
    marked = units.probability >= lowest
    assert curve[-1] == pytest.approx(units.group.labels[marked].mean())


def test_nothing_is_drawn_of_nothing() -> None:
    assert plots.all_plots(_units(0), _units(0), draw(0, 5, np.random.default_rng(0)), Bands()) == ()


def test_one_class_can_be_drawn() -> None:
    units = _units()
    none = Units(Group("any_finding", "slice", np.zeros(200, np.int8), units.group.cluster), *_rest(units))
    assert len(plots.all_plots(none, none, draw(20, 20, np.random.default_rng(0)), Bands())) == 5


def test_no_study_is_no_line() -> None:
    assert "svg" in plots.roc(_units(), _units(0), draw(20, 5, np.random.default_rng(0)), Bands())


def _one_ill_patient() -> Units:
    units = _units()
    group = Group("any_finding", "slice", (units.group.cluster == 3).astype(np.int8), units.group.cluster)
    return Units(group, units.probability, 0.5, units.trivial, {})


def test_a_figure_without_interval_has_no_band_and_its_caption_says_why() -> None:
    units, counts = _one_ill_patient(), draw(20, 40, np.random.default_rng(0))
    bands = Bands.of(judge(units, counts), 0.95)
    none = Bands(0.95, dict.fromkeys(("auc", "average_precision", "calibration_error"), "no interval: one patient"))
    drawn, bare = plots.all_plots(units, units, counts, bands), plots.all_plots(units, units, counts, none)
    assert [svg for _, _, svg in drawn] == [svg for _, _, svg in bare]
    for _, caption, _ in drawn[:3]:
        assert "No interval: it rests on one patient." in caption
        assert "Shaded" not in caption


def test_bands_and_captions_follow_the_level() -> None:
    units, counts = _units(), draw(20, 100, np.random.default_rng(0))
    narrow, wide = (plots.all_plots(units, units, counts, Bands(level)) for level in (0.5, 0.99))
    for one, other in zip(narrow[:3], wide[:3], strict=True):
        assert "50 % interval" in one[1]
        assert "99 % interval" in other[1]
        assert one[2] != other[2]
    curves = plots.roc_curve(units, counts)[1:]
    np.testing.assert_allclose(Bands(0.5).ends(curves), np.quantile(curves, [0.25, 0.75], axis=0))


def _rest(units: Units) -> tuple[object, ...]:
    return units.probability, units.threshold, units.trivial, units.strata
