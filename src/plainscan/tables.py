"""Every table that crosses a stage border: its columns, types, keys; how it is read, checked, written.

All tables are Parquet inside a run folder. ``read`` refuses a table whose columns, types or keys are not
as declared here; ``write`` puts a complete file in place or nothing.

A slice is named everywhere by ``SLICE_KEY``. A missing label is null, never 0.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.errors import TableError
from plainscan.findings import FINDING_KEYS
from plainscan.storage import whole_file

Columns = dict[str, pl.DataType | type[pl.DataType]]
SHARD_FOLDER: Final = "prepared"
MASK_STEP: Final = 4  # pixels of a prepared slice to one of its mask
SLICE_KEY: Final = ("study_uid", "series_uid", "instance_uid", "frame")

_KEY: Final[Columns] = {
    "patient_id": pl.String,
    "study_uid": pl.String,
    "series_uid": pl.String,
    "instance_uid": pl.String,
    "frame": pl.Int32,
}

# Where the pixels are and how to read them. `path` is relative to `source`; a ZIP member is `archive.zip::member`.
# `kind` is "dicom" or "picture"; a picture's burnt-in window stands in window_center_hu / window_width_hu.
_PIXELS: Final[Columns] = {
    "source": pl.String,
    "path": pl.String,
    "kind": pl.String,
    "rows": pl.Int32,
    "columns": pl.Int32,
    "pixel_spacing_row_mm": pl.Float64,
    "pixel_spacing_column_mm": pl.Float64,
    "slice_thickness_mm": pl.Float64,
    "window_center_hu": pl.Float64,
    "window_width_hu": pl.Float64,
}

_HEADER: Final[Columns] = {
    "file_bytes": pl.Int64,
    "number_of_frames": pl.Int32,
    "sop_class_uid": pl.String,
    "transfer_syntax_uid": pl.String,
    "modality": pl.String,
    "image_type": pl.String,  # values joined by a backslash
    "series_number": pl.Int32,
    "instance_number": pl.Int32,
    "acquisition_number": pl.Int32,
    "study_date": pl.String,
    "study_description": pl.String,
    "series_description": pl.String,
    "protocol_name": pl.String,
    "body_part": pl.String,
    "patient_position": pl.String,
    "patient_sex": pl.String,
    "patient_age": pl.String,
    "manufacturer": pl.String,
    "manufacturer_model": pl.String,
    "convolution_kernel": pl.String,
    "kvp": pl.Float64,
    "contrast_agent": pl.String,
    "gantry_tilt_deg": pl.Float64,  # the tag, never used for geometry
    "bits_allocated": pl.Int32,
    "bits_stored": pl.Int32,
    "pixel_representation": pl.Int32,
    "samples_per_pixel": pl.Int32,
    "photometric": pl.String,
    "rescale_slope": pl.Float64,
    "rescale_intercept": pl.Float64,
    "rescale_type": pl.String,
    "pixel_padding_value": pl.Int32,
    "position_x_mm": pl.Float64,
    "position_y_mm": pl.Float64,
    "position_z_mm": pl.Float64,
    "orientation": pl.List(pl.Float64),  # six direction cosines, row first (PS3.3 C.7.6.2.1.1)
    "frame_of_reference_uid": pl.String,
    "person": pl.Int32,  # the same number: the same name and birth date, neither of which is kept
    "accession": pl.Int32,  # the same number: the same accession number, which is not kept
}

# The slice's place in its series, lowest (feet) first. `slice_height` runs from 0 (lowest) to 1 (vertex).
# `tilt_deg` is computed from the orientation. `flags` holds coded remarks such as "uneven_spacing".
_PLACE: Final[Columns] = {
    "slice_index": pl.Int32,
    "slice_count": pl.Int32,
    "slice_position_mm": pl.Float64,
    "slice_height": pl.Float64,
    "tilt_deg": pl.Float64,
    "flags": pl.List(pl.String),
}

_WHO: Final[Columns] = {
    "patient_sex": pl.String,
    "patient_age": pl.String,
    "manufacturer": pl.String,
    "convolution_kernel": pl.String,
}
_LABELS: Final[Columns] = dict.fromkeys(FINDING_KEYS, pl.Int8)  # 1 present, 0 absent, null not known


@dataclass(frozen=True)
class Table:
    """A declared table: file name, the stages that write it, columns with their types, those that identify a row."""

    name: str
    by: str
    columns: Columns
    key: tuple[str, ...]

    def path(self, folder: Path) -> Path:
        """Where the table lies in a run folder."""
        return folder / f"{self.name}.parquet"

    @property
    def commands(self) -> str:
        """The commands that write it, each as one may copy it."""
        return " or ".join(f"`plainscan {stage}`" for stage in self.by.split(" or "))


CATALOGUE: Final = Table("catalogue", "scan or images", {**_KEY, **_PIXELS, **_HEADER}, ("source", "path", "frame"))
REJECTS: Final = Table(
    "rejects",
    "scan or images",
    {"source": pl.String, "path": pl.String, "code": pl.String, "detail": pl.String, "file_bytes": pl.Int64},
    (),
)
# What `fetch` did, one row a study (or an accession number without one): state is "complete", "partial" or "failed",
# `missing` the instances that did not come. `folder` lies in `fetched/`; its name is a hash of the study's UID.
TRANSFERS: Final = Table(
    "transfers",
    "fetch",
    {
        "study_uid": pl.String,
        "accession_number": pl.String,
        "study_date": pl.String,
        "folder": pl.String,
        "state": pl.String,
        "code": pl.String,
        "expected": pl.Int32,
        "instances": pl.Int32,
        "bytes": pl.Int64,
        "missing": pl.List(pl.String),
    },
    (),
)
COHORT: Final = Table("cohort", "select or images", {**_KEY, **_PIXELS, **_PLACE, **_WHO}, SLICE_KEY)
# level is "study", "series" or "instance": what was left out; slices counts the rows of the catalogue it took along.
EXCLUSIONS: Final = Table(
    "exclusions",
    "select or images",
    {
        "level": pl.String,
        "study_uid": pl.String,
        "series_uid": pl.String,
        "instance_uid": pl.String,
        "frame": pl.Int32,
        "code": pl.String,
        "detail": pl.String,
        "slices": pl.Int32,
    },
    (),
)
# One row per study and finding: status is "present", "absent" or "uncertain"; not mentioned is no row.
REPORT_FINDINGS: Final = Table(
    "report_findings",
    "label",
    {
        "study_uid": pl.String,
        "finding": pl.String,
        "status": pl.String,
        "sentence": pl.String,
        "start": pl.Int32,
        "end": pl.Int32,
        "sites": pl.List(pl.String),
        "slice_numbers": pl.List(pl.Int32),
    },
    ("study_uid", "finding"),
)
LABELS: Final = Table(
    "labels",
    "label or images",
    {**dict.fromkeys(SLICE_KEY[:3], pl.String), "frame": pl.Int32, **_LABELS, "label_source": pl.String},
    SLICE_KEY,
)
MANIFEST: Final = Table(
    "manifest", "split", {**COHORT.columns, **_LABELS, "label_source": pl.String, "split": pl.String}, SLICE_KEY
)
# The prepared shards' index: row `row` of `prepared/<shard>` is this slice; box_* is the square it was cut from.
PREPARED: Final = Table(
    "prepared",
    "prepare",
    {
        **MANIFEST.columns,
        "shard": pl.String,
        "row": pl.Int32,
        "box_top_px": pl.Float64,
        "box_left_px": pl.Float64,
        "box_side_px": pl.Float64,
    },
    SLICE_KEY,
)
# Synthetic truth: `mask` is the file in truth/, an .npz with `masks` uint16 (slices, rows, columns), where bit i stands
# for FINDING_KEYS[i], and `instance_uids`; `mask_index` is the slice's place in it.
TRUTH: Final = Table(
    "truth",
    "phantom or world",
    {
        **dict.fromkeys(SLICE_KEY[:3], pl.String),
        "frame": pl.Int32,
        "mask": pl.String,
        "mask_index": pl.Int32,
        **_LABELS,
    },
    SLICE_KEY,
)

# What became of each file and report, to go with them: pseudonyms only. A row with a `code` was refused and has no
# `file`; `face` is removed, thick (slices too far apart to show one) or kept (--no-deface); the other columns count
# attributes by what happened to them, and pixels that became air.
DEIDENTIFIED: Final = Table(
    "deidentified",
    "deidentify",
    {
        **dict.fromkeys(("kind", "file", "code", "patient", "study_uid", "series_uid", "instance_uid"), pl.String),
        "face": pl.String,
        **dict.fromkeys(("removed", "private", "replaced", "cleaned", "kept", "text_px", "face_px"), pl.Int32),
    },
    (),
)
# The way back from a pseudonymous file to its source: it holds identifiers and stays where the key stays.
LINKS: Final = Table(
    "links",
    "deidentify",
    dict.fromkeys(("source", "path", "code", "patient_id", "study_uid", "patient", "file"), pl.String),
    (),
)

# The test split, scored: label columns as in the manifest, `probability_<finding>` calibrated. `brain_share` is the
# share of the picture's pixels between 15 and 60 HU: how much brain the slice shows.
PREDICTIONS: Final = Table(
    "test_predictions",
    "evaluate",
    {
        **_KEY,
        "slice_index": pl.Int32,
        "slice_count": pl.Int32,
        "slice_height": pl.Float64,
        "brain_share": pl.Float64,
        **_LABELS,
        **{f"probability_{key}": pl.Float64 for key in FINDING_KEYS},
    },
    SLICE_KEY,
)

# Every slice of the cohort, scored by a bundle that has not seen its patient; null where there is no score, and why.
SCORES: Final = Table(
    "scores",
    "score",
    {
        **_KEY,
        **{f"probability_{key}": pl.Float64 for key in FINDING_KEYS},
        "not_scored": pl.String,
        "model_sha256": pl.String,
    },
    SLICE_KEY,
)

# Every slice of the cohort as `labels` has it, and where that is null a label by a person or by a probability.
SLICE_LABELS: Final = Table(
    "slice_labels",
    "slices",
    {
        **LABELS.columns,
        **dict.fromkeys(("score", "usual_height"), pl.Float64),
        "named": pl.Boolean,
        "probability": pl.Float64,
    },
    SLICE_KEY,
)

# Pairs of studies that share a person or pixels under two patient identifiers. `pair` names one in a file of accepted
# pairs; `crosses` where the two are in different splits and therefore stop a run; the last two say who accepted it.
LEAKS: Final = Table(
    "leaks",
    "leak",
    {
        "pair": pl.String,
        "kind": pl.String,
        "strength": pl.Float64,
        "slices": pl.Int32,
        "study_uid": pl.String,
        "other_study_uid": pl.String,
        "split": pl.String,
        "other_split": pl.String,
        "crosses": pl.Boolean,
        "accepted_by": pl.String,
        "accepted_why": pl.String,
    },
    ("pair",),
)

SPLITS: Final = ("train", "tune", "test")
TABLES: Final = (
    *(TRANSFERS, CATALOGUE, REJECTS, COHORT, EXCLUSIONS, REPORT_FINDINGS, LABELS),
    *(MANIFEST, PREPARED, TRUTH, PREDICTIONS, SCORES, SLICE_LABELS, LEAKS, DEIDENTIFIED, LINKS),
)


def check(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The frame with exactly the table's columns, in order and type.

    Raises:
        TableError: A column is missing, of another type, or the key is not unique.
    """
    missing = [name for name in table.columns if name not in frame.columns]
    if missing:
        raise TableError(
            f"no column {', '.join(missing)}", where=table.name, expected=f"columns {', '.join(table.columns)}"
        )
    frame = frame.select(list(table.columns))
    for name, dtype in table.columns.items():
        if frame.schema[name] != dtype:
            raise TableError(f"{frame.schema[name]}", where=f"{table.name}.{name}", expected=str(dtype))
    if table.key and frame.select(pl.struct(list(table.key)).is_duplicated().sum()).item():
        count = frame.select(pl.struct(list(table.key)).is_duplicated().sum()).item()
        raise TableError(f"{count} rows share a key", where=table.name, expected=f"one row per {' + '.join(table.key)}")
    return frame


