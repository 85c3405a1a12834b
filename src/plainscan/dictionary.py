"""The data dictionary: what every column of every table means. The columns themselves are declared in `tables`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from plainscan.findings import ANY_FINDING, FINDINGS
from plainscan.tables import (
    CATALOGUE,
    COHORT,
    DEIDENTIFIED,
    EXCLUSIONS,
    LABELS,
    LEAKS,
    LINKS,
    MANIFEST,
    PREDICTIONS,
    PREPARED,
    REJECTS,
    REPORT_FINDINGS,
    SCORES,
    SLICE_LABELS,
    TRANSFERS,
    TRUTH,
    Table,
)

# What one row of a table is.
ROWS: Final = {
    TRANSFERS.name: "a study that the PACS listed, and what came of it",
    CATALOGUE.name: "an image (a frame, where an instance has several) of the source",
    REJECTS.name: "a file that is no image that can be read, and why",
    COHORT.name: "a slice that is in, with its place in its series",
    EXCLUSIONS.name: "a study, series or image that was left out, and why",
    REPORT_FINDINGS.name: "a finding that a report speaks of; not mentioned is no row",
    LABELS.name: "a slice of the cohort with its labels",
    SLICE_LABELS.name: "a slice of the cohort with its labels and how likely it shows what the report names",
    MANIFEST.name: "a slice of the cohort with its labels and its split",
    PREPARED.name: "a slice of the manifest with its place in the shards",
    LEAKS.name: "two studies that share a person or pixels under two patient identifiers",
    DEIDENTIFIED.name: "a file or report of the source, under its pseudonym, and what was done to it",
    LINKS.name: "a file or report of the source and its pseudonym; it stays where the key stays",
    TRUTH.name: "a synthetic slice with what was drawn into it",
    PREDICTIONS.name: "a slice of the test split with its labels and scores",
    SCORES.name: "a slice of the cohort with its scores by a bundle that has not seen its patient",
}

_FINDINGS: Final = {
    finding.key: f"{finding.english}: 1 present, 0 absent, null not known"
    if finding.key != ANY_FINDING
    else "any finding: 1 where one is present, named or not; 0 where none is; null not known"
    for finding in FINDINGS
}
_SCORES: Final = {
    f"probability_{finding.key}": f"calibrated probability of {finding.english}, 0 to 1" for finding in FINDINGS
}
MEANINGS: Final[Mapping[str, str]] = {
    "patient_id": "(0010,0020) Patient ID; the study's UID where it is missing throughout a study of the cohort",
    "study_uid": "(0020,000D) Study Instance UID; made up for pictures",
    "series_uid": "(0020,000E) Series Instance UID; made up for pictures",
    "instance_uid": "(0008,0018) SOP Instance UID; made up for pictures",
    "frame": "frame of a multi-frame instance, from 0; 0 elsewhere",
    "source": "folder or archive that was scanned; `path` is relative to it",
    "path": "file below `source`; a member of a ZIP is `archive.zip::member`",
    "kind": "`dicom`, `picture`, `report` or `sr` (a structured report); of a leak what the two studies share",
    "rows": "(0028,0010) Rows, pixels",
    "columns": "(0028,0011) Columns, pixels",
    "pixel_spacing_row_mm": "(0028,0030) Pixel Spacing, first value: between rows",
    "pixel_spacing_column_mm": "(0028,0030) Pixel Spacing, second value: between columns",
    "slice_thickness_mm": "(0018,0050) Slice Thickness",
    "window_center_hu": "center of the window that is burnt into a picture; of DICOM the tag, which is never used",
    "window_width_hu": "width of that window",
    "file_bytes": "size of the file",
    "number_of_frames": "(0028,0008) Number of Frames",
    "sop_class_uid": "(0008,0016) SOP Class UID",
    "transfer_syntax_uid": "(0002,0010) Transfer Syntax UID",
    "modality": "(0008,0060) Modality",
    "image_type": "(0008,0008) Image Type, values joined by a backslash",
    "series_number": "(0020,0011) Series Number",
    "instance_number": "(0020,0013) Instance Number, never used for order",
    "acquisition_number": "(0020,0012) Acquisition Number",
    "study_date": "(0008,0020) Study Date, YYYYMMDD",
    "study_description": "(0008,1030) Study Description",
    "series_description": "(0008,103E) Series Description",
    "protocol_name": "(0018,1030) Protocol Name",
    "body_part": "(0018,0015) Body Part Examined",
    "patient_position": "(0018,5100) Patient Position",
    "patient_sex": "(0010,0040) Patient's Sex",
    "patient_age": "(0010,1010) Patient's Age, such as 045Y",
    "manufacturer": "(0008,0070) Manufacturer",
    "manufacturer_model": "(0008,1090) Manufacturer's Model Name",
    "convolution_kernel": "(0018,1210) Convolution Kernel",
    "kvp": "(0018,0060) KVP, kilovolt",
    "contrast_agent": "(0018,0010) Contrast/Bolus Agent",
    "gantry_tilt_deg": "(0018,1120) Gantry/Detector Tilt, the tag; never used for geometry",
    "bits_allocated": "(0028,0100) Bits Allocated",
    "bits_stored": "(0028,0101) Bits Stored",
    "pixel_representation": "(0028,0103) Pixel Representation: 0 unsigned, 1 signed",
    "samples_per_pixel": "(0028,0002) Samples per Pixel",
    "photometric": "(0028,0004) Photometric Interpretation",
    "rescale_slope": "(0028,1053) Rescale Slope",
    "rescale_intercept": "(0028,1052) Rescale Intercept",
    "rescale_type": "(0028,1054) Rescale Type",
    "pixel_padding_value": "(0028,0120) Pixel Padding Value, a stored value",
    "position_x_mm": "(0020,0032) Image Position (Patient), first value",
    "position_y_mm": "(0020,0032) Image Position (Patient), second value",
    "position_z_mm": "(0020,0032) Image Position (Patient), third value",
    "orientation": "(0020,0037) Image Orientation (Patient): six direction cosines, row first",
    "slice_index": "place in the series, 0 the lowest (nearest the feet)",
    "slice_count": "slices of the series",
    "slice_position_mm": "place along the slice normal",
    "slice_height": "0 at the lowest slice of the series, 1 at the highest",
    "tilt_deg": "angle between slice and scanner plane, computed from the orientation",
    "flags": "coded remarks on the series; see exclusions.md",
    "code": "why it is out, or of a transfer why it is not complete, coded; see exclusions.md",
    "file": "file in the copy; null where it was left out",
    "patient": "pseudonym of the patient",
    "face": "`removed`, `thick` (slices too far apart to show one) or `kept`",
    "removed": "attributes that were removed",
    "private": "private attributes that were removed",
    "replaced": "attributes that got another value",
    "cleaned": "attributes whose text was cleaned",
    "text_px": "pixels of burnt-in text that became air",
    "face_px": "pixels of the face that became air",
    "kept": "attributes that were kept",
    "detail": "what was found",
    "level": "what was left out: `study`, `series` or `instance`",
    "accession_number": "(0008,0050) Accession Number",
    "folder": "where its files lie, below the run folder",
    "frame_of_reference_uid": "(0020,0052) Frame of Reference UID",
    "person": "a number for (0010,0010) name with (0010,0030) birth date; the same for the same; null without",
    "accession": "a number for (0008,0050) Accession Number, likewise",
    "pair": "name of the pair, from both studies; for a file of accepted pairs",
    "strength": "how sure: cosine of the pictures or features, or 1 for equal headers and pixels, 0.5 for a hint",
    "other_study_uid": "the study beside it",
    "other_split": "split of that one",
    "crosses": "whether the two are in different splits and stop a run: no hint does, nor does a split by image",
    "accepted_by": "who signed that the pair may stay",
    "accepted_why": "and why",
    "state": "`complete`, `partial` or `failed`",
    "expected": "instances that the PACS lists",
    "instances": "instances that are there",
    "bytes": "their size",
    "missing": "SOP Instance UIDs of the others",
    "slices": "rows of the catalogue that were left out with it",
    "finding": "key of a finding",
    "status": "`present`, `absent` or `uncertain`",
    "sentence": "the sentence of the report that decides; it is report text",
    "start": "first character of the phrase in the report, from 0",
    "end": "one past its last character",
    "sites": "sites that sentences about the finding name: keys of `reports/places.toml`",
    "slice_numbers": "slice numbers that such sentences give; what they count, the report does not say",
    **_FINDINGS,
    "label_source": "origin of the labels: `slices`, `truth`, `csv`, `report:no_finding`, `person` or `probability`",
    "split": "`train`, `tune` or `test`",
    "shard": "file in `prepared/`",
    "row": "place in the shard",
    "box_top_px": "top of the square that was cut from the slice, pixels of the slice",
    "box_left_px": "left side of that square",
    "box_side_px": "side of that square",
    "mask": "file of the study's masks in `truth/`",
    "mask_index": "place of the slice in it",
    "brain_share": "share of the picture's pixels from 15 to 60 HU: how much brain the slice shows",
    **_SCORES,
    "score": "probability of any finding from `scores`; null without one",
    "usual_height": "how often slices at this height show what the report names; null where it names nothing",
    "named": "whether the report names this slice by its number; null where it names none",
    "probability": "that the slice shows any finding, from these three; null unless the report has a finding",
    "not_scored": "why there is no score, coded; see exclusions.md, and `seen_by_model`: trained on this patient",
    "model_sha256": "hash of the model that scored, or was asked to",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        name: As in the table.
        type: Of its values, as polars calls it.
        meaning: One phrase.
        is_key: Whether it belongs to what identifies a row.
    """

    name: str
    type: str
    meaning: str
    is_key: bool


def describe(table: Table) -> list[Column]:
    """The columns of a table, in order.

    >>> describe(REJECTS)[1].meaning
    'file below `source`; a member of a ZIP is `archive.zip::member`'
    """
    return [
        Column(name, str(pl.DataFrame(schema={name: kind}).schema[name]), MEANINGS[name], name in table.key)
        for name, kind in table.columns.items()
    ]
