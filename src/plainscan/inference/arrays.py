"""Arrays as studies: a volume in HU with its spacing, a grey picture with its window.

An array says nothing of itself, so the caller states what its numbers mean, and what cannot be meant is refused.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from plainscan.ct.geometry import PIXEL_MM, THICKNESS_MM
from plainscan.ct.hounsfield import IMPOSSIBLE_HU, offset_tissue_hu, whole_hu
from plainscan.ct.hounsfield import Slice as Plane
from plainscan.ct.window import Window, from_picture
from plainscan.dicom.read import Reader
from plainscan.errors import SourceError
from plainscan.inference.source import Slice, Study, row_of
from plainscan.pictures import LARGEST_PX, SMALLEST_SIDE_PX

Spacing = tuple[float, float, float]
VOLUME: Final = "a volume in HU, (slices, rows, columns), lowest slice first"
PICTURE: Final = "an 8-bit grey picture, (rows, columns), uint8"
COLORS: Final = (3, 4)  # channels of a color picture
AIR_BELOW_HU: Final = -700  # where a slice shows air, its values are no stored ones
SQUARE: Final = 0.01  # by this share may the sides of a pixel differ


def volume_study(hu: NDArray[Any], spacing_mm: Spacing | None) -> Study:
    """A volume as a study; its slices are made whole HU when they are read, as those of a file are.

    Args:
        hu: (slices, rows, columns), HU, lowest slice first, 16 bits or more a number; not changed.
        spacing_mm: Between slices, rows and columns, mm.

    Raises:
        SourceError: It is no such volume, has values that are no HU, or comes without a plausible spacing.
    """
    _check_array(hu)
    if hu.dtype == np.uint8 and (hu.ndim == 2 or hu.shape[-1] in COLORS):
        raise _refusal(
            f"an 8-bit array {hu.shape} without its window",
            f"{PICTURE}, with window=(center, width)",
            "no_window",
            "State the window that was burnt in, such as window=(40, 80).",
        )
    if hu.ndim != 3 or not len(hu):
        raise _refusal(f"shape {hu.shape}", VOLUME, "array_shape", "Give one slice as hu[None].")
    if hu.dtype.itemsize < 2:
        raise _refusal(f"{hu.dtype}", f"{VOLUME}; 8 bits cannot hold HU", "array_type")
    _check_plane(hu.shape[1:], VOLUME)
    spacing_mm = _checked_spacing(spacing_mm)
    _check_values(hu)
    return Study([_plane(hu[i], i, spacing_mm) for i in range(len(hu))], 0.0)


def picture_study(grey: NDArray[Any], window: Window, spacing_mm: Spacing | None = None) -> Study:
    """A picture as a study of one slice that stands alone.

    Args:
        grey: (rows, columns), uint8, 0 to 255, the window burnt in; not changed.
        window: The window.
        spacing_mm: None; a picture that knows its spacing is none.

    Raises:
        SourceError: It is no such picture.
    """
    _check_array(grey)
    if spacing_mm is not None:
        raise _refusal("both spacing_mm and window", "spacing_mm with a volume, window with a picture", "array_meaning")
    if grey.ndim == 3 and grey.shape[-1] in COLORS:
        remedy = "Give the slice in grey, without color overlays."
        raise _refusal(f"a color array {grey.shape}", PICTURE, "color_picture", remedy)
    if grey.ndim != 2:
        raise _refusal(f"shape {grey.shape}", PICTURE, "array_shape", "Give pictures one by one.")
    if grey.dtype != np.uint8:
        remedy = "If it holds Hounsfield units, leave window out and give spacing_mm."
        raise _refusal(f"{grey.dtype}", PICTURE, "array_type", remedy)
    _check_plane(grey.shape, PICTURE)
    return Study([Slice(row_of(), lambda _: (from_picture(grey, window), ()))], picture=True)


def _plane(hu: NDArray[Any], index: int, spacing_mm: Spacing) -> Slice:
    def read(_: Reader) -> Plane:
        return whole_hu(hu)

    return Slice(row_of(slice_index=index, slice_position_mm=index * float(spacing_mm[0])), read, float(spacing_mm[2]))


def _check_array(values: object) -> None:
    if not isinstance(values, np.ndarray):
        raise _refusal(
            f"a {type(values).__name__}", f"a path, {VOLUME}, or {PICTURE}", "array_type", "Make it a NumPy array."
        )
    if values.dtype.kind not in "iuf":
        raise _refusal(f"{values.dtype}", "integers or floating point numbers", "array_type")


def _check_plane(shape: tuple[int, ...], expected: str) -> None:
    if min(shape) < SMALLEST_SIDE_PX or np.prod(shape) > LARGEST_PX:
        sides = f"{SMALLEST_SIDE_PX} pixels a side and at most {LARGEST_PX} pixels"
        raise _refusal(f"slices of {shape[0]} x {shape[1]} pixels", f"{expected}; at least {sides}", "array_shape")


def _checked_spacing(spacing_mm: Spacing | None) -> Spacing:
    remedy = "State it in mm, such as spacing_mm=(5.0, 0.45, 0.45)."
    expected = "spacing_mm=(slices, rows, columns)"
    if spacing_mm is None:
        raise _refusal("no spacing", expected, "no_spacing", remedy)
    values = np.asarray(spacing_mm)
    if values.shape != (3,) or values.dtype.kind not in "iuf":
        raise _refusal(f"spacing_mm {spacing_mm!r}", f"{expected}, three numbers", "bad_spacing", remedy)
    ranges = (THICKNESS_MM, PIXEL_MM, PIXEL_MM)
    if not all(low <= value <= high for value, (low, high) in zip(values, ranges, strict=True)):
        low, high = PIXEL_MM
        text = f"{expected}: {THICKNESS_MM[0]:g} to {THICKNESS_MM[1]:g} mm, {low:g} to {high:g} mm in the slice"
        raise _refusal(f"spacing_mm {tuple(values.tolist())}", text, "bad_spacing", remedy)
    if abs(values[1] - values[2]) > SQUARE * values[1]:
        remedy = "Resample the slices to square pixels first."
        raise _refusal(f"pixels of {values[1]:g} x {values[2]:g} mm", "square pixels", "bad_spacing", remedy)
    return spacing_mm


def _check_values(hu: NDArray[Any]) -> None:
    """Plane by plane, so that no second volume is made."""
    for i, plane in enumerate(hu):
        bad = int((~np.isfinite(plane)).sum())
        if bad:
            remedy = "Put air, -1000, where there is no measurement."
            raise _refusal(f"slice {i} has {bad} values that are not a finite number", VOLUME, "not_finite", remedy)
        padded = plane < IMPOSSIBLE_HU
        tissue = None if ((plane < AIR_BELOW_HU) & ~padded).any() else offset_tissue_hu(plane, padded)
        if tissue is not None:
            remedy = "Apply rescale slope and intercept first."
            raise _refusal(
                f"soft tissue at {tissue:.0f} in slice {i}: stored values", VOLUME, "wrong_intercept", remedy
            )
    low, high = hu.min(), hu.max()
    if low >= 0 and high <= 1:
        raise _refusal(f"values from {low:g} to {high:g}", VOLUME, "not_hu", "Undo the scaling: air is -1000 HU.")


def _refusal(found: str, expected: str, code: str, remedy: str = "") -> SourceError:
    return SourceError(found, where="array", expected=expected, remedy=remedy, code=code)
