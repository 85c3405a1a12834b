"""What one image and one volume are: why they cannot be the head CT that is looked for, if they cannot.

``CODES`` is the closed list of reasons, in the order in which they are tried; the first that holds is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from plainscan.cohort import rules
from plainscan.counted import counted
from plainscan.ct.geometry import Stack, is_axial, plausible, plausible_position
from plainscan.ct.hounsfield import plausible_rescale

Row = Mapping[str, Any]

CODES: Final = {
    "not_ct": "modality is not CT",
    "localizer": "a localizer (scout, topogram, surview)",
    "dose_sheet": "a dose or patient sheet",
    "secondary_capture": "a secondary capture, not a CT image",
    "not_hounsfield": "color, inverted or 8-bit pixels",
    "missing_rescale": "rescale slope or intercept is missing, empty or zero",
    "bad_rescale": "rescale slope or intercept is impossible",
    "truncated_pixels": "the file is shorter than its rows and columns say",
    "no_geometry": "image position or orientation is missing or impossible",
    "reformat": "not axial, or a rendering",
    "several_patients": "the study names more than one patient; whose it is would be a guess",
    "unnamed_patient": "no patient identifier, though other images of the study have one",
    "duplicate_instance": "the same instance is in the source twice",
    "perfusion": "perfusion or bolus tracking",
    "contrast": "contrast medium, by tag or by words",
    "bone_kernel": "a bone or lung kernel",
    "not_head": "another body part",
    "too_few_slices": "fewer slices than `minimum_slices`, unless most of a longer series is missing (`few_slices`)",
    "inconsistent_geometry": "another matrix or pixel spacing than the rest of its volume",
    "duplicate_position": "another slice lies at the same place",
    "other_volume": "another volume of the chosen series was preferred",
    "thin_twin": "a thinner reconstruction of the chosen series",
    "other_series_preferred": "another series of the study was preferred",
    "no_suitable_series": "the study has no series left",
}
CT_CLASSES: Final = tuple(f"1.2.840.10008.5.1.4.1.1.2{end}" for end in ("", ".1", ".2"))
NATIVE: Final = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
HEAD_FIELD_MM: Final = (160.0, 320.0)  # reconstructed field of view of a head protocol
HEAD_EXTENT_MM: Final = 300.0
SAID: Final = (  # columns that say what was scanned, and how
    *("series_description", "protocol_name", "study_description", "body_part", "contrast_agent", "convolution_kernel"),
)
FEWEST: Final = 3

SERIES_FLAGS: Final = {
    "head_assumed": "no text says head; the kernel or the field of view does",
    "few_slices": (
        "fewer slices than `minimum_slices`, kept because most of the series is missing from the source: at least "
        f"{FEWEST} slices that lie as far apart as `minimum_slices` slices of their thickness reach"
    ),
}


class Reason(NamedTuple):
    """Why something is left out: a code of ``CODES`` and what was found."""

    code: str
    detail: str = ""


def image_reason(row: Row) -> Reason | None:
    """Why one image can be no axial CT slice in HU; None if it can."""
    kind = f"{row['image_type'] or ''}".upper()
    words = rules.plain(row["series_description"])
    is_ct_class = row["sop_class_uid"] in CT_CLASSES or (row["sop_class_uid"] is None and row["modality"] == "CT")
    is_picture = (
        row["photometric"] != "MONOCHROME2" or (row["samples_per_pixel"] or 1) > 1 or row["bits_allocated"] == 8
    )
    if row["modality"] != "CT" and not (row["modality"] is None and is_ct_class):
        return Reason("not_ct", f"modality {row['modality'] or 'missing'}")
    if any(word in kind for word in ("LOCALIZER", "SURVIEW", "SCOUT")):
        return Reason("localizer", f"image type {kind}")
    if found := rules.LOCALIZER.found(words):
        return Reason("localizer", f"series description has '{found}'")
    if is_picture or not is_ct_class:
        return _sheet(kind, words) or _capture(row, is_ct_class=is_ct_class)
    return _unreadable(row) or _misplaced(row)


def _sheet(kind: str, words: str) -> Reason | None:
    if any(word in kind for word in ("DOSE", "PATIENT_INFO")):
        return Reason("dose_sheet", f"image type {kind}")
    found = rules.DOSE_SHEET.found(words)
    return Reason("dose_sheet", f"series description has '{found}'") if found else None


def _capture(row: Row, *, is_ct_class: bool) -> Reason:
    if not is_ct_class:
        return Reason("secondary_capture", f"SOP class {row['sop_class_uid'] or 'missing'}")
    return Reason("not_hounsfield", f"{row['photometric'] or 'no photometric'}, {row['bits_allocated']} bits")


def _unreadable(row: Row) -> Reason | None:
    if row["rescale_intercept"] is None or not row["rescale_slope"]:
        return Reason("missing_rescale", f"slope {row['rescale_slope']}, intercept {row['rescale_intercept']}")
    if not plausible_rescale(row["rescale_slope"], row["rescale_intercept"]):
        return Reason("bad_rescale", f"slope {row['rescale_slope']:g}, intercept {row['rescale_intercept']:g}")
    promised = (row["rows"] or 0) * (row["columns"] or 0) * (row["bits_allocated"] or 16) // 8 * row["number_of_frames"]
    if row["transfer_syntax_uid"] in NATIVE and row["file_bytes"] < promised:
        return Reason("truncated_pixels", f"{row['file_bytes']} bytes, at least {promised} expected")
    return None


def _misplaced(row: Row) -> Reason | None:
    position = [row[f"position_{axis}_mm"] for axis in "xyz"]
    if not plausible_position(position) or not plausible(row["orientation"]):
        return Reason("no_geometry", "image position or orientation")
    if not is_axial(row["orientation"]):
        return Reason("reformat", "orientation is not axial")
    return None


def volume_reason(rows: Sequence[Row], place: Stack, minimum_slices: int) -> tuple[Reason | None, tuple[str, ...]]:
    """Why a volume can be no plain soft-tissue head CT, and remarks on how that was decided.

    Args:
        rows: Its slices.
        place: Their geometry.
        minimum_slices: As set.
    """
    said, flags = _differing(rows), dict[str, None]()
    for row in said:
        if reason := _purpose(row) or _kernel(row):
            return reason, ()
    for row in said:
        is_head, detail, remarks = _body_part(row, place)
        if not is_head:
            return Reason("not_head", detail), ()
        flags |= dict.fromkeys(remarks)
    reason, more = _too_few(rows, place, minimum_slices)
    return reason, (*flags, *more)


def _differing(rows: Sequence[Row]) -> list[Row]:
    """One of all slices that say the same; what a single one says of the scan holds for all of it."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in SAID), row)
    return list(found.values())


