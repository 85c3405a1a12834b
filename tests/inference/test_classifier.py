from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from tests.inference.tiny_bundle import grey_head, head_slice, ship_tiny, tiny_bundle, tiny_card
from tests.learning.test_export import trained_looking
from tests.stages.tiny_study import PATIENT, ROOT, write_slice

import plainscan
from plainscan.bundle import Calibration, read_card, write_bundle
from plainscan.config import PredictSettings
from plainscan.errors import BundleError, ConfigError, SourceError
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.inference.classifier import Classifier
from plainscan.inference.context import REACH_MM, Place, among_neighbors
from plainscan.inference.predict import calibrated
from plainscan.inference.result import StudyResult
from plainscan.learning.export import to_onnx
from plainscan.stages.predict import run

SPACING = (5.0, 1.875, 1.875)
WINDOW = (40.0, 120.0)
BLOOD = [(60, 40, 14)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def model(bundle: Path) -> Classifier:
    return plainscan.load(bundle, threads=1)


@pytest.fixture(scope="module")
def among(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle, whose slices hear their neighbors."""
    return tiny_bundle(tmp_path_factory.mktemp("among"), context_mm=REACH_MM)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose graph is a real network: many convolutions, which threads could add up in another order."""
    graph = to_onnx("resnet18-fine", trained_looking("resnet18-fine", 3).state_dict(), 64)
    folder = tmp_path_factory.mktemp("network")
    rest = {"finding": ANY_FINDING, "rule": "r", "chosen_on": "tune", "sensitivity": 1, "specificity": 1, "n": 1}
    points = [{"level": level, "threshold": 0.005, **rest} for level in ("slice", "study")]
    write_bundle(folder, graph, tiny_card(graph, pooling="log_mean_exp", operating_points=points))
    return folder


def volume(slices: int = 10) -> np.ndarray:
    rng = np.random.default_rng(7)
    noise = rng.normal(0, 8, (slices, 128, 128))
    ends = (0, slices - 1)
    plain = np.stack(
        [head_slice(patches=BLOOD if 4 <= i <= 6 else (), brain=0.3 if i in ends else 0.4) for i in range(slices)]
    )
    return np.rint(plain + noise).astype(np.int16)


def write_study(folder: Path, hu: np.ndarray, study: int = 1) -> Path:
    for i, plane in enumerate(hu):
        write_slice(folder / f"{study}_{90 - i}.dcm", plane, i, study=study)
    return folder


def bits(result: StudyResult) -> list[bytes]:
    """Everything that a result says in numbers, byte for byte."""
    parts = [np.float64(np.nan if result.probability is None else result.probability).tobytes()]
    for item in result.slices:
        parts += [np.array(list(item.probability.values())).tobytes(), str(item.decision).encode()]
        parts += [item.heat_map().tobytes()] if item.evidence else []
    return parts


def test_a_result_says_all_of_a_study(model: Classifier, tmp_path: Path) -> None:
    result = model.predict(write_study(tmp_path / "study", volume()))
    assert [item.origin.slice_index for item in result.slices] == list(range(10))
    assert [item.origin.file for item in result.slices] == [f"1_{90 - i}.dcm" for i in range(10)]
    assert [item.origin.instance for item in result.slices] == [f"{ROOT}.1.1.{i + 1}" for i in range(10)]
    assert all(tuple(item.probability) == FINDING_KEYS for item in result.slices)
    top = sorted(item.probability[ANY_FINDING] for item in result.slices)[-3:]
    assert result.probability == pytest.approx(np.mean(top))
    assert (result.decision, result.flags, result.left_out) == ("finding", (), ())
    assert (result.bundle, result.model_sha256) == ("tiny", model.card.model_sha256)
    heat = result.slices[5].heat_map()
    assert heat.shape == (128, 128)
    assert 0 < heat.max() <= 1
    assert result.slices[5].overlay().size[0] >= 320


def test_no_identifier_is_in_the_printed_form(model: Classifier, tmp_path: Path) -> None:
    text = repr(model.predict(write_study(tmp_path / "study", volume())))
    assert not [word for word in (PATIENT, ROOT, "'P1'", ".dcm") if word in text]


@pytest.mark.parametrize("kind", ["network", "bundle", "among"])
def test_files_a_volume_and_the_command_give_the_same_bits(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    model = plainscan.load(folder, threads=1)
    source = write_study(tmp_path / "study", volume())
    of_files = model.predict(source)
    assert bits(model.predict(volume(), spacing_mm=SPACING)) == bits(of_files)
    assert bits(model.predict(volume().astype(np.float32), spacing_mm=SPACING)) == bits(of_files)
    assert bits(model.predict(np.asfortranarray(volume()), spacing_mm=SPACING)) == bits(of_files)
    run(tmp_path / "out", PredictSettings(source=source, model=folder, threads=1))
    rows = pl.read_csv(tmp_path / "out" / "predictions.csv")
    assert rows["probability"].to_list() == [round(item.probability[ANY_FINDING], 8) for item in of_files.slices]
    assert rows["mass"].to_list() == [round(item.probability["mass"], 8) for item in of_files.slices]
    assert rows["decision"].to_list() == [item.decision for item in of_files.slices]
    summary = pl.read_csv(tmp_path / "out" / "studies.csv").row(0, named=True)
    assert summary["probability"] == round(of_files.probability or 0, 8)
    assert summary["decision"] == of_files.decision
    drawn = [np.asarray(Image.open(tmp_path / "out" / name)) for name in rows["heatmap"]]
    assert all(np.array_equal(page, item.overlay()) for page, item in zip(drawn, of_files.slices, strict=True))


def test_a_slice_is_scored_among_its_neighbors(tmp_path: Path) -> None:
    steep = [Calibration(finding=key, slope=30, intercept=-180, fitted_on="tune") for key in FINDING_KEYS]
    bundles = (tiny_bundle(tmp_path / str(reach), calibration=steep, context_mm=reach) for reach in (0.0, REACH_MM))
    alone, heard = (plainscan.load(bundle, threads=1).predict(volume(), spacing_mm=SPACING) for bundle in bundles)
    logits = np.stack([item.evidence.logits for item in alone.slices if item.evidence])
    places = [Place("a", SPACING[0] * i) for i in range(len(logits))]
    mixed = among_neighbors(logits, places, REACH_MM)
    expected = calibrated(mixed, steep)[:, 0]
    assert [item.probability[ANY_FINDING] for item in heard.slices] == expected.tolist()
    edge = 3  # beside the first slice with blood: its own score is low, half of the next one's counts
    assert (alone.slices[edge].decision, heard.slices[edge].decision) == ("no_finding", "finding")
    evidence = heard.slices[edge].evidence
    assert evidence is not None
    np.testing.assert_array_equal(evidence.logits, mixed[edge])  # what the heat map's scale is made of


def test_a_picture_and_its_grey_levels_give_the_same_bits(model: Classifier, tmp_path: Path) -> None:
    Image.fromarray(grey_head(BLOOD)).save(tmp_path / "a.png")
    of_file = model.predict(str(tmp_path / "a.png"), window=WINDOW)
    of_array = model.predict(grey_head(BLOOD), window=WINDOW)
    assert bits(of_file) == bits(of_array)
    assert of_array.slices[0].decision is not None


def test_a_picture_stands_alone(model: Classifier) -> None:
    result = model.predict(grey_head(), window=WINDOW)
    assert (result.probability, result.decision, len(result.slices)) == (None, None, 1)


@pytest.mark.parametrize("slices", [1, 2, 5, 10])
def test_a_slice_has_the_same_bits_in_a_volume_of_any_size(network: Path, slices: int) -> None:
    model = plainscan.load(network, threads=1)
    whole = model.predict(volume(), spacing_mm=SPACING)
    part = model.predict(volume()[:slices], spacing_mm=SPACING)
    for alone, together in zip(part.slices, whole.slices, strict=False):
        assert alone.probability == together.probability
        np.testing.assert_array_equal(alone.heat_map(), together.heat_map())


def test_one_thread_and_two_differ_by_no_more_than_rounding(network: Path) -> None:
    one, two = (plainscan.load(network, threads=n).predict(volume(), spacing_mm=SPACING) for n in (1, 2))
    for a, b in zip(one.slices, two.slices, strict=True):
        np.testing.assert_allclose(list(a.probability.values()), list(b.probability.values()), rtol=0, atol=1e-6)
        assert a.heat_map().max() > 0
        np.testing.assert_allclose(a.heat_map(), b.heat_map(), rtol=0, atol=1e-6)
        assert a.decision == b.decision
    assert one.probability == pytest.approx(two.probability, abs=1e-6)


AGAIN = """
import hashlib, json, sys
import numpy as np
import plainscan
result = plainscan.load(sys.argv[1], threads=int(sys.argv[3])).predict(sys.argv[2])
heat = hashlib.sha256(b"".join(item.heat_map().tobytes() for item in result.slices)).hexdigest()
print(json.dumps([[list(item.probability.values()) for item in result.slices], result.probability, heat]))
"""


def test_a_restart_changes_no_bit(network: Path, tmp_path: Path) -> None:
    source = write_study(tmp_path / "study", volume(4))
    command = [sys.executable, "-c", AGAIN, str(network), str(source), "1"]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    here = plainscan.load(network, threads=1).predict(source)
    heat = hashlib.sha256(b"".join(item.heat_map().tobytes() for item in here.slices)).hexdigest()
    assert told == [[list(item.probability.values()) for item in here.slices], here.probability, heat]


def test_a_model_shared_by_threads_gives_each_the_same_bits(network: Path) -> None:
    model = plainscan.load(network, threads=1)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: bits(model.predict(volume(3), spacing_mm=SPACING)), range(8)))
    assert all(result == results[0] for result in results)


def test_scoring_twice_and_by_another_classifier_changes_nothing(model: Classifier, bundle: Path) -> None:
    first = bits(model.predict(volume(), spacing_mm=SPACING))
    model.predict(grey_head(), window=WINDOW)
    assert bits(model.predict(volume(), spacing_mm=SPACING)) == first
    assert bits(plainscan.load(bundle, threads=1).predict(volume(), spacing_mm=SPACING)) == first


def test_the_array_is_not_changed_and_neighbors_are_its_own(tmp_path: Path) -> None:
    model = plainscan.load(tiny_bundle(tmp_path / "bundle", neighbors=1), threads=1)
    hu = volume().astype(np.float64)
    hu[:, :2] = -3024.0
    before = hu.copy()
    result = model.predict(hu, spacing_mm=SPACING)
    np.testing.assert_array_equal(hu, before)
    assert result.flags == ("undeclared_padding",)
    assert len(result.slices) == 10


def test_without_a_name_the_shipped_bundle_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ship_tiny(tmp_path, monkeypatch, name="ours")
    assert plainscan.load().card.name == plainscan.load("plainscan", threads=1).card.name == "ours"


def test_a_slice_without_a_score_says_why(model: Classifier, tmp_path: Path) -> None:
    hu = volume(12)
    hu[[5, 11]] = -1000
    result = model.predict(hu, spacing_mm=SPACING)
    assert [item.not_scored for item in result.slices] == ["no_head" if i in (5, 11) else None for i in range(12)]
    assert "incomplete: 1 not scored" in result.flags
    air = result.slices[5]
    assert (air.decision, dict(air.probability), air.evidence) == (None, {}, None)
    for wanted in (air.heat_map, air.overlay):
        with pytest.raises(SourceError, match="not scored: no_head"):
            wanted()
    empty = model.predict(np.full((8, 64, 64), -1000, np.int16), spacing_mm=SPACING)
    assert (empty.probability, empty.decision) == (None, None)


def test_half_a_head_is_never_no_finding_and_says_which_half_is_missing(tmp_path: Path) -> None:
    rest = {"finding": ANY_FINDING, "rule": "r", "chosen_on": "tune", "sensitivity": 1, "specificity": 1, "n": 1}
    points = [{"level": level, "threshold": 1.0, **rest} for level in ("slice", "study")]
    model = plainscan.load(tiny_bundle(tmp_path, operating_points=points), threads=1)
    head, blank = volume(16), np.full((8, 128, 128), -1000, np.int16)
    whole, below, above, zeros = (
        model.predict(hu, spacing_mm=SPACING) for hu in (head, head[8:], head[:8], np.concatenate([head[:8], blank]))
    )
    assert (whole.decision, whole.flags) == ("no_finding", ())
    assert (below.decision, below.flags) == ("incomplete", ("cut_below",))
    assert (above.decision, above.flags) == (zeros.decision, zeros.flags) == ("incomplete", ("cut_above",))


def test_a_few_slices_are_never_no_finding(tmp_path: Path) -> None:
    rest = {"finding": ANY_FINDING, "rule": "r", "chosen_on": "tune", "sensitivity": 1, "specificity": 1, "n": 1}
    points = [{"level": level, "threshold": 1.0, **rest} for level in ("slice", "study")]
    model = plainscan.load(tiny_bundle(tmp_path, operating_points=points), threads=1)
    assert model.predict(volume(7), spacing_mm=SPACING).decision == "incomplete"
    assert model.predict(volume(8), spacing_mm=SPACING).decision == "no_finding"


def test_only_findings_that_were_calibrated_are_given(tmp_path: Path) -> None:
    parts = tuple(Calibration(finding=key, fitted_on="none" if key == "mass" else "tune") for key in FINDING_KEYS)
    points = [point for point in read_card(tiny_bundle(tmp_path / "a")).operating_points if point.level == "slice"]
    model = plainscan.load(tiny_bundle(tmp_path / "b", calibration=parts, operating_points=points), threads=1)
    result = model.predict(volume(), spacing_mm=SPACING)
    assert set(FINDING_KEYS) - set(result.slices[0].probability) == {"mass"}
    assert result.decision == "no_operating_point"
    with pytest.raises(BundleError, match="no slice operating point for atrophy"):
        result.slices[0].heat_map("atrophy")
    with pytest.raises(SourceError, match="no finding 'tumour'"):
        result.slices[0].heat_map("tumour")


def test_several_studies_come_one_after_the_other(model: Classifier, tmp_path: Path) -> None:
    for study in (1, 2):
        write_study(tmp_path / "in", volume(), study)
    (tmp_path / "in" / "note.txt").write_text("x")
    with pytest.raises(SourceError, match=r"2 studies.*predict_all"):
        model.predict(tmp_path / "in")
    results = list(model.predict_all(tmp_path / "in"))
    assert [len(result.slices) for result in results] == [10, 10]
    assert [tuple(item) for item in results[0].left_out] == [("note.txt", "not_dicom")]
    assert bits(results[0]) == bits(results[1])


def test_a_source_without_a_study_is_refused_with_its_reasons(model: Classifier, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(SourceError, match="1 not_dicom"):
        model.predict_all(tmp_path)
    with pytest.raises(SourceError, match="no such file"):
        model.predict(tmp_path / "nothing")
    Image.fromarray(grey_head()).save(tmp_path / "a.png")
    with pytest.raises(SourceError, match=r"window=\(40, 80\)"):
        model.predict(tmp_path / "a.png")


def test_a_picture_that_is_refused_has_its_code(model: Classifier, tmp_path: Path) -> None:
    color = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(color).save(tmp_path / "a.png")
    (item,) = model.predict(tmp_path / "a.png", window=WINDOW).slices
    assert item.not_scored == "color_picture"


HU = volume(3)
HOLED = np.where(np.arange(128) == 5, np.nan, HU.astype(np.float32))


@pytest.mark.parametrize(
    ("array", "more", "code", "words"),
    [
        (HU, {}, "no_spacing", r"spacing_mm=\(slices, rows, columns\)"),
        (HU, {"spacing_mm": (5.0, 0.5)}, "bad_spacing", "three numbers"),
        (HU, {"spacing_mm": "5"}, "bad_spacing", "three numbers"),
        (HU, {"spacing_mm": (0.005, 0.0005, 0.0005)}, "bad_spacing", "0.05 to 10 mm"),
        (HU, {"spacing_mm": (5.0, 0.5, float("nan"))}, "bad_spacing", "0.05 to 10 mm"),
        (HU, {"spacing_mm": (0.5, 0.5, 5.0)}, "bad_spacing", "square pixels"),
        (HU[0], {"spacing_mm": SPACING}, "array_shape", r"hu\[None\]"),
        (HU[:0], {"spacing_mm": SPACING}, "array_shape", r"\(0, 128, 128\)"),
        (HU[:, :8], {"spacing_mm": SPACING}, "array_shape", "8 x 128 pixels"),
        (HU.astype(np.int8), {"spacing_mm": SPACING}, "array_type", "8 bits cannot hold HU"),
        (HU > 0, {"spacing_mm": SPACING}, "array_type", "bool"),
        (HU.astype(complex), {"spacing_mm": SPACING}, "array_type", "complex"),
        (HU.tolist(), {"spacing_mm": SPACING}, "array_type", "a list; expected a path"),
        (HOLED, {"spacing_mm": SPACING}, "not_finite", "slice 0 has 128 values"),
        ((HU + 1024).clip(0), {"spacing_mm": SPACING}, "wrong_intercept", "slope and intercept"),
        ((HU.astype(np.float32) + 1100) / 3000, {"spacing_mm": SPACING}, "not_hu", "Undo the scaling"),
        (grey_head(), {}, "no_window", r"window=\(40, 80\)"),
        (np.repeat(grey_head()[..., None], 3, -1), {}, "no_window", "8-bit"),
        (np.repeat(grey_head()[..., None], 3, -1), {"window": WINDOW}, "color_picture", "without color"),
        (grey_head()[None], {"window": WINDOW}, "array_shape", "one by one"),
        (grey_head().astype(np.uint16), {"window": WINDOW}, "array_type", "leave window out"),
        (grey_head()[:9], {"window": WINDOW}, "array_shape", "9 x 128"),
        (grey_head(), {"window": WINDOW, "spacing_mm": SPACING}, "array_meaning", "both"),
    ],
)
def test_what_an_array_cannot_mean_is_refused(
    model: Classifier, array: Any, more: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        model.predict(array, **more)
    assert caught.value.code == code


def test_thick_bone_in_air_is_not_taken_for_stored_values(model: Classifier) -> None:
    hu = np.where(volume(8) > 600, 1050, volume(8)).astype(np.int16)
    assert model.predict(hu, spacing_mm=SPACING).decision is not None
    stored = volume(8).clip(-1024) + 1024
    stored[:, :4] = -3024  # outside the field of view
    with pytest.raises(SourceError, match="stored values"):
        model.predict(stored, spacing_mm=SPACING)


@pytest.mark.parametrize("window", [(40,), (40, 0), (float("nan"), 80), "brain", (40, 80, 3)])
def test_a_window_that_is_none_is_refused(model: Classifier, window: Any) -> None:
    with pytest.raises(ConfigError, match=r"center, width"):
        model.predict(grey_head(), window=window)


def test_files_take_no_spacing(model: Classifier, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="files say their own spacing"):
        model.predict(write_study(tmp_path / "s", volume(1)), spacing_mm=SPACING)


@pytest.mark.parametrize("threads", [-1, 257, True, 1.5, "2"])
def test_a_number_of_threads_that_is_none_is_refused(bundle: Path, threads: Any) -> None:
    with pytest.raises(ConfigError, match="threads"):
        plainscan.load(bundle, threads=threads)
