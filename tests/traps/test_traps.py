"""Each of the data traps, by the table: golden HU, golden choice, or golden refusal; within 5 s, nothing written."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.traps.make import CANARY
from tests.traps.table import TRAPS, Trap

from plainscan.cohort.select import select
from plainscan.config import SelectSettings
from plainscan.ct.hounsfield import Slice
from plainscan.dicom.read import Place, read_slices
from plainscan.dicom.scan import gather, scan
from plainscan.errors import SourceError

IDS = [f"{trap.number} {trap.what}" for trap in TRAPS]


def test_there_are_sixty_fixtures_and_every_trap_has_some() -> None:
    assert len(TRAPS) >= 60
    assert {trap.number for trap in TRAPS} == set(range(1, 16))
    assert len(set(IDS)) == len(IDS)


@pytest.mark.parametrize("trap", TRAPS, ids=IDS)
def test_each_trap_ends_as_the_table_says(trap: Trap, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    trap.make(folder)
    before = sorted(tmp_path.rglob("*"))
    started = time.process_time()
    found = outcome(folder, trap)
    assert found == trap.expected
    assert time.process_time() - started < 5
    assert sorted(tmp_path.rglob("*")) == before


def outcome(folder: Path, trap: Trap) -> str:
    """What became of a fixture, in the words of the table."""
    catalogue, rejects = gather(scan(folder))
    kind = trap.expected.split()[0]
    if kind == "silent":
        return _silence(catalogue, rejects)
    if catalogue.is_empty():
        return f"rejected {rejects['code'].unique().item()}"
    if kind == "named":
        return f"named {catalogue['series_description'].item()}"
    return _choice(catalogue) if kind in ("chosen", "none") else _head(catalogue, trap)


def _read(catalogue: pl.DataFrame) -> list[Slice | SourceError]:
    rows = catalogue.iter_rows(named=True)
    return list(read_slices(Place(row["source"], row["path"], row["frame"]) for row in rows))


def _head(catalogue: pl.DataFrame, trap: Trap) -> str:
    read = _read(catalogue)
    if isinstance(read[0], SourceError):
        return f"refused {read[0].code}"
    whole = [item for item in read if isinstance(item, Slice)]
    assert len(whole) == len(read)
    flags = sorted({flag for item in whole for flag in item.flags})
    far = max(int(np.abs(np.subtract(item.hu, trap.golden, dtype=np.int32)).max()) for item in whole)
    limit = int(trap.expected.split(":")[0].split()[1]) if trap.expected.startswith("near") else 0
    name = "head" if not far else f"near {max(far, limit)}"
    return name + (f": {', '.join(flags)}" if flags else "")


def _choice(catalogue: pl.DataFrame) -> str:
    cohort, exclusions = select(catalogue, SelectSettings())
    if cohort.is_empty():
        return f"none {exclusions.filter(pl.col('level') == 'study')['code'].item()}"
    numbers = dict(catalogue.select("series_uid", "series_number").iter_rows())
    for _, volume in cohort.group_by("series_uid"):
        assert volume["slice_position_mm"].is_sorted()
        assert volume["slice_index"].to_list() == list(range(volume.height))
    flags = ", ".join(cohort["flags"][0])
    chosen = ", ".join(str(number) for number in sorted({numbers[uid] for uid in cohort["series_uid"]}))
    parts = [f"chosen {chosen}" + (f": {flags}" if flags else "")]
    left = exclusions.filter(pl.col("level") != "study").select("series_uid", "code").unique()
    parts += sorted(f"{numbers[uid]} {code}" for uid, code in left.iter_rows())
    studies, patients = cohort["study_uid"].n_unique(), cohort["patient_id"].n_unique()
    return "; ".join(parts if studies == 1 else [*parts, f"{studies} studies of {patients} patient"])


def _silence(catalogue: pl.DataFrame, rejects: pl.DataFrame) -> str:
    """A table holds what its source held in the columns it names; messages and other columns say nothing."""
    said = [str(item) for item in _read(catalogue) if isinstance(item, SourceError)]
    said += [str(rejects.to_dicts()), str(catalogue.drop("patient_id", "rescale_type").to_dicts())]
    return "silent" if not any(CANARY in text for text in said) else "tells"
