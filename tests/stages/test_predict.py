from __future__ import annotations

import errno
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.inference.tiny_bundle import grey_head, head_slice, ship_tiny, tiny_bundle, tiny_int8
from tests.stages.tiny_study import PATIENT, ROOT, write_slice

from plainscan.bundle import CARD_FILE, MODEL_FILE, Calibration, Measured, read_card
from plainscan.config import PredictSettings
from plainscan.ct.window import Window
from plainscan.dicom.read import Place, Reader
from plainscan.errors import BundleError, DicomError, SourceError, StorageError
from plainscan.findings import FINDING_KEYS
from plainscan.inference import overlay
from plainscan.inference.ahead import WAITING
from plainscan.inference.gate import NO_HEAD, judge
from plainscan.inference.overlay import FOOTER_PX
from plainscan.pictures import list_pictures, read_picture
from plainscan.stages import predict
from plainscan.stages.predict import run

COLUMNS = [
    *("patient", "study", "series", "instance", "file", "slice_index", "slice_position_mm", "probability"),
    *FINDING_KEYS[1:],
    *("decision", "heatmap", "heatmap_not_reliable", "not_scored"),
]
BLOOD = [(60, 40, 14)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Ten slices, the file names against the anatomical order; blood on slices 4 to 6."""
    folder = tmp_path / "study"
    for i in range(10):
        hu = head_slice(patches=BLOOD if 4 <= i <= 6 else (), brain=0.3 if i in (0, 9) else 0.4)
        write_slice(folder / f"{90 - i}.dcm", hu, i)
    return folder


def predicted(out: Path, source: Path, bundle: Path, **more: object) -> pl.DataFrame:
    run(out, PredictSettings(source=source, model=bundle, threads=1, **more))
    return pl.read_csv(out / "predictions.csv", schema_overrides={"not_scored": pl.String, "heatmap": pl.String})


def leftovers(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir()) if out.exists() else []


def test_a_study_is_scored_slice_by_slice_from_the_feet_up(study: Path, bundle: Path, tmp_path: Path) -> None:
    rows = predicted(tmp_path / "out", study, bundle)
    assert rows.columns == COLUMNS
    assert rows["slice_index"].to_list() == list(range(10))
    assert rows["slice_position_mm"].to_list() == [5.0 * i for i in range(10)]
    assert rows["file"].to_list() == [f"{90 - i}.dcm" for i in range(10)]
    assert rows["instance"].to_list() == [f"{ROOT}.1.1.{i + 1}" for i in range(10)]
    assert rows["not_scored"].null_count() == 10
    assert rows.sort("probability", descending=True)["slice_index"].head(3).sort().to_list() == [4, 5, 6]
    assert rows.select((pl.col(FINDING_KEYS[1:]) > 0).all()).row(0) == (True,) * 14
    assert set(leftovers(tmp_path / "out")) == {"predictions.csv", "studies.csv", "heatmaps", "predict.run.json"}


def test_without_a_model_the_shipped_one_scores_and_says_so(
    study: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = ship_tiny(tmp_path, monkeypatch, name="ours")
    for _ in range(2):
        run(tmp_path / "out", PredictSettings(source=study, threads=1))
    said = capsys.readouterr().err
    assert "predict: ours, the weights that come with plainscan" in said
    assert "unchanged, skipped" in said
    assert str(shipped.parent) not in (tmp_path / "out" / "predict.run.json").read_text()
    assert predicted(tmp_path / "named", study, bundle).equals(pl.read_csv(tmp_path / "out" / "predictions.csv"))


def test_a_bundle_without_a_study_operating_point_still_scores(study: Path, bundle: Path, tmp_path: Path) -> None:
    points = [point for point in read_card(bundle).operating_points if point.level == "slice"]
    rows = predicted(tmp_path / "out", study, tiny_bundle(tmp_path / "bundle", operating_points=points))
    assert set(rows["decision"]) <= {"finding", "no_finding"}
    assert pl.read_csv(tmp_path / "out" / "studies.csv")["decision"].to_list() == ["no_operating_point"]


def test_decisions_follow_the_frozen_operating_points(study: Path, bundle: Path, tmp_path: Path) -> None:
    limit = predicted(tmp_path / "a", study, bundle)["probability"].sort(descending=True)[3]
    points = [{"level": level, "finding": "any_finding", "threshold": limit + 1e-6} for level in ("slice", "study")]
    rest = {"rule": "r", "chosen_on": "tune", "sensitivity": 1, "specificity": 1, "n": 1}
    strict = tiny_bundle(tmp_path / "strict", operating_points=[{**point, **rest} for point in points])
    rows = predicted(tmp_path / "b", study, strict)
    assert rows["decision"].to_list() == ["finding" if 4 <= i <= 6 else "no_finding" for i in range(10)]
    summary = pl.read_csv(tmp_path / "b" / "studies.csv").to_dicts()[0]
    assert (summary["slices"], summary["slices_scored"], summary["decision"]) == (10, 10, "finding")
    top = rows["probability"].sort(descending=True).head(3).mean()
    assert summary["probability"] == pytest.approx(top, abs=1e-6)


def test_a_heat_map_lies_beside_each_scored_slice_and_names_nobody(study: Path, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = predicted(out, study, bundle)["heatmap"].to_list()
    assert sorted(names) == sorted(f"heatmaps/{path.name}" for path in (out / "heatmaps").iterdir())
    for name in names:
        assert re.fullmatch(r"heatmaps/[0-9a-f]{8}_[0-9a-f]{4}_[0-9]{3}\.png", name)
        data = (out / name).read_bytes()
        assert PATIENT.encode() not in data
        assert ROOT.encode() not in data
        with Image.open(out / name) as image:
            assert image.size == (384, 384 + FOOTER_PX)
            assert image.info == {}


def test_without_heat_maps_there_is_no_folder(study: Path, bundle: Path, tmp_path: Path) -> None:
    rows = predicted(tmp_path / "out", study, bundle)
    plain = predicted(tmp_path / "out", study, bundle, heatmaps=False)
    assert plain["heatmap"].null_count() == 10
    assert plain["probability"].to_list() == rows["probability"].to_list()
    assert "heatmaps" not in leftovers(tmp_path / "out")


def test_a_slice_scores_the_same_alone_and_in_its_study(study: Path, bundle: Path, tmp_path: Path) -> None:
    together = predicted(tmp_path / "a", study, bundle).filter(file="85.dcm")
    alone = predicted(tmp_path / "b", study / "85.dcm", bundle)
    assert alone["probability"].to_list() == together["probability"].to_list()


def test_everything_in_the_source_has_a_row_with_the_reason(study: Path, bundle: Path, tmp_path: Path) -> None:
    write_slice(study / "bone.dcm", head_slice(), 0, series=2, kernel="H70s")
    shutil.copy(study / "90.dcm", study / "twice.dcm")
    whole = (study / "85.dcm").read_bytes()
    (study / "85.dcm").write_bytes(whole[: len(whole) - 9000])
    (study / "text.dcm").write_text("not DICOM")
    (study / "empty.dcm").touch()
    rows = predicted(tmp_path / "out", study, bundle)
    reasons = dict(rows.filter(pl.col("not_scored").is_not_null()).select("file", "not_scored").iter_rows())
    assert reasons == {
        "85.dcm": "truncated_pixels",
        "bone.dcm": "bone_kernel",
        "twice.dcm": "duplicate_instance",
        "text.dcm": "not_dicom",
        "empty.dcm": "empty_file",
    }
    assert rows["probability"].count() == 9
    assert rows.filter(pl.col("not_scored").is_null())["probability"].null_count() == 0
    assert "incomplete" in pl.read_csv(tmp_path / "out" / "studies.csv")["flags"][0]


def test_pixels_that_fail_only_on_reading_cost_one_slice(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Reader.read

    def read(self: Reader, place: Place) -> object:
        if place.path == "85.dcm":
            raise DicomError("a broken stream", where=place.path, code="undecodable")
        return real(self, place)

    monkeypatch.setattr(Reader, "read", read)
    rows = predicted(tmp_path / "out", study, tiny_bundle(tmp_path / "bundle", neighbors=1))
    assert rows.filter(pl.col("not_scored").is_not_null()).select("file", "not_scored").rows() == [
        ("85.dcm", "undecodable")
    ]
    assert rows["probability"].count() == 9
    assert "incomplete: 1 not scored" in pl.read_csv(tmp_path / "out" / "studies.csv")["flags"][0]


def test_an_archive_scores_as_its_folder_does(study: Path, bundle: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "study"), "zip", study))
    folder = predicted(tmp_path / "a", study, bundle)
    zipped = predicted(tmp_path / "b", archive, bundle)
    assert zipped["probability"].to_list() == folder["probability"].to_list()
    assert zipped["file"][0] == "study.zip::90.dcm"


def test_a_source_without_a_usable_slice_still_says_why(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.dcm").write_text("text by another name")
    with pytest.raises(SourceError, match="none of 1 file or image could be scored") as caught:
        predicted(tmp_path / "out", tmp_path / "in", bundle)
    assert caught.value.exit_code == 2
    rows = pl.read_csv(tmp_path / "out" / "predictions.csv")
    assert rows.select("file", "not_scored").rows() == [("a.dcm", "not_dicom")]
    assert pl.read_csv(tmp_path / "out" / "studies.csv").height == 0
    assert leftovers(tmp_path / "out") == ["predict.begun.json", "predictions.csv", "studies.csv"]


def test_a_finding_that_was_never_calibrated_is_left_empty(study: Path, tmp_path: Path) -> None:
    parts = [Calibration(finding=key, fitted_on="none" if key == "mass" else "tune") for key in FINDING_KEYS]
    rows = predicted(tmp_path / "out", study, tiny_bundle(tmp_path / "bundle", calibration=tuple(parts)))
    assert rows["mass"].null_count() == 10
    assert rows["atrophy"].null_count() == 0


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, patches in {"ZHANG_1.png": (), "ZHANG_2.png": BLOOD}.items():
        Image.fromarray(grey_head(patches)).save(folder / name)
    return folder


def test_pictures_are_scored_with_their_window(pictures: Path, bundle: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    Image.fromarray(noise).save(pictures / "photo.png")
    Image.fromarray(np.zeros((128, 128), np.uint16)).save(pictures / "deep.png")
    (pictures / "notes.txt").write_text("x")
    rows = predicted(tmp_path / "out", pictures, bundle, window=(40, 120))
    assert rows.columns == COLUMNS
    found = {row["file"]: row for row in rows.to_dicts()}
    assert found["ZHANG_2.png"]["probability"] > found["ZHANG_1.png"]["probability"]
    assert found["photo.png"]["not_scored"] == "color_picture"
    assert found["deep.png"]["not_scored"] == "picture_16_bit"
    assert found["notes.txt"]["not_scored"] == "not_a_picture"
    assert not any("ZHANG" in name for name in leftovers(tmp_path / "out" / "heatmaps"))
    assert len(leftovers(tmp_path / "out" / "heatmaps")) == 2


def test_a_single_picture_is_a_source(pictures: Path, bundle: Path, tmp_path: Path) -> None:
    rows = predicted(tmp_path / "out", pictures / "ZHANG_2.png", bundle, window=(40, 120))
    assert rows["file"].to_list() == ["ZHANG_2.png"]


def test_a_source_with_both_is_dicom_unless_a_window_is_given(
    pictures: Path, study: Path, bundle: Path, tmp_path: Path
) -> None:
    shutil.copytree(pictures, study / "pictures")
    dicom = predicted(tmp_path / "a", study, bundle)
    assert dicom.filter(pl.col("probability").is_not_null())["file"].str.ends_with(".dcm").all()
    assert dicom.filter(pl.col("not_scored") == "not_dicom").height == 2
    shown = predicted(tmp_path / "b", study, bundle, window=(40, 120))
    assert shown.filter(pl.col("probability").is_not_null())["file"].str.ends_with(".png").all()


@pytest.mark.parametrize(
    ("source", "window", "message"),
    [
        ("pictures", None, "--window CENTER WIDTH"),
        ("nothing", None, "no such file or folder"),
        ("empty", None, "empty folder"),
        ("empty", (40, 80), "empty folder"),
        ("study", (40, 80), "Leave --window out"),
    ],
)
def test_a_source_that_cannot_be_meant_is_explained(
    pictures: Path, study: Path, bundle: Path, tmp_path: Path, source: str, window: object, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=message):
        predicted(tmp_path / "out", tmp_path / source, bundle, window=window)
    assert leftovers(tmp_path / "out") == []


def test_an_altered_or_incomplete_bundle_is_refused(study: Path, tmp_path: Path) -> None:
    altered = tiny_bundle(tmp_path / "a")
    (altered / MODEL_FILE).write_bytes((altered / MODEL_FILE).read_bytes() + b"\0")
    with pytest.raises(BundleError, match="SHA-256"):
        predicted(tmp_path / "out", study, altered)
    (altered / CARD_FILE).unlink()
    with pytest.raises(BundleError, match=f"no {CARD_FILE}"):
        predicted(tmp_path / "out", study, altered)
    assert leftovers(tmp_path / "out") == []


def test_results_inside_the_source_or_under_a_file_are_refused(study: Path, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="inside the source"):
        predicted(study / "out", study, bundle)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Not a directory"):
        predicted(tmp_path / "file" / "out", study, bundle)


def test_a_full_disk_leaves_nothing_that_looks_whole(
    study: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = overlay.save

    def filling_up(page: Image.Image, path: Path) -> None:
        calls.append(path)
        if len(calls) == 4:
            monkeypatch.setattr(Image.Image, "save", no_space)
        real(page, path)

    def no_space(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(overlay, "save", filling_up)
    with pytest.raises(StorageError, match="No space left"):
        predicted(tmp_path / "out", study, bundle)
    assert 4 <= len(calls) <= 4 + WAITING  # the others were under way
    assert leftovers(tmp_path / "out") == []


def test_a_second_run_is_skipped_and_a_changed_source_is_not(
    study: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predicted(tmp_path / "out", study, bundle)
    capsys.readouterr()
    predicted(tmp_path / "out", study, bundle)
    assert "unchanged, skipped" in capsys.readouterr().err
    (study / "85.dcm").unlink()
    assert predicted(tmp_path / "out", study, bundle).height == 9


def test_the_terminal_shows_geometry_counts_and_what_this_is_not(
    study: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predicted(tmp_path / "out", study, bundle)
    text = capsys.readouterr().err
    for part in ("10 of 10 slices scored", "tilt +0.0 deg", "spacing 5.00-5.00 mm", "not a medical device"):
        assert part in text
    assert PATIENT not in text
    assert ROOT not in text


def test_the_real_tilted_head_comes_out_whole_and_in_order(
    real_data: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = predicted(tmp_path / "out", real_data / "dicom" / "ge-head-tilted", bundle, heatmaps=False)
    assert rows["slice_index"].to_list() == list(range(28))
    spacing = np.diff(rows["slice_position_mm"].to_numpy())
    assert (spacing.min().round(2), spacing.max().round(2)) == (1.08, 7.0)
    text = capsys.readouterr().err
    assert "tilt +18.5 deg" in text
    assert "spacing 1.08-7.00 mm" in text


def test_the_real_phantom_without_a_brain_has_a_reason_for_all_of_it(
    real_data: Path, bundle: Path, tmp_path: Path
) -> None:
    source = real_data / "dicom" / "philips-head-phantom"
    with pytest.raises(SourceError, match="could be scored"):
        predicted(tmp_path / "out", source, bundle, heatmaps=False)
    rows = pl.read_csv(tmp_path / "out" / "predictions.csv")
    assert rows.height == sum(path.is_file() for path in source.iterdir())
    assert (rows["probability"].is_null() == rows["not_scored"].is_not_null()).all()
    assert {"localizer", "dose_sheet", "bone_kernel", "dicomdir"} <= set(rows["not_scored"].drop_nulls())


THRESHOLD = 0.9978  # of a slice of brain 0.9974, with blood 0.9981
AIR = np.full((128, 128), -1000, np.int16)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that calls a finding only where there is blood."""
    rest = {"finding": "any_finding", "rule": "r", "chosen_on": "tune", "sensitivity": 1, "specificity": 1, "n": 1}
    points = [{"level": level, "threshold": THRESHOLD, **rest} for level in ("slice", "study")]
    return tiny_bundle(tmp_path_factory.mktemp("strict"), operating_points=points)


def study_row(out: Path) -> dict[str, object]:
    return pl.read_csv(out / "studies.csv").row(0, named=True)


@pytest.mark.parametrize("level", [0, 255, 128])
def test_a_blank_picture_is_not_scored(pictures: Path, bundle: Path, tmp_path: Path, level: int) -> None:
    for suffix in ("png", "jpg"):
        Image.fromarray(np.full((128, 128), level, np.uint8)).save(pictures / f"blank.{suffix}")
    for i, window in enumerate(((40, 80), (40, 120), (35, 100), (50, 150))):
        rows = predicted(tmp_path / f"out{i}", pictures, bundle, window=window)
        found = dict(rows.select("file", "not_scored").iter_rows())
        assert (found["blank.png"], found["blank.jpg"]) == ("no_head", "no_head")
        assert rows.filter(file="blank.png")["decision"].to_list() == [None]


def test_air_above_the_vertex_is_not_scored_and_costs_no_decision(study: Path, strict: Path, tmp_path: Path) -> None:
    for i in (10, 11):
        write_slice(study / f"{90 - i}.dcm", AIR, i)
    for i in (4, 5, 6):
        write_slice(study / f"{90 - i}.dcm", head_slice(), i)
    rows = predicted(tmp_path / "a", study, strict)
    assert rows["not_scored"].to_list() == [None] * 10 + ["no_head"] * 2
    whole = study_row(tmp_path / "a")
    assert (whole["decision"], whole["slices"], whole["slices_scored"]) == ("no_finding", 12, 10)
    assert "incomplete" not in str(whole["flags"])
    write_slice(study / "85.dcm", AIR, 5)
    predicted(tmp_path / "b", study, strict)
    broken = study_row(tmp_path / "b")
    assert broken["decision"] == "incomplete"
    assert "incomplete: 1 not scored" in str(broken["flags"])


@pytest.mark.parametrize("kept", [(0,), (0, 4, 9), (0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 6, 7, 8, 9, 10, 11)])
def test_a_fragment_or_a_study_with_a_gap_is_never_no_finding(
    kept: tuple[int, ...], strict: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in kept:
        write_slice(tmp_path / "study" / f"{i}.dcm", head_slice(), i)
    rows = predicted(tmp_path / "out", tmp_path / "study", strict)
    assert rows["decision"].to_list() == ["no_finding"] * len(kept)
    assert study_row(tmp_path / "out")["decision"] == "incomplete"
    assert "incomplete, too little was seen to say no_finding" in capsys.readouterr().err


def test_a_slice_that_was_lost_makes_no_finding_incomplete_and_lets_a_finding_stand(
    study: Path, strict: Path, tmp_path: Path
) -> None:
    whole = (study / "90.dcm").read_bytes()
    (study / "90.dcm").write_bytes(whole[: len(whole) - 9000])
    predicted(tmp_path / "a", study, strict)
    assert study_row(tmp_path / "a")["decision"] == "finding"
    for i in (4, 5, 6):
        write_slice(study / f"{90 - i}.dcm", head_slice(), i)
    predicted(tmp_path / "b", study, strict)
    assert study_row(tmp_path / "b")["decision"] == "incomplete"


def test_the_code_on_the_screen_is_in_the_table(
    study: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predicted(tmp_path / "out", study, bundle)
    frame = pl.read_csv(tmp_path / "out" / "studies.csv")
    said = capsys.readouterr().err
    assert frame.columns[-1] == "study_code"
    assert f"Study {frame['study_code'][0]}: " in said
    assert "slices called finding" in said


def test_a_run_that_ends_early_leaves_no_results_of_an_earlier_one(
    study: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    predicted(out, study, bundle)

    def full(picture: object, path: Path) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(overlay, "save", full)
    with pytest.raises(StorageError, match="no space left"):
        run(out, PredictSettings(source=study, model=bundle, threads=2))
    assert leftovers(out) == ["predict.begun.json"]


def test_only_our_own_old_heat_maps_are_removed(study: Path, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    predicted(out, study, bundle)
    (out / "heatmaps" / "mine.txt").write_text("notes", encoding="utf-8")
    predicted(out, study, bundle, heatmaps=False)
    assert leftovers(out / "heatmaps") == ["mine.txt"]
    predicted(out, study, bundle)
    assert len(leftovers(out / "heatmaps")) == 11


def test_a_file_name_cannot_become_a_formula_and_need_not_be_utf8(pictures: Path, bundle: Path, tmp_path: Path) -> None:
    names = ["=cmd|' -C calc'!A0.png", "+1.png", "-1.png", "@a.png", os.fsdecode(b"\xd5\xc5.png")]
    for name in names:
        shutil.copy(pictures / "ZHANG_1.png", pictures / name)
    out = tmp_path / os.fsdecode(b"out\xff")
    run(out, PredictSettings(source=pictures, model=bundle, threads=1, window=(40, 120)))
    rows = pl.read_csv((out / "predictions.csv").read_bytes())
    assert {"'=cmd|' -C calc'!A0.png", "'+1.png", "'-1.png", "'@a.png", "%D5%C5.png"} < set(rows["file"])
    assert rows["probability"].null_count() == 0


def test_no_slice_of_the_real_heads_is_taken_for_air(real_data: Path) -> None:
    folder = real_data / "dicom" / "ge-head-tilted"
    with Reader() as reader:
        found = [judge(reader.read(Place(str(folder), path.name, 0)).hu).code for path in sorted(folder.glob("*.dcm"))]
    assert len(found) == 28
    assert NO_HEAD not in found
    pictures = list_pictures(real_data / "ctich-dev")
    assert NO_HEAD not in {judge(read_picture(path, Window(40, 120))).code for path in pictures[::7]}


def test_a_heat_map_that_is_not_reliable_is_marked_in_table_picture_and_terminal(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = Measured(
        **{"data": "d", "figure": "map_flip_shared_energy", "level": "slice", "finding": "any_finding"},
        **{"value": 0.2, "n": 9, "n_positive": 9, "clusters": 9},
    )
    rows = predicted(tmp_path / "out", study, tiny_bundle(tmp_path / "bundle", figures=(failed,)))
    assert rows["heatmap_not_reliable"].str.contains("bundle_failed_checks").all()
    assert "10 bundle_failed_checks. The bundle's maps failed their checks; " in capsys.readouterr().err
    with Image.open(tmp_path / "out" / rows["heatmap"][0]) as image:
        assert image.size[1] > 384 + FOOTER_PX


def test_studies_that_the_screen_has_no_room_for_are_counted(
    study: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(predict, "SHOWN_STUDIES", 0)
    predicted(tmp_path / "out", study, bundle)
    said = capsys.readouterr().err
    assert "... and 1 more study: all are in studies.csv" in said
    assert "Study " not in said


def test_a_map_with_nothing_against_it_has_no_mark(study: Path, bundle: Path, tmp_path: Path) -> None:
    assert predicted(tmp_path / "out", study, bundle)["heatmap_not_reliable"].null_count() == 10


@pytest.mark.parametrize("engine", ["fp32", "mixed", "int8"])
def test_the_record_says_which_engine_scored(engine: str, study: Path, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle", int8=tiny_int8())
    predicted(tmp_path / "out", study, bundle, engine=engine)
    record = json.loads((tmp_path / "out" / "predict.run.json").read_text(encoding="utf-8"))
    assert record["counts"]["engine"] == engine


def test_pictures_and_tables_are_the_same_on_any_number_of_threads(study: Path, bundle: Path, tmp_path: Path) -> None:
    for threads in (1, 3):
        run(tmp_path / str(threads), PredictSettings(source=study, model=bundle, threads=threads))
    names = ["predictions.csv", "studies.csv", *(f"heatmaps/{p.name}" for p in (tmp_path / "1" / "heatmaps").iterdir())]
    assert len(names) == 12
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()
