"""Grad-CAM (Selvaraju et al., ICCV 2017) by back-propagation, for any layer: the reference for the maps.

At the last convolution the gradient of a logit is the class weight over the grid's pixels, so Grad-CAM there is
``relu(maps) / (rows * columns)``: the exported graph gives it away. Other layers need this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from plainscan.errors import InternalError


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, every module's own mode restored after."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def captured(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Collect a layer's outputs while inside; the hook is removed after."""
    outputs: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _layer, _inputs, output: outputs.append(output))
    try:
        yield outputs
    finally:
        handle.remove()


def grad_cam(model: nn.Module, layer: nn.Module, image: Tensor, target: Callable[[Tensor], Tensor]) -> Tensor:
    """Heat maps at a layer.

    Args:
        model: Returns logits, or a tuple whose first part is the logits. Its gradients are left alone.
        layer: Any of its modules with an output (slices, channels, rows, columns).
        image: (slices, channels, size, size), float32, [0, 1].
        target: From logits (slices, findings) to the score of each slice, such as ``lambda logits: logits[:, 0]``.

    Returns:
        (slices, rows, columns), float32, not negative.
    """
    with evaluating(model), captured(layer) as outputs, torch.enable_grad():
        scores = model(image.detach().requires_grad_())
        if len(outputs) != 1:
            raise InternalError(f"the layer ran {len(outputs)} times in one forward pass, expected once")
        logits = scores[0] if isinstance(scores, tuple) else scores
        (gradient,) = torch.autograd.grad(target(logits).sum(), outputs)
    weights = gradient.mean((2, 3), keepdim=True)
    return torch.relu((weights * outputs[0]).sum(1)).detach().float()
