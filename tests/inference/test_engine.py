from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.inference.tiny_bundle import BIAS, GAIN, OFFSET, ship_tiny, tiny_bundle, tiny_card, tiny_int8, tiny_model

from plainscan.bundle import CARD_FILE, MODEL_FILE
from plainscan.errors import BundleError, InternalError
from plainscan.inference import engine
from plainscan.inference.engine import Model, chosen, load, operating_point, probe
from plainscan.inference.predict import score
from plainscan.setting_types import Engine


def test_logits_are_the_mean_of_the_maps_plus_the_bias(tmp_path: Path) -> None:
    model = load(tiny_bundle(tmp_path))
    image = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    logits, maps = model.run(image)
    assert logits.shape == (15,)
    assert maps.shape == (15, 8, 8)
    np.testing.assert_allclose(logits, maps.mean(axis=(1, 2)) + BIAS, atol=1e-5)
    cells = image[0, 1].reshape(8, 8, 8, 8).mean(axis=(1, 3))
    np.testing.assert_allclose(maps[0], GAIN * cells - OFFSET, atol=1e-4)


def test_the_word_loads_the_shipped_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ship_tiny(tmp_path, monkeypatch, name="ours")
    assert load("plainscan").card.name == "ours"


def test_one_and_two_threads_agree(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path)
    image = np.random.default_rng(1).random((1, 3, 64, 64), np.float32)
    one, two = load(bundle, threads=1).run(image), load(bundle, threads=2).run(image)
    assert one[0].tobytes() == two[0].tobytes()
    assert one[1].tobytes() == two[1].tobytes()


def test_integers_score_as_floats_do_within_their_steps(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path, int8=tiny_int8())
    hu = np.random.default_rng(2).integers(0, 80, (1, 1, 64, 64), np.int16)
    plain, integers = (score(load(bundle, engine=name), hu) for name in ("fp32", "int8"))
    assert 0 < np.abs(integers.maps - plain.maps).max() < 2 * GAIN / 255


@pytest.mark.parametrize("name", ["int8", "mixed"])
def test_integers_give_the_same_bits_in_any_batch_on_any_number_of_threads(tmp_path: Path, name: Engine) -> None:
    bundle = tiny_bundle(tmp_path, int8=tiny_int8())
    hu = np.random.default_rng(3).integers(0, 80, (5, 1, 64, 64), np.int16)
    whole = score(load(bundle, threads=3, engine=name), hu)
    alone = [score(load(bundle, threads=1, engine=name), hu[i : i + 1]) for i in range(5)]
    assert whole.maps.tobytes() == np.concatenate([part.maps for part in alone]).tobytes()
    assert whole.logits.tobytes() == np.concatenate([part.logits for part in alone]).tobytes()


def test_integers_give_the_same_bits_by_the_way_for_processors_without_vnni(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tiny_bundle(tmp_path, int8=tiny_int8())
    image = np.random.default_rng(5).random((1, 3, 64, 64), np.float32)
    maps = []
    for vnni in (True, False):
        monkeypatch.setattr(engine, "multiplies_bytes", lambda vnni=vnni: vnni)
        maps.append(load(bundle, engine="int8").run(image)[1])
    assert maps[0].tobytes() == maps[1].tobytes()


@pytest.mark.parametrize(
    ("changes", "vnni", "expected"),
    [
        ({}, True, "int8"),
        ({}, False, "fp32"),
        ({"auc_fall": 0.0021}, True, "mixed"),
        ({"auc_fall": None}, True, "mixed"),
        ({"decisions_changed": 0.0051}, True, "mixed"),
        ({"decisions_changed": 0.0051}, False, "fp32"),
        ({"auc_fall": 0.002, "decisions_changed": 0.005}, True, "int8"),
    ],
)
def test_auto_takes_the_quickest_that_checks_and_processor_allow(
    changes: dict[str, object], vnni: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "multiplies_bytes", lambda: vnni)
    card = tiny_card(tiny_model(), int8=tiny_int8(**changes))
    assert chosen(card, "auto") == expected
    for engine_name in ("fp32", "mixed", "int8"):
        assert chosen(card, engine_name) == engine_name


def test_one_check_that_does_not_hold_forbids_an_engine_and_so_does_none_at_all() -> None:
    int8 = tiny_int8(decisions_changed=0.0051)
    bad = int8.checks[1].model_copy(update={"auc_fall": 0.0021})
    assert int8.default == "mixed"
    assert int8.model_copy(update={"checks": (*int8.checks, bad)}).default == "fp32"
    assert int8.model_copy(update={"checks": int8.checks[:1]}).default == "fp32"


def test_a_bundle_without_ranges_scores_on_floats_and_says_so_when_asked_for_integers(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path)
    assert load(bundle).engine == "fp32"
    for name in ("int8", "mixed"):
        with pytest.raises(BundleError, match=f"no ranges for {name}"):
            load(bundle, engine=name)


def test_tensors_inside_the_graph_can_be_looked_at() -> None:
    image = np.random.default_rng(4).random((1, 3, 64, 64), np.float32)
    given, activations = probe(tiny_model(), ["image", "activations"])(image)
    assert (given == image).all()
    np.testing.assert_allclose(activations[0] - OFFSET, Model(tiny_model(), tiny_card(tiny_model())).run(image)[1])


def test_more_than_one_slice_at_a_time_is_our_mistake(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="batch of 2"):
        load(tiny_bundle(tmp_path)).run(np.zeros((2, 3, 64, 64), np.float32))


def test_model_with_another_hash_is_refused_from_disk_and_from_bytes(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path)
    (bundle / MODEL_FILE).write_bytes(tiny_model(bias=0.75))
    with pytest.raises(BundleError, match="SHA-256"):
        load(bundle)
    with pytest.raises(BundleError, match="SHA-256"):
        Model(tiny_model(bias=0.75), tiny_card(tiny_model()))


@pytest.mark.parametrize("name", [CARD_FILE, MODEL_FILE])
def test_bundle_without_card_or_model_is_refused_by_name(tmp_path: Path, name: str) -> None:
    bundle = tiny_bundle(tmp_path)
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=f"no {name}"):
        load(bundle)


def test_bytes_that_are_no_onnx_model_are_refused() -> None:
    data = b"pickled or anything else"
    card = tiny_card(tiny_model()).model_copy(update={"model_sha256": hashlib.sha256(data).hexdigest()})
    with pytest.raises(BundleError, match="ONNX Runtime"):
        Model(data, card)


@pytest.mark.parametrize("changes", [{"input_size": 96}, {"neighbors": 1}, {"windows": ((40.0, 80.0),)}])
def test_graph_that_does_not_fit_its_card_is_refused(changes: dict[str, object]) -> None:
    model = tiny_model()
    with pytest.raises(BundleError, match="as the card says"):
        Model(model, tiny_card(model, **changes))


def test_missing_operating_point_is_refused() -> None:
    card = tiny_card(tiny_model())
    assert operating_point(card, "study").level == "study"
    with pytest.raises(BundleError, match="no slice operating point for mass"):
        operating_point(card, "slice", "mass")
    with pytest.raises(BundleError, match="no slice operating point"):
        operating_point(tiny_card(tiny_model(), operating_points=()), "slice")


HEAVY = ("torch", "scipy", "sklearn", "matplotlib", "jinja2", "onnx", "pandas")


@pytest.mark.parametrize("stage", ["predict", "scan", "select", "images", "label"])
def test_stages_of_the_small_install_import_nothing_heavy(stage: str) -> None:
    code = f"import sys, plainscan.cli, plainscan.stages.{stage}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
