from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pydicom
import pytest

from plainscan import tables
from plainscan.config import PhantomSettings
from plainscan.findings import FINDING_KEYS
from plainscan.stages import phantom

SETTINGS = PhantomSettings(patients=3, size=256, slices=(6, 7), finding_rate=0.7, seed=7)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    phantom.run(folder, SETTINGS, processes=1)
    return folder


def everything(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".run.json"))
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_two_processes_give_the_same_bytes_as_one(cohort: Path, tmp_path: Path) -> None:
    phantom.run(tmp_path, SETTINGS, processes=2)
    assert everything(tmp_path) == everything(cohort)


def test_truth_names_every_slice_of_the_soft_series_without_nulls(cohort: Path) -> None:
    truth = tables.read(cohort, tables.TRUTH)
    assert truth.select(FINDING_KEYS).null_count().sum_horizontal().item() == 0
    assert set(truth["any_finding"].unique()) <= {0, 1}
    soft = [pydicom.dcmread(p, stop_before_pixels=True) for p in cohort.glob("dicom/*/*/2/*.dcm")]
    assert {ds.SOPInstanceUID for ds in soft} == set(truth["instance_uid"])


def test_masks_lie_beside_their_instances_and_agree_with_the_labels(cohort: Path) -> None:
    truth = tables.read(cohort, tables.TRUTH)
    for (name,), rows in truth.group_by("mask"):
        with np.load(cohort / str(name), allow_pickle=False) as stored:
            masks, uids = stored["masks"], stored["instance_uids"]
        assert masks.dtype == np.uint16
        assert masks.shape[1:] == (256, 256)
        for row in rows.iter_rows(named=True):
            assert uids[row["mask_index"]] == row["instance_uid"]
            if row["any_finding"]:
                assert (masks[row["mask_index"]] & 1).any()


def test_every_study_has_one_report_in_a_known_language(cohort: Path) -> None:
    reports = pl.read_csv(cohort / "reports.csv")
    truth = tables.read(cohort, tables.TRUTH)
    assert reports.columns == ["study_uid", "report", "language"]
    assert set(reports["study_uid"]) == set(truth["study_uid"])
    assert set(reports["language"]) <= {"zh", "en"}


def test_a_run_that_was_cut_off_leaves_nothing_behind(cohort: Path, tmp_path: Path) -> None:
    stray = tmp_path / "dicom" / "P9999" / "S1" / "2" / "IM0001.dcm"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"half")
    phantom.run(tmp_path, SETTINGS.model_copy(update={"patients": 1}), processes=1)
    assert not stray.exists()


def test_a_second_run_is_skipped(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    phantom.run(cohort, SETTINGS, processes=1)
    assert "unchanged" in capsys.readouterr().err
