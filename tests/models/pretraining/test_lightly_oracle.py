"""Objectives, target and optimiser against lightly, which knows nothing of ours: values and gradients."""

import copy
from dataclasses import replace

import pytest
import torch
from lightly.loss import DINOLoss, NegativeCosineSimilarity, NTXentLoss
from lightly.models.utils import get_weight_decay_parameters, update_momentum
from lightly.utils.lars import LARS
from lightly.utils.scheduler import cosine_schedule
from torch import Tensor, nn

from vitobench.models.pretraining.learners import make_learner, normalise
from vitobench.models.pretraining.methods import Dino
from vitobench.models.pretraining.objectives import (
    Target,
    byol_loss,
    dino_loss,
    info_nce,
    momentum_at,
    nt_xent,
    symmetric_info_nce,
)
from vitobench.models.pretraining.recipe import Recipe
from vitobench.models.pretraining.trainer import make_optimiser
from vitobench.tests.models.pretraining.two_ranks import small

RECIPE = Recipe(
    "t", "", small("contrastive"), "micro-resnet8", pooling="attention", scales=2, window=0.0, batch=6, steps=10,
    precision="float32", warmup=1,
)  # fmt: skip


def rows(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def against_bank(predictions: Tensor, targets: Tensor, temperature: float, same_view: Tensor | None = None) -> Tensor:
    """MoCo's loss of each prediction on its own: the bank holds the targets of all other clips, and nothing else."""
    total = torch.zeros(())
    for i, prediction in enumerate(predictions):
        others = torch.arange(len(targets)) != i
        bank = targets[others] if same_view is None else torch.cat([targets[others], same_view[others]])
        criterion = NTXentLoss(temperature, memory_bank_size=tuple(bank.shape))
        criterion.memory_bank.bank = nn.functional.normalize(bank.detach(), dim=1)
        total = total + criterion(prediction[None], targets[i : i + 1].detach()) / len(predictions)
    return total


def assert_same(ours: Tensor, theirs: Tensor, *inputs: Tensor) -> None:
    """The same value, and the same gradient for every input."""
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    mine, expected = (torch.autograd.grad(loss, inputs) for loss in (ours, theirs))
    for one, two in zip(mine, expected, strict=True):
        assert two.abs().max() > 1e-6
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4 * float(two.abs().max()))


@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize("same_view", [False, True])
def test_info_nce_is_mocos_with_the_other_clips_in_the_bank(same_view: bool, temperature: float) -> None:
    p, z, own = 3 * rows(9, 5).requires_grad_(), rows(9, 5, seed=1), rows(9, 5, seed=2)
    kept = own if same_view else None
    ours = info_nce(p, z, temperature, same_view=kept)
    assert_same(ours, against_bank(p, z, temperature, kept), p)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_is_lightlys(temperature: float) -> None:
    one, two = rows(9, 5).requires_grad_(), 2 * rows(9, 5, seed=1).requires_grad_()
    theirs = NTXentLoss(temperature)(one, two)
    assert_same(nt_xent(one, two, temperature), theirs, one, two)
    # With the views as their own targets, the contrastive loss in both directions is this one, up to the gradients.
    torch.testing.assert_close(symmetric_info_nce((one, two), (one, two), temperature, same_view=True), theirs)


def test_byol_loss_is_two_and_twice_the_negative_cosine() -> None:
    p, z = rows(9, 5).requires_grad_(), rows(9, 5, seed=1)
    assert_same(byol_loss(p, z), 2 + 2 * NegativeCosineSimilarity()(p, z), p)


def test_dino_loss_is_lightlys_at_any_centre() -> None:
    student, teacher, centre = rows(2, 9, 7).requires_grad_(), rows(2, 9, 7, seed=1), rows(1, 7, seed=2)
    criterion = DINOLoss(7, student_temp=0.1)
    criterion.center = centre[None]
    theirs = criterion([*teacher], [*student], teacher_temp=0.05)
    assert_same(dino_loss((student[0], student[1]), (teacher[0], teacher[1]), centre, 0.1, 0.05), theirs, student)


