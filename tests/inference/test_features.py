from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.inference.tiny_bundle import GAIN, head_slice, tiny_bundle

from plainscan.bundle import BundleError
from plainscan.inference.features import Features


def test_features_are_the_channels_behind_the_maps_pooled(tmp_path: Path) -> None:
    hu = np.full((1, 64, 64), 80, np.int16)  # the middle of the subdural window
    (found,) = Features(tiny_bundle(tmp_path), 1).of([hu])
    assert found[0] == pytest.approx(GAIN / 2, rel=1e-5)
    assert found[1] == pytest.approx(GAIN / 4, rel=1e-5)


def test_slices_of_another_size_and_number_of_planes_are_looked_at(tmp_path: Path) -> None:
    features = Features(tiny_bundle(tmp_path, neighbors=1), 2)
    whole = head_slice(128)
    large, small = features.of([np.stack([whole] * 3), whole[None, ::2, ::2]])
    assert large.shape == small.shape
    assert np.allclose(large, small, rtol=0.1, atol=0.1)


def test_the_order_is_that_of_the_slices(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path)
    hu = [np.full((1, 64, 64), value, np.int16) for value in (0, 40, 80, 120)]
    one, several = ([float(f[0]) for f in Features(bundle, threads).of(hu)] for threads in (1, 3))
    assert one == several == sorted(one)


def test_an_altered_bundle_is_refused(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path)
    (folder / "model.onnx").write_bytes(b"x")
    with pytest.raises(BundleError, match="SHA-256"):
        Features(folder)