def empty(table: Table) -> pl.DataFrame:
    """The table without a row."""
    return pl.DataFrame(schema=table.columns)


def mask_name(shard: str) -> str:
    """Name of the file that holds the masks of a shard.

    >>> mask_name("shard-0003.npy")
    'masks-0003.npy'
    """
    return shard.replace("shard", "masks")


def from_rows(rows: list[dict[str, object]], table: Table) -> pl.DataFrame:
    """A checked frame from dictionaries; a column that a row lacks is null."""
    return check(pl.DataFrame(rows, schema=table.columns, orient="row") if rows else empty(table), table)


def read(folder: Path, table: Table) -> pl.DataFrame:
    """Read and check a table of a run folder.

    Raises:
        TableError: The file is missing, not Parquet, or not as declared.
    """
    path = table.path(folder)
    if not path.is_file():
        raise TableError(
            "no such table",
            where=str(path),
            expected=f"a run folder that holds {path.name}",
            remedy=f"Run {table.commands} first; `plainscan --help` lists the stages in order.",
        )
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(
            "not a readable Parquet file",
            where=str(path),
            expected=table.name,
            remedy=f"Delete it and run {table.commands} again.",
        ) from error
    return check(frame, table)


def write(frame: pl.DataFrame, folder: Path, table: Table) -> Path:
    """Check a table and put it in place whole."""
    path = table.path(folder)
    data = io.BytesIO()  # polars names no cause when a disk is full; Python's own write does
    check(frame, table).write_parquet(data)
    with whole_file(path) as partial:
        partial.write_bytes(data.getbuffer())
    return path


def label_values(frame: pl.DataFrame) -> NDArray[np.float32]:
    """Labels as numbers, (slices, findings): 1 present, 0 absent, NaN not known."""
    return frame.select(pl.col(FINDING_KEYS).cast(pl.Float32).fill_null(float("nan"))).to_numpy()
