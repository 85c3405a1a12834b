"""What a scanner does to a head: where the planes lie, blur, noise, flaws, calibration, field of view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2

from plainscan.phantom import artifact, hardening
from plainscan.phantom.artifact import NO_FLAWS, Flaws
from plainscan.phantom.atlas import F32, Numbers, f32
from plainscan.phantom.tissue import AIR_HU

POOL: Final = 3  # fields of noise a series is made from


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


SOFT: Final = Kernel(0.62, 0.0, 0.36, 4.6)
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
        (a, b, c), (d, e, f) = self.row_direction, self.column_direction
        return np.array([b * f - c * e, c * d - a * f, a * e - b * d])  # as np.cross, which takes ten times as long


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
class Output:
    """What becomes of a slice between reconstruction and file.

    Args:
        offset_hu: Error of the calibration at water; 0 at air.
        bone_gain: Density of bone relative to 120 kV: more at a lower voltage.
        circle_hu: Value outside the reconstruction circle; None where the scanner shows the whole square.
        range_hu: Least and greatest value that the scanner stores.
    """

    offset_hu: float = 0.0
    bone_gain: float = 1.0
    circle_hu: float | None = None
    range_hu: tuple[int, int] = (-1024, 3071)


PLAIN: Final = Output()


@dataclass(frozen=True, slots=True)
class Scanner:
    """Settings of one acquisition.

    Args:
        kernel: Reconstruction kernel.
        dose: Noise relative to the kernel's.
        flaws: What goes wrong.
        output: Calibration and stored range.
    """

    kernel: Kernel
    dose: float
    flaws: Flaws = NO_FLAWS
    output: Output = PLAIN


def spectrum(shape: tuple[int, int], pixel_mm: float, kernel: Kernel) -> F32:
    """Amplitude of the noise over spatial frequency: sqrt(ramp) x apodisation, scaled to unit variance.

    Filtered back-projection passes white projection noise through ramp and window, so that the image's noise
    power is f |W(f)|^2 (Riederer, Pelc and Chesler, Phys Med Biol 1978;23:446).

    Returns:
        (rows, columns // 2 + 1), float32, for ``rfft2``.
    """
    frequency = np.hypot(*artifact.frequencies(shape, pixel_mm))
    power = frequency * np.exp(-2 * (frequency / kernel.cutoff_per_mm) ** 2)
    return _unit(power, shape)


def _unit(power: NDArray[np.float64], shape: tuple[int, int]) -> F32:
    """Amplitude of a field with this power and unit variance."""
    weight = np.full((1, power.shape[1]), 2.0)
    weight[0, 0] = 1.0
    if shape[1] % 2 == 0:
        weight[0, -1] = 1.0
    return f32(np.sqrt(power * (shape[0] * shape[1] / (power * weight).sum())))


def noise(rng: np.random.Generator, shape: tuple[int, int], amplitude: F32) -> F32:
    """One field of unit variance with the given spectrum, (rows, columns), float32."""
    white = rfft2(rng.standard_normal(shape, dtype=np.float32))
    field: F32 = irfft2(white * amplitude, s=shape).astype(np.float32)
    return field


@dataclass(frozen=True, slots=True)
class Detector:
    """All that a series needs once, made by ``make_detector``.

    Args:
        geometry: Of the series.
        scanner: Of the acquisition.
        transfer: Of the kernel, (rows, columns // 2 + 1).
        views: The projection that each frequency belongs to, the same.
        fine: What of each frequency a wrong projection alters: the mean of all projections is known well, the same.
        grain: Fields of noise, (POOL, rows, columns), unit variance; any mixture of two shifted ones is a new one.
        streaky: A field of noise along the rows, the same.
        falloff: Noise relative to the head's middle, (rows, columns).
        outside: Pixels outside the reconstruction circle.
    """

    geometry: Geometry
    scanner: Scanner
    transfer: F32
    views: NDArray[np.int16]
    fine: F32
    grain: F32
    streaky: F32
    falloff: F32
    outside: NDArray[np.bool_]

    @property
    def cell_mm(self) -> float:
        """Side of a cell of the coarse grid."""
        return self.geometry.shape[0] * self.geometry.pixel_mm / hardening.SIDE


def make_detector(
    rng: np.random.Generator, geometry: Geometry, scanner: Scanner, center_mm: NDArray[np.float64] | None = None
) -> Detector:
    """Prepare a series; ``center_mm`` is the head's middle in patient coordinates (the image's without it)."""
    shape, pixel = geometry.shape, geometry.pixel_mm
    fy, fx = artifact.frequencies(shape, pixel)
    frequency = np.hypot(fy, fx)
    soft = np.exp(-2 * (np.pi * scanner.kernel.blur_mm * frequency) ** 2)
    wider = np.exp(-2 * (np.pi * (1.6 * scanner.kernel.blur_mm + 0.4 * pixel) * frequency) ** 2)
    amplitude = spectrum(shape, pixel, scanner.kernel)
    along = np.exp(-((np.arctan2(np.abs(fx), np.abs(fy)) / 0.09) ** 2)) * amplitude.astype(np.float64) ** 2
    rows, columns = _from_center(geometry, center_mm)
    falloff = 0.45 + 0.55 * np.exp(-(rows[:, None] ** 2 + columns[None, :] ** 2) / (2 * 72.0**2))
    return Detector(
        geometry,
        scanner,
        f32(soft * (1 + scanner.kernel.sharpen * (1 - wider))),
        artifact.view_index(shape, pixel),
        f32(1 - np.exp(-((frequency / 0.05) ** 2))),
        np.stack([noise(rng, shape, amplitude) for _ in range(POOL)]),
        noise(rng, shape, _unit(along, shape)),
        f32(falloff),
        ~field_of_view(geometry),
    )


def _from_center(geometry: Geometry, center_mm: NDArray[np.float64] | None) -> tuple[Numbers, Numbers]:
    """Distance of rows and of columns from a point, mm."""
    middle = [(n - 1) / 2 * geometry.pixel_mm for n in geometry.shape]
    if center_mm is not None:
        away = center_mm - geometry.positions_mm[0]
        middle = [float(away @ np.array(d)) for d in (geometry.column_direction, geometry.row_direction)]
    rows, columns = (np.arange(n) * geometry.pixel_mm - m for n, m in zip(geometry.shape, middle, strict=True))
    return rows, columns


def detect(detector: Detector, hu: F32, rng: np.random.Generator, thickness_mm: float, metal: F32 | None = None) -> F32:
    """What the scanner makes of one ideal slice.

    Args:
        detector: Of the series.
        hu: (rows, columns), ideal HU with partial volume and all objects.
        rng: For noise and flaws.
        thickness_mm: Of the slice.
        metal: (rows, columns), HU of the metal alone; None without any.

    Returns:
        (rows, columns), float32, HU, within the stored range.
    """
    scanner, flaws = detector.scanner, detector.scanner.flaws
    pixel = detector.geometry.pixel_mm
    if scanner.output.bone_gain != 1:
        hu = f32(hu + np.float32(scanner.output.bone_gain - 1) * np.maximum(hu - 90, 0))
    seen = _reconstruct(detector, hu, rng, metal)
    bone = hardening.dense(hu)
    error = flaws.coarse_error(bone, detector.cell_mm)
    if error is not None:
        seen += hardening.fine(error, hu.shape) * np.clip((hu + 700) * np.float32(1 / 500), 0, 1)
    seen += _noise(detector, hu, bone, rng, thickness_mm)
    if flaws.ring_hu and rng.random() < 0.7:
        seen += flaws.ring_hu * artifact.rings(rng, hu.shape, pixel) * (hu > -700)
    return _stored(detector, seen)


def _reconstruct(detector: Detector, hu: F32, rng: np.random.Generator, metal: F32 | None) -> F32:
    """Blur, streaks and ghosts: factors on the spectrum. Around the slice there is air, so it may wrap."""
    flaws, views = detector.scanner.flaws, detector.views
    waves: NDArray[np.complex64] = rfft2(hu - np.float32(AIR_HU)).astype(np.complex64, copy=False)
    waves *= detector.transfer
    if flaws.streak:
        waves *= 1 + detector.fine * artifact.faulty_views(rng, flaws.streak, 0.5)[views]
    if metal is not None and flaws.metal:
        wrong = artifact.faulty_views(rng, flaws.metal, rng.uniform(0.1, 0.6))[views]
        waves += rfft2(metal) * (detector.transfer * detector.fine * wrong)
    if flaws.motion_mm and rng.random() < flaws.motion_rate:
        size = flaws.motion_mm * rng.uniform(0.3, 1.0)
        waves *= artifact.moved(rng, hu.shape, detector.geometry.pixel_mm, views, size)
    seen: F32 = irfft2(waves, s=hu.shape).astype(np.float32)
    seen += np.float32(AIR_HU)
    return seen


def _noise(detector: Detector, hu: F32, bone: F32, rng: np.random.Generator, thickness_mm: float) -> F32:
    """Noise of a slice: more in the middle of a large head, streaky where rays pass much bone."""
    kernel, flaws = detector.scanner.kernel, detector.scanner.flaws
    level = kernel.noise_hu * detector.scanner.dose * np.sqrt(5.0 / thickness_mm)
    area_mm2 = float((hu[::4, ::4] > -300).sum()) * (4 * detector.geometry.pixel_mm) ** 2
    wide_mm = 2 * np.sqrt(area_mm2 / np.pi)
    level *= np.exp(0.005 * (wide_mm - 155))  # a part of Beer's law; the tube current follows the rest
    field = detector.falloff * np.float32(level)
    field *= _mixed(rng, detector.grain)
    if flaws.starvation:
        across = np.clip((hardening.path_across(bone, detector.cell_mm) - 15) / 30, 0, 1.5)
        rows = f32(hardening.grids(hu.shape[0])[1] @ across) * np.float32(level * flaws.starvation)
        field += rows[:, None] * _shifted(rng, detector.streaky)
    return field


def _shifted(rng: np.random.Generator, field: F32) -> F32:
    rows, columns = (int(rng.integers(n)) for n in field.shape)
    return np.roll(field, (rows, columns), (0, 1))


def _mixed(rng: np.random.Generator, grain: F32) -> F32:
    """A new field of unit variance from two of the pool: fields wrap, so shifted ones are as good as new."""
    first, second = rng.permutation(len(grain))[:2]
    angle = rng.uniform(0, 2 * np.pi)
    return np.float32(np.cos(angle)) * _shifted(rng, grain[first]) + np.float32(np.sin(angle)) * _shifted(
        rng, grain[second]
    )


def _stored(detector: Detector, seen: F32) -> F32:
    output = detector.scanner.output
    if output.offset_hu:
        seen += np.float32(output.offset_hu / 1000) * np.clip(seen + 1000, 0, 1400)
    if output.circle_hu is not None:
        seen[detector.outside] = output.circle_hu
    return np.clip(seen, *output.range_hu, out=seen)


def field_of_view(geometry: Geometry) -> NDArray[np.bool_]:
    """Pixels inside the reconstruction circle, (rows, columns)."""
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in geometry.shape)
    inside: NDArray[np.bool_] = rows[:, None] ** 2 + columns[None, :] ** 2 <= (min(geometry.shape) / 2) ** 2
    return inside
