from __future__ import annotations

import numpy as np
from tests.cohort.heads import head, study

from plainscan.cohort import fingerprint as fp


def test_the_grid_is_the_mean_of_the_window() -> None:
    hu = np.full((1, 96, 96), -1000, np.int16)
    hu[:, :, 48:] = 40
    cells = fp.grid(hu)
    assert cells.shape == (1, fp.GRID, fp.GRID)
    assert cells[0, :, :12].max() == 0.0
    assert np.allclose(cells[0, :, 12:], 0.5)


def test_air_bone_and_a_vertex_are_not_told_from_others() -> None:
    air, bone = (np.full((64, 64), value, np.int16) for value in (-1000, 1500))
    cells = fp.grid(np.stack([air, bone, head(1)]))
    assert fp.informative(cells).tolist() == [False, False, True]


def test_one_slice_through_another_window_is_near_and_other_people_are_not() -> None:
    people = np.stack([head(seed) for seed in range(200)])
    whitening = fp.Whitening.fit(fp.grid(people))
    exported = np.clip(people[:20], -20, 100) // 2 * 2  # the window 40/120 in fewer grey levels
    cosine = whitening.of(fp.grid(exported)) @ whitening.of(fp.grid(people)).T
    assert cosine[np.arange(20), np.arange(20)].min() > 0.9
    cosine[np.arange(20), np.arange(20)] = 0
    assert cosine.max() < 0.8


def test_few_slices_are_not_whitened_into_noise() -> None:
    whitening = fp.Whitening.fit(fp.grid(study(3, 8)))
    assert whitening.parts.shape == (fp.GRID**2, 2)
