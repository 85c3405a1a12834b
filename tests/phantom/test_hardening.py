from __future__ import annotations

import numpy as np
import pytest

from plainscan.phantom.hardening import ANGLES, BINS, SIDE, coarse, dense, fine, hardened, path_across, projector, rim


def test_filtered_back_projection_gives_the_slice_back() -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    image = (np.hypot(rows, columns) < 15).astype(np.float32)
    machine = projector()
    filtered = (machine.forward @ image.ravel()).reshape(ANGLES, BINS) @ machine.ramp
    back = (machine.back @ filtered.ravel()).reshape(SIDE, SIDE) * np.pi / ANGLES
    assert back[22:34, 22:34].mean() == pytest.approx(1.0, abs=0.05)
    assert abs(back[2:8, 22:34].mean()) < 0.05


@pytest.mark.parametrize("length", [SIDE, 100, 224, 256])
def test_a_constant_survives_coarse_and_fine(length: int) -> None:
    back = fine(coarse(np.full((length, length), 7.0, np.float32)), (length, length))
    assert back == pytest.approx(7.0, abs=1e-3)


def test_only_what_is_dense_counts() -> None:
    hu = np.full((SIDE, SIDE), 80.0, np.float32)
    hu[10, 10] = 1200.0
    bone = dense(hu)
    assert bone[10, 10] == pytest.approx(1.0)
    assert bone.sum() == pytest.approx(1.0)
    assert path_across(bone, 4.0)[10] == pytest.approx(4.0)


def test_the_error_lies_between_dense_parts_and_changes_its_sign_with_the_strength() -> None:
    bone = np.zeros((SIDE, SIDE), np.float32)
    bone[25:31, 10:18] = bone[25:31, 38:46] = 1.0
    error = hardened(bone, 4.0, 1.0)
    assert error[27:29, 26:30].mean() < -8
    assert error[27:29, 26:30].mean() < error[8:12, 26:30].mean() - 8
    assert np.allclose(hardened(bone, 4.0, -1.0), -error)


def test_no_bone_makes_no_error() -> None:
    none = np.zeros((SIDE, SIDE), np.float32)
    assert not hardened(none, 4.0, 1.0).any()
    assert not rim(none, 4.0, 4.0).any()


def test_the_rim_is_strongest_at_the_bone() -> None:
    bone = np.zeros((SIDE, SIDE), np.float32)
    bone[:, 5:7] = 1.2
    tail = rim(bone, 4.0, 5.0)[28]
    assert tail[8] > tail[10] > tail[14]
