"""What another scan of the same head could have looked like; made on the device, in HU, before the windows.

Every change is one that a CT scanner, a patient or a reader's setting makes:

- the head turned, shifted, nearer or tilted a little (one resampling for all of it);
- mirrored left to right: heads are nearly symmetric and no finding here has a side (a heat map follows its
  picture, so nothing downstream depends on it);
- calibration drift: HU times a gain plus an offset (beam hardening, water calibration);
- another kernel: a little smoother or sharper; then noise of another dose, smoothed alike;
- another window: centre and width a little off;
- in the wide ranges, for half of the slices: a picture of 8 bits with an unknown window burnt in, read back as if its
  window were known exactly.

All numbers are a pure function of (seed, epoch, slice row): the same slice in the same epoch comes out the same,
in whatever batch, on whatever rank, after whatever restart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from plainscan.ct.prepare import as_channels
from plainscan.ct.window import Window

DRAWS: Final = 14  # uniform numbers a slice, before those of the windows
PICTURE_LEVELS: Final = 255  # of an 8-bit picture, above black
PICTURE_CENTER_HU: Final = (40.0, 12.0)  # middle and half-width of the range
PICTURE_WIDTH_HU: Final = (110.0, 40.0)


@dataclass(frozen=True)
class Ranges:
    """Half-widths of the uniform ranges that changes are drawn from.

    Args:
        rotation_deg: In the plane of the slice.
        scale: Of each side, relative.
        shear: Of the rows, relative: in-plane projection of a head tilted sideways.
        shift: Of the side of the picture.
        mirror: Probability of a left-right mirror.
        offset_hu: Added to all values.
        gain: Relative.
        blur: Largest weight of the neighbouring pixel in a three-pixel kernel; half of it for sharpening.
        noise_hu: Largest standard deviation.
        window: Of each window's centre, as a share of its width, and of its width.
        picture: Probability that the slice is an 8-bit picture with a burnt-in window.
    """

    rotation_deg: float = 15.0
    scale: float = 0.12
    shear: float = 0.06
    shift: float = 0.06
    mirror: float = 0.5
    offset_hu: float = 4.0
    gain: float = 0.04
    blur: float = 0.2
    noise_hu: float = 4.0
    window: float = 0.06
    picture: float = 0.0


USUAL: Final = Ranges()
"""For a department's own slices."""
WIDE: Final = Ranges(30.0, 0.2, 0.1, 0.1, 0.5, 9.0, 0.12, 0.3, 6.0, 0.12, 0.5)
"""For weights that shall work on any department's slices."""
NONE: Final = Ranges(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
RANGES: Final = {"off": NONE, "usual": USUAL, "wide": WIDE}


def draw(seed: int, epoch: int, rows: NDArray[np.int64], count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Random numbers of slices.

    Returns:
        Uniform numbers (slices, count), float32, [-1, 1); and a key for each slice's noise, (slices,), int64.
    """
    uniform, keys = np.empty((len(rows), count), np.float32), np.empty(len(rows), np.int64)
    for i, row in enumerate(rows):
        rng = np.random.default_rng([seed, epoch, int(row)])
        uniform[i] = rng.uniform(-1.0, 1.0, count)
        keys[i] = rng.integers(0, 2**62)
    return uniform, keys


@dataclass(frozen=True)
class View:
    """How a batch of slices is seen.

    Args:
        rows: Each slice's row in the prepared table.
        seed: Of the training.
        epoch: From 0.
        ranges: How much may change.
        size: Side of the network input; 0 is that of the slices.
    """

    rows: NDArray[np.int64]
    seed: int
    epoch: int
    ranges: Ranges = USUAL
    size: int = 0

    def numbers(self, windows: int, device: torch.device) -> tuple[Tensor, NDArray[np.int64]]:
        """Uniform numbers (slices, DRAWS + 2 windows), [-1, 1), and noise keys (slices,)."""
        numbers, keys = draw(self.seed, self.epoch, self.rows, DRAWS + 2 * windows)
        return torch.from_numpy(numbers).to(device), keys


def augmented(hu: Tensor, windows: Sequence[Window], view: View) -> Tensor:
    """Network input of changed slices.

    Args:
        hu: (slices, planes, size, size), int16, HU, on any device.
        windows: Channels a plane.
        view: What is changed, and how much.

    Returns:
        (slices, planes * windows, size, size), float32, [0, 1].
    """
    ranges = view.ranges
    u, keys = view.numbers(len(windows), hu.device)
    values = resized(_move(hu.float(), u[:, :7], ranges), view.size)
    gain, offset, sharp, dose = (u[:, i, None, None, None] for i in range(7, 11))
    values = values * (1 + ranges.gain * gain) + ranges.offset_hu * offset
    values = values + ranges.noise_hu * (dose + 1) / 2 * white_noise(keys, values.shape[1:], hu.device)
    kernel = torch.where(sharp < 0, ranges.blur / 2 * sharp, ranges.blur * sharp)
    values = _smooth(values, kernel)
    if ranges.picture:
        values = _pictures(values, u[:, 11:DRAWS, None, None, None], ranges.picture)
    low, width = _windows(windows, u[:, DRAWS:], ranges.window)
    channels: Tensor = as_channels(values, low, width)
    return channels


def moved_masks(bits: Tensor, windows: int, findings: int, view: View) -> Tensor:
    """Masks of the same changed slices, on the cells of a fine map.

    Args:
        bits: (slices, side, side), int32, bit i is finding i; ``side`` is a quarter of the slices' size.
        windows: Channels a plane, as in ``augmented``.
        findings: How many.
        view: As in ``augmented``.

    Returns:
        (slices, findings, size / 8, size / 8), float32, [0, 1]: how far the finding reaches into each cell, which is
        centered on pixel 8 i as the map's are.
    """
    u, _ = view.numbers(windows, bits.device)
    shares = ((bits[:, None] >> torch.arange(findings, device=bits.device)[:, None, None]) & 1).float()
    shares = resized(_move(shares, u[:, :7], view.ranges, padding="zeros"), view.size // 4)
    cells = functional.max_pool2d(shares, 2, 2, padding=1)
    return cells[..., : shares.shape[2] // 2, : shares.shape[3] // 2]


def plain(hu: Tensor, windows: Sequence[Window]) -> Tensor:
    """Network input of slices as they are; shapes as in ``augmented``."""
    nothing = torch.zeros((1, 2 * len(windows)), device=hu.device)
    channels: Tensor = as_channels(hu.float(), *_windows(windows, nothing, 0.0))
    return channels


def resized(values: Tensor, size: int) -> Tensor:
    """(slices, planes, side, side) at another side, averaged where it is smaller; 0 leaves it."""
    if size in (0, values.shape[-1]):
        return values
    return functional.interpolate(values, (size, size), mode="bilinear", antialias=True, align_corners=False)


def white_noise(keys: NDArray[np.int64], shape: Sequence[int], device: torch.device) -> Tensor:
    """Normal noise of mean 0 and variance 1, (slices, *shape), float32: each slice's from its own key."""
    noise = torch.empty((len(keys), *shape), device=device)
    rng = torch.Generator(device)
    for i, key in enumerate(keys):
        noise[i].normal_(generator=rng.manual_seed(int(key)))
    return noise


def _pictures(values: Tensor, u: Tensor, share: float) -> Tensor:
    """A share of the slices as 8-bit pictures: cut at a window and rounded to its levels."""
    center = PICTURE_CENTER_HU[0] + PICTURE_CENTER_HU[1] * u[:, 1]
    width = PICTURE_WIDTH_HU[0] + PICTURE_WIDTH_HU[1] * u[:, 2]
    low = center - width / 2
    level = torch.round(torch.clamp((values - low) / width, 0, 1) * PICTURE_LEVELS)
    return torch.where((u[:, 0] + 1) / 2 < share, low + level * width / PICTURE_LEVELS, values)


def _move(hu: Tensor, u: Tensor, ranges: Ranges, padding: str = "border") -> Tensor:
    """Rotation, scale, shear, shift, mirror by one bilinear resampling; outside, the edge is repeated, or 0."""
    angle = u[:, 0] * np.deg2rad(ranges.rotation_deg)
    across = (1 + ranges.scale * u[:, 1]) * torch.where((u[:, 3] + 1) / 2 < ranges.mirror, -1.0, 1.0)
    down, shear = 1 + ranges.scale * u[:, 2], ranges.shear * u[:, 4]
    cos, sin = torch.cos(angle), torch.sin(angle)
    theta = torch.stack(
        [
            torch.stack([cos * across, shear * cos - sin * down, ranges.shift * u[:, 5] * 2], 1),
            torch.stack([sin * across, shear * sin + cos * down, ranges.shift * u[:, 6] * 2], 1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(theta, list(hu.shape), align_corners=False)
    return functional.grid_sample(hu, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def _smooth(values: Tensor, kernel: Tensor) -> Tensor:
    """[kernel, 1 - 2 kernel, kernel] along rows and columns; negative sharpens; the border pixels stay."""
    for axis in (2, 3):
        middle = values.narrow(axis, 1, values.shape[axis] - 2)
        around = values.narrow(axis, 0, middle.shape[axis]) + values.narrow(axis, 2, middle.shape[axis])
        change = torch.zeros_like(values)
        change.narrow(axis, 1, middle.shape[axis]).copy_(kernel * (around - 2 * middle))
        values = values + change
    return values


def _windows(windows: Sequence[Window], u: Tensor, jitter: float) -> tuple[Tensor, Tensor]:
    """Low end and width of each window, (slices, windows), float32, HU."""
    count = len(windows)
    low = torch.tensor([[window.low_hu for window in windows]], dtype=torch.float32, device=u.device)
    width = torch.tensor([[window.width_hu for window in windows]], dtype=torch.float32, device=u.device)
    new_width = width * (1 + jitter * u[:, count:])
    return low + jitter * u[:, :count] * width - (new_width - width) / 2, new_width