def embeddings(learner: nn.Module, views: tuple[Tensor, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """What the online branch (and its predictor) and the target say of both views."""
    shown = [normalise(view) for view in views]
    online = [learner.online(view) for view in shown]
    if hasattr(learner, "predictor"):
        online = [learner.predictor(out) for out in online]
    return online, [learner.target.network(view).detach() for view in shown]


@pytest.mark.parametrize("objective", ["contrastive", "contrastive, same view", "byol"])
def test_learners_pair_the_views_as_lightlys_losses_do(objective: str) -> None:
    torch.manual_seed(0)
    name, _, same = objective.partition(",")
    own = small(name, **({"same_view_negatives": True} if same else {}))
    learner = make_learner(replace(RECIPE, method=own)).train()
    with torch.no_grad():
        for parameter in learner.target.parameters():  # a target that is not the online branch
            parameter.add_(0.1 * torch.randn_like(parameter))
    views = torch.rand(6, 3, 32, 32), torch.rand(6, 3, 32, 32)
    (p1, p2), (z1, z2) = embeddings(learner, views)
    if name == "byol":
        cosine = NegativeCosineSimilarity()
        theirs = 4 + 2 * cosine(p1, z2) + 2 * cosine(p2, z1)
    else:
        forth = against_bank(p1, z2, own.temperature, z1 if same else None)
        back = against_bank(p2, z1, own.temperature, z2 if same else None)
        theirs = (forth + back) / 2
    weights = learner.predictor[0].weight, learner.online.projector[3].weight, learner.encoder.stem[0].weight
    assert_same(learner(views, torch.zeros(6, dtype=torch.int64))[0], theirs, *weights)


def test_dinos_centre_follows_the_teacher_as_lightlys_does() -> None:
    torch.manual_seed(0)
    own = Dino(hidden=16, projection=8, prototypes=12, centre_momentum=0.8)
    learner = make_learner(replace(RECIPE, method=own)).train()
    criterion = DINOLoss(own.prototypes, student_temp=own.temperature, center_momentum=0.8)
    for step in range(4):
        views = rows(6, 3, 32, 32, seed=2 * step).sigmoid(), rows(6, 3, 32, 32, seed=2 * step + 1).sigmoid()
        student, teacher = embeddings(learner, views)
        theirs = criterion(teacher, student, teacher_temp=own.teacher_temperature)
        loss, _ = learner(views, torch.zeros(6, dtype=torch.int64))
        assert_same(loss, theirs, learner.online.projector.layers[0].weight)
        torch.testing.assert_close(learner.centre, criterion.center[0])
    assert learner.centre.abs().max() > 1e-3


@pytest.mark.parametrize("base", [0.9, 0.996])
def test_momentum_is_lightlys_cosine(base: float) -> None:
    # lightly's last step is the one before max_steps.
    expected = [cosine_schedule(step, 41, base, 1.0) for step in range(41)]
    assert [momentum_at(step, 40, base) for step in range(41)] == pytest.approx(expected, rel=1e-12)


def test_the_target_moves_as_lightlys_momentum_encoder() -> None:
    torch.manual_seed(0)
    online = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    target, theirs = Target(online), copy.deepcopy(online)
    for step in range(5):
        with torch.no_grad():
            for parameter in online.parameters():
                parameter.add_(torch.randn_like(parameter))
        momentum = momentum_at(step, 5, 0.6)
        target.follow(online, momentum)
        update_momentum(online, theirs, momentum)
    for ours, other, followed in zip(target.parameters(), theirs.parameters(), online.parameters(), strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(ours, followed)


def test_lars_is_lightlys_over_many_steps() -> None:
    torch.manual_seed(0)
    recipe = replace(RECIPE, optimiser="lars", weight_decay=0.05, trust=0.02, optimiser_momentum=0.9)
    network = nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3))
    other = copy.deepcopy(network)
    ours = make_optimiser(recipe, network)
    decayed, kept = get_weight_decay_parameters([other])
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    theirs = LARS(groups, lr=1.0, momentum=0.9, trust_coefficient=0.02)
    fresh = [p.detach().clone() for p in network.parameters()]
    for step in range(20):
        batch = rows(16, 5, seed=step)
        for optimiser, module in ((ours, network), (theirs, other)):
            for group in optimiser.param_groups:
                group["lr"] = 0.5 * (step + 1) / 20
            optimiser.zero_grad()
            module(batch).square().mean().backward()
            optimiser.step()
    for one, two, start in zip(network.parameters(), other.parameters(), fresh, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(one, start, rtol=1e-2)
