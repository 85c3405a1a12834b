"""What a scanner does to a head: where the planes lie, blur, noise, beam hardening, headrest, field of view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2
from scipy.ndimage import gaussian_filter1d

from plainscan.phantom.atlas import F32, f32
from plainscan.phantom.tissue import AIR_HU


@dataclass(frozen=True, slots=True)
class Kernel:
    """A reconstruction kernel: its point spread and the spectrum of its noise.

    Args:
        blur_mm: Standard deviation of the point spread.
        sharpen: Share of high-pass added back: overshoot at edges, as bone kernels have.
        cutoff_per_mm: Where the apodised ramp has fallen to 1/e.
        noise_hu: Standard deviation in a head's middle on a 5 mm slice.
    """

    blur_mm: float
    sharpen: float
    cutoff_per_mm: float
    noise_hu: float


SOFT: Final = Kernel(0.62, 0.0, 0.32, 3.6)
BONE: Final = Kernel(0.34, 0.5, 0.75, 26.0)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Planes of a series in DICOM patient coordinates (x left, y posterior, z head), lowest first.

    Args:
        shape: Rows, columns.
        pixel_mm: Row and column spacing.
        row_direction: Direction of increasing column.
        column_direction: Direction of increasing row.
        positions_mm: Center of the first pixel of each slice, (slices, 3).
        thickness_mm: Of each slice, (slices,).
        tilt_deg: Gantry tilt; the plane leans by it about x.
    """

    shape: tuple[int, int]
    pixel_mm: float
    row_direction: tuple[float, float, float]
    column_direction: tuple[float, float, float]
    positions_mm: NDArray[np.float64]
    thickness_mm: NDArray[np.float64]
    tilt_deg: float

    def __len__(self) -> int:
        return len(self.positions_mm)

    def normal(self) -> NDArray[np.float64]:
        """Unit vector across the slices, toward the head."""
        return np.asarray(np.cross(self.row_direction, self.column_direction), np.float64)


@dataclass(frozen=True, slots=True)
class Pose:
    """How the head lies in the scanner: head point = turn @ (patient point - shift_mm)."""

    turn: NDArray[np.float64]
    shift_mm: NDArray[np.float64]


def rotation(pitch_deg: float, roll_deg: float, yaw_deg: float) -> NDArray[np.float64]:
    """Rotation about x, then y, then z, (3, 3)."""
    a, b, c = np.deg2rad([pitch_deg, roll_deg, yaw_deg])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float64)


@dataclass(frozen=True, slots=True)
class Scanner:
    """Settings of one acquisition.

    Args:
        kernel: Reconstruction kernel.
        dose: Noise relative to the kernel's.
        hardening: Strength of the bands between dense bones; 0 is none.
        headrest_mm: Distance of the headrest's shell behind the isocenter; its shape follows.
    """

    kernel: Kernel
    dose: float
    hardening: float
    headrest_mm: float


def spectrum(shape: tuple[int, int], pixel_mm: float, kernel: Kernel) -> F32:
    """Amplitude of the noise over spatial frequency: sqrt(ramp) x apodisation, scaled to unit variance.

    Filtered back-projection passes white projection noise through ramp and window, so that the image's noise
    power is f |W(f)|^2 (Riederer, Pelc and Chesler, Phys Med Biol 1978;23:446).

    Returns:
        (rows, columns // 2 + 1), float32, for ``rfft2``.
    """
    fy = np.fft.fftfreq(shape[0], pixel_mm)[:, None]
    fx = np.fft.rfftfreq(shape[1], pixel_mm)[None, :]
    frequency = np.hypot(fy, fx)
    power = frequency * np.exp(-2 * (frequency / kernel.cutoff_per_mm) ** 2)
    weight = np.full((1, fx.shape[1]), 2.0)
    weight[0, 0] = 1.0
    if shape[1] % 2 == 0:
        weight[0, -1] = 1.0
    scale = np.sqrt(shape[0] * shape[1] / (power * weight).sum())
    return f32(np.sqrt(power) * scale)


