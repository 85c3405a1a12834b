"""Weights to start from: a torchvision-format file or a bundle, fitted to a network of ours.

The trunk (``conv1``, ``bn1``, ``layer1`` to ``layer4``) must be the network's own. The head is taken when it is the
same head for as many findings; else it starts anew.

What was trained may be drawn back towards them (``drawn_back``).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Final

import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import load_file
from torch import Tensor, nn

from plainscan.bundle import MODEL_FILE, located, read_card
from plainscan.errors import SourceError
from plainscan.setting_types import BundlePath

FORMATS: Final = "a torchvision-format .pth or .safetensors file, a bundle folder, or the word plainscan"
TRUNK: Final = ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4.")
COUNTER: Final = "num_batches_tracked"
PREFIXES: Final = ("module.", "model.", "backbone.")  # what wrappers such as DistributedDataParallel put in front
SHOWN: Final = 5  # keys named in a message


def read_weights(source: BundlePath) -> dict[str, Tensor]:
    """Tensors by torchvision name; of a bundle float32, also where they are stored in half the bits.

    Args:
        source: A ``.pth`` / ``.pt`` file (read without running pickled code), ``.safetensors``, a bundle folder, or
            the word ``plainscan``.

    Raises:
        SourceError: Not such a file.
        BundleError: The bundle is incomplete or altered.
    """
    path = located(source)
    if path.is_dir():
        read_card(path)
        parts = onnx.load(str(path / MODEL_FILE)).graph.initializer
        return {part.name: torch.from_numpy(numpy_helper.to_array(part).copy()).float() for part in parts}
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

    The first convolution is adapted to another number of input channels, so that equal planes, or equal channels, give
    the activation they gave before (see ``_for_channels``). The head stays as it is in ``own`` when it is another one,
    or for another number of classes.

    Args:
        weights: As ``read_weights`` gives them.
        own: The network's state dict.
        where: Named in the error.

    Raises:
        SourceError: Keys are missing, left over or of another shape; the message names them.
    """
    given = {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}
    first, needed = given.get("conv1.weight"), own["conv1.weight"].shape[1]
    if first is not None and first.ndim == 4:
        given["conv1.weight"] = _for_channels(first, needed)
    given = _convolved(given)
    _fit_head(given, own)
    counters = {key for key in own if key.endswith(COUNTER)}
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


def has_head_of(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> bool:
    """Whether ``fit`` would take the head of these weights, too."""
    return _head_shapes(_convolved(weights)) == _head_shapes(own)


def drawn_back(trained: Mapping[str, Tensor], start: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Trained weights, drawn back towards those that they began with: often better on other data than either.

    Wortsman et al., CVPR 2022 ("Robust fine-tuning of zero-shot models", there for all weights alike).

    Args:
        trained: A state dict.
        start: Of the same network, before the training.
        share: Of the start, [0, 1].
    """
    return {
        key: torch.lerp(value, start[key].to(value), share) if value.is_floating_point() else value
        for key, value in trained.items()
    }


def _for_channels(first: Tensor, needed: int) -> Tensor:
    """A first convolution for another number of channels: all windows of the first plane first, as ``as_channels``.

    More planes share the filters of one, each with its part; planes that are gone leave theirs to those that stay;
    with another number of windows, each channel takes the mean over all.

    Args:
        first: (filters, channels, 7, 7).
        needed: Channels.
    """
    known = first.shape[1]
    if needed % known == 0:
        return first.repeat(1, needed // known, 1, 1) * (known / needed)
    if known % needed == 0:
        return first.reshape(len(first), known // needed, needed, *first.shape[2:]).sum(1)
    return first.mean(1, keepdim=True).repeat(1, needed, 1, 1) * (known / needed)


def _fit_head(given: dict[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Put the head that the network is to have into ``given``: all of the file's, or all of its own."""
    if not has_head_of(given, own):
        for key in [key for key in given if not key.startswith(TRUNK)]:
            del given[key]
        given.update({key: value for key, value in own.items() if not key.startswith(TRUNK)})


def _convolved(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With torchvision's last linear layer as our 1 x 1 convolution."""
    last = weights.get("fc.weight")
    return {**weights, "fc.weight": last[:, :, None, None]} if last is not None and last.ndim == 2 else {**weights}


def _head_shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {key: state[key].shape for key in state if not key.startswith(TRUNK) and not key.endswith(COUNTER)}


def _named(missing: list[str], extra: list[str], shapes: list[str]) -> list[tuple[str, list[str]]]:
    return [("missing", missing), ("left over", extra), ("of another shape", shapes)]


def _some(keys: list[str]) -> str:
    rest = len(keys) - SHOWN
    return ", ".join(keys[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def load_into(model: nn.Module, source: BundlePath) -> None:
    """Start a network from a file or a bundle."""
    model.load_state_dict(fit(read_weights(source), model.state_dict(), str(source)))
