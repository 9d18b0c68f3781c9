import torch
from torch import nn

from vitobench.models.pretraining.learners import make_learner
from vitobench.models.pretraining.objectives import Target, momentum_at
from vitobench.models.pretraining.recipe import Recipe
from vitobench.tests.models.pretraining.two_ranks import small

RECIPE = Recipe(
    "t", "", small("contrastive", momentum=0.9), "micro-resnet8", pooling="attention", scales=2, window=2.56, steps=10,
    warmup=1,
)  # fmt: skip


def test_target_starts_as_a_whole_copy_projector_included() -> None:
    learner = make_learner(RECIPE)
    online, target = learner.online.state_dict(), learner.target.network.state_dict()
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
    target = Target(online)
    with torch.no_grad():
        for parameter in online.parameters():
            parameter.add_(torch.randn_like(parameter))
    pairs = [(t.double(), o.detach().double()) for t, o in zip(target.parameters(), online.parameters(), strict=True)]
    for _ in range(3):
        target.follow(online, 0.7)
        pairs = [(0.7 * t + 0.3 * o, o) for t, o in pairs]
    for parameter, (expected, _) in zip(target.parameters(), pairs, strict=True):
        torch.testing.assert_close(parameter, expected.float())


def test_momentum_one_freezes_and_zero_copies() -> None:
    online = nn.Linear(3, 2)
    target = Target(online)
    kept = target.network.weight.clone()
    with torch.no_grad():
        online.weight.add_(1.0)
    target.follow(online, 1.0)
    assert torch.equal(target.network.weight, kept)
    target.follow(online, 0.0)
    torch.testing.assert_close(target.network.weight, online.weight.detach())


def test_batch_statistics_are_those_of_its_own_input() -> None:
    online = nn.BatchNorm1d(2)
    target = Target(online, "batch")
    x = torch.randn(64, 2) + 5
    torch.testing.assert_close(target(x).mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    online(torch.randn(8, 2) - 3)
    before = target.network.running_mean.clone()
    target.follow(online, 0.5)
    assert torch.equal(target.network.running_mean, before)


def test_running_statistics_follow_the_online_ones_and_normalise() -> None:
    online = nn.BatchNorm1d(2)
    target = Target(online, "running").train()
    assert not target.network.training
    x = torch.randn(8, 2) + 5
    torch.testing.assert_close(target(x), x / (1 + online.eps) ** 0.5)  # statistics of a fresh layer: 0 and 1
    online(x)
    target.follow(online, 0.25)
    torch.testing.assert_close(target.network.running_mean, 0.75 * online.running_mean)


def test_what_the_target_says_carries_no_gradient() -> None:
    online = nn.Linear(3, 2)
    out = Target(online)(torch.randn(4, 3))
    assert not out.requires_grad
    (out * torch.ones(1, requires_grad=True)).sum().backward()  # an ordinary tensor, that a loss may keep


def test_learner_follows_the_schedule() -> None:
    learner = make_learner(RECIPE)
    with torch.no_grad():
        for parameter in learner.online.parameters():
            parameter.add_(1.0)
    name = "projector.0.weight"
    old, new = learner.target.network.state_dict()[name].clone(), learner.online.state_dict()[name]
    learner.after_step(4)
    momentum = momentum_at(4, 10, 0.9)
    torch.testing.assert_close(learner.target.network.state_dict()[name], momentum * old + (1 - momentum) * new)
    kept = learner.target.network.state_dict()[name].clone()
    learner.after_step(10)
    assert torch.equal(learner.target.network.state_dict()[name], kept)
