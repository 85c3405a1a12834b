"""Trap 12: which series of a study, and why not the others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from plainscan.cohort.rules import CONTRAST, PLAIN_SCAN, is_head_kernel, kernel_class, plain
from plainscan.cohort.select import select
from plainscan.config import SelectSettings
from plainscan.dicom.scan import gather, scan
from plainscan.tables import CATALOGUE, COHORT, EXCLUSIONS, REJECTS, check, from_rows

Row = dict[str, Any]
SETTINGS = SelectSettings()
SAGITTAL = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]


def series(number: int = 1, count: int = 12, spacing: float = 5.0, **values: Any) -> list[Row]:
    """Catalogue rows of a plain head series in reverse order; ``values`` replace columns."""
    row: Row = {
        "patient_id": "P1",
        "study_uid": "1.1",
        "series_uid": f"1.1.{number}",
        "frame": 0,
        "source": "/archive",
        "kind": "dicom",
        "rows": 512,
        "columns": 512,
        "pixel_spacing_row_mm": 0.45,
        "pixel_spacing_column_mm": 0.45,
        "slice_thickness_mm": spacing,
        "file_bytes": 600_000,
        "number_of_frames": 1,
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "modality": "CT",
        "image_type": "ORIGINAL\\PRIMARY\\AXIAL",
        "series_number": number,
        "acquisition_number": 1,
        "body_part": "HEAD",
        "patient_position": "HFS",
        "convolution_kernel": "H31s",
        "bits_allocated": 16,
        "samples_per_pixel": 1,
        "photometric": "MONOCHROME2",
        "rescale_slope": 1.0,
        "rescale_intercept": -1024.0,
        "position_x_mm": -115.0,
        "position_y_mm": -115.0,
        "orientation": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "window_center_hu": 40.0,
        **values,
    }
    study = row["study_uid"]
    return [
        {
            "position_z_mm": spacing * (count - i),
            "instance_number": i,
            **row,
            "instance_uid": f"{study}.{number}.{i}",
            "path": f"{study}/{number}/{i:03d}",
        }
        for i in range(count)
    ]


def chosen(*some: list[Row], settings: SelectSettings = SETTINGS) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows = [row for one in some for row in one]
    cohort, exclusions = select(from_rows(rows, CATALOGUE), settings)
    images = exclusions.filter(pl.col("level") != "study")
    assert cohort.height + images["slices"].sum() == len(rows), "every image is chosen or left out once"
    return check(cohort, COHORT), check(exclusions, EXCLUSIONS)


def why(exclusions: pl.DataFrame) -> dict[str, str]:
    """Reason by series, of series left out whole."""
    return dict(exclusions.filter(pl.col("level") == "series").select("series_uid", "code").iter_rows())


@pytest.mark.parametrize("number", [0, 5, 11])
@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"contrast_agent": "IOHEXOL 350"}, "contrast"),
        ({"series_description": "CTA HEAD 1.0"}, "contrast"),
        ({"series_description": "HEAD PERFUSION"}, "perfusion"),
        ({"series_description": "THORAX", "body_part": "CHEST"}, "not_head"),
    ],
)
def test_what_one_slice_says_of_the_scan_holds_for_its_volume(number: int, values: Row, code: str) -> None:
    rows = series()
    rows[number] = {**rows[number], **values}
    cohort, exclusions = chosen(rows)
    assert cohort.is_empty()
    assert why(exclusions) == {"1.1.1": code}


@pytest.mark.parametrize(("code", "flags"), [("empty_file", ["incomplete"]), ("not_dicom", [])])
def test_a_file_beside_a_series_that_cannot_be_read_may_have_been_a_slice(code: str, flags: list[str]) -> None:
    reject = {"source": "/archive", "path": "1.1/1/099", "code": code, "detail": "", "file_bytes": 0}
    cohort, _ = select(from_rows(series(), CATALOGUE), SETTINGS, from_rows([reject], REJECTS))
    assert cohort["flags"].to_list() == [flags] * 12


def test_a_plain_series_is_chosen_lowest_slice_first() -> None:
    cohort, exclusions = chosen(series())
    assert exclusions.is_empty()
    assert cohort["slice_index"].to_list() == list(range(12))
    assert cohort["slice_position_mm"].to_list() == [5.0 * i for i in range(1, 13)]
    assert cohort["slice_height"].to_list()[::11] == [0.0, 1.0]
    assert cohort["slice_count"].unique().to_list() == [12]
    assert cohort["flags"].to_list() == [[]] * 12
    assert cohort["window_center_hu"].null_count() == 12, "header windows are never used"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"modality": "MR", "sop_class_uid": "1.2.840.10008.5.1.4.1.1.4"}, "not_ct"),
        ({"image_type": "ORIGINAL\\PRIMARY\\LOCALIZER"}, "localizer"),
        ({"series_description": "Topogram 0.6 T20f"}, "localizer"),
        ({"series_description": "定位像"}, "localizer"),
        ({"photometric": "RGB", "samples_per_pixel": 3, "series_description": "Dose Report"}, "dose_sheet"),
        ({"photometric": "RGB", "samples_per_pixel": 3, "image_type": "DERIVED\\SECONDARY\\DOSE_INFO"}, "dose_sheet"),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.7"}, "secondary_capture"),
        ({"photometric": "MONOCHROME1"}, "not_hounsfield"),
        ({"bits_allocated": 8}, "not_hounsfield"),
        ({"rescale_slope": None}, "missing_rescale"),
        ({"rescale_slope": 0.0}, "missing_rescale"),
        ({"rescale_slope": 1e300}, "bad_rescale"),
        ({"rescale_slope": -1.0}, "bad_rescale"),
        ({"rescale_slope": float("nan")}, "bad_rescale"),
        ({"rescale_intercept": -1e30}, "bad_rescale"),
        ({"rescale_intercept": float("inf")}, "bad_rescale"),
        ({"file_bytes": 153_710}, "truncated_pixels"),
        ({"orientation": None}, "no_geometry"),
        ({"orientation": [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]}, "no_geometry"),
        ({"orientation": [1e200, 0.0, 0.0, 0.0, 1e200, 0.0]}, "no_geometry"),
        ({"orientation": [float("nan")] * 6}, "no_geometry"),
        ({"position_z_mm": 1e308}, "no_geometry"),
        ({"position_x_mm": float("inf")}, "no_geometry"),
        ({"position_y_mm": float("nan")}, "no_geometry"),
        ({"orientation": SAGITTAL}, "reformat"),
        ({"series_description": "HEAD 3D VRT"}, "reformat"),
        ({"contrast_agent": "IOHEXOL 350"}, "contrast"),
        ({"series_description": "CTA HEAD 1.0"}, "contrast"),
        ({"series_description": "HEAD C+"}, "contrast"),
        ({"series_description": "头颅增强"}, "contrast"),
        ({"series_description": "脑血管造影"}, "contrast"),
        ({"series_description": "HEAD W/O & W CONTRAST"}, "contrast"),
        ({"series_description": None, "protocol_name": "头部CTA"}, "contrast"),
        ({"series_description": "Perfusion 5.0 CBF"}, "perfusion"),
        ({"series_description": "脑灌注"}, "perfusion"),
        ({"convolution_kernel": "H70h"}, "bone_kernel"),
        ({"convolution_kernel": "BONEPLUS"}, "bone_kernel"),
        ({"convolution_kernel": None, "series_description": "头颅骨窗"}, "bone_kernel"),
        ({"series_description": "C-SPINE 3.0"}, "not_head"),
        ({"series_description": "颈椎"}, "not_head"),
        ({"body_part": "CHEST"}, "not_head"),
        ({"body_part": None, "study_description": "CT Abdomen"}, "not_head"),
        ({"body_part": None, "pixel_spacing_row_mm": 0.9, "convolution_kernel": "B30f"}, "not_head"),
    ],
)
def test_each_reason_is_given_beside_a_good_series(values: Row, code: str) -> None:
    cohort, exclusions = chosen(series(1), series(2, **values))
    assert cohort["series_uid"].unique().to_list() == ["1.1.1"]
    assert why(exclusions) == {"1.1.2": code}


@pytest.mark.parametrize(
    "values",
    [
        {"series_description": "HEAD W/O CONTRAST 5.0"},
        {"series_description": "头颅平扫"},
        {"series_description": "Ｈｅａｄ　Ｃ－"},
        {"series_description": "NON-CONTRAST HEAD"},
        {"contrast_agent": "NONE"},
        {"body_part": "HEADNECK", "protocol_name": "头颅平扫"},
        {"study_description": "CT HEAD AND CERVICAL SPINE"},
        {"series_description": "Bone window", "convolution_kernel": "H31s"},
    ],
)
def test_words_that_do_not_exclude(values: Row) -> None:
    cohort, _ = chosen(series(1, **values))
    assert cohort.height == 12


def test_a_lone_unfit_series_loses_its_study_with_the_reasons() -> None:
    cohort, exclusions = chosen(series(1, contrast_agent="IOHEXOL"))
    assert cohort.is_empty()
    (study,) = exclusions.filter(pl.col("level") == "study").to_dicts()
    assert (study["code"], study["detail"], study["slices"]) == ("no_suitable_series", "12 contrast", 12)


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ({"count": 12}, {"count": 60, "spacing": 1.0}, "thin_twin"),
        ({"count": 12}, {"count": 10}, "other_series_preferred"),
        ({"convolution_kernel": "H31s"}, {"convolution_kernel": None}, "other_series_preferred"),
        ({}, {"image_type": "DERIVED\\SECONDARY\\AXIAL\\MPR"}, "other_series_preferred"),
        ({"count": 75, "spacing": 2.0}, {"count": 8}, "other_series_preferred"),
        ({}, {}, "other_series_preferred"),
    ],
)
def test_the_better_of_two_is_chosen_and_the_other_says_why(first: Row, second: Row, code: str) -> None:
    for one, two in ((1, 2), (1, 3)):
        cohort, exclusions = chosen(series(two, **second), series(one, **first))
        assert cohort["series_uid"].unique().to_list() == [f"1.1.{one}"]
        assert why(exclusions) == {f"1.1.{two}": code}


def test_when_nothing_says_head_the_field_of_view_decides_and_it_is_flagged() -> None:
    cohort, _ = chosen(series(1, body_part=None, convolution_kernel="B30f"))
    assert cohort["flags"].to_list() == [["head_assumed"]] * 12


def test_two_volumes_under_one_uid_are_taken_apart_by_acquisition() -> None:
    again = [
        {**row, "instance_uid": f"{row['instance_uid']}9", "path": f"{row['path']}b", "acquisition_number": 2}
        for row in series(1, count=10)
    ]
    cohort, exclusions = chosen(series(1), again)
    assert cohort.height == 12
    assert Counter(exclusions["code"]) == {"other_volume": 10}


def test_sequential_acquisitions_stay_one_volume() -> None:
    rows = series(1)
    for row in rows:
        row["acquisition_number"] = row["instance_number"] // 2
    assert chosen(rows)[0].height == 12


def test_another_tilt_or_region_under_one_uid_is_another_volume() -> None:
    tilted = [0.0, 0.0, 0.0]
    tilted = [1.0, 0.0, 0.0, 0.0, 0.9483237, -0.3173047]
    far = [{**row, "position_z_mm": row["position_z_mm"] - 900, "path": f"{row['path']}f"} for row in series(1, 9)]
    lean = [{**row, "orientation": tilted, "path": f"{row['path']}t"} for row in series(1, 10)]
    for number, row in enumerate((*far, *lean)):
        row["instance_uid"] = f"9.{number}"
    cohort, exclusions = chosen(series(1), far, lean)
    assert cohort.height == 12
    assert Counter(exclusions["code"]) == {"other_volume": 19}


def test_duplicates_are_left_out_one_by_one() -> None:
    rows = series(1)
    copy = {**rows[3], "path": "copy"}
    twin = {**rows[5], "path": "twin", "instance_uid": "9.9"}
    cohort, exclusions = chosen(rows, [copy, twin])
    assert cohort.height == 12
    found = exclusions.select("level", "code").sort("code").rows()
    assert found == [("instance", "duplicate_instance"), ("instance", "duplicate_position")]
    assert cohort["flags"].to_list()[0] == ["duplicate_position"]


def test_a_refused_slice_leaves_its_study_flagged_incomplete() -> None:
    rows = series(1)
    rows[4]["file_bytes"] = 153_710
    cohort, exclusions = chosen(rows)
    assert exclusions["code"].to_list() == ["truncated_pixels"]
    assert cohort.height == 11
    assert set(cohort["flags"].to_list()[0]) == {"uneven_spacing", "missing_block", "incomplete"}


def test_a_slice_of_another_matrix_is_left_out() -> None:
    rows = series(1)
    rows[0]["rows"] = 256
    cohort, exclusions = chosen(rows)
    assert (cohort.height, exclusions["code"].to_list()) == (11, ["inconsistent_geometry"])


def test_too_few_slices_are_refused_but_a_sample_of_a_long_series_is_kept_and_flagged() -> None:
    assert chosen(series(1, 5))[1]["code"].to_list() == ["no_suitable_series", "too_few_slices"]
    cohort, _ = chosen(series(1, 3, spacing=40.0, slice_thickness_mm=5.0))
    assert cohort["flags"].to_list()[0] == ["missing_block", "few_slices"]
    assert chosen(series(1, 1), settings=SelectSettings(minimum_slices=1))[0]["slice_height"].to_list() == [0.5]
    both, _ = chosen(series(1, 3, spacing=40.0, slice_thickness_mm=5.0), settings=SelectSettings(minimum_slices=3))
    assert both["flags"].to_list()[0] == ["missing_block"]


def test_a_study_of_nobody_goes_by_its_uid_and_is_flagged() -> None:
    nobody, _ = chosen(series(1, patient_id=None))
    assert (nobody["patient_id"][0], nobody["flags"][0].to_list()) == ("1.1", ["no_patient_id"])


@pytest.mark.parametrize("number", [1, 2])
def test_a_study_of_two_patients_is_left_out_whole(number: int) -> None:
    other = series(number, 9, patient_id="P2", series_uid=f"1.1.{number}")
    for row in other:
        row["path"], row["instance_uid"] = f"{row['path']}b", f"{row['instance_uid']}.2"
    scout = series(3, 1, image_type="LOCALIZER")
    cohort, exclusions = chosen(series(1), other, scout)
    assert cohort.is_empty()
    counted = dict(exclusions.group_by("level", "code").agg(pl.col("slices").sum()).rows_by_key(["level", "code"]))
    assert {key: value[0][0] for key, value in counted.items()} == {
        ("study", "several_patients"): 22,
        ("series", "several_patients"): 21,
        ("series", "localizer"): 1,
    }
    assert not any("P1" in text or "P2" in text for text in exclusions["detail"])


def test_two_patients_are_two_whatever_the_second_is_named_on() -> None:
    cohort, exclusions = chosen(series(1), series(2, 1, patient_id="P2", image_type="LOCALIZER"))
    assert cohort.is_empty()
    assert set(exclusions["code"]) == {"several_patients", "localizer"}


def test_slices_without_a_patient_among_others_with_one_are_left_out() -> None:
    rows = series(1)
    rows[3]["patient_id"] = None
    rows[4]["patient_id"] = "  "
    cohort, exclusions = chosen(rows)
    assert cohort["patient_id"].unique().to_list() == ["P1"]
    assert exclusions["code"].to_list() == ["unnamed_patient"] * 2
    assert "incomplete" in cohort["flags"].to_list()[0]


@pytest.mark.parametrize(
    "values",
    [
        {"pixel_spacing_row_mm": 0.0, "pixel_spacing_column_mm": 0.0},
        {"pixel_spacing_row_mm": -0.45},
        {"pixel_spacing_column_mm": 1e300},
        {"pixel_spacing_row_mm": float("nan")},
        {"slice_thickness_mm": -5.0},
        {"slice_thickness_mm": 1e308},
        {"slice_thickness_mm": float("inf")},
    ],
)
def test_an_impossible_spacing_is_taken_as_missing_and_flagged(values: Row) -> None:
    cohort, _ = chosen(series(1, **values))
    assert cohort.height == 12
    assert cohort["flags"].to_list()[0] == ["implausible_spacing"]
    assert cohort.select(pl.col(name).null_count() for name in values).row(0) == (12,) * len(values)


def test_the_order_of_files_changes_nothing() -> None:
    rows = [*series(1), *series(2, 60, spacing=1.0), *series(3, 9)]
    one, two = (select(from_rows(some, CATALOGUE), SETTINGS) for some in (rows, rows[::-1]))
    assert one[0].equals(two[0])
    assert one[1].equals(two[1])


def test_kernels_and_words_of_the_vendors() -> None:
    sharp = ["H60s", "H70h\\3", "Hr64h", "J70h", "B70s", "BONE", "BONEPLUS", "EDGE", "LUNG", "YB", "FC30", "FC81"]
    soft = ["H30s", "H31s", "H40f", "Hr38h", "J40s", "Qr40", "STANDARD", "STND", "SOFT", "UA", "UB", "FC21", "FC68"]
    assert {name: kernel_class(name) for name in sharp} == dict.fromkeys(sharp, "sharp")
    assert "sharp" not in {kernel_class(name) for name in soft}
    assert is_head_kernel("UB")
    assert not is_head_kernel("B30f")
    assert CONTRAST.found(PLAIN_SCAN.without(plain("CT HEAD W/O CONTRAST"))) == ""


def test_the_real_phantom_keeps_its_soft_axial_series(real_data: Path) -> None:
    catalogue, _ = gather(scan(real_data / "dicom" / "philips-head-phantom"))
    cohort, exclusions = select(catalogue, SETTINGS)
    names = catalogue.select("series_uid", "series_description").unique()
    kept = cohort.join(names, on="series_uid")
    assert set(kept["series_description"]) == {"STD BRAIN 5MM", "STEREOTAXIS"}
    counted = dict(exclusions.group_by("code").agg(pl.col("slices").sum()).iter_rows())
    assert counted == {
        "localizer": 4,
        "dose_sheet": 4,
        "bone_kernel": 3,
        "thin_twin": 3,
        "other_series_preferred": 3,
    }


def test_the_real_tilted_head_is_in_anatomical_order(real_data: Path) -> None:
    catalogue, _ = gather(scan(real_data / "dicom" / "ge-head-tilted"))
    cohort, exclusions = select(catalogue.sample(fraction=1, shuffle=True, seed=1), SETTINGS)
    assert exclusions.is_empty()
    assert cohort["path"].to_list() == [f"{number:02d}.dcm" for number in range(1, 29)]
    assert cohort["tilt_deg"].unique().to_list() == [18.5]
    spacing = cohort["slice_position_mm"].diff().drop_nulls()
    assert (spacing.min(), spacing.max()) == (pytest.approx(1.08, abs=0.01), pytest.approx(7.0, abs=0.01))
    assert cohort["flags"].to_list()[0] == ["tilted", "uneven_spacing"]
