from __future__ import annotations

import numpy as np

from plainscan.phantom.lesion import ball, blob


def test_a_ball_holds_exactly_the_points_within_its_reach() -> None:
    rng = np.random.default_rng(0)
    x, y, z = rng.uniform(-50, 50, (3, 4000)).astype(np.float32)
    near = ball(x, y, z, np.array([5.0, -10.0, 20.0]), 17.0)
    within = np.sqrt((x - 5) ** 2 + (y + 10) ** 2 + (z - 20) ** 2) < 17
    assert np.array_equal(near, np.flatnonzero(within))
    assert ball(x, y, z, np.array([0.0, 0.0, 200.0]), 17.0).size == 0


def test_a_blob_pushes_what_is_near_outward_and_leaves_far_planes_alone() -> None:
    clot = blob(np.random.default_rng(1), np.array([0.0, 0.0, 0.0]), 6.0)
    x = np.linspace(8, 60, 40, dtype=np.float32)
    flat = np.zeros_like(x)
    moved = clot.push(x, flat, flat, 0.7)
    assert moved is not None
    assert (moved[0] <= 0).all()  # tissue now at x came from nearer the middle
    assert abs(moved[0][0]) > 5 * abs(moved[0][-1])
    assert clot.push(x, flat, flat + 30, 0.7) is None