def noise(rng: np.random.Generator, shape: tuple[int, int], amplitude: F32) -> F32:
    """One field of unit variance with the given spectrum, (rows, columns), float32."""
    white = rfft2(rng.standard_normal(shape, dtype=np.float32))
    field: F32 = irfft2(white * amplitude, s=shape).astype(np.float32)
    return field


def detect(hu: F32, rng: np.random.Generator, geometry: Geometry, scanner: Scanner, amplitude: F32) -> F32:
    """What the scanner makes of one ideal slice.

    Args:
        hu: (rows, columns), ideal HU with partial volume.
        rng: For the noise.
        geometry: Of the series.
        scanner: Of the acquisition.
        amplitude: From ``spectrum``.

    Returns:
        (rows, columns), float32, HU.
    """
    sigma = scanner.kernel.blur_mm / geometry.pixel_mm
    seen = _blur(hu, sigma)
    if scanner.kernel.sharpen:
        seen += scanner.kernel.sharpen * (seen - _blur(seen, 1.6 * sigma + 0.4))
    band = _band(hu, geometry.pixel_mm)
    body = _body(geometry)
    level = scanner.kernel.noise_hu * scanner.dose * (0.45 + 0.55 * body + 0.25 * band)
    seen += level * noise(rng, geometry.shape, amplitude)
    if scanner.hardening:
        streak = gaussian_filter1d(rng.standard_normal(geometry.shape[0], dtype=np.float32), 0.8 / geometry.pixel_mm)
        seen -= scanner.hardening * band * (9 + 5 * streak[:, None]) * (hu > -300)
    return seen


def _blur(hu: F32, sigma_px: float) -> F32:
    return gaussian_filter1d(gaussian_filter1d(hu, sigma_px, axis=0, truncate=3.0), sigma_px, axis=1, truncate=3.0)


def _band(hu: F32, pixel_mm: float) -> F32:
    """How much dense bone lies on both sides along the row: the dark bar between the petrous bones, about 0 to 1.5."""
    bone = np.clip(hu - 250, 0, 1500) * np.float32(pixel_mm / 1000)
    left = np.cumsum(bone, axis=1)
    both = np.sqrt(np.maximum(left * (left[:, -1:] - left), 0))
    excess: F32 = np.clip((both - 14) / 22, 0, 1.5).astype(np.float32)
    return gaussian_filter1d(excess, 1.5 / pixel_mm, axis=0, truncate=3.0)


def _body(geometry: Geometry) -> F32:
    rows, columns = ((np.arange(n) - (n - 1) / 2) * geometry.pixel_mm for n in geometry.shape)
    return f32(np.exp(-(rows[:, None] ** 2 + columns[None, :] ** 2) / (2 * 72.0**2)))


def headrest(geometry: Geometry, scanner: Scanner) -> F32:
    """The headrest's shell in a slice, HU above air, (rows, columns); the same on every slice."""
    rows, columns = ((np.arange(n) - (n - 1) / 2) * geometry.pixel_mm for n in geometry.shape)
    y, x = rows[:, None], columns[None, :]
    radius = np.hypot(x / 1.0, y * 104 / scanner.headrest_mm)
    shell = np.clip(1.4 - np.abs(radius - 104), 0, 1) * np.clip((y - 4) / 3, 0, 1)
    foam = np.clip(104 - radius, 0, 1) * np.clip((y - 4) / 3, 0, 1)
    return f32(shell * 1180 + foam * 18)


def field_of_view(geometry: Geometry) -> NDArray[np.bool_]:
    """Pixels inside the reconstruction circle, (rows, columns)."""
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in geometry.shape)
    inside: NDArray[np.bool_] = rows[:, None] ** 2 + columns[None, :] ** 2 <= (min(geometry.shape) / 2) ** 2
    return inside


def merge_headrest(hu: F32, rest: F32) -> None:
    """Put the headrest where there is air, in place."""
    hu += rest * np.clip((-500 - hu) / (-500 - AIR_HU), 0, 1)
