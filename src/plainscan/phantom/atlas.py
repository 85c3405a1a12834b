"""Smooth fields on a coarse grid: the continuous head, cached so that any plane through it is cheap.

Anatomy is written as analytic functions of head coordinates in millimetres (x left, y posterior, z superior,
as DICOM's patient axes). Their values, mostly signed distances in mm, positive inside, are cached on a grid of
about 2 mm and interpolated linearly. A boundary is where a distance crosses zero, so edges stay sharp far below
the grid step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

F32: TypeAlias = NDArray[np.float32]
Numbers: TypeAlias = NDArray[np.floating]
Vector: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular grid in head coordinates.

    Args:
        origin_mm: First node, (x, y, z).
        step_mm: Distance of nodes.
        shape: Nodes along x, y, z.
    """

    origin_mm: tuple[float, float, float]
    step_mm: float
    shape: tuple[int, int, int]

    def axes(self) -> tuple[F32, F32, F32]:
        """Coordinates along x (nx, 1, 1), y (1, ny, 1), z (1, 1, nz), mm, float32."""
        x, y, z = (
            np.float32(start) + np.float32(self.step_mm) * np.arange(count, dtype=np.float32)
            for start, count in zip(self.origin_mm, self.shape, strict=True)
        )
        return x[:, None, None], y[None, :, None], z[None, None, :]


@dataclass(frozen=True, slots=True)
class Atlas:
    """Fields on a grid: ``values`` is (nz, ny, nx, fields), float32; x varies fastest, as along an image row."""

    grid: Grid
    values: F32

    def sample(self, x_mm: F32, y_mm: F32, z_mm: F32) -> F32:
        """Trilinear interpolation at points (n,); beyond the grid the border value holds.

        Returns:
            (fields, n), float32.
        """
        nx, ny, nz = self.grid.shape
        at = np.stack((x_mm, y_mm, z_mm))
        at -= np.array(self.grid.origin_mm, np.float32)[:, None]
        at *= np.float32(1 / self.grid.step_mm)
        np.maximum(at, 0, out=at)
        np.minimum(at, np.array(self.grid.shape, np.float32)[:, None] - np.float32(1.001), out=at)
        i, j, k = cell = at.astype(np.int32)
        u, v, w = np.subtract(at, cell, out=at, casting="same_kind")
        first, count = (k * ny + j) * nx + i, len(i)
        corner, share = np.empty((count, 8), np.int32), np.empty((count, 8), np.float32)
        low, both = w * (1 - v), v * w
        for pair, (away, part) in enumerate(((0, 1 - v - low), (nx, v - both), (nx * ny, low), (nx * (ny + 1), both))):
            np.add(first, away, out=corner[:, 2 * pair])
            np.add(first, away + 1, out=corner[:, 2 * pair + 1])
            np.multiply(part, u, out=share[:, 2 * pair + 1])
            np.subtract(part, share[:, 2 * pair + 1], out=share[:, 2 * pair])
        # One sparse product adds up all fields of a corner at once: they lie side by side in memory.
        ends = np.arange(0, 8 * count + 1, 8, dtype=np.int32)
        weights = csr_array((share.ravel(), corner.ravel(), ends), shape=(count, nx * ny * nz))
        found: F32 = np.ascontiguousarray((weights @ self.values.reshape(nx * ny * nz, -1)).T)
        return found

    def sample_periodic(self, x_mm: F32, y_mm: F32, z_mm: F32) -> F32:
        """As ``sample``, with the grid repeated in all directions: its last nodes must equal its first."""
        length = [(count - 1) * self.grid.step_mm for count in self.grid.shape]
        start = self.grid.origin_mm
        wrapped = [
            points - np.float32(period) * np.floor((points - np.float32(a)) * np.float32(1 / period))
            for points, a, period in zip((x_mm, y_mm, z_mm), start, length, strict=True)
        ]
        return self.sample(*wrapped)


def f32(values: Numbers) -> F32:
    """The same values as float32: arithmetic with Python and NumPy scalars may have widened them."""
    return np.asarray(values, dtype=np.float32)


def build(grid: Grid, fields: Sequence[Numbers]) -> Atlas:
    """An atlas from fields of shape (nx, ny, nz)."""
    values = np.empty((*reversed(grid.shape), len(fields)), np.float32)
    for i, field in enumerate(fields):
        values[..., i] = field.T
    return Atlas(grid, values)


