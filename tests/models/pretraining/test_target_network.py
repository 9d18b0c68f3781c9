import torch
from torch import nn

from vitobench.models.pretraining.ema import make_target, update_target
from vitobench.models.pretraining.learner import ContrastiveLearner
from vitobench.models.pretraining.objectives import momentum_at
from vitobench.models.pretraining.recipe import Recipe

RECIPE = Recipe(
    "t", "", "contrastive", "micro-resnet/attention-2scale", steps=10, momentum=0.9, hidden=16, projection=8
)


def test_target_starts_as_a_whole_copy_projector_included() -> None:
    learner = ContrastiveLearner(RECIPE)
    online, target = learner.online.state_dict(), learner.target.state_dict()
    assert list(online) == list(target)
    assert any(name.startswith("projector.") for name in target)
    assert any("running_mean" in name for name in target)
    for name, value in online.items():
        assert torch.equal(value, target[name]), name
        assert value.data_ptr() != target[name].data_ptr(), name
    assert not any(p.requires_grad for p in learner.target.parameters())
    assert any(p.requires_grad for p in learner.online.parameters())


def test_update_matches_the_formula() -> None:
    online = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    target = make_target(online)
    with torch.no_grad():
        for parameter in online.parameters():
            parameter.add_(torch.randn_like(parameter))
    pairs = [(t.double(), o.detach().double()) for t, o in zip(target.parameters(), online.parameters(), strict=True)]
    for _ in range(3):
        update_target(target, online, 0.7)
        pairs = [(0.7 * t + 0.3 * o, o) for t, o in pairs]
    for parameter, (expected, _) in zip(target.parameters(), pairs, strict=True):
        torch.testing.assert_close(parameter, expected.float())


def test_momentum_one_freezes_and_zero_copies() -> None:
    online = nn.Linear(3, 2)
    target = make_target(online)
    kept = target.weight.clone()
    with torch.no_grad():
        online.weight.add_(1.0)
    update_target(target, online, 1.0)
    assert torch.equal(target.weight, kept)
    update_target(target, online, 0.0)
    torch.testing.assert_close(target.weight, online.weight.detach())


def test_statistics_are_not_averaged() -> None:
    online = nn.BatchNorm1d(2)
    target = make_target(online)
    online(torch.randn(8, 2) + 5)
    update_target(target, online, 0.5)
    assert torch.equal(target.running_mean, torch.zeros(2))


def test_learner_follows_the_schedule() -> None:
    learner = ContrastiveLearner(RECIPE)
    with torch.no_grad():
        for parameter in learner.online.parameters():
            parameter.add_(1.0)
    name = "projector.0.weight"
    old, new = learner.target.state_dict()[name].clone(), learner.online.state_dict()[name]
    learner.after_step(4)
    momentum = momentum_at(4, 10, 0.9)
    torch.testing.assert_close(learner.target.state_dict()[name], momentum * old + (1 - momentum) * new)
    kept = learner.target.state_dict()[name].clone()
    learner.after_step(10)
    assert torch.equal(learner.target.state_dict()[name], kept)
