from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.inference.tiny_bundle import grey_head, head_slice, tiny_bundle

import plainscan
from plainscan.ct import gate
from plainscan.ct.window import Window
from plainscan.dicom.read import Reader
from plainscan.errors import SourceError
from plainscan.inference.gate import NO_HEAD, NOT_ANALYZED, NOT_HEAD_SERIES, OUTSIDE_BRAIN, SeriesGate, Verdict, judge
from plainscan.inference.source import collect
from plainscan.phantom.study import StudyOptions, make_study
from plainscan.pictures import list_pictures, read_picture

Plane = NDArray[np.int16]
HEAD = head_slice()
AIR = np.full((128, 128), -1000, np.int16)


def disc(radius: float, hu: int, inner: float = 0.0, inner_hu: int = 0) -> Plane:
    row, column = np.mgrid[:128, :128]
    away = np.hypot(row - 64, column - 64)
    plane = np.where(away < radius, hu, -1000)
    return np.where(away < inner, inner_hu, plane).astype(np.int16)


NECK = disc(44, 50, 10, 700)
SKULL_CAP = disc(26, 40, 22, 900)


def codes(*planes: Plane | None) -> list[str | None]:
    series = SeriesGate(len(planes), lambda i: None if planes[i] is None else judge(planes[i]))
    return [series.code(i) for i in range(len(planes))]


def of_verdicts(*verdicts: Verdict) -> list[str | None]:
    series = SeriesGate(len(verdicts), verdicts.__getitem__)
    return [series.code(i) for i in range(len(verdicts))]


def test_neck_below_and_skull_above_are_outside_the_brain_and_the_head_is_scored() -> None:
    found = codes(NECK, NECK, *[HEAD] * 8, SKULL_CAP, AIR)
    assert found == [OUTSIDE_BRAIN] * 2 + [None] * 8 + [OUTSIDE_BRAIN, NO_HEAD]


def test_a_field_of_view_of_500_mm_costs_a_study_no_slice() -> None:
    study = make_study(np.random.default_rng(43), StudyOptions(slices=(16, 24), wide=False))
    pixel, rows = study.geometry.pixel_mm, len(study.hu[0])
    found = []
    for extra in (0, round((500 / pixel - rows) / 2)):
        verdicts = [judge(np.pad(hu, extra, constant_values=hu.min()), pixel) for hu in study.hu]
        series = SeriesGate(len(verdicts), verdicts.__getitem__)
        found.append([series.code(i) for i in range(len(verdicts))])
    assert found[0].count(None) > 12
    assert found[1] == found[0]


def test_amid_the_head_twice_the_strain_is_allowed_and_no_more() -> None:
    head = Verdict(None, 0.4, 0.4, 0.0, None)
    near, far = (Verdict(gate.NO_BRAIN, 0.4, 0.4, strain, None) for strain in (1.5, 2.5))
    assert of_verdicts(*[head] * 4, near, *[head] * 4) == [None] * 9
    assert of_verdicts(*[head] * 4, far, *[head] * 4)[4] == gate.NO_BRAIN
    assert of_verdicts(near, *[head] * 8)[0] == OUTSIDE_BRAIN


def test_a_large_slice_above_the_last_head_is_not_called_outside() -> None:
    assert codes(*[HEAD] * 8, NECK)[-1] in (gate.NO_SKULL, gate.NO_BRAIN)


def cuts(*verdicts: Verdict | None) -> list[str | None]:
    series = SeriesGate(len(verdicts), verdicts.__getitem__)
    return [series.cut(i) for i in range(len(verdicts))]


def test_a_series_that_ends_amid_the_head_says_at_which_end() -> None:
    """Also where what follows is blank: from a full head to air is no step that a head has."""
    full, end = Verdict(None, 0.5, 0.5, 0.0, None), Verdict(None, 0.3, 0.39, 0.0, None)
    air, neck = Verdict(NO_HEAD, 0.0, 0.0, 9.0, None), Verdict(gate.NO_BRAIN, 0.6, 0.4, 3.0, None)
    assert cuts(end, *[full] * 4, end) == [None] * 6
    assert cuts(full, *[full] * 4, end) == ["cut_below", *[None] * 5]
    assert cuts(end, *[full] * 4, full) == [*[None] * 5, "cut_above"]
    assert cuts(air, full, full, full, air) == [None, "cut_below", None, "cut_above", None]
    assert cuts(neck, full, full, end) == [None] * 4
    assert cuts(full, full) == [None] * 2  # too few to tell


