"""Display windows: a centre and a width in Hounsfield units.

The network sees windows as channels: each maps its range linearly to [0, 1] and clips. That is not
the display function of PS3.3 C.11.2.1.2.1, which shifts centre and width by half a grey level; at
80 HU and 256 levels the two differ by less than one level.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Window(NamedTuple):
    """A window in Hounsfield units.

    >>> BRAIN.low_hu, BRAIN.high_hu
    (0.0, 80.0)
    """

    center_hu: float
    width_hu: float

    @property
    def low_hu(self) -> float:
        """The value shown black and everything below it."""
        return self.center_hu - self.width_hu / 2

    @property
    def high_hu(self) -> float:
        """The value shown white and everything above it."""
        return self.center_hu + self.width_hu / 2


BRAIN: Final = Window(40.0, 80.0)


def to_unit(hu: NDArray[np.floating | np.integer], window: Window) -> NDArray[np.float32]:
    """Map HU of any shape to [0, 1], float32, clipped.

    >>> to_unit(np.array([-1000, 0, 40, 80, 3000]), BRAIN).tolist()
    [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    unit: NDArray[np.float32] = scaled(hu.astype(np.float32), np.float32(window.low_hu), np.float32(window.width_hu))
    return unit


def scaled(hu: Any, low_hu: Any, width_hu: Any) -> Any:
    """The one line of window arithmetic, by operators alone: NumPy arrays and torch tensors alike.

    Args:
        hu: Any shape, float32, HU.
        low_hu: Broadcasts against ``hu``, float32, HU.
        width_hu: Likewise.

    Returns:
        float32, [0, 1], of the type of ``hu``.
    """
    return ((hu - low_hu) / width_hu).clip(0.0, 1.0)


def from_picture(pixels: NDArray[np.uint8], window: Window) -> NDArray[np.float32]:
    """Undo a burnt-in window: 8-bit grey of any shape to HU, float32.

    Values at 0 and 255 stand for "this or beyond"; what the window cut off is gone.

    >>> from_picture(np.array([0, 255], np.uint8), Window(40, 120)).tolist()
    [-20.0, 100.0]
    """
    low, width = np.float32(window.low_hu), np.float32(window.width_hu)
    return low + pixels.astype(np.float32) * (width / np.float32(255.0))
