"""Contrast medium that no tag and no word names is seen in the pixels, and its series left out by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.stages.tiny_study import ROOT, write_slice

from plainscan.config import PrepareSettings
from plainscan.findings import FINDING_KEYS
from plainscan.learning.dataset import open_split
from plainscan.phantom.study import StudyOptions, make_study
from plainscan.phantom.wrong import angiogram
from plainscan.stages import prepare
from plainscan.tables import COHORT, MANIFEST, PREPARED, from_rows, read, write


def test_a_series_with_filled_vessels_is_left_out_and_a_plain_one_is_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    plain = make_study(rng, StudyOptions(slices=(10, 12))).hu
    rows = []
    for study, volume in enumerate((plain, np.rint(angiogram(rng, plain)).astype(np.int16)), 1):
        for index, hu in enumerate(volume):
            name = f"{study}_{index}.dcm"
            write_slice(tmp_path / "in" / name, hu, index, study=study)
            instance = f"{ROOT}.{study}.1.{index + 1}"
            key = {"study_uid": f"1.{study}", "series_uid": "2", "instance_uid": instance, "frame": 0}
            where = {"source": str(tmp_path / "in"), "path": name, "kind": "dicom"}
            rows.append(
                {
                    "patient_id": f"p{study}",
                    "slice_index": index,
                    "slice_count": len(volume),
                    "flags": [],
                    **key,
                    **where,
                }
            )
    write(from_rows(rows, COHORT), tmp_path, COHORT)
    labels = dict.fromkeys(FINDING_KEYS, 0)
    write(from_rows([{**row, **labels, "split": "train"} for row in rows], MANIFEST), tmp_path, MANIFEST)
    counts = prepare.run(tmp_path, PrepareSettings(size=64))
    assert counts["excluded_by_code"] == [f"contrast_seen {len(plain)}"]
    assert read(tmp_path, PREPARED)["study_uid"].unique().to_list() == ["1.1"]
    assert counts["slices"] == len(plain)
    rest = open_split(tmp_path, read(tmp_path, PREPARED), "train")  # the shard holds the others, too
    chosen = np.arange(len(plain))
    np.testing.assert_array_equal(rest.gather(chosen).hu, np.load(tmp_path / "prepared" / "shard-0000.npy")[chosen])