def test_a_series_of_another_body_part_is_refused_whole_even_where_one_slice_passes() -> None:
    mixed = [Verdict(gate.NO_SKULL, 0.4, 0.4, 3.0, None), Verdict(gate.NO_BRAIN, 0.4, 0.4, 3.0, None)] * 5
    mixed[4] = Verdict(None, 0.4, 0.4, 0.0, None)
    assert of_verdicts(*mixed) == [NOT_HEAD_SERIES] * 10


def test_a_series_refused_for_one_reason_says_it() -> None:
    wrong = Verdict(gate.NOT_HEAD_SIZE, 0.4, 0.4, 1.5, None)
    assert set(of_verdicts(*[wrong] * 9)) == {gate.NOT_HEAD_SIZE}


def test_a_series_of_a_sharp_kernel_is_refused_whole() -> None:
    sharp = (HEAD + np.random.default_rng(0).normal(0, 60, HEAD.shape)).astype(np.int16)
    assert judge(sharp).code == gate.SHARP
    assert set(codes(*[HEAD] * 6, *[sharp] * 6)) == {gate.SHARP}


def test_contrast_is_seen_by_the_series_and_bone_of_one_slice_is_not_taken_for_it() -> None:
    plain, vessels = Verdict(None, 0.4, 0.4, 0.0, 0.001), Verdict(None, 0.4, 0.4, 0.0, 0.05)
    assert set(of_verdicts(*[vessels] * 9)) == {gate.CONTRAST}
    assert of_verdicts(*[plain] * 6, Verdict(gate.CONTRAST, 0.4, 0.4, 0.0, 0.1), *[plain] * 2) == [None] * 9


def test_a_slice_alone_is_judged_alone_and_one_that_cannot_be_read_not_at_all() -> None:
    assert codes(NECK, HEAD)[1] is None
    assert codes(NECK, HEAD)[0] in gate.REFUSALS
    assert codes(HEAD, None, HEAD, HEAD) == [None] * 4


def test_each_slice_is_judged_once() -> None:
    asked: list[int] = []

    def verdict(i: int) -> Verdict:
        asked.append(i)
        return judge(NECK if i < 5 else HEAD)

    series = SeriesGate(20, verdict)
    for i in range(20):
        series.code(i)
    assert sorted(asked) == list(range(20))


def test_every_code_is_explained() -> None:
    assert {NO_HEAD, OUTSIDE_BRAIN, NOT_HEAD_SERIES, *gate.REFUSALS} == set(NOT_ANALYZED)


@pytest.mark.parametrize("plane", [NECK, AIR, SKULL_CAP, disc(50, 40)])
def test_what_is_no_head_has_a_code(plane: Plane) -> None:
    assert judge(plane).code in NOT_ANALYZED


def test_a_study_that_is_no_head_has_no_score_anywhere_and_says_so(tmp_path: Path) -> None:
    model = plainscan.load(tiny_bundle(tmp_path), threads=1)
    result = model.predict(np.stack([NECK] * 9), spacing_mm=(5.0, 1.8, 1.8))
    assert (result.probability, result.decision) == (None, None)
    (code,) = {item.not_scored for item in result.slices}
    assert result.flags == (f"not analyzed: {code}",)
    assert all((dict(i.probability), i.decision, i.evidence) == ({}, None, None) for i in result.slices)
    with pytest.raises(SourceError, match="not scored"):
        result.slices[0].overlay()


def test_pixels_that_make_no_head_of_it_are_refused(tmp_path: Path) -> None:
    model = plainscan.load(tiny_bundle(tmp_path), threads=1)
    result = model.predict(np.stack([HEAD] * 9), spacing_mm=(5.0, 5.0, 5.0))
    assert {item.not_scored for item in result.slices} == {gate.NOT_HEAD_SIZE}


def test_an_inverted_picture_has_no_score(tmp_path: Path) -> None:
    model = plainscan.load(tiny_bundle(tmp_path), threads=1)
    result = model.predict(255 - grey_head(), window=(40, 120))
    assert result.slices[0].not_scored == gate.NOT_FRAMED
    assert result.flags == (f"not analyzed: {gate.NOT_FRAMED}",)


def test_few_real_slices_are_refused_and_the_ends_of_a_real_study_are_outside(real_data: Path) -> None:
    window = Window(40, 120)
    paths = list_pictures(real_data / "ctich-dev")[::7]
    found = [judge(read_picture(path, window)).code for path in paths]
    assert sum(code is not None for code in found) <= 0.02 * len(found)
    with Reader() as reader:
        (study,) = collect(real_data / "dicom" / "ge-head-tilted").studies
        planes = [item.read(reader)[0] for item in study.slices]
    assert codes(*planes) == [None] * 26 + [OUTSIDE_BRAIN] * 2
