from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from plainscan.bundle import Calibration, Card, write_bundle
from plainscan.errors import SourceError
from plainscan.findings import FINDING_KEYS
from plainscan.learning.export import to_onnx
from plainscan.learning.half import to_half
from plainscan.learning.network import build
from plainscan.learning.weights import fit, load_into, read_weights


def torchvision_state(classes: int = 1000) -> dict[str, Tensor]:
    state = dict(build("resnet18", 3, classes, seed=7).state_dict())
    state["fc.weight"] = state["fc.weight"][:, :, 0, 0]
    return state


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_torchvision_file_loads_without_its_head(tmp_path: Path, wrapped: bool) -> None:
    state = torchvision_state()
    path = tmp_path / "resnet18.pth"
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}} if wrapped else state, path)
    model = build("resnet18", 3, 15, seed=0)
    head = model.fc.weight.clone()
    load_into(model, path)
    assert torch.equal(model.get_parameter("layer3.1.conv2.weight"), state["layer3.1.conv2.weight"])
    assert torch.equal(model.fc.weight, head)


def test_a_linear_head_of_as_many_classes_becomes_the_convolution(tmp_path: Path) -> None:
    state = torchvision_state(classes=15)
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "w.safetensors")
    model = build("resnet18", 3, 15, seed=0)
    load_into(model, tmp_path / "w.safetensors")
    assert torch.equal(model.fc.weight[:, :, 0, 0], state["fc.weight"])


@pytest.mark.parametrize("channels", [1, 2, 3, 9])
def test_other_input_channels_keep_the_activation_of_a_grey_picture(channels: int) -> None:
    state = torchvision_state()
    fitted = fit(state, build("resnet18", channels, 15, seed=0).state_dict(), "w.pth")
    grey = torch.rand(1, 1, 16, 16)
    before = torch.conv2d(grey.repeat(1, 3, 1, 1), state["conv1.weight"])
    after = torch.conv2d(grey.repeat(1, channels, 1, 1), fitted["conv1.weight"])
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("known", "needed"), [(1, 3), (3, 1), (1, 1)])
def test_another_number_of_planes_keeps_what_each_window_was_for(known: int, needed: int) -> None:
    given = build("resnet18", 2 * known, 15, seed=1).state_dict()
    fitted = fit(given, build("resnet18", 2 * needed, 15, seed=0).state_dict(), "w")
    plane = torch.rand(1, 2, 16, 16)  # two windows
    before = torch.conv2d(plane.repeat(1, known, 1, 1), given["conv1.weight"])
    after = torch.conv2d(plane.repeat(1, needed, 1, 1), fitted["conv1.weight"])
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-4)


def test_a_bundle_gives_back_the_exact_weights(tmp_path: Path) -> None:
    source = build("resnet18", 3, 15, seed=3)
    model = to_onnx("resnet18", source.state_dict(), 64)
    write_bundle(tmp_path, model, toy_card(model))
    target = build("resnet18", 3, 15, seed=0)
    load_into(target, tmp_path)
    for name, value in target.named_parameters():
        assert torch.equal(value, source.get_parameter(name))


def toy_card(model: bytes) -> Card:
    return Card(
        name="toy",
        plainscan="0",
        network="resnet18",
        input_size=64,
        windows=((40.0, 80.0),),
        neighbors=1,
        findings=FINDING_KEYS,
        calibration=tuple(Calibration(finding=key) for key in FINDING_KEYS),
        operating_points=(),
        provenance={},
        model_sha256=hashlib.sha256(model).hexdigest(),
    )


def head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if key.startswith("fc.")}


@pytest.mark.parametrize(
    ("source", "target", "kept"),
    [
        ("resnet18-fine", "resnet18-fine", False),
        ("resnet18-fine", "resnet18", True),
        ("resnet18", "resnet18-fine", True),
        ("resnet18", "resnet18", False),
    ],
)
def test_a_head_is_taken_whole_when_it_is_the_same_and_starts_anew_when_it_is_another(
    source: str, target: str, kept: bool
) -> None:
    given, own = build(source, 3, 15, seed=1).state_dict(), build(target, 3, 15, seed=2).state_dict()
    fitted = fit(given, own, "w")
    assert set(fitted) == set(own)
    wanted = own if kept else given
    assert all(torch.equal(value, wanted[key]) for key, value in head(fitted).items())
    assert torch.equal(fitted["layer4.1.conv2.weight"], given["layer4.1.conv2.weight"])


def test_a_fine_network_starts_from_torchvision_weights_with_its_own_head() -> None:
    model = build("resnet18-fine", 3, 15, seed=0)
    state, own = torchvision_state(), {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(fit(state, model.state_dict(), "w.pth"))
    assert torch.equal(model.get_parameter("layer2.0.conv1.weight"), state["layer2.0.conv1.weight"])
    assert all(torch.equal(value, own[key]) for key, value in head(model.state_dict()).items())


def test_a_head_of_another_maker_is_left_behind() -> None:
    state = torchvision_state() | {"classifier.0.weight": torch.zeros(3, 512), "aux.num_batches_tracked": torch.ones(1)}
    own = build("resnet18", 3, 15, seed=0).state_dict()
    assert set(fit(state, own, "w.pth")) == set(own)


def test_weights_stored_as_float16_come_back_as_float32(tmp_path: Path) -> None:
    source = build("resnet18-fine", 3, 15, seed=3)
    write_bundle(tmp_path, half := to_half(to_onnx("resnet18-fine", source.state_dict(), 64)), toy_card(half))
    found = read_weights(tmp_path)
    assert {value.dtype for value in found.values()} == {torch.float32}
    target = build("resnet18-fine", 3, 15, seed=0)
    load_into(target, tmp_path)
    for name, value in source.named_parameters():
        rounded = value.half().float() if value.ndim > 1 else value
        assert torch.equal(target.get_parameter(name), rounded), name


def test_keys_that_do_not_fit_are_named() -> None:
    state = torchvision_state()
    del state["layer1.0.conv1.weight"]
    state["layer1.0.se.weight"] = torch.zeros(1)
    with pytest.raises(SourceError, match=r"w\.pth: missing layer1\.0\.conv1\.weight; left over layer1\.0\.se\.weight"):
        fit(state, build("resnet18", 3, 15, seed=0).state_dict(), "w.pth")


def test_another_network_is_refused_in_a_few_words() -> None:
    with pytest.raises(SourceError, match=r"of another shape layer1\.0.* and \d+ more") as caught:
        fit(torchvision_state(), build("resnet50", 3, 15, seed=0).state_dict(), "w.pth")
    assert len(str(caught.value)) < 900


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code was run",))


def test_pickled_code_is_refused_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trap.pth"
    torch.save({"conv1.weight": Trap()}, path)
    plain = tmp_path / "plain.pth"
    plain.write_bytes(pickle.dumps(Trap()))
    for file in (path, plain):
        with pytest.raises(SourceError, match="holds no plain tensors"):
            read_weights(file)
    assert "code was run" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["absent.pth", "text.pth", "text.safetensors"])
def test_what_is_no_weight_file_is_named(tmp_path: Path, name: str) -> None:
    if name.startswith("text"):
        (tmp_path / name).write_text("not weights")
    with pytest.raises(SourceError, match=name):
        read_weights(tmp_path / name)
