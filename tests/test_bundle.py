from pathlib import Path

import pytest

from plainscan import bundle
from plainscan.bundle import Calibration, Card, OperatingPoint, read_card, write_bundle
from plainscan.errors import BundleError
from plainscan.findings import FINDING_KEYS
from plainscan.tables import file_hash

MODEL = b"not really a graph"


def card(model_file: Path) -> Card:
    model_file.parent.mkdir(parents=True, exist_ok=True)
    model_file.write_bytes(MODEL)
    return Card(
        name="test",
        plainscan="0.1.0",
        network="resnet18",
        input_size=64,
        windows=((40.0, 80.0),),
        neighbors=1,
        findings=FINDING_KEYS,
        calibration=tuple(Calibration(finding=key) for key in FINDING_KEYS),
        operating_points=(
            OperatingPoint(
                level="slice", finding="any_finding", threshold=0.5, rule="r", chosen_on="tune",
                sensitivity=1, specificity=0.5, n=3,
            ),
        ),
        provenance={"seed": 1},
        model_sha256=file_hash(model_file),
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "model", MODEL, card(tmp_path / "any" / "model.onnx"))
    return tmp_path / "model"


def test_a_bundle_comes_back_as_it_was_written(folder: Path, tmp_path: Path) -> None:
    assert read_card(folder) == card(tmp_path / "any" / "model.onnx")


def test_channels_are_windows_times_planes(folder: Path) -> None:
    assert read_card(folder).channels() == 3


def test_an_altered_model_is_refused_with_both_hashes(folder: Path) -> None:
    expected = file_hash(folder / "model.onnx")
    (folder / "model.onnx").write_bytes(MODEL + b" ")
    with pytest.raises(BundleError) as caught:
        read_card(folder)
    assert expected in str(caught.value)
    assert file_hash(folder / "model.onnx") in str(caught.value)


@pytest.mark.parametrize("name", ["card.json", "model.onnx"])
def test_a_missing_part_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"no {name}"):
        read_card(folder)


@pytest.mark.parametrize(
    ("before", "after"),
    [('"format": 1', '"format": 2'), ('"windows"', '"wndows"'), ('"mass"', '"masses"'), ("{", "")],
)
def test_a_card_of_another_kind_is_refused(folder: Path, before: str, after: str) -> None:
    path = folder / "card.json"
    path.write_text(path.read_text(encoding="utf-8").replace(before, after, 1), encoding="utf-8")
    with pytest.raises(BundleError, match=r"card\.json"):
        read_card(folder)


def test_a_write_that_dies_before_the_card_leaves_no_bundle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = read_card(folder)

    def die(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(bundle.Card, "model_dump_json", die)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(folder, MODEL, known)
    with pytest.raises(BundleError, match=r"no card\.json"):
        read_card(folder)


def test_a_copy_is_a_bundle(folder: Path, tmp_path: Path) -> None:
    bundle.copy_bundle(folder, tmp_path / "copy")
    assert read_card(tmp_path / "copy") == read_card(folder)
