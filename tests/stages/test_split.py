from pathlib import Path

import polars as pl
import pytest

from plainscan import tables
from plainscan.config import SplitSettings
from plainscan.errors import SplitError
from plainscan.findings import FINDING_KEYS
from plainscan.stages.split import run


def build(folder: Path, patients: int, known: bool = True) -> Path:
    rows: list[dict[str, object]] = [
        {"patient_id": f"Zhang^{p}", "study_uid": f"{p}", "series_uid": "s", "instance_uid": f"{p}.{i}", "frame": 0}
        for p in range(patients)
        for i in range(10)
    ]
    tables.write(tables.from_rows(rows, tables.COHORT), folder, tables.COHORT)
    values = [None if i == 9 or not known else int(p % 2 and i < 4) for p in range(patients) for i in range(10)]
    labeled = [
        {key: row[key] for key in tables.SLICE_KEY} | dict.fromkeys(FINDING_KEYS, value)
        for row, value in zip(rows, values, strict=True)
    ]
    tables.write(tables.from_rows(labeled, tables.LABELS), folder, tables.LABELS)
    return folder


def test_the_manifest_holds_every_slice_once_and_a_table_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = run(build(tmp_path, 20), SplitSettings())
    manifest = tables.read(tmp_path, tables.MANIFEST)
    assert counts == {"slices": 200, "train": 140, "tune": 40, "test": 20}
    assert manifest["any_finding"].null_count() == 20
    said = capsys.readouterr().err
    assert "prevalence" not in said
    assert "train" in said
    assert "22.2%" in said
    assert "Zhang" not in said


def test_a_split_by_image_says_what_that_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(build(tmp_path, 20), SplitSettings(unit="image"))
    said = capsys.readouterr().err.replace("\n", " ")
    assert "of 20 patients with slices in more than one split" in said
    assert "Yagis" in said


def test_quotas_are_kept_exactly(tmp_path: Path) -> None:
    run(build(tmp_path, 40), SplitSettings(no_finding=101, any_finding=53))
    manifest = tables.read(tmp_path, tables.MANIFEST)
    assert dict(manifest.group_by("any_finding").len().iter_rows()) == {0: 101, 1: 53}


def test_a_cohort_without_labels_or_with_too_few_patients_stops(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="none of 200 slices has a known any_finding"):
        run(build(tmp_path, 20, known=False), SplitSettings())
    with pytest.raises(SplitError, match="would be empty: 2 patients"):
        run(build(tmp_path, 2), SplitSettings())
    assert not (tmp_path / "manifest.parquet").exists()


def test_splits_are_named_as_declared(tmp_path: Path) -> None:
    run(build(tmp_path, 20), SplitSettings())
    assert set(tables.read(tmp_path, tables.MANIFEST)["split"]) == set(tables.SPLITS)
    assert tables.read(tmp_path, tables.MANIFEST).select(pl.col("split").null_count()).item() == 0
