import errno
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plainscan import bundle
from plainscan.bundle import Calibration, Card, OperatingPoint, located, read_card, shipped, write_bundle, write_sums
from plainscan.errors import BundleError, StorageError
from plainscan.findings import FINDING_KEYS
from plainscan.storage import file_hash

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


@pytest.mark.parametrize("write", ["write_bytes", "write_text"])
def test_a_disk_that_fills_up_leaves_the_bundle_that_stood_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    before = read_card(folder)

    def full(path: Path, *_: object, **__: object) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, write, full)
        with pytest.raises(StorageError, match="Free some space"):
            write_bundle(folder, MODEL, before.model_copy(update={"name": "other"}))
    assert read_card(folder) == before
    assert {path.name for path in folder.iterdir()} == {"card.json", "model.onnx"}


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
def test_a_missing_part_is_named_with_the_models_hash(folder: Path, name: str) -> None:
    digest = file_hash(folder / "model.onnx")
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"no {name}.*{digest}"):
        read_card(folder)


def test_a_folder_without_either_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError,
        match=r"no card\.json; expected a folder with model\.onnx and card\.json.*calibrate.*word plainscan",
    ):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [('"format": 1', '"format": 2'), ('"windows"', '"wndows"'), ('"mass"', '"masses"'), ("{", "")],
)
def test_a_card_of_another_kind_is_refused(folder: Path, before: str, after: str) -> None:
    path = folder / "card.json"
    path.write_text(path.read_text(encoding="utf-8").replace(before, after, 1), encoding="utf-8")
    with pytest.raises(BundleError, match=r"card\.json"):
        read_card(folder)


def test_a_bundle_made_for_other_preparation_rules_is_refused(folder: Path, tmp_path: Path) -> None:
    other = read_card(folder).model_copy(update={"preparation": "head-square-0"})
    write_bundle(tmp_path / "other", MODEL, other)
    with pytest.raises(BundleError, match="preparation head-square-0; expected head-square-"):
        read_card(tmp_path / "other")


def test_a_write_that_dies_between_its_two_files_leaves_a_bundle_that_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = MODEL + b" of another kind"
    (tmp_path / "other.onnx").write_bytes(other)
    known = read_card(folder).model_copy(update={"model_sha256": file_hash(tmp_path / "other.onnx")})
    replace, replaced = Path.replace, []

    def once(path: Path, target: Path) -> Path:
        if replaced:
            raise KeyboardInterrupt
        replaced.append(target)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", once)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(folder, other, known)
    with pytest.raises(BundleError, match="was altered"):
        read_card(folder)


def edited(folder: Path, change: Callable[[dict[str, Any]], None], *, seal: bool = True) -> Path:
    """The card with a change; `seal`: as one would write it who knows how it is sealed."""
    path = folder / "card.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    change(fields)
    if seal:
        fields.pop("card_sha256")
        fields["card_sha256"] = bundle._seal(fields)
    path.write_text(json.dumps(fields), encoding="utf-8")
    return folder


def calibration(**values: float) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields["calibration"][0].update(values)


