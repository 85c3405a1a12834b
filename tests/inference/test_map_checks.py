from __future__ import annotations

import numpy as np
import pytest
from tests.inference.tiny_bundle import head_slice, tiny_card, tiny_model

from plainscan.inference.engine import Model
from plainscan.inference.map_checks import CASCADE, SHIFT, moved, shifted, shuffled

RAW = tiny_model(size=128)
MODEL = Model(RAW, tiny_card(RAW, size=128), threads=1)


def _slices() -> list[np.ndarray]:
    """The blood lies where neither a mirror nor a shift by one cell finds it again."""
    return [head_slice(128, patches=[(44, 40, 12)])[None], head_slice(128, patches=[(80, 84, 9)])[None]]


def test_a_map_that_follows_the_slice_keeps_its_energy_in_place() -> None:
    found = moved(MODEL, _slices())
    assert (found["map_flip_shared_energy"] > 0.7).all()
    assert (found["map_shift_shared_energy"] > 0.7).all()


def test_a_map_that_stays_where_it_is_does_not() -> None:
    class Stubborn(Model):
        def run(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            logits, maps = super().run(image)
            maps = np.full_like(maps, -1.0)
            maps[:, 5, 3] = 8.0
            return logits, maps

    found = moved(Stubborn(RAW, tiny_card(RAW, size=128), threads=1), _slices())
    assert (found["map_flip_shared_energy"] < 0.1).all()
    assert (found["map_shift_shared_energy"] < 0.7).all()


def test_a_slice_moves_down_and_to_the_right_and_its_edge_is_repeated() -> None:
    hu = np.arange(16, dtype=np.int16).reshape(1, 4, 4)
    assert shifted(hu, 1)[0].tolist() == [[0, 0, 1, 2], [0, 0, 1, 2], [4, 4, 5, 6], [8, 8, 9, 10]]
    assert round(SHIFT * 192) == 8


def test_weights_are_shuffled_anew_and_the_same_seed_gives_the_same_figures() -> None:
    first, again = (shuffled(MODEL, RAW, _slices(), np.random.default_rng(3)) for _ in range(2))
    assert first[1] == again[1]
    assert len(first[1]) == len(CASCADE)
    for name, values in first[0].items():
        np.testing.assert_array_equal(values, again[0][name])
        assert ((values >= 0) & (values <= 1)).all()


def test_the_same_weights_are_alike_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    from plainscan.inference import map_checks

    monkeypatch.setattr(map_checks, "randomized_model", lambda raw, model, rng, share: model)
    values, steps = shuffled(MODEL, RAW, _slices(), np.random.default_rng(0))
    assert values["map_shuffled_rank_correlation"] == pytest.approx(1.0)
    assert values["map_shuffled_shared_hottest"] == pytest.approx(1.0)
    assert steps == pytest.approx([1.0] * len(CASCADE))
