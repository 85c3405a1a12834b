from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.inference.tiny_bundle import head_slice

from plainscan.ct import gate
from plainscan.ct.window import Window
from plainscan.dicom.read import Reader
from plainscan.inference.gate import (
    NO_HEAD,
    NOT_ANALYZED,
    NOT_HEAD_SERIES,
    OUTSIDE_BRAIN,
    SeriesGate,
    judge,
)
from plainscan.inference.source import collect
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
    series = SeriesGate(len(planes), planes.__getitem__)
    return [series.code(i) for i in range(len(planes))]


def test_neck_below_and_skull_above_are_outside_the_brain_and_the_head_is_scored() -> None:
    found = codes(NECK, NECK, *[HEAD] * 8, SKULL_CAP, AIR)
    assert found == [OUTSIDE_BRAIN] * 2 + [None] * 8 + [OUTSIDE_BRAIN, NO_HEAD]


def test_a_refused_slice_amid_the_head_keeps_its_own_code() -> None:
    assert codes(*[HEAD] * 4, NECK, *[HEAD] * 4)[4] == gate.NO_SKULL


def test_a_large_slice_above_the_last_head_is_not_called_outside() -> None:
    assert codes(*[HEAD] * 8, NECK)[-1] == gate.NO_SKULL


def test_a_series_of_another_body_part_is_refused_whole_even_where_one_slice_passes() -> None:
    assert codes(NECK, NECK, HEAD, *[NECK] * 7) == [NOT_HEAD_SERIES] * 10


def test_a_series_of_a_sharp_kernel_is_refused_whole() -> None:
    noise = np.random.default_rng(0).normal(0, 90, HEAD.shape)
    sharp = (HEAD + noise).astype(np.int16)
    assert set(codes(*[HEAD] * 6, *[sharp] * 6)) == {gate.SHARP}


def test_a_slice_alone_is_judged_alone_and_one_that_cannot_be_read_not_at_all() -> None:
    assert codes(NECK, HEAD) == [gate.NO_SKULL, None]
    assert codes(HEAD, None, HEAD, HEAD) == [None] * 4


def test_each_slice_is_read_for_the_gate_once() -> None:
    asked: list[int] = []

    def pixels(i: int) -> Plane:
        asked.append(i)
        return NECK if i < 5 else HEAD

    series = SeriesGate(20, pixels)
    for i in range(20):
        series.code(i)
    assert sorted(asked) == list(range(20))


def test_every_code_is_explained() -> None:
    assert {NO_HEAD, OUTSIDE_BRAIN, NOT_HEAD_SERIES, *gate.REFUSALS} == set(NOT_ANALYZED)


def test_at_most_one_percent_of_real_heads_is_refused(real_data: Path) -> None:
    window = Window(40, 120)
    paths = list_pictures(real_data / "ctich-dev")[::11]
    found = [judge(read_picture(path, window)).code for path in paths]
    with Reader() as reader:
        (study,) = collect(real_data / "dicom" / "ge-head-tilted").studies
        found += codes(*[item.read(reader)[0] for item in study.slices])
    assert found[-2:] == [OUTSIDE_BRAIN] * 2
    assert sum(code not in (None, OUTSIDE_BRAIN) for code in found) <= 0.01 * len(found)


@pytest.mark.parametrize("plane", [NECK, AIR, SKULL_CAP, disc(50, 40)])
def test_what_is_no_head_has_a_code(plane: Plane) -> None:
    assert judge(plane).code in NOT_ANALYZED
