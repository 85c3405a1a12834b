from __future__ import annotations

import shutil
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydicom import dcmread
from tests.ct.test_burnt_in import drawn
from tests.ct.test_deface import head as thin_head
from tests.dicom.build import AXIAL, ct, head_hu, save, save_series
from tests.dicom.test_write import EXAM, PERSON, SERIES

from plainscan.cli import main
from plainscan.config import DeidentifySettings
from plainscan.dicom.deidentify_key import make_key
from plainscan.dicom.read import read_hu, read_slices
from plainscan.dicom.scan import gather, scan
from plainscan.dicom.write import HABITS, write_series
from plainscan.errors import SourceError, StorageError
from plainscan.phantom.study import StudyOptions, make_study
from plainscan.stages import deidentify
from plainscan.tables import DEIDENTIFIED, LINKS, read

TEXT = ("ZHANG SAN 4711", 16, "corner")


def archive(folder: Path) -> Path:
    """Two studies of one patient and one of another, three thick slices each; a localizer and a text file."""
    for study, patient, day in ((1, "CT4711", "20200301"), (2, "CT4711", "20210301"), (3, "CT4712", "20200301")):
        tags = {"study": study, "PatientID": patient, "StudyDate": day, "PatientName": "Kilroy^James"}
        save_series(folder / f"{patient}-{study}", 3, **tags)
    save(folder, "scout.dcm", ct(study=3, series=3, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], PatientID="CT4712"))
    (folder / "readme.txt").write_text("x", encoding="utf-8")
    return folder


def settings(tmp_path: Path, **more: object) -> DeidentifySettings:
    source = tmp_path / "in"
    if not source.exists():
        archive(source)
    return DeidentifySettings.model_validate({"source": source, "key": tmp_path / "cohort.key", **more})


def run(tmp_path: Path, **more: object) -> Path:
    deidentify.run(tmp_path / "out", settings(tmp_path, **more))
    return tmp_path / "out"


def rows(out: Path, kind: str = "dicom") -> list[dict[str, object]]:
    return read(out, DEIDENTIFIED).filter(pl.col("kind") == kind).to_dicts()


def records(tmp_path: Path) -> Path:
    return tmp_path / "cohort.key.records" / "out"


def test_every_file_is_written_or_left_out_with_a_code(tmp_path: Path) -> None:
    out = run(tmp_path)
    account = rows(out)
    assert sorted(str(row["code"]) for row in account) == ["None"] * 9 + ["localizer", "not_dicom"]
    assert {p.relative_to(out).as_posix() for p in out.rglob("*.dcm")} == {row["file"] for row in account} - {None}
    links = read(records(tmp_path), LINKS)
    assert links.height == 11
    assert set(links.filter(pl.col("code") == "localizer")["path"]) == {"scout.dcm"}


def test_an_archive_that_has_gone_away_takes_no_results_with_it(tmp_path: Path) -> None:
    out = run(tmp_path)
    before = sorted(path.relative_to(out) for path in out.rglob("*"))
    shutil.rmtree(tmp_path / "in")
    (tmp_path / "in").mkdir()  # a share that is not connected
    with pytest.raises(SourceError, match="no DICOM image or report among 0 files"):
        run(tmp_path)
    assert sorted(path.relative_to(out) for path in out.rglob("*")) == before
    assert read(records(tmp_path), LINKS).height == 11


def test_patients_stay_together_and_days_between_studies_stay(tmp_path: Path) -> None:
    out = run(tmp_path)
    days: dict[str, set[str]] = {}
    for path in out.rglob("*.dcm"):
        ds = dcmread(path, stop_before_pixels=True)
        days.setdefault(ds.PatientID, set()).add(ds.StudyDate)
        assert path.parts[-4] == ds.PatientID == ds.PatientName
    assert sorted(map(len, days.values())) == [1, 2]
    both = sorted(pl.Series([day for d in days.values() if len(d) == 2 for day in d]).str.to_date("%Y%m%d"))
    assert (both[1] - both[0]).days == 365