def smooth_noise(rng: np.random.Generator, grid: Grid, knot_mm: float) -> F32:
    """Gaussian random field of unit variance on a grid, correlated over about ``knot_mm``; (nx, ny, nz), float32.

    White noise on knots, spread by separable Gaussian kernels as wide as the knots are apart.
    """
    kernels = [_spread(count, grid.step_mm, knot_mm) for count in grid.shape]
    field = rng.standard_normal(tuple(kernel.shape[1] for kernel in kernels), dtype=np.float32)
    for axis, kernel in enumerate(kernels):
        field = np.moveaxis(np.tensordot(kernel, field, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(field, dtype=np.float32)


def _spread(count: int, step_mm: float, knot_mm: float) -> F32:
    knots = (np.arange(int(np.ceil(count * step_mm / knot_mm)) + 5) - 2) * knot_mm
    kernel = np.exp(-0.5 * ((np.arange(count)[:, None] * step_mm - knots) / (0.7 * knot_mm)) ** 2)
    return f32(kernel / np.sqrt((kernel**2).sum(axis=1, keepdims=True)))


def periodic_noise(rng: np.random.Generator, count: int, step_mm: float, knots_mm: Sequence[float]) -> Atlas:
    """Gaussian random fields of unit variance that repeat after ``count`` steps, one per correlation length.

    Made in the Fourier domain, where a Gaussian filter is periodic by itself.
    """
    frequency = np.fft.fftfreq(count, step_mm)
    half = np.fft.rfftfreq(count, step_mm)
    square = frequency[:, None, None] ** 2 + frequency[None, :, None] ** 2 + half[None, None, :] ** 2
    grid = Grid((0.0, 0.0, 0.0), step_mm, (count + 1,) * 3)
    fields = []
    for knot in knots_mm:
        white = np.fft.rfftn(rng.standard_normal((count,) * 3, dtype=np.float32))
        field = np.fft.irfftn(white * np.exp(-2 * (np.pi * 0.7 * knot) ** 2 * square), s=(count,) * 3, axes=(0, 1, 2))
        fields.append(np.pad(field / field.std(), (0, 1), mode="wrap").astype(np.float32))
    return build(grid, fields)


def normalized(field: Numbers, step_mm: float, limit: float = 0.05) -> F32:
    """An implicit function divided by its gradient's length: to first order a signed distance in mm.

    Args:
        field: (nx, ny, nz), any unit.
        step_mm: Grid step.
        limit: Gradients shorter than this (unit per mm) count as this.

    Returns:
        (nx, ny, nz), float32, mm.
    """
    squares = sum(np.square(part) for part in np.gradient(field, np.float32(step_mm)))
    return f32(field / np.maximum(np.sqrt(squares), np.float32(limit)))


Point: TypeAlias = tuple[float, float, float]
FAR_MM: Final = 20.0  # shapes are not evaluated farther away than this; there they are FAR_MM away


def ellipsoid(x: F32, y: F32, z: F32, center: Point, axes: Point) -> F32:
    """Approximate signed distance to an ellipsoid, mm, positive inside; -FAR_MM at and beyond that distance.

    Exact for a sphere; in general the first-order estimate k0 (1 - k0) / k1 of the implicit function.
    """
    near, (dx, dy, dz) = _near(x, y, z, np.subtract(center, axes), np.add(center, axes))
    dx, dy, dz = (dx - center[0]) / axes[0], (dy - center[1]) / axes[1], (dz - center[2]) / axes[2]
    k0 = np.sqrt(dx * dx + dy * dy + dz * dz)
    k1 = np.sqrt((dx / axes[0]) ** 2 + (dy / axes[1]) ** 2 + (dz / axes[2]) ** 2)
    distance = np.where(k0 < 0.2, min(axes) * 0.8, k0 * (1 - k0) / np.maximum(k1, 1e-4))
    return _far(near, distance)


def tube(x: F32, y: F32, z: F32, path: tuple[tuple[Point, float], ...]) -> F32:
    """Signed distance to a chain of tapering capsules, mm, positive inside; -FAR_MM at and beyond that distance.

    Args:
        x: Coordinates, of one shape with y and z.
        y: The same.
        z: The same.
        path: At least two nodes, each (point, radius in mm).
    """
    best = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), -FAR_MM, np.float32)
    for (a, ra), (b, rb) in pairwise(path):
        thick = max(ra, rb)
        near, (dx, dy, dz) = _near(x, y, z, np.minimum(a, b) - thick, np.maximum(a, b) + thick)
        axis = np.subtract(b, a).astype(np.float32)
        dx, dy, dz = dx - a[0], dy - a[1], dz - a[2]
        along = np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / (axis @ axis), 0, 1)
        far = np.sqrt((dx - along * axis[0]) ** 2 + (dy - along * axis[1]) ** 2 + (dz - along * axis[2]) ** 2)
        best[near] = np.maximum(best[near], ra + along * (rb - ra) - far)
    return best


def _near(x: F32, y: F32, z: F32, low: Vector, high: Vector) -> tuple[NDArray[np.bool_], list[F32]]:
    """Points within FAR_MM of a box: where they are, and their coordinates."""
    axes = np.broadcast_arrays(x, y, z)
    near = np.ones(axes[0].shape, np.bool_)
    for axis, lowest, highest in zip(axes, low, high, strict=True):
        near &= np.abs(axis - np.float32((lowest + highest) / 2)) < np.float32((highest - lowest) / 2 + FAR_MM)
    return near, [axis[near] for axis in axes]


def _far(near: NDArray[np.bool_], distance: Numbers) -> F32:
    full = np.full(near.shape, -FAR_MM, np.float32)
    full[near] = np.maximum(distance, -FAR_MM)
    return full


def smooth_min(a: Numbers, b: Numbers, radius_mm: float) -> F32:
    """The smaller of two distances with the edge rounded over ``radius_mm`` (polynomial smooth minimum)."""
    blend = np.clip(0.5 + 0.5 * (b - a) / radius_mm, 0, 1)
    return f32(b + (a - b) * blend - radius_mm * blend * (1 - blend))


def smooth_max(a: Numbers, b: Numbers, radius_mm: float) -> F32:
    """The larger of two distances with the groove filled over ``radius_mm``."""
    return -smooth_min(-a, -b, radius_mm)


def cover(distance: Numbers, width_mm: float | Numbers = 1.0) -> F32:
    """Share of a pixel inside a boundary: a ramp of ``width_mm`` across distance 0; [0, 1], float32.

    >>> cover(np.array([-1.0, 0.0, 0.25, 2.0], np.float32)).tolist()
    [0.0, 0.5, 0.75, 1.0]
    """
    share = np.asarray(np.divide(distance, width_mm), np.float32)
    share += np.float32(0.5)
    return np.clip(share, 0, 1, out=share)


def gauss(distance: Numbers, sigma: float) -> F32:
    """exp(-d² / 2σ²), float32."""
    return f32(np.exp(np.square(distance) * np.float32(-0.5 / sigma**2)))
