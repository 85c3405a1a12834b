from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from plainscan.learning.loss import HEAVIEST, SPOT_CELLS, mask_loss, masked_loss, overlap_loss, positive_weights

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


def mean_over(parts: list[slice], counts: Callable[[slice], Tensor]) -> Callable[[Tensor], Tensor]:
    """What a group of processes with one part of a batch each answers in turn, each asking with its own counts."""
    every = torch.stack([counts(part) for part in parts]).float()
    asking = iter(every)

    def average(own: Tensor) -> Tensor:
        torch.testing.assert_close(own, next(asking))
        return every.mean(0)

    return average


def test_two_processes_with_unlike_numbers_of_known_labels_learn_what_one_with_all_slices_learns() -> None:
    labels = torch.tensor([[1, NAN, NAN], [NAN, 0, NAN], [1, 0, 1], [0, 1, 0.0]])
    weights, parts = torch.tensor([2.0, 3.0, 1.0]), [slice(0, 2), slice(2, 4)]
    logits = torch.linspace(-2, 2, 12).reshape(4, 3).requires_grad_()
    (whole,) = torch.autograd.grad(masked_loss(logits, labels, weights), logits)
    known = ~labels.isnan()
    average = mean_over(parts, lambda part: torch.stack([known[part, 0].sum(), known[part, 1:].sum()]))
    losses = [masked_loss(logits[part], labels[part], weights, average) for part in parts]
    (mean,) = torch.autograd.grad(torch.stack(losses).mean(), logits)
    torch.testing.assert_close(mean, whole)


def test_two_processes_with_unlike_numbers_of_masks_learn_what_one_with_all_slices_learns() -> None:
    maps = torch.linspace(-2, 2, 4 * 3 * 4).reshape(4, 3, 2, 2).requires_grad_()
    masks = torch.zeros(4, 3, 2, 2)
    masks[0, :2, 0, 0] = masks[2, 0, 1] = masks[3, [0, 2]] = 1.0
    parts, shown = [slice(0, 2), slice(2, 4)], masks.sum((2, 3)) > 0
    (whole,) = torch.autograd.grad(overlap_loss(maps, masks), maps)
    average = mean_over(parts, lambda part: torch.stack([shown[part, 0].sum(), shown[part, 1:].sum()]))
    losses = [overlap_loss(maps[part], masks[part], average) for part in parts]
    (mean,) = torch.autograd.grad(torch.stack(losses).mean(), maps)
    torch.testing.assert_close(mean, whole)


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


def test_a_small_finding_and_a_large_one_cost_the_same_when_missed() -> None:
    masks = torch.zeros(2, 3, 8, 8)
    masks[0, 1, :2, :2], masks[1, 1] = 1.0, 1.0
    missed = torch.full((2, 3, 8, 8), -20.0)
    costs = [mask_loss(missed[i : i + 1], masks[i : i + 1], torch.ones(3)).item() for i in range(2)]
    assert math.isclose(costs[0], costs[1], rel_tol=1e-5)
    assert math.isclose(costs[0], 20 / 2, rel_tol=1e-5)  # the mean over the two findings beside any_finding


def test_a_false_spot_of_some_cells_costs_as_much_as_a_missed_finding() -> None:
    masks = torch.zeros(1, 2, 8, 8)
    spot = torch.full((1, 2, 8, 8), -20.0)
    spot[0, 1].view(-1)[:SPOT_CELLS] = 20.0
    assert math.isclose(mask_loss(spot, masks, torch.ones(2)).item(), 20.0, rel_tol=1e-5)


def test_a_perfect_map_costs_nothing() -> None:
    masks = (torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.8).float()
    assert mask_loss(masks * 80 - 40, masks, torch.ones(3)).item() < 1e-6


def test_overlap_is_lost_by_half_when_half_of_a_finding_is_outlined() -> None:
    masks = torch.zeros(1, 2, 8, 8)
    masks[0, 1, :4] = 1.0
    half = torch.full((1, 2, 8, 8), -80.0)
    half[0, 1, :2] = 80.0
    assert math.isclose(overlap_loss(half, masks).item(), 1 - 2 * 16 / (16 + 32), rel_tol=1e-6)
    assert overlap_loss(masks * 160 - 80, masks).item() < 1e-6


def test_overlap_asks_nothing_of_slices_and_findings_without_a_mask() -> None:
    maps = torch.zeros(2, 3, 8, 8, requires_grad=True)
    masks = torch.zeros(2, 3, 8, 8)
    masks[0, 0, 0, 0] = 1.0
    (gradient,) = torch.autograd.grad(overlap_loss(maps, masks), maps)
    assert gradient[0, 0].abs().sum() > 0
    assert gradient[1].abs().sum() == gradient[0, 1:].abs().sum() == 0


def test_overlap_of_nothing_is_zero() -> None:
    assert overlap_loss(torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)).item() == 0