def test_hounsfield_values_stay_bit_by_bit(tmp_path: Path) -> None:
    out = run(tmp_path)
    for path in out.rglob("*.dcm"):
        assert (read_hu(str(out), path.relative_to(out).as_posix()).hu == head_hu()).all()


def test_the_same_key_gives_the_same_bytes_and_another_key_other_names(tmp_path: Path) -> None:
    first = {p.relative_to(tmp_path / "out"): p.read_bytes() for p in run(tmp_path).rglob("*.dcm")}
    deidentify.run(tmp_path / "again", settings(tmp_path))
    again = {p.relative_to(tmp_path / "again"): p.read_bytes() for p in (tmp_path / "again").rglob("*.dcm")}
    assert first == again
    deidentify.run(tmp_path / "else", settings(tmp_path, key=tmp_path / "other.key"))
    assert not {p.name for p in first} & {p.name for p in (tmp_path / "else").rglob("*.dcm")}


def test_a_missing_key_is_made_for_its_owner_alone_and_records_lie_beside_it(tmp_path: Path) -> None:
    out = run(tmp_path)
    assert stat.S_IMODE((tmp_path / "cohort.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(records(tmp_path).stat().st_mode) == 0o700
    assert {p.name for p in out.iterdir()} == {"dicom", "deidentified.parquet"}


def test_a_key_among_the_results_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="among the results"):
        run(tmp_path, key=tmp_path / "out" / "cohort.key")
    assert not (tmp_path / "out").exists()


def test_the_folder_of_a_new_key_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    run(tmp_path, key=tmp_path / "keys" / "cohort.key")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_a_source_that_is_not_there_leaves_no_key_behind(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        run(tmp_path, source=tmp_path / "misspelled", key=tmp_path / "keys" / "cohort.key")
    assert not (tmp_path / "keys").exists()


def test_a_source_without_a_file_leaves_no_key_behind(tmp_path: Path) -> None:
    (tmp_path / "unmounted" / "archive").mkdir(parents=True)
    with pytest.raises(SourceError, match="no DICOM image or report among 0 files"):
        run(tmp_path, source=tmp_path / "unmounted", key=tmp_path / "keys" / "cohort.key")
    assert not (tmp_path / "keys").exists()


def test_a_source_without_an_image_leaves_no_new_key_behind_and_an_old_one_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one.txt").write_text("hello")
    with pytest.raises(SourceError, match="no DICOM image or report among 1 file"):
        run(tmp_path, source=tmp_path / "letters")
    assert not (tmp_path / "cohort.key").exists()
    assert "taken away again" in capsys.readouterr().err
    make_key(tmp_path / "cohort.key")
    with pytest.raises(SourceError, match="no DICOM image or report"):
        run(tmp_path, source=tmp_path / "letters")
    assert (tmp_path / "cohort.key").exists()


@pytest.mark.parametrize("key", ["in/cohort.key", "link/cohort.key"])
def test_a_key_inside_the_source_is_refused_for_nothing_is_written_there(tmp_path: Path, key: str) -> None:
    chosen = settings(tmp_path, key=tmp_path / key)
    (tmp_path / "link").symlink_to(tmp_path / "in")
    before = sorted((tmp_path / "in").rglob("*"))
    with pytest.raises(StorageError, match="inside the source"):
        deidentify.run(tmp_path / "out", chosen)
    assert sorted((tmp_path / "in").rglob("*")) == before


def test_a_source_among_the_results_is_refused_and_kept(tmp_path: Path) -> None:
    out = run(tmp_path)
    before = sorted(out.rglob("*"))
    with pytest.raises(StorageError, match="source would lie among the results"):
        run(tmp_path, source=out / "dicom")
    assert sorted(out.rglob("*")) == before


def test_a_file_without_patient_id_belongs_to_the_patient_of_its_study(tmp_path: Path) -> None:
    save_series(tmp_path / "in", 4, PatientID="CT4711")
    for path in sorted((tmp_path / "in").iterdir())[::2]:
        ds = dcmread(path)
        ds.PatientID = ""
        ds.save_as(path)
    assert len({row["patient"] for row in rows(run(tmp_path))}) == 1


def test_results_inside_the_source_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="inside the source"):
        deidentify.run(tmp_path / "in" / "out", settings(tmp_path))


@pytest.mark.parametrize("change", [{"key": "other.key"}, {"deface": False}, {}])
def test_files_of_another_origin_are_never_mixed_in_nor_deleted(change: dict[str, object], tmp_path: Path) -> None:
    out = run(tmp_path)
    before = sorted(out.rglob("*"))
    more = {name: tmp_path / value if isinstance(value, str) else value for name, value in change.items()}
    if not change:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").write_text("x", encoding="utf-8")
        with pytest.raises(StorageError, match="another origin"):
            deidentify.run(tmp_path / "mine", settings(tmp_path))
        return
    with pytest.raises(StorageError, match="Choose another OUT"):
        run(tmp_path, **more)
    assert sorted(out.rglob("*")) == before
    assert not (tmp_path / "other.key").exists()


def test_an_interrupted_run_goes_on_and_does_no_study_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = deidentify.deidentify_study
    done: list[str] = []

    def counted(task, archives):  # type: ignore[no-untyped-def]
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(task.study)
        return whole(task, archives)

    monkeypatch.setattr(deidentify, "deidentify_study", counted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    first = list(done)
    done[:] = [""]
    out = run(tmp_path)
    assert len(done) == 2
    assert not set(done) & set(first)
    assert sum(row["file"] is not None for row in rows(out)) == 9


def test_a_study_that_left_the_source_leaves_the_results(tmp_path: Path) -> None:
    out = run(tmp_path)
    for path in (tmp_path / "in" / "CT4712-3").iterdir():
        path.unlink()
    run(tmp_path)
    assert len(list(out.rglob("*.dcm"))) == 6


def test_the_same_instance_twice_is_written_once(tmp_path: Path) -> None:
    archive(tmp_path / "in")
    source = next((tmp_path / "in" / "CT4711-1").iterdir())
    (source.parent / "copy.dcm").write_bytes(source.read_bytes())
    assert [row["code"] for row in rows(run(tmp_path))].count("duplicate") == 1


def test_a_damaged_copy_that_comes_first_does_not_keep_the_good_one_back(tmp_path: Path) -> None:
    save_series(tmp_path / "in", 2)
    source = min((tmp_path / "in").iterdir())
    (source.parent / "a-copy.dcm").write_bytes(source.read_bytes()[:-100])
    account = rows(out := run(tmp_path))
    assert sorted(str(row["code"]) for row in account) == ["None", "None", "truncated_pixels"]
    assert len(list(out.rglob("*.dcm"))) == 2


def test_reports_go_out_under_the_new_study_and_only_with_their_images(tmp_path: Path) -> None:
    reports = tmp_path / "reports.csv"
    root = "1.2.826.0.1.3680043.8.498."
    reports.write_text(f'study_uid,report\n{root}1,"Kilroy J., CT4711: no bleed."\n{root}9,"Somebody else."\n', "utf-8")
    out = run(tmp_path, reports=reports)
    table = pl.read_csv(out / "reports.csv")
    assert table["report"].to_list() == ["[NAME] J., [ID]: no bleed."]
    studies = {dcmread(path, stop_before_pixels=True).StudyInstanceUID for path in out.rglob("*.dcm")}
    assert set(table["study_uid"]) < studies
    assert [row["code"] for row in rows(out, "report")] == [None, "report_without_study"]


def test_what_a_table_lists_is_removed_from_the_report_of_its_study(tmp_path: Path) -> None:
    root = "1.2.826.0.1.3680043.8.498."
    reports, listed = tmp_path / "reports.csv", tmp_path / "people.csv"
    reports.write_text(f"study_uid,report\n{root}1,王芳的女儿陪同，电话号 8213 尾号。\n", "utf-8")
    listed.write_text(f"study_uid,daughter,phone\n{root}1,王芳,8213\n", "utf-8")
    out = run(tmp_path, reports=reports, identifiers=listed)
    assert pl.read_csv(out / "reports.csv")["report"].to_list() == ["[NAME]的女儿陪同，电话号 [ID] 尾号。"]


def test_a_thin_series_loses_its_face_and_keeps_its_brain(tmp_path: Path) -> None:
    one = thin_head(0)
    series = replace(SERIES, orientation=AXIAL, positions_mm=one.positions_mm, pixel_mm=2.4, tilt_deg=0.0)
    series = replace(series, thickness_mm=np.full(len(one.hu), 2.4))
    write_series(tmp_path / "in", one.hu, np.zeros(one.hu.shape[1:], np.bool_), series, EXAM, PERSON, HABITS[0])
    out = run(tmp_path)
    assert {row["face"] for row in rows(out)} == {"removed"}
    catalogue, _ = gather(scan(out / "dicom"))
    places = catalogue.sort("position_z_mm").select("source", "path", "frame").iter_rows()
    after = np.stack([found.hu for found in read_slices(places) if not isinstance(found, SourceError)])
    changed = after != one.hu
    assert not (changed & (one.cavity_mm > 0)).any()
    assert (after[changed] == -1000).all()
    assert sum(int(str(row["face_px"])) for row in rows(out)) > 20_000
    ds = dcmread(next(out.rglob("*.dcm")), stop_before_pixels=True)
    assert "113102" in [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
    assert ds.RecognizableVisualFeatures == "NO"


def test_a_thin_series_without_a_brain_to_spare_is_left_out_unless_faces_may_stay(tmp_path: Path) -> None:
    save_series(tmp_path / "in", 3, spacing=1.0)
    with pytest.raises(SourceError, match="nothing was written: 3 no_face_plane"):
        run(tmp_path)
    deidentify.run(tmp_path / "kept", settings(tmp_path, deface=False))
    assert {row["face"] for row in rows(tmp_path / "kept")} == {"kept"}


def test_text_in_pixels_is_refused_or_masked(tmp_path: Path) -> None:
    hu, letters = drawn(make_study(np.random.default_rng(3), StudyOptions(size=256, slices=(1, 1))).hu[0], *TEXT)
    save(tmp_path / "in", "a.dcm", ct((hu + 1024).clip(0, 4095).astype(np.uint16)))
    with pytest.raises(SourceError, match="nothing was written: 1 burnt_in_text"):
        run(tmp_path, deface=False)
    deidentify.run(tmp_path / "masked", settings(tmp_path, deface=False, burnt_in="mask"))
    path = next((tmp_path / "masked").rglob("*.dcm"))
    after = read_hu(str(path.parent), path.name).hu
    assert (after[letters] < -900).mean() > 0.99
    assert dcmread(path, stop_before_pixels=True).BurnedInAnnotation == "NO"


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"BurnedInAnnotation": "YES"}, "burned_in"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "screen_save"),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}, "derived_image"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary_capture"),
        ({"Modality": "OT"}, "not_ct"),
    ],
)
def test_what_may_hold_drawn_text_is_left_out(tags: dict[str, object], code: str, tmp_path: Path) -> None:
    save(tmp_path / "in", "a.dcm", ct(**tags))
    with pytest.raises(SourceError, match=f"nothing was written: 1 {code}"):
        run(tmp_path, deface=False)
    assert [row["code"] for row in rows(tmp_path / "out")] == [code]


def test_nothing_written_ends_with_code_2_and_all_written_before_with_0(tmp_path: Path) -> None:
    save(tmp_path / "in", "a.dcm", ct(Modality="OT"))
    arguments = ["deidentify", str(tmp_path / "in"), str(tmp_path / "out"), "--key", str(tmp_path / "cohort.key")]
    codes = []
    for _ in range(2):
        for _ in range(2):
            with pytest.raises(SystemExit) as caught:
                main(arguments)
            codes.append(caught.value.code)
        save_series(tmp_path / "in" / "good", 2, study=2)
    assert codes == [2, 2, 0, 0]


def test_the_command_takes_in_out_and_key(tmp_path: Path) -> None:
    save_series(tmp_path / "in", 2)
    arguments = ["deidentify", str(tmp_path / "in"), str(tmp_path / "out"), "--key", str(tmp_path / "cohort.key")]
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 2
