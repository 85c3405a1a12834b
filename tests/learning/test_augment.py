from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learning.toy import discs
from torch import Tensor

from plainscan.config import TrainSettings
from plainscan.ct.prepare import network_input
from plainscan.ct.window import Window
from plainscan.learning.augment import DRAWS, WIDE, Ranges, View, augmented, moved_masks, plain, resized, white_noise

DEFAULT_WINDOWS = tuple(Window(*pair) for pair in TrainSettings().windows)

USUAL = Ranges()
NOTHING = Ranges(**{field.name: 0.0 for field in fields(Ranges)})
ROWS = np.arange(6)


def slices(size: int = 48) -> Tensor:
    return torch.from_numpy(discs(6, size, seed=1)[0])


def make(ranges: Ranges = USUAL, seed: int = 1, epoch: int = 2, rows: slice = slice(None)) -> Tensor:
    return augmented(slices()[rows], DEFAULT_WINDOWS, View(ROWS[rows], seed, epoch, ranges))


def test_plain_input_has_the_bits_of_the_scoring_path() -> None:
    expected = network_input(slices().numpy(), DEFAULT_WINDOWS)
    assert np.array_equal(plain(slices(), DEFAULT_WINDOWS).numpy(), expected)


def test_without_any_change_it_is_the_plain_input() -> None:
    torch.testing.assert_close(make(NOTHING), plain(slices(), DEFAULT_WINDOWS), atol=2e-3, rtol=0)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 3), st.integers(4, 6), st.integers(0, 99))
def test_a_slice_comes_out_the_same_in_whatever_batch(start: int, stop: int, epoch: int) -> None:
    part = slice(start, stop)
    assert torch.equal(make(epoch=epoch)[part], make(epoch=epoch, rows=part))


def test_another_epoch_or_seed_is_another_picture() -> None:
    assert not torch.equal(make(), make(epoch=3))
    assert not torch.equal(make(), make(seed=2))


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**31), st.integers(0, 500))
def test_input_stays_in_its_range(seed: int, epoch: int) -> None:
    image = make(seed=seed, epoch=epoch)
    assert image.shape == (6, 3, 48, 48)
    assert image.min() >= 0
    assert image.max() <= 1


def test_mirror_is_left_right_alone() -> None:
    always = make(replace(NOTHING, mirror=1.1))
    torch.testing.assert_close(always, plain(slices(), DEFAULT_WINDOWS).flip(3), atol=2e-3, rtol=0)


def test_noise_is_standard_normal_and_independent() -> None:
    noise = white_noise(np.arange(50), (2, 32, 32), torch.device("cpu"))
    assert abs(noise.mean()) < 0.01
    assert abs(noise.std() - 1) < 0.01
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.08


def test_neighbors_move_together() -> None:
    hu = slices().repeat(1, 3, 1, 1)
    image = augmented(hu, DEFAULT_WINDOWS[:1], View(ROWS, 1, 2, replace(Ranges(), noise_hu=0.0)))
    assert torch.equal(image[:, 0], image[:, 2])


@pytest.mark.parametrize("name", ["offset_hu", "gain"])
def test_drift_changes_air_and_brain_as_a_scanner_would(name: str) -> None:
    changed = make(replace(NOTHING, **{name: getattr(Ranges(), name)}))[:, 0]
    before = plain(slices(), DEFAULT_WINDOWS)[:, 0]
    inside = before.mean((1, 2)) > 0
    shift = (changed - before)[inside, 20:28, 20:28].mean((1, 2)) * 80
    limit = 4.3 if name == "offset_hu" else 0.04 * 75 + 0.3
    assert shift.abs().max() < limit
    assert shift.abs().max() > 0.3


def test_wide_ranges_hold_the_usual_ones() -> None:
    assert all(getattr(WIDE, field.name) >= getattr(USUAL, field.name) for field in fields(Ranges))


def test_a_picture_has_the_levels_of_its_window_and_nothing_beyond() -> None:
    hu = torch.linspace(-1000, 1500, 48 * 48).reshape(1, 1, 48, 48).round().to(torch.int16)
    wide_window = (Window(250, 2600),)  # low enough and high enough to show what is left of -1000 and 1500
    image = augmented(hu, wide_window, View(ROWS[:1], 1, 2, replace(NOTHING, picture=1.1)))
    values = image * 2600 - 1050
    assert -50 < values.min() < 30
    assert 60 < values.max() < 140
    assert len(values.round(decimals=2).unique()) <= 256


def test_a_mask_moves_with_its_slice() -> None:
    bits = torch.zeros(6, 16, 16, dtype=torch.int32)
    bits[:, 4:7, 9:12] = 0b101
    hu = torch.nn.functional.interpolate((bits[:, None] & 1).float() * 60, scale_factor=4.0).to(torch.int16)
    view = View(ROWS, 1, 2, replace(NOTHING, rotation_deg=20, shift=0.1, scale=0.1, mirror=0.5))
    image = augmented(hu, (Window(30, 60),), view)
    masks = moved_masks(bits, 1, 3, view)
    assert masks.shape == (6, 3, 8, 8)
    assert not masks[:, 1].any()
    assert torch.equal(masks[:, 0], masks[:, 2])
    for seen, mask in zip(image[:, 0], masks[:, 0], strict=True):
        pixels, cells = torch.nonzero(seen > 0.5).float().mean(0), torch.nonzero(mask > 0.5).float().mean(0)
        torch.testing.assert_close(pixels, 8 * cells, atol=4.5, rtol=0)


def test_a_smaller_side_is_the_same_picture_averaged() -> None:
    hu = torch.arange(64.0).reshape(1, 1, 8, 8)
    small = resized(hu, 4)
    assert small.shape == (1, 1, 4, 4)
    assert small.mean() == pytest.approx(hu.mean().item(), rel=1e-3)
    assert resized(hu, 0) is hu


def test_draws_are_told_apart_from_those_of_the_windows() -> None:
    first = make(replace(NOTHING, picture=0.5))
    second = augmented(slices(), DEFAULT_WINDOWS[:1], View(ROWS, 1, 2, replace(NOTHING, picture=0.5)))
    assert View(ROWS, 1, 2).numbers(1, torch.device("cpu"))[0].shape == (6, DRAWS + 2)
    torch.testing.assert_close(first[:, :1], second)
