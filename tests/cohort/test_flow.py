"""Every box of the flow is the sum of those that it leads to, at every level."""

from __future__ import annotations

import copy
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from tests.cohort.test_select import SETTINGS, Row, series

from plainscan.cohort.flow import CHOICE_CODES, IMAGE_CODES, VOLUME_CODES, Flow, checked, flow, with_splits
from plainscan.cohort.flow_picture import draw
from plainscan.cohort.select import select
from plainscan.cohort.series import CODES
from plainscan.errors import TableError
from plainscan.findings import FINDING_KEYS
from plainscan.tables import CATALOGUE, MANIFEST, SPLITS, check, from_rows

REJECTS = pl.DataFrame({"code": ["not_dicom", "not_dicom", "zip_bomb"]})


def study(number: int, patient: str | None, *, kinds: str = "a") -> list[Row]:
    """A study; each letter is a series: a axial, b bone, m MR, d an axial with one slice twice."""
    uid, rows = f"1.{number}", []
    for i, kind in enumerate(kinds, 1):
        named: Row = {"study_uid": uid, "series_uid": f"{uid}.{i}", "patient_id": patient}
        more = {"b": {"convolution_kernel": "H70h"}, "m": {"modality": "MR", "sop_class_uid": "1.2.3"}}.get(kind, {})
        rows += series(i, **named, **more)
        if kind == "d":
            rows.append({**rows[-1], "path": f"{rows[-1]['path']}-again"})
    return rows


def archive() -> pl.DataFrame:
    rows = [*study(1, "P1", kinds="abm"), *study(2, "P1", kinds="d"), *study(3, "P2", kinds="m")]
    rows += [*study(4, None), *study(5, "P3", kinds="bm"), *study(6, "P4", kinds="aa"), *study(8, "P7")]
    mixed = study(7, "P5")
    mixed[0]["patient_id"] = "P6"
    return from_rows([*rows, *mixed], CATALOGUE)


def found() -> tuple[Flow, pl.DataFrame]:
    catalogue = archive()
    cohort, exclusions = select(catalogue, SETTINGS)
    return flow(catalogue, cohort, exclusions, REJECTS, {"not_dicom": "not <DICOM>"}), cohort


def manifest_of(cohort: pl.DataFrame, splits: list[str]) -> pl.DataFrame:
    labels = [pl.lit(None, pl.Int8).alias(key) for key in FINDING_KEYS[1:]]
    known = pl.Series(FINDING_KEYS[0], [(0, 1, None)[i % 3] for i in range(cohort.height)], pl.Int8)
    source = pl.lit(None, pl.String).alias("label_source")
    return check(cohort.with_columns(known, *labels, source, pl.Series("split", splits)), MANIFEST)


def test_every_code_belongs_to_one_step_of_the_flow() -> None:
    assert (*IMAGE_CODES, *VOLUME_CODES, *CHOICE_CODES, "no_suitable_series") == tuple(CODES)


def test_every_box_is_what_it_leads_to_and_what_is_left_out_at_every_level() -> None:
    steps = found()[0]["steps"]
    for step, after in pairwise(steps):
        for level in step["counts"].keys() & after["counts"].keys():
            gone = sum(item["counts"][level] for item in step["excluded"])
            assert step["counts"][level] - gone == after["counts"][level], (step["title"], level)


def test_the_numbers_are_those_of_the_archive() -> None:
    result, cohort = found()
    first, second, *_, last = result["steps"]
    assert first["counts"] == {"files": 148}  # 145 images and 3 that are none
    assert second["counts"] == {"files": 145, "images": 145, "series": 12, "studies": 8, "patients": 8}
    assert last["counts"] == {"images": cohort.height, "series": 5, "studies": 5, "patients": 4}
    reasons = {item["code"]: item["counts"] for step in result["steps"][1:] for item in step["excluded"]}
    assert reasons["not_ct"] == {"patients": 1, "studies": 1, "series": 3, "images": 36}
    assert reasons["several_patients"] == {"patients": 2, "studies": 1, "series": 1, "images": 12}
    assert reasons["duplicate_instance"] == {"patients": 0, "studies": 0, "series": 0, "images": 1}
    assert reasons["bone_kernel"] == {"patients": 1, "studies": 1, "series": 2, "images": 24}
    assert reasons["other_series_preferred"] == {"patients": 0, "studies": 0, "series": 1, "images": 12}


def test_the_splits_add_up_to_the_cohort_with_quota_and_unreadable_slices_between() -> None:
    result, cohort = found()
    people = {name: SPLITS[i % 3] for i, name in enumerate(sorted(set(cohort["patient_id"])))}
    manifest = manifest_of(cohort, [people[name] for name in cohort["patient_id"]])
    drawn = manifest.filter(pl.col("study_uid") != "1.1")
    whole = with_splits(result, cohort, drawn, drawn.slice(2))
    assert [item["code"] for step in whole["steps"][-3:] for item in step["excluded"]] == ["not_drawn", "not_read"]
    assert whole["steps"][-1]["counts"]["images"] == drawn.height - 2
    assert sum(part["counts"]["images"] for part in whole["splits"]) == drawn.height - 2
    assert sum(part["counts"]["patients"] for part in whole["splits"]) == whole["steps"][-1]["counts"]["patients"]
    for part in whole["splits"]:
        for level, states in part["finding"].items():
            assert sum(states.values()) == part["counts"][level]
    assert whole["shared"] == {}


def test_a_split_by_image_says_how_often_someone_is_counted_twice() -> None:
    result, cohort = found()
    rng = np.random.default_rng(1)
    manifest = manifest_of(cohort, [SPLITS[i] for i in rng.integers(0, 3, cohort.height)])
    whole = with_splits(result, cohort, manifest, None)
    pairs = manifest.select("patient_id", "split").unique().height
    assert whole["shared"]["patients"] == pairs - manifest["patient_id"].n_unique() > 0
    assert "Counted in more than one split" in draw(whole)


def test_a_flow_that_does_not_add_up_is_refused() -> None:
    wrong = copy.deepcopy(found()[0])
    wrong["steps"][2]["counts"]["studies"] += 1
    with pytest.raises(TableError, match="studies, but"):
        checked(wrong)


def test_an_image_without_a_reason_is_refused() -> None:
    catalogue = archive()
    cohort, exclusions = select(catalogue, SETTINGS)
    with pytest.raises(TableError, match="12 images are neither in the cohort nor excluded"):
        flow(catalogue, cohort, exclusions.filter(pl.col("code") != "other_series_preferred"))


def test_pictures_are_not_said_to_be_selected() -> None:
    catalogue = archive().filter(pl.col("study_uid") == "1.8").with_columns(kind=pl.lit("picture"))
    cohort, exclusions = select(catalogue, SETTINGS)
    assert [step["title"] for step in flow(catalogue, cohort, exclusions)["steps"]] == [
        "Files looked at",
        "Images in the catalogue",
        "Cohort: one series a study",
    ]


def test_the_picture_is_well_formed_escaped_and_holds_every_number_inside_its_frame() -> None:
    result, cohort = found()
    manifest = manifest_of(cohort, ["train"] * cohort.height)
    picture = draw(with_splits(result, cohort, manifest, None))
    root = ElementTree.fromstring(picture)  # our own text, made a line above
    words = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "not <DICOM>" in words
    assert f"{cohort.height} images, 5 series" in words
    _, _, width, height = map(int, root.attrib["viewBox"].split())
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert int(box.get("x", 0)) + int(box.attrib["width"]) <= width
        assert int(box.get("y", 0)) + int(box.attrib["height"]) <= height
