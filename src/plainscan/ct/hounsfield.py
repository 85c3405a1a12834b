"""From stored values to Hounsfield units, or a refusal: never a silent guess.

The order matters and is fixed here:

1. ``stored_values``: the bits above Bits Stored are dropped and the sign is extended (PS3.5 8.1.1), in a wider
   integer, so that ``uint16 + (-1024)`` cannot overflow;
2. padding is found in *stored* values (PS3.3 C.7.5.1.1.2), before the rescale and before any resampling;
3. 12-bit data that wrapped at 4096 is repaired, only where the picture itself shows it (the air peak);
4. rescale: HU = slope x stored + intercept (PS3.3 C.11.1.1.2); padding becomes air, -1000 HU.

What was done or noticed is returned as coded remarks (``REMARKS``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from plainscan.errors import DicomError

AIR_HU: Final = -1000
IMPOSSIBLE_HU: Final = (
    -1200
)  # noise around air ends above; outside the field of view scanners write -1500, -2000, -3024
TISSUE_HU: Final = (-200, 3000)  # padding whose value could also be tissue is trusted only outside the field of view
WRAP: Final = 4096  # 12 bits
AIR_RANGE_HU: Final = (-1060, -900)
SLOPES: Final = (0.01, 100.0)  # vendors write 1, rarely 0.0625 to 10
INTERCEPTS_HU: Final = (-32768.0, 32767.0)
BRAIN_HU: Final = 40
PEAK_SHARE: Final = 0.05  # of the pixels in a peak: a head never fills its square, and metal never covers so much

REMARKS: Final = {
    "wrap_repaired": "12-bit values had wrapped at 4096; air was found 4096 too high and brought back",
    "undeclared_padding": f"values below {IMPOSSIBLE_HU} HU without a padding tag were set to air",
    "padding_in_tissue_range": "the padding value could be tissue; it was masked only from the edge inwards",
    "slope_not_1": "the rescale slope is not 1; it was applied",
    "no_air": "no pixel is air or padding",
    "clipped": "values beyond 16 bits of HU were clipped",
    "lossy": "the pixels had been compressed with loss",
}

REFUSALS: Final = {
    "bad_rescale": f"slope not from {SLOPES[0]:g} to {SLOPES[1]:g}, intercept beyond 16 bits, or none can be brain",
    "bits_beyond_stored": "words have bits above Bits Stored that are neither sign nor padding",
    "wrong_intercept": "the picture shows that the intercept is about 1024 HU wrong",
}

Ints: TypeAlias = NDArray[np.signedinteger[Any]]
Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Storage:
    """How stored values code Hounsfield units.

    Args:
        bits_stored: (0028,0101).
        signed: Pixel Representation (0028,0103) is 1.
        slope: Rescale Slope (0028,1053).
        intercept: Rescale Intercept (0028,1052).
        padding: Lowest and highest padding value, inclusive, in stored values; (0028,0120) and (0028,0121).
    """

    bits_stored: int
    signed: bool
    slope: float
    intercept: float
    padding: tuple[int, int] | None = None


class Slice(NamedTuple):
    """One slice one can trust.

    Args:
        hu: (rows, columns), int16, HU; first row anterior and first column at the patient's right in the usual
            position.
        flags: Coded remarks, see ``REMARKS``.
    """

    hu: NDArray[np.int16]
    flags: tuple[str, ...]


def stored_values(raw: NDArray[np.integer[Any]], bits_stored: int, *, signed: bool) -> Ints:
    """Drop the bits above Bits Stored and extend the sign.

    Args:
        raw: Any shape, the words as they lie in the file, 16 or 32 bits, signed or unsigned.
        bits_stored: Number of bits that count, from the lowest.
        signed: Whether the highest of them is a sign.

    Returns:
        Same shape, a wider signed integer.

    >>> stored_values(np.array([0x0FFF, 0xFC00], np.uint16), 12, signed=True).tolist()
    [-1, -1024]
    """
    size = raw.dtype.itemsize
    wider = np.dtype(np.int64 if size > 2 else np.int32)
    if bits_stored == 8 * size:
        whole: Ints = raw.view(f"{'i' if signed else 'u'}{size}").astype(wider)
        return whole
    wide: Ints = raw.astype(wider)
    kept = wide & ((1 << bits_stored) - 1)
    if signed:
        sign = 1 << (bits_stored - 1)
        kept = (kept ^ sign) - sign
    return kept


def to_hu(raw: NDArray[np.integer[Any]], storage: Storage) -> Slice:
    """One slice from stored words to HU.

    Args:
        raw: (rows, columns), 16 or 32 bits, the words as they lie in the file.
        storage: What the header says about them.

    Returns:
        The slice with its remarks.

    Raises:
        DicomError: Slope or intercept cannot be right, or words do not fit into Bits Stored.

    >>> words = np.array([[0, 1024], [1064, 3024]], np.uint16)
    >>> to_hu(words, Storage(bits_stored=12, signed=False, slope=1, intercept=-1024)).hu.tolist()
    [[-1024, 0], [40, 2000]]
    """
    _check_rescale(storage)
    flags: list[str] = [] if storage.slope == 1 else ["slope_not_1"]
    stored = stored_values(raw, storage.bits_stored, signed=storage.signed)
    padded = _padded(raw, stored, storage, flags)
    hu = _rescaled(stored, storage)
    if _may_wrap(storage):
        hu = _unwrap(hu, padded, storage, flags)
        if "wrap_repaired" not in flags:
            _refuse_offset(hu, padded)
    return _whole(hu, padded, flags)


def _rescaled(stored: Ints, storage: Storage) -> NDArray[Any]:
    """HU, whole where slope and intercept are: that takes half the time, and needs no rounding."""
    slope, intercept = storage.slope, storage.intercept
    if float(slope).is_integer() and float(intercept).is_integer():
        return stored * int(slope) + int(intercept)
    return stored * slope + intercept


def whole_hu(hu: NDArray[Any]) -> Slice:
    """One slice that is in HU already, made whole HU as one from a file is.

    Args:
        hu: (rows, columns), HU, finite; impossibly low values stand for what lies outside the field of view.

    >>> whole_hu(np.array([[-3024.0, -1000.2], [34.6, 70.0]])).hu.tolist()
    [[-1000, -1000], [35, 70]]
    """
    return _whole(hu, np.zeros(hu.shape, np.bool_), [])


def _whole(hu: NDArray[Any], padded: Mask, flags: list[str]) -> Slice:
    outside = ~padded & (hu < IMPOSSIBLE_HU)
    if outside.any():
        flags.append("undeclared_padding")
        padded |= outside
    if not padded.any() and not (hu < -700).any():
        flags.append("no_air")
    hu = np.where(padded, AIR_HU, hu)
    return Slice(_to_int16(hu, flags), tuple(flags))


def _to_int16(hu: NDArray[Any], flags: list[str]) -> NDArray[np.int16]:
    if hu.size and hu.max() > 32767:
        flags.append("clipped")
    whole = hu if np.issubdtype(hu.dtype, np.integer) else np.rint(hu)
    result: NDArray[np.int16] = np.clip(whole, -32768, 32767).astype(np.int16)
    return result


def plausible_rescale(slope: float, intercept: float) -> bool:
    """Whether slope and intercept are such as a CT may have.

    >>> plausible_rescale(1, -1024), plausible_rescale(-1, 0), plausible_rescale(1e300, 0)
    (True, False, False)
    """
    return SLOPES[0] <= slope <= SLOPES[1] and INTERCEPTS_HU[0] <= intercept <= INTERCEPTS_HU[1]


def _check_rescale(storage: Storage) -> None:
    if not plausible_rescale(storage.slope, storage.intercept):
        raise _bad_rescale(
            f"slope {storage.slope:g}, intercept {storage.intercept:g}",
            f"a slope from {SLOPES[0]:g} to {SLOPES[1]:g}, an intercept of 16 bits",
        )
    lowest = -(1 << (storage.bits_stored - 1)) if storage.signed else 0
    highest = lowest + (1 << storage.bits_stored) - 1
    low, high = (value * storage.slope + storage.intercept for value in (lowest, highest))
    if not low <= BRAIN_HU <= high:
        raise _bad_rescale(f"a range of {low:g} to {high:g} HU", f"one that holds brain, {BRAIN_HU} HU")


def _bad_rescale(found: str, expected: str) -> DicomError:
    return DicomError(
        found,
        where="(0028,1053) Rescale Slope",
        expected=expected,
        remedy="The slice is refused: its values cannot be turned into HU.",
        code="bad_rescale",
    )


def _padded(raw: NDArray[np.integer[Any]], stored: Ints, storage: Storage, flags: list[str]) -> Mask:
    """Where the stored values are padding, (rows, columns)."""
    bits = raw.dtype.itemsize * 8
    full = stored_values(raw, bits, signed=storage.signed)
    negative = full if storage.signed else stored_values(raw, bits, signed=True)
    mask: Mask = np.zeros(raw.shape, np.bool_)
    if storage.padding is not None:
        mask = _declared(stored, full, negative, storage, flags)
    beyond = _beyond(stored, full, storage) & ~mask
    if beyond.any():
        # -3024 in a word whose header claims 12 bits: outside the field of view, and not declared.
        undeclared = beyond & (negative * storage.slope + storage.intercept < IMPOSSIBLE_HU)
        if (beyond & ~undeclared).any():
            raise DicomError(
                f"words with bits above bit {storage.bits_stored}",
                where="(0028,0101) Bits Stored",
                expected=f"values of {storage.bits_stored} bits",
                remedy="The slice is refused: it is not known whether those bits belong to the value.",
                code="bits_beyond_stored",
            )
        flags.append("undeclared_padding")
        mask |= undeclared
    return mask


def _beyond(stored: Ints, full: Ints, storage: Storage) -> Mask:
    """Words whose bits above Bits Stored are neither empty nor the sign, as the writer fills them."""
    odd: Mask = full != stored
    if storage.signed and not (full < 0).any():
        # Nothing is extended: 0x0FFF stands for -1.
        odd = full != stored & ((1 << storage.bits_stored) - 1)
    return odd


def _declared(stored: Ints, full: Ints, negative: Ints, storage: Storage, flags: list[str]) -> Mask:
    low, high = sorted(storage.padding or (0, 0))
    # The tag may be written signed for unsigned words and the other way round (63536 is -2000).
    mask: Mask = np.zeros(stored.shape, np.bool_)
    for values in (stored, full, negative):
        mask |= (values >= low) & (values <= high)
    ends_hu = (low * storage.slope + storage.intercept, high * storage.slope + storage.intercept)
    if ends_hu[1] > TISSUE_HU[0] and ends_hu[0] < TISSUE_HU[1]:
        flags.append("padding_in_tissue_range")
        mask = _from_edges(mask)
    return mask


def _from_edges(mask: Mask) -> Mask:
    """The part of a mask that reaches the left or right edge along its row: what lies outside a round field."""
    left = np.logical_and.accumulate(mask, axis=1)
    right = np.logical_and.accumulate(mask[:, ::-1], axis=1)[:, ::-1]
    result: Mask = left | right
    return result


def _may_wrap(storage: Storage) -> bool:
    """Unsigned words with an intercept near 0 cannot hold air: something happened to them."""
    return not storage.signed and storage.intercept > -100 and storage.slope == 1


def _unwrap(hu: NDArray[Any], padded: Mask, storage: Storage, flags: list[str]) -> NDArray[Any]:
    low, high = AIR_RANGE_HU
    if storage.bits_stored > 12 and hu.max(initial=0) >= WRAP + storage.intercept:
        return hu
    air = (hu >= WRAP + low) & (hu <= WRAP + high) & ~padded
    if air.mean() < PEAK_SHARE:
        return hu
    flags.append("wrap_repaired")
    if storage.padding is not None:
        padded |= hu == storage.padding[0] % WRAP + storage.intercept
    return np.where(hu >= WRAP - 1060, hu - WRAP, hu)


def offset_tissue_hu(hu: NDArray[Any], padded: Mask) -> float | None:
    """The median of soft tissue where values lie about 1024 too high: air near 0, brain near 1060; else None.

    Args:
        hu: (rows, columns), HU under an intercept near 0.
        padded: (rows, columns), where there is no measurement.
    """
    air = (hu <= 124) & (hu > -100) & ~padded
    brain = (hu >= 980) & (hu <= 1124)
    if air.mean() < PEAK_SHARE or brain.mean() < 2 * PEAK_SHARE:
        return None
    median = float(np.median(hu[(hu > 124) & ~padded]))
    return median if 980 <= median <= 1124 else None


def _refuse_offset(hu: NDArray[Any], padded: Mask) -> None:
    """Refuse values that lie about 1024 too high under an intercept near 0."""
    tissue = offset_tissue_hu(hu, padded)
    if tissue is not None:
        raise DicomError(
            f"soft tissue at {tissue:.0f} HU",
            where="(0028,1052) Rescale Intercept",
            expected="about -1024 for unsigned words",
            remedy="The slice is refused; have the archive send the original header.",
            code="wrong_intercept",
        )
