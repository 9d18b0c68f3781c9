"""Objectives, target network and schedule against lightly, which was written by others: values and gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from vitobench.models.pretraining.ema import Target
from vitobench.models.pretraining.objectives import byol_loss, dino_loss, info_nce, momentum_at, nt_xent
from vitobench.models.pretraining.optimisers import make_optimiser
from vitobench.models.pretraining.recipe_files import load_recipe

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own dependencies
    lightly_loss = pytest.importorskip("lightly.loss")
    from lightly.models.utils import update_momentum
    from lightly.utils.lars import LARS
    from lightly.utils.scheduler import cosine_schedule

N, D = 12, 8


def pair(seed: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return torch.randn(N, D, requires_grad=True), torch.randn(N, D, requires_grad=True)


def same(ours: Callable[[Tensor, Tensor], Tensor], theirs: Callable[[Tensor, Tensor], Tensor], seed: int) -> None:
    """Equal losses, and equal gradients for the first argument."""
    (a, b), (c, d) = pair(seed), pair(seed)
    one, two = ours(a, b), theirs(c, d)
    assert one.item() == pytest.approx(two.item(), rel=1e-5)
    one.backward()
    two.backward()
    assert a.grad is not None
    torch.testing.assert_close(a.grad, c.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent(temperature: float) -> None:
    same(lambda a, b: nt_xent(a, b, temperature), lightly_loss.NTXentLoss(temperature), 0)


def test_info_nce_is_nt_xent_with_the_other_targets_as_memory() -> None:
    def theirs(predictions: Tensor, targets: Tensor) -> Tensor:
        losses = []
        for row in range(N):
            found = lightly_loss.NTXentLoss(0.1, memory_bank_size=(N - 1, D))
            others = torch.cat([targets[:row], targets[row + 1 :]]).detach()
            found.memory_bank.bank = nn.functional.normalize(others, dim=1)
            found.memory_bank.bank_ptr = torch.zeros(1, dtype=torch.long)
            losses.append(found(predictions[row : row + 1], targets[row : row + 1].detach()))
        return torch.stack(losses).mean()

    same(lambda p, t: info_nce(p, t, 0.1), theirs, 1)


def test_byol() -> None:
    cosine = lightly_loss.NegativeCosineSimilarity()
    same(byol_loss, lambda p, t: 2 + 2 * cosine(p, t.detach()), 2)


def test_dino_and_its_centre() -> None:
    theirs = lightly_loss.DINOLoss(output_dim=D, student_temp=0.1, center_momentum=0.9)
    centre = torch.zeros(1, D)
    for step in range(3):
        torch.manual_seed(step)
        teacher = torch.randn(2, N, D)
        student = torch.randn(2, N, D, requires_grad=True)
        other = student.detach().clone().requires_grad_(True)
        one = dino_loss((student[0], student[1]), (teacher[0], teacher[1]), centre, 0.1, 0.04)
        two = theirs(list(teacher), list(other), teacher_temp=0.04)
        assert one.item() == pytest.approx(two.item(), rel=1e-5)
        one.backward()
        two.backward()
        torch.testing.assert_close(student.grad, other.grad, rtol=1e-4, atol=1e-6)
        # As the learner does it.
        centre.lerp_(torch.cat([teacher[0], teacher[1]]).mean(0, keepdim=True), 1.0 - 0.9)
        torch.testing.assert_close(centre, theirs.center.view(1, D), rtol=1e-5, atol=1e-6)


def test_the_target_follows_by_the_same_average() -> None:
    torch.manual_seed(0)
    online = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 2))
    target = Target(online)
    theirs = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 2))
    theirs.load_state_dict(online.state_dict())
    for step in range(4):
        with torch.no_grad():
            for parameter in online.parameters():
                parameter.add_(torch.randn_like(parameter))
        momentum = momentum_at(step, 4, 0.9)
        target.follow(online, momentum)
        update_momentum(online, theirs, momentum)
    for ours, other in zip(target.network.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours, other)


def test_momentum_rises_along_the_same_cosine() -> None:
    # lightly's last step is the one at which the end is reached; ours is the one after it.
    for steps in (10, 400):
        for step in range(steps):
            assert momentum_at(step, steps, 0.99) == pytest.approx(cosine_schedule(step, steps + 1, 0.99, 1.0))


def test_lars_makes_the_same_steps() -> None:
    recipe = load_recipe("micro/vito", optimiser="lars", learning_rate=0.3, weight_decay=1e-2, trust=1e-2)
    torch.manual_seed(0)
    ours, theirs = nn.Linear(6, 5), nn.Linear(6, 5)
    theirs.load_state_dict(ours.state_dict())
    mine = make_optimiser(recipe, ours)
    other = LARS(
        [{"params": [theirs.weight], "weight_decay": 1e-2}, {"params": [theirs.bias], "weight_decay": 0.0}],
        lr=0.3, momentum=recipe.optimiser_momentum, trust_coefficient=1e-2,
    )  # fmt: skip
    for step in range(5):
        torch.manual_seed(step)
        x = torch.randn(7, 6)
        for network, optimiser in ((ours, mine), (theirs, other)):
            optimiser.zero_grad()
            network(x).square().sum().backward()
            optimiser.step()
        torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(ours.bias, theirs.bias, rtol=1e-4, atol=1e-6)