def point(**values: float) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields["operating_points"][0].update(values)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (calibration(slope=math.nan), "calibration.0.slope"),
        (calibration(slope=-3.0), "calibration.0.slope"),
        (calibration(slope=0.0), "calibration.0.slope"),
        (calibration(intercept=math.inf), "calibration.0.intercept"),
        (point(threshold=1.5), "operating_points.0.threshold"),
        (point(threshold=math.nan), "operating_points.0.threshold"),
        (point(sensitivity=-0.1), "operating_points.0.sensitivity"),
        (point(specificity=7), "operating_points.0.specificity"),
        (lambda fields: fields.update(windows=[[40, math.nan]]), "windows.0.1"),
        (lambda fields: fields["calibration"].reverse(), "calibration is not one per finding"),
        (lambda fields: fields.update(extra=1), "extra: no such key"),
    ],
)
def test_a_card_whose_numbers_cannot_be_is_refused_and_the_field_named(
    folder: Path, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    with pytest.raises(BundleError, match=re.escape(named)) as caught:
        read_card(edited(folder, change))
    assert str(folder / "card.json") in str(caught.value)


def test_an_edited_threshold_is_noticed_and_both_hashes_said(folder: Path) -> None:
    before = json.loads((folder / "card.json").read_text(encoding="utf-8"))["card_sha256"]
    with pytest.raises(BundleError, match="the card was edited") as caught:
        read_card(edited(folder, point(threshold=0.9), seal=False))
    fields = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    del fields["card_sha256"]
    assert before in str(caught.value)
    assert bundle._seal(fields) in str(caught.value)


def test_a_card_nested_beyond_reason_is_refused_as_no_json(folder: Path) -> None:
    (folder / "card.json").write_text("[" * 100_000)
    with pytest.raises(BundleError, match="not JSON"):
        read_card(folder)


def test_a_card_without_its_hash_is_refused(folder: Path) -> None:
    with pytest.raises(BundleError, match="has no card_sha256"):
        read_card(edited(folder, lambda fields: fields.pop("card_sha256"), seal=False))


def test_a_card_that_was_only_laid_out_anew_is_accepted(folder: Path) -> None:
    known = read_card(folder)
    path = folder / "card.json"
    path.write_text(json.dumps(dict(reversed(json.loads(path.read_text(encoding="utf-8")).items())), indent=7))
    assert read_card(folder) == known


def test_a_card_out_of_range_is_not_written(folder: Path) -> None:
    known = read_card(folder)
    wrong = known.model_copy(update={"calibration": (Calibration.model_construct(finding="any_finding", slope=-1.0),)})
    with pytest.raises(BundleError, match="slope"):
        write_bundle(folder, MODEL, wrong)
    assert read_card(folder) == known


def test_a_file_that_may_not_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **_: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(BundleError, match=r"card\.json: Permission denied"):
        read_card(folder)


@pytest.fixture
def ours(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle in place of the one that comes with plainscan."""
    place = tmp_path / "plainscan" / "weights"
    place.parent.mkdir()
    folder.rename(place)
    write_sums(place)
    monkeypatch.setattr(bundle, "SHIPPED_FOLDER", place)
    return place


def test_the_word_names_the_shipped_bundle_and_a_path_of_that_name_does_not(ours: Path) -> None:
    assert located("plainscan") == shipped() == ours
    assert located(Path("plainscan")) == Path("plainscan")
    assert located(Path("runs/mine/model")) == Path("runs/mine/model")


@pytest.mark.parametrize("name", ["card.json", "model.onnx"])
def test_a_shipped_file_that_is_altered_is_refused_with_its_name_both_hashes_and_what_to_do(
    ours: Path, name: str
) -> None:
    before = file_hash(ours / name)
    data = bytearray((ours / name).read_bytes())
    data[len(data) // 2] ^= 1
    (ours / name).write_bytes(data)
    with pytest.raises(BundleError) as caught:
        shipped()
    said = str(caught.value)
    assert said.startswith(f"plainscan/weights/{name}: SHA-256 {file_hash(ours / name)}; expected SHA-256 {before}. ")
    assert "Install plainscan again" in said


@pytest.mark.parametrize("name", ["card.json", "model.onnx"])
def test_a_shipped_file_that_is_missing_is_refused_with_the_hash_it_should_have(ours: Path, name: str) -> None:
    before = file_hash(ours / name)
    (ours / name).unlink()
    with pytest.raises(BundleError) as caught:
        shipped()
    assert f"plainscan/weights/{name}: no such file; expected SHA-256 {before}. Install" in str(caught.value)


def test_a_whole_bundle_of_another_version_in_the_shipped_ones_place_is_refused(ours: Path) -> None:
    before, other = file_hash(ours / "card.json"), read_card(ours).model_copy(update={"plainscan": "0.0.9"})
    write_bundle(ours, MODEL, other)
    read_card(ours)  # whole in itself
    with pytest.raises(BundleError, match=f"{file_hash(ours / 'card.json')}; expected SHA-256 {before}"):
        shipped()


def test_a_shipped_bundle_that_these_rules_do_not_fit_names_no_path_of_the_machine(ours: Path) -> None:
    write_bundle(ours, MODEL, read_card(ours).model_copy(update={"preparation": "head-square-0"}))
    write_sums(ours)
    with pytest.raises(BundleError, match=r"^plainscan/weights/card\.json: preparation head-square-0; expected"):
        read_card(shipped())


def test_without_weights_of_its_own_it_says_so(ours: Path) -> None:
    (ours / "SHA256SUMS").unlink()
    with pytest.raises(BundleError, match=r"^plainscan/weights/SHA256SUMS: .*no weights of its own.*name another"):
        shipped()


@pytest.mark.parametrize("text", ["", "half a li", "0000  card.json\n", "\x00\xff"])
def test_a_list_of_hashes_that_is_damaged_is_refused(ours: Path, text: str) -> None:
    (ours / "SHA256SUMS").write_text(text, encoding="latin-1")
    with pytest.raises(BundleError, match=r"SHA256SUMS: SHA-256 \w{64}, lists .*; expected the hashes of card\.json"):
        shipped()


def test_what_people_add_comes_back(folder: Path, tmp_path: Path) -> None:
    figure = bundle.Measured(
        data="200 single slices", figure="auc", level="slice", finding="hemorrhage", value=0.9, low=0.8, high=0.95,
        n=200, n_positive=100, clusters=200,
    )  # fmt: skip
    told = {"world": "world-1", "figures": (figure,), "known_failures": ("thin blood",), "recipe": {"train": {}}}
    write_bundle(tmp_path / "told", MODEL, read_card(folder).model_copy(update=told))
    card = read_card(tmp_path / "told")
    assert (card.figures, card.known_failures, card.world, card.recipe) == (
        (figure,), ("thin blood",), "world-1", {"train": {}},
    )  # fmt: skip
