"""What a frozen network sees in a slice, before it decides: the channels of a late stage, pooled.

Not scores: those are made in ``predict`` alone. The graph is the bundle's own with another output.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.bundle import MODEL_FILE, located, read_card
from plainscan.ct.prepare import Box, network_input, prepare_slice
from plainscan.ct.window import Window
from plainscan.errors import BundleError
from plainscan.inference.ahead import ahead
from plainscan.inference.engine import OUTPUTS, probe
from plainscan.inference.graph import read_graph
from plainscan.setting_types import ShippedName

# Of the four stages the third: it holds more of a person than the head that decides (docs/experiments.md).
_STAGE: Final = re.compile(r"layer3\.\d+\.out")


class Features:
    """Pooled channels of a bundle's network.

    Args:
        bundle: Folder, or "plainscan".
        threads: Slices at a time; 0 takes every core this process may use.

    Raises:
        BundleError: The bundle is incomplete or altered, or its graph has no maps.
    """

    def __init__(self, bundle: Path | ShippedName, threads: int = 0) -> None:
        folder = located(bundle)
        self._card = read_card(folder)
        model = (folder / MODEL_FILE).read_bytes()
        self._look = probe(model, [_tensor(model)])
        self._windows = [Window(*pair) for pair in self._card.windows]
        self._threads = threads or len(os.sched_getaffinity(0))

    def of(self, slices: Sequence[NDArray[np.int16]]) -> Iterator[NDArray[np.float32]]:
        """Features (channels,), float32, of prepared slices, each (planes, size, size), int16, HU.

        A slice of another size is resampled to the network's; of the planes the middle one is looked at.
        """
        return ahead(lambda i: self._one(slices[i]), range(len(slices)), self._threads)

    def _one(self, hu: NDArray[np.int16]) -> NDArray[np.float32]:
        middle, size = hu[len(hu) // 2], self._card.input_size
        if len(middle) != size:
            middle = prepare_slice([middle], size, Box(0.0, 0.0, float(len(middle))))[0]
        planes = np.repeat(middle[None, None], 2 * self._card.neighbors + 1, axis=1)
        (channels,) = self._look(network_input(planes, self._windows))
        result: NDArray[np.float32] = channels[0].mean(axis=(1, 2))
        return result


def _tensor(model: bytes) -> str:
    """Name of the tensor to pool: the end of the third stage, or what the maps are made of."""
    nodes = read_graph(model).nodes
    stages = [name for node in nodes for name in node.outputs if _STAGE.fullmatch(name)]
    if stages:
        return stages[-1]
    for node in nodes:
        if OUTPUTS[1] in node.outputs:
            return node.inputs[0]
    raise BundleError(
        "no maps",
        where=MODEL_FILE,
        expected="a graph exported by `plainscan train`",
        remedy="Use a bundle that `plainscan train` wrote.",
    )