def _purpose(row: Row) -> Reason | None:
    """By what the series is called; by its protocol when it has no name."""
    words = rules.plain(row["series_description"]) or rules.plain(row["protocol_name"])
    rest = rules.PLAIN_SCAN.without(words)
    if found := rules.PERFUSION.found(rest):
        return Reason("perfusion", f"'{found}'")
    agent = rules.plain(row["contrast_agent"])
    if agent not in rules.NO_CONTRAST_AGENT:
        return Reason("contrast", "(0018,0010) Contrast/Bolus Agent is filled")
    if found := rules.CONTRAST.found(rest):
        return Reason("contrast", f"'{found}'")
    if found := rules.RENDERED.found(words):
        return Reason("reformat", f"'{found}'")
    return None


def _kernel(row: Row) -> Reason | None:
    kind = rules.kernel_class(row["convolution_kernel"])
    if kind == "sharp":
        return Reason("bone_kernel", f"kernel {row['convolution_kernel']}")
    found = rules.BONE.found(rules.plain(row["series_description"]))
    return Reason("bone_kernel", f"'{found}', kernel not known") if found and not kind else None


def _body_part(row: Row, place: Stack) -> tuple[bool, str, tuple[str, ...]]:
    """Head or not: by the first text that says one and not the other, else by the kernel and the field of view."""
    for column in ("series_description", "body_part", "protocol_name", "study_description"):
        text = rules.plain(row[column])
        head, other = rules.HEAD.found(text), rules.NOT_HEAD.found(text)
        if bool(head) != bool(other):
            return bool(head), f"{column} has '{head or other}'", ()
    field = (row["pixel_spacing_row_mm"] or 0.0) * (row["rows"] or 0)
    if rules.is_head_kernel(row["convolution_kernel"]) and field <= HEAD_FIELD_MM[1]:
        return True, "", ("head_assumed",)
    fits = (not field or HEAD_FIELD_MM[0] <= field <= HEAD_FIELD_MM[1]) and place.extent_mm <= HEAD_EXTENT_MM
    return fits, f"nothing says head; field of view {field:.0f} mm, extent {place.extent_mm:.0f} mm", ("head_assumed",)


def _too_few(rows: Sequence[Row], place: Stack, minimum_slices: int) -> tuple[Reason | None, tuple[str, ...]]:
    """Fewer slices than asked for, unless most of a longer series is missing: that is flagged, not refused."""
    count = len(rows)
    if count >= minimum_slices:
        return None, ()
    thickness = min((row["slice_thickness_mm"] or 0.0) for row in rows)
    planned = place.extent_mm / thickness + 1 if thickness else count
    if count >= FEWEST and planned >= minimum_slices:
        return None, ("few_slices",)
    detail = f"{counted(count, 'slices')} over {place.extent_mm:.0f} mm, at least {minimum_slices} expected"
    return Reason("too_few_slices", detail), ()
