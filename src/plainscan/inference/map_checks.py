"""The checks of heat maps that need the network again: its weights shuffled, the slice mirrored, the slice shifted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.bundle import Card
from plainscan.evaluation.sanity import rank_correlation, shared_energy, shared_hottest
from plainscan.inference.engine import Model
from plainscan.inference.heatmap import energy
from plainscan.inference.held_out import enlarge, whole
from plainscan.inference.predict import score
from plainscan.inference.randomize import randomized_model
from plainscan.inference.reliability import head_cells

SHUFFLES: Final = 4  # one alone may resemble the trained network by luck: seen between 0.07 and 0.70 over the picture
CASCADE: Final = (0.0, 0.5)  # shares of the weight tensors, from the output; 0 is the last one alone
SHIFT: Final = 0.04  # of the side: stays inside the margin around the head

HU = NDArray[np.int16]
Values = dict[str, NDArray[np.float64]]


def moved(model: Model, slices: Sequence[HU]) -> Values:
    """What stays in its place when a slice is mirrored, and when it is shifted down and to the right.

    Args:
        model: A loaded bundle.
        slices: Prepared slices, each (planes, size, size), HU.

    Returns:
        Figure -> (slices,), [0, 1].
    """
    size = slices[0].shape[-1]
    by = max(1, round(SHIFT * size))
    trained = [_energy(model, hu) for hu in slices]
    mirrored = [_energy(model, hu[..., ::-1])[:, ::-1] for hu in slices]
    pushed = [_energy(model, shifted(hu, by))[by:, by:] for hu in slices]
    kept = [energies[: size - by, : size - by] for energies in trained]
    return {
        "map_flip_shared_energy": _each(shared_energy, trained, mirrored),
        "map_shift_shared_energy": _each(shared_energy, kept, pushed),
    }


def shuffled(model: Model, raw: bytes, slices: Sequence[HU], rng: np.random.Generator) -> tuple[Values, list[float]]:
    """How like the trained maps those of shuffled weights are, inside the head.

    Over the whole picture the order of a map's places is mostly that of head and air, which any weights tell apart;
    so only the head's cells are compared.

    Args:
        model: A loaded bundle.
        raw: Its `model.onnx`.
        slices: Prepared slices, each (planes, size, size), HU.
        rng: Where the order comes from.

    Returns:
        Figure -> (slices,), means over ``SHUFFLES`` orders of all weights; and the mean rank correlation after each
        step of ``CASCADE``, of one order.

    Raises:
        MissingPartError: The `onnx` package is not installed.
    """
    trained = [_cells(model, hu) for hu in slices]

    def correlation(share: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        other = randomized_model(raw, model, rng, share)
        maps = [_cells(other, hu) for hu in slices]
        return np.abs(_each(rank_correlation, trained, maps)), _each(shared_hottest, trained, maps)

    steps = [float(correlation(share)[0].mean()) for share in CASCADE]
    ranks, hottest = np.mean([correlation(1.0) for _ in range(SHUFFLES)], axis=0)
    return {"map_shuffled_rank_correlation": ranks, "map_shuffled_shared_hottest": hottest}, steps


def shifted(hu: HU, by: int) -> HU:
    """A slice (planes, size, size) moved down and to the right by some pixels; its edge is repeated."""
    size = hu.shape[-1]
    moved_hu: HU = np.pad(hu, ((0, 0), (by, 0), (by, 0)), mode="edge")[:, :size, :size]
    return moved_hu


def _map(model: Model, hu: HU) -> NDArray[np.float32]:
    maps: NDArray[np.float32] = score(model, np.ascontiguousarray(hu)[None]).maps[0, 0]
    return maps


def _energy(model: Model, hu: HU) -> NDArray[np.float32]:
    """Energy of any finding on the network's grid, as it is drawn: cells of a mirrored map lie between the others."""
    card: Card = model.card
    return energy(enlarge(_map(model, hu), hu.shape[-1]), card.pooling)


def _cells(model: Model, hu: HU) -> NDArray[np.float32]:
    """The map's values inside the head, (cells,); all of them where there is no head."""
    values = _map(model, hu)
    head = head_cells(hu[hu.shape[0] // 2], whole(hu.shape[-1]), values.shape[0])
    return values[head] if head.any() else values.ravel()


def _each(
    measure: Callable[[NDArray[np.float32], NDArray[np.float32]], float],
    a: Sequence[NDArray[np.float32]],
    b: Sequence[NDArray[np.float32]],
) -> NDArray[np.float64]:
    return np.array([measure(x, y) for x, y in zip(a, b, strict=True)], np.float64)
