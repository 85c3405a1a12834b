"""Weights to start from: a torchvision-format file or a bundle, fitted to a network of ours."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import load_file
from torch import Tensor, nn

from plainscan.bundle import MODEL_FILE, read_card
from plainscan.errors import SourceError

FORMATS: Final = "a torchvision-format .pth or .safetensors file, or a bundle folder"
PREFIXES: Final = ("module.", "model.", "backbone.")  # what wrappers such as DistributedDataParallel put in front
SHOWN: Final = 5  # keys named in a message


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by torchvision name.

    Args:
        path: A ``.pth`` / ``.pt`` file (read without running pickled code), ``.safetensors``, or a bundle folder.

    Raises:
        SourceError: Not such a file.
        BundleError: The bundle is incomplete or altered.
    """
    if path.is_dir():
        read_card(path)
        model = onnx.load(str(path / MODEL_FILE))
        return {part.name: torch.from_numpy(numpy_helper.to_array(part).copy()) for part in model.graph.initializer}
    if not path.is_file():
        raise SourceError("no such file", where=str(path), expected=FORMATS, remedy="Mend `train.init`.")
    try:
        if path.suffix == ".safetensors":
            return _bare(load_file(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd pickles: what cannot be read safely is refused below
            return _bare(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # the two readers raise many kinds with no common base; each means the same here
        raise SourceError(
            "holds no plain tensors",
            where=str(path),
            expected=FORMATS,
            remedy="Save `model.state_dict()` alone; files that need pickled code are not read.",
        ) from error


def _bare(content: object) -> dict[str, Tensor]:
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise ValueError("not a mapping")
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    for prefix in PREFIXES:
        if tensors and all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors


def fit(weights: Mapping[str, Tensor], own: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """The weights as a network of ours takes them.

    The first convolution is adapted to another number of input channels: the mean over the file's channels for
    each of ours, scaled so that equal channels give the activation they gave before. The head stays as it is
    in ``own`` when the number of classes differs.

    Args:
        weights: As ``read_weights`` gives them.
        own: The network's state dict.
        where: Named in the error.

    Raises:
        SourceError: Keys are missing, left over or of another shape; the message names them.
    """
    given = {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}
    first, needed = given.get("conv1.weight"), own["conv1.weight"].shape[1]
    if first is not None and first.ndim == 4 and first.shape[1] != needed:
        given["conv1.weight"] = first.mean(1, keepdim=True).repeat(1, needed, 1, 1) * (first.shape[1] / needed)
    _fit_head(given, own)
    counters = {key for key in own if key.endswith("num_batches_tracked")}
    missing = sorted(set(own) - set(given) - counters)
    extra = sorted(set(given) - set(own))
    shapes = sorted(key for key in set(own) & set(given) if own[key].shape != given[key].shape)
    problems = [f"{name} {_some(keys)}" for name, keys in _named(missing, extra, shapes) if keys]
    if problems:
        raise SourceError(
            "; ".join(problems),
            where=where,
            expected="the keys and shapes of torchvision's ResNet",
            remedy="Is `train.network` the file's network?",
        )
    return {key: given.get(key, value) for key, value in own.items()}


def _fit_head(given: dict[str, Tensor], own: Mapping[str, Tensor]) -> None:
    weight, bias = given.get("fc.weight"), given.get("fc.bias")
    if weight is not None and bias is not None and bias.shape == own["fc.bias"].shape:
        given["fc.weight"] = weight.reshape(*weight.shape[:2], 1, 1)
    else:
        given["fc.weight"], given["fc.bias"] = own["fc.weight"], own["fc.bias"]


def _named(missing: list[str], extra: list[str], shapes: list[str]) -> list[tuple[str, list[str]]]:
    return [("missing", missing), ("left over", extra), ("of another shape", shapes)]


def _some(keys: list[str]) -> str:
    rest = len(keys) - SHOWN
    return ", ".join(keys[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def load_into(model: nn.Module, path: Path) -> None:
    """Start a network from a file or a bundle."""
    model.load_state_dict(fit(read_weights(path), model.state_dict(), str(path)))
