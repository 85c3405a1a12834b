"""What a prepared slice looks like, in numbers that need no labels: regions, tissues, noise, edges.

Made to compare synthetic with real slices (``benchmarks/world``). Real slices may be pictures whose window cut
everything outside -20 to 100 HU, so every measure works on values clipped to that; a measure that cannot be taken
on a slice (no closed skull, no brain) is NaN.

Lengths are in pixels of the prepared slice: the head's longer side is about 0.9 of it, so that a pixel of a 224
px slice is about 0.93 mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_closing,
    binary_erosion,
    binary_fill_holes,
    distance_transform_edt,
    gaussian_filter,
    label,
)

HU: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

LOW_HU: Final = -20.0
HIGH_HU: Final = 100.0
BONE_HU: Final = 95.0  # as good as saturated: ringing and JPEG move white by some HU
TISSUE_HU: Final = 5.0  # water and fat lie below, brain and muscle above
INSET: Final = 4  # px from the skull inward: beyond partial volume, cupping and extra-axial CSF
PATCH: Final = 12  # px a side of a patch in which noise is measured
FLAT_SHARE: Final = 0.25  # the flattest quarter of the patches: less anatomy in them
RINGS: Final = PATCH // 2  # of the noise power spectrum, around 1, 2 ... cycles per patch, up to 0.5 cycles per px
SHARE_EDGES: Final = (-20.0, -19.0, 0.0, 10.0, 20.0, 25.0, 30.0, 35.0, 40.0, 50.0, 65.0, 99.0, 100.1)
PERCENTILES: Final = (2, 10, 25, 50, 75, 90, 98)
DEPTHS: Final = ((2, 4), (4, 7), (7, 11), (11, 16), (16, 24), (24, 36))  # px inward from the inner table
OUTWARD: Final = ((1, 3), (3, 6), (6, 10))  # px outward from the outer table: scalp
BLOOD_HU: Final = (55.0, 90.0)  # smoothed: denser than gray matter with its noise, less than calcification and bone


class Regions(NamedTuple):
    """Parts of a slice, (rows, columns) each.

    Args:
        head: Skin and everything within.
        bone: Of the largest part of the head.
        inner: Inside the skull where it closes; empty below.
        brain: ``inner`` less its rim.
    """

    head: Mask
    bone: Mask
    inner: Mask
    brain: Mask


class Noise(NamedTuple):
    """Noise in flat patches of brain.

    Args:
        deviation_hu: Standard deviation after taking out a quadratic surface.
        centroid: Mean frequency of the power, cycles per px.
        power: (RINGS,), mean power per ring of frequencies, HU^2 px^2.
    """

    deviation_hu: float
    centroid: float
    power: NDArray[np.float64]


def clipped(hu: NDArray[np.floating | np.integer]) -> HU:
    """HU of any shape as a 40/120 brain window keeps them, float32."""
    result: HU = np.clip(hu, LOW_HU, HIGH_HU).astype(np.float32)
    return result


def regions(hu: HU) -> Regions:
    """Head, bone and brain of a prepared slice (rows, columns), HU."""
    head = binary_fill_holes(_largest(hu > TISSUE_HU))
    bone = (hu >= BONE_HU) & head
    closed = binary_closing(bone, iterations=2)
    inner = binary_fill_holes(closed) & ~closed
    inner = _largest(inner) if inner.mean() > 0.01 else np.zeros_like(inner)
    return Regions(head, bone, inner, binary_erosion(inner, iterations=INSET))


def _largest(mask: Mask) -> Mask:
    parts, count = label(mask)
    if count == 0:
        return mask
    result: Mask = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    return result


def patches(hu: HU, brain: Mask) -> NDArray[np.float64]:
    """Flat patches of brain, less a quadratic surface each: (patches, PATCH, PATCH), HU; none where brain is small."""
    half = [
        hu[i : i + PATCH, j : j + PATCH]
        for i in range(0, hu.shape[0] - PATCH + 1, PATCH // 2)
        for j in range(0, hu.shape[1] - PATCH + 1, PATCH // 2)
        if brain[i : i + PATCH, j : j + PATCH].all()
    ]
    if not half:
        return np.empty((0, PATCH, PATCH))
    flat = np.stack(half).reshape(len(half), -1).astype(np.float64)
    rest = flat - flat @ _surface() @ _surface().T
    spread = rest.std(axis=1)
    return rest[np.argsort(spread)[: max(1, round(FLAT_SHARE * len(rest)))]].reshape(-1, PATCH, PATCH)


def _surface() -> NDArray[np.float64]:
    """An orthonormal basis of quadratic surfaces on a patch, (pixels, 6)."""
    at = np.linspace(-1, 1, PATCH)
    y, x = (axis.ravel() for axis in np.meshgrid(at, at, indexing="ij"))
    return np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1))[0]


def noise(flat: NDArray[np.float64]) -> Noise:
    """Noise of detrended patches (patches, PATCH, PATCH), HU.

    The noise power spectrum is the mean squared Fourier amplitude over the patch's area (ICRU Report 87, 2012; from
    memory), averaged over rings.
    """
    if not len(flat):
        return Noise(float("nan"), float("nan"), np.full(RINGS, np.nan))
    power = (np.abs(np.fft.fft2(flat)) ** 2).mean(axis=0) / PATCH**2
    axis = np.fft.fftfreq(PATCH)
    frequency = np.hypot(axis[:, None], axis[None, :])
    ring = np.rint(frequency * PATCH).astype(int).ravel()  # 0 is the mean; the corners lie beyond the last ring
    total = np.bincount(ring, power.ravel())[1 : RINGS + 1]
    mean = total / np.bincount(ring)[1 : RINGS + 1]
    return Noise(float(flat.std()), float((power * frequency).sum() / power.sum()), mean)


class Tissues(NamedTuple):
    """Brain tissues of several slices of one patient, HU; NaN where there is too little brain.

    Args:
        csf: Median in the darkest places that are wide enough to be free of partial volume.
        white: Mean of the lower of two normal distributions between 15 and 55 HU.
        gray: Mean of the higher.
        white_width: Standard deviation of the lower.
        gray_width: Standard deviation of the higher.
    """

    csf: float
    white: float
    gray: float
    white_width: float
    gray_width: float


def tissues(slices: Sequence[tuple[HU, Mask]]) -> Tissues:
    """Tissues of slices with their brain masks; smoothed by 1 px first, to see the tissue and not the noise."""
    smooth = [gaussian_filter(hu, 1.0) for hu, _ in slices]
    fluid = [s[binary_erosion((s < 18) & brain, iterations=2)] for s, (_, brain) in zip(smooth, slices, strict=True)]
    solid = [s[brain & (s > 15) & (s < 55)] for s, (_, brain) in zip(smooth, slices, strict=True)]
    dark = np.concatenate(fluid) if fluid else np.empty(0)
    values = np.concatenate(solid) if solid else np.empty(0)
    csf = float(np.median(dark)) if dark.size >= 20 else float("nan")
    if values.size < 500:
        return Tissues(csf, *[float("nan")] * 4)
    white, gray, white_width, gray_width = _two_normals(values.astype(np.float64))
    return Tissues(csf, white, gray, white_width, gray_width)


def _two_normals(values: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Expectation-maximization for two normal distributions (Dempster, Laird and Rubin, J R Stat Soc B 1977;39:1)."""
    mean = np.percentile(values, [10, 90])
    width = np.full(2, values.std() / 4 + 1e-3)
    share = np.full(2, 0.5)
    for _ in range(100):
        density = share * np.exp(-0.5 * ((values[:, None] - mean) / width) ** 2) / width + 1e-12
        weight = density / density.sum(axis=1, keepdims=True)
        total = weight.sum(axis=0)
        share, mean = total / len(values), (weight * values[:, None]).sum(axis=0) / total
        width = np.sqrt((weight * (values[:, None] - mean) ** 2).sum(axis=0) / total) + 1e-3
    low, high = np.argsort(mean)
    return float(mean[low]), float(mean[high]), float(width[low]), float(width[high])


