"""Identifiers planted in 1,000 files and 200 reports: none is left anywhere in what may leave the hospital."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from pydicom import dcmread
from tests.dicom.test_write import EXAM, HU, OUTSIDE, PERSON, SERIES
from tests.stages.canary import FILES, PATIENTS, STUDIES, Planted, write_archive, write_reports

from plainscan.config import DeidentifySettings
from plainscan.dicom.deidentify_key import read_key
from plainscan.dicom.write import HABITS, write_series
from plainscan.reports.label import read_report
from plainscan.stages import deidentify
from plainscan.stages.report_files import read_reports
from plainscan.tables import DEIDENTIFIED, read

pytestmark = pytest.mark.slow

ENCODINGS = ("utf-8", "gb18030", "utf-16-le", "utf-16-be", "utf-32-le", "big5")


class Run(NamedTuple):
    """A finished run: what went in, the folder of results, what was said."""

    folder: Path
    studies: list[Planted]
    said: str


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("canary")
    studies = write_archive(folder / "in")
    write_reports(folder / "reports", studies)
    (folder / "cohort.key").write_text("0123456789abcdef" * 4, encoding="ascii")
    (folder / "cohort.key").chmod(0o600)
    settings = DeidentifySettings(source=folder / "in", key=folder / "cohort.key", reports=folder / "reports")
    with pytest.MonkeyPatch.context() as patch, (folder / "said.txt").open("w", encoding="utf-8") as stream:
        patch.setattr(sys, "stderr", stream)
        deidentify.run(folder / "out", settings)
    return Run(folder, studies, (folder / "said.txt").read_text(encoding="utf-8"))


def left_in(data: bytes, words: list[str]) -> list[str]:
    """The words whose bytes are found, in whatever encoding, case aside."""
    low = data.lower()
    starts = {start for i in range(8) for start in np.frombuffer(low[i : i + (len(low) - i) // 8 * 8], "u8").tolist()}
    found = []
    for word in sorted({word.casefold() for word in words}):
        forms = {word.encode(name, "ignore").lower() for name in ENCODINGS}
        long = [form for form in forms if len(form) > 7 and int.from_bytes(form[-8:], sys.byteorder) in starts]
        short = [form for form in forms if 3 < len(form) < 8]
        if any(form in low for form in (*long, *short)):
            found.append(word)
    return found


def words_of(studies: list[Planted]) -> list[str]:
    return [word for one in studies for word in one.words]


def test_the_search_finds_what_is_there(done: Run) -> None:
    one = done.studies[7]
    for encoding in ENCODINGS[:4]:
        text = "x" + " ".join(one.words)
        assert left_in(text.encode(encoding), one.words) == sorted({word.casefold() for word in one.words})
    everything = b"".join(path.read_bytes() for path in sorted((done.folder / "in").rglob("*_0.dcm"))[:STUDIES])
    assert len(left_in(everything, words_of(done.studies))) >= 30


def test_every_slice_and_report_is_written_and_everything_else_is_left_out(done: Run) -> None:
    account = read(done.folder / "out", DEIDENTIFIED)
    written = account.filter(pl.col("file").is_not_null())
    assert written.filter(pl.col("kind") == "dicom").height == PATIENTS * STUDIES * FILES == 1000
    assert written.filter(pl.col("kind") == "report").height == PATIENTS * STUDIES == 200
    codes = dict(account.filter(pl.col("code").is_not_null())["code"].value_counts().iter_rows())
    strangers = PATIENTS - 1
    assert codes == dict.fromkeys(
        ("no_pixel_data", "secondary_capture", "burned_in", "truncated_header", "not_dicom"), strangers
    )


def test_no_identifier_is_left_in_any_file_name_table_or_message(done: Run) -> None:
    out = done.folder / "out"
    files = sorted(path for path in out.rglob("*") if path.is_file())
    table = read(out, DEIDENTIFIED).write_csv()
    data = b"\n".join([*(path.read_bytes() for path in files), *(str(p.relative_to(out)).encode() for p in files)])
    assert left_in(data + table.encode() + done.said.encode(), words_of(done.studies)) == []


def test_no_date_of_a_study_is_left_in_its_own_files_and_report(done: Run) -> None:
    key = read_key(done.folder / "cohort.key")
    reports = read_reports(done.folder / "out" / "reports.csv")
    for one in done.studies:
        study = key.uid(one.uids[0])
        files = sorted((done.folder / "out").glob(f"dicom/*/{study}/*/*.dcm"))
        assert len(files) == FILES
        assert left_in(files[0].read_bytes() + reports[study].encode(), one.dates) == []


def test_days_between_studies_age_and_sex_are_kept(done: Run) -> None:
    first, last = {}, {}
    for path in sorted((done.folder / "out").rglob("*.dcm"))[::FILES]:
        ds = dcmread(path, stop_before_pixels=True)
        day = np.datetime64(f"{ds.StudyDate[:4]}-{ds.StudyDate[4:6]}-{ds.StudyDate[6:]}")
        first[ds.PatientID] = min(first.get(ds.PatientID, day), day)
        last[ds.PatientID] = max(last.get(ds.PatientID, day), day)
        assert (ds.PatientAge, ds.PatientSex) == ("061Y", "F")
    gaps = {int((last[patient] - first[patient]).astype(int)) for patient in first}
    assert len(first) == PATIENTS
    assert gaps <= {1461}


def test_descriptions_still_say_what_was_scanned(done: Run) -> None:
    ds = dcmread(next((done.folder / "out").rglob("*.dcm")), stop_before_pixels=True)
    assert ds.SeriesDescription == "Head 5.0 H31s"
    assert ds.StudyDescription == "头颅平扫"


def test_reports_read_as_before(done: Run) -> None:
    before = read_reports(done.folder / "reports")
    after = read_reports(done.folder / "out" / "reports.csv")
    said = [sorted((key, m.status) for key, m in read_report(text).items()) for text in after.values()]
    assert sorted(said) == sorted(sorted((key, m.status) for key, m in read_report(t).items()) for t in before.values())
    assert all(("intraparenchymal_hemorrhage", "present") in one for one in said)


@pytest.mark.parametrize("habits", HABITS, ids=lambda habits: habits.manufacturer)
def test_a_de_identified_file_passes_dciodvfy_without_an_error(
    habits: object, tmp_path: Path, needs_tool: Callable[[str], str]
) -> None:
    write_series(tmp_path / "in", HU, OUTSIDE, SERIES, EXAM, PERSON, habits)  # type: ignore[arg-type]
    settings = DeidentifySettings(source=tmp_path / "in", key=tmp_path / "cohort.key")
    deidentify.run(tmp_path / "out", settings)
    for path in (tmp_path / "out").rglob("*.dcm"):
        assert not errors(needs_tool("dciodvfy"), path)


def test_planted_files_have_fewer_errors_by_dciodvfy_than_before(done: Run, needs_tool: Callable[[str], str]) -> None:
    program = needs_tool("dciodvfy")
    before = max(len(errors(program, path)) for path in sorted((done.folder / "in").rglob("*_0.dcm"))[:5])
    for path in sorted((done.folder / "out").rglob("*.dcm"))[::50]:
        assert len(errors(program, path)) < before


def errors(program: str, path: Path) -> list[str]:
    run = subprocess.run([program, str(path)], capture_output=True, text=True, check=False, errors="replace")
    return [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("Error")]
