"""One set of header values per frame: the file's own, or those of an enhanced multi-frame image.

Enhanced CT keeps geometry, rescale and frame type in functional groups (PS3.3 C.7.6.16): first the frame's
own, else the shared one, else the top level.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

import pydicom
from pydicom.dataset import Dataset

from plainscan.dicom.header import FRAME_GROUPS, SHARED_GROUPS, TAGS, Header, Value
from plainscan.errors import DicomError

MOST_FRAMES: Final = 20_000

# column: (macro's sequence, attribute in it), PS3.3 C.7.6.16.2 and C.8.15.3
MACROS: Final[dict[str, tuple[str, str]]] = {
    "position": ("PlanePositionSequence", "ImagePositionPatient"),
    "orientation": ("PlaneOrientationSequence", "ImageOrientationPatient"),
    "pixel_spacing": ("PixelMeasuresSequence", "PixelSpacing"),
    "slice_thickness_mm": ("PixelMeasuresSequence", "SliceThickness"),
    "rescale_slope": ("PixelValueTransformationSequence", "RescaleSlope"),
    "rescale_intercept": ("PixelValueTransformationSequence", "RescaleIntercept"),
    "rescale_type": ("PixelValueTransformationSequence", "RescaleType"),
    "window_center_hu": ("FrameVOILUTSequence", "WindowCenter"),
    "window_width_hu": ("FrameVOILUTSequence", "WindowWidth"),
    "image_type": ("CTImageFrameTypeSequence", "FrameType"),
    "acquisition_number": ("FrameContentSequence", "FrameAcquisitionNumber"),
    "convolution_kernel": ("CTReconstructionSequence", "ConvolutionKernel"),
    "body_part": ("FrameAnatomySequence", "AnatomicRegionSequence"),
    "contrast_agent": ("ContrastBolusUsageSequence", "ContrastBolusAgentAdministered"),
    "gantry_tilt_deg": ("CTGeometrySequence", "GantryDetectorTilt"),
    "kvp": ("CTXRayDetailsSequence", "KVP"),
}


def frame_values(header: Header) -> list[dict[str, Value]]:
    """Header values by frame, each with the names of ``TAGS``; one entry for a single-frame image.

    Raises:
        DicomError: The number of frames is absurd or the functional groups cannot be read.
    """
    count = header.values["number_of_frames"]
    frames = count if isinstance(count, int) else 1
    if not 1 <= frames <= MOST_FRAMES:
        raise DicomError(
            f"{frames} frames",
            where="(0028,0008) Number of Frames",
            expected=f"1 to {MOST_FRAMES}",
            code="too_many_frames",
        )
    ds = header.dataset
    if ds is None or (SHARED_GROUPS not in ds and FRAME_GROUPS not in ds):
        return [header.values] * frames
    return _from_groups(header.values, ds, frames)


def _from_groups(values: dict[str, Value], ds: Dataset, frames: int) -> list[dict[str, Value]]:
    try:
        with warnings.catch_warnings(), pydicom.config.disable_value_validation():
            warnings.simplefilter("ignore")
            shared = _items(ds, SHARED_GROUPS)
            own = _items(ds, FRAME_GROUPS)
            if len(own) > frames:
                raise ValueError("more frames are described than there are")
            first = shared[0] if shared else Dataset()
            return [
                {**values, **_macros(first), **_macros(own[i] if i < len(own) else Dataset())} for i in range(frames)
            ]
    except Exception as error:  # hostile sequences fail in many ways; the text may hold values and is not kept
        raise DicomError(
            f"functional groups cannot be read ({type(error).__name__})",
            where="(5200,9230) Per-frame Functional Groups Sequence",
            code="unreadable",
        ) from error


def _items(ds: Dataset, tag: int) -> list[Dataset]:
    return list(ds[tag].value) if tag in ds else []


def _macros(group: Dataset) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for column, (sequence, attribute) in MACROS.items():
        items = group.get(sequence)
        value = items[0].get(attribute) if items else None
        plain = _plain(value, TAGS[column][1])
        if plain is not None:
            found[column] = plain
    if found.get("contrast_agent") == "NO":
        found["contrast_agent"] = None
    return found


def _plain(value: Any, kind: str) -> Value:
    if value is None or value == "":
        return None
    if kind == "floats":
        return [float(number) for number in value]
    if isinstance(value, pydicom.sequence.Sequence):
        return str(value[0].get("CodeMeaning", "")) or None if len(value) else None
    if kind in ("float", "int"):
        number = float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)
        return number if kind == "float" else int(number)
    return "\\".join(map(str, value)) if isinstance(value, pydicom.multival.MultiValue) else str(value)