def blood(hu: HU, brain: Mask) -> NDArray[np.float32]:
    """Values of bright places in the brain (n,), HU: meant for slices that are labeled to show blood."""
    smooth = gaussian_filter(hu, 1.0)
    bright = (smooth > BLOOD_HU[0]) & (smooth < BLOOD_HU[1]) & brain
    result: NDArray[np.float32] = smooth[bright]
    return result


def features(hu: HU) -> dict[str, float]:
    """A slice in numbers that a classifier can tell worlds apart by.

    Args:
        hu: (rows, columns), prepared, clipped by ``clipped``.
    """
    part = regions(hu)
    steep = np.hypot(*np.gradient(hu))
    return {
        **_shares(hu),
        **_shape(hu, part),
        **_skull(hu, part),
        **_inside(hu, steep, part),
        **_spectrum(hu),
        "edge mean": float(steep.mean()),
        "edge 99 %": float(np.percentile(steep, 99)),
    }


def _shares(hu: HU) -> dict[str, float]:
    count, _ = np.histogram(hu, SHARE_EDGES)
    names = [f"share {low:.0f} to {high:.0f} HU" for low, high in pairwise(SHARE_EDGES)]
    return dict(zip(names, (count / hu.size).tolist(), strict=True))


def _shape(hu: HU, part: Regions) -> dict[str, float]:
    rows, columns = (np.flatnonzero(part.head.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return {}
    tall, wide = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    outside = hu[~part.head]
    unit = (hu - LOW_HU) / (HIGH_HU - LOW_HU)
    return {
        "head share": float(part.head.mean()),
        "head width over height": float(wide / tall),
        "head height": float(tall / hu.shape[0]),
        "head fill of its box": float(part.head.sum() / (tall * wide)),
        "tissue outside head": float((outside > TISSUE_HU).mean()) if outside.size else float("nan"),
        "background HU": float(np.median(outside)) if outside.size else float("nan"),
        "background deviation": float(outside[outside < TISSUE_HU].std()) if (outside < TISSUE_HU).any() else 0.0,
        "air and fat in head": float((hu[part.head] < -15).mean()),
        "left-right difference": float(np.abs(unit - unit[:, ::-1]).mean()),
    }


def _skull(hu: HU, part: Regions) -> dict[str, float]:
    head = max(int(part.head.sum()), 1)
    result = {"bone of head": float(part.bone.sum() / head), "inside skull of head": float(part.inner.sum() / head)}
    if not part.inner.any():
        return result
    vault = binary_fill_holes(part.bone) | part.inner
    outer, inner = vault.sum(), part.inner.sum()
    away = distance_transform_edt(~vault)
    result["skull thickness px"] = float(np.sqrt(outer / np.pi) - np.sqrt(inner / np.pi))  # discs of these areas
    result["scalp of head"] = float((part.head & ~vault).sum() / head)
    for near, far in OUTWARD:
        ring = (away > near) & (away <= far)
        result[f"scalp {near}-{far} px tissue"] = float((hu[ring] > TISSUE_HU).mean())
    return result


def _inside(hu: HU, steep: HU, part: Regions) -> dict[str, float]:
    if part.brain.sum() < PATCH * PATCH:
        return {}
    smooth = gaussian_filter(hu, 1.0)
    inside = smooth[part.brain]
    seen = noise(patches(hu, part.brain))
    depth = distance_transform_edt(part.inner)
    rim = (depth > 0) & (depth <= 2)
    deep = {f"depth {low}-{high} px HU": smooth[(depth > low) & (depth <= high)] for low, high in DEPTHS}
    return {
        **{f"brain {p} % HU": float(np.percentile(inside, p)) for p in PERCENTILES},
        "brain edge median": float(np.median(np.hypot(*np.gradient(smooth))[part.brain])),
        "noise HU": seen.deviation_hu,
        "noise frequency": seen.centroid,
        "brain coarse texture HU": float((smooth - gaussian_filter(hu, 4.0))[part.brain].std()),
        **{name: float(np.median(values)) if values.size else float("nan") for name, values in deep.items()},
        "rim 0-2 px HU": float(np.median(hu[rim])),
        "edge at inner table": float(np.median(steep[rim])),
    }


def _spectrum(hu: HU) -> dict[str, float]:
    """Share of the whole slice's power per band of frequencies: sharpness of everything together."""
    power = np.abs(np.fft.rfft2(hu - hu.mean())) ** 2
    fy, fx = np.fft.fftfreq(hu.shape[0])[:, None], np.fft.rfftfreq(hu.shape[1])[None, :]
    frequency = np.hypot(fy, fx)
    total = power.sum() + 1e-9
    bands = ((0.05, 0.1), (0.1, 0.2), (0.2, 0.35), (0.35, 0.5))
    return {
        f"log power {low} to {high}": float(
            np.log10(power[(frequency >= low) & (frequency < high)].sum() / total + 1e-9)
        )
        for low, high in bands
    }
