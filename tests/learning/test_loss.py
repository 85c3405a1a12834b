from __future__ import annotations

import math

import numpy as np
import torch

from plainscan.learning.loss import HEAVIEST, masked_loss, positive_weights

NAN = float("nan")


def test_unknown_labels_have_no_loss_and_no_gradient() -> None:
    logits = torch.tensor([[0.0, 5.0, -3.0], [0.0, -5.0, 3.0]], requires_grad=True)
    labels = torch.tensor([[1.0, NAN, NAN], [0.0, NAN, 1.0]])
    loss = masked_loss(logits, labels, torch.ones(3))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert math.isclose(loss.item(), math.log(2) + math.log1p(math.exp(-3)), rel_tol=1e-6)
    assert gradient[:, 1].tolist() == [0.0, 0.0]
    assert gradient[0, 2] == 0


def test_nothing_known_is_zero() -> None:
    assert masked_loss(torch.ones(2, 3), torch.full((2, 3), NAN), torch.ones(3)).item() == 0


def test_any_finding_counts_as_much_as_all_others_together() -> None:
    logits = torch.zeros(4, 15, requires_grad=True)
    (gradient,) = torch.autograd.grad(masked_loss(logits, torch.ones(4, 15), torch.ones(15)), logits)
    torch.testing.assert_close(gradient[:, 0].sum(), gradient[:, 1:].sum())


def test_positive_weights_are_capped_and_never_below_one() -> None:
    labels = np.zeros((1000, 3), np.float32)
    labels[0, 0] = 1
    labels[:900, 1] = 1
    labels[:, 2] = NAN
    assert positive_weights(labels).tolist() == [HEAVIEST, 1.0, 1.0]
