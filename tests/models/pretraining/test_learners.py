from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from vitobench.models.pretraining import feeds
from vitobench.models.pretraining.clips import ClipPool, Place
from vitobench.models.pretraining.feeds import pool_batch
from vitobench.models.pretraining.learners import Batch, ContrastiveLearner, l2_attack, make_learner, normalise
from vitobench.models.pretraining.methods import METHODS, Augmentation, Supervised
from vitobench.models.pretraining.recipe import Recipe
from vitobench.tests.models.pretraining.two_ranks import small

RECIPE = Recipe(
    "t", "", small("contrastive"), "micro-resnet8", pooling="attention", scales=2, window=2.56, batch=8, steps=10,
    precision="float32", warmup=1,
)  # fmt: skip


@pytest.fixture
def numbered() -> ClipPool:
    """Every frame is one flat colour: red tells the clip, green the frame."""
    frames = torch.zeros(12, 4, 3, 32, 32, dtype=torch.uint8)
    frames[:, :, 0] = torch.arange(12).view(12, 1, 1, 1)
    frames[:, :, 1] = torch.arange(4).view(1, 4, 1, 1)
    return ClipPool(frames, torch.arange(12))


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> list:
    seen = []

    def view(images: torch.Tensor, settings: Augmentation, number: int, rng: torch.Generator) -> torch.Tensor:
        seen.append((images.clone(), (settings, number)))
        return torch.rand(images.shape, generator=rng)

    monkeypatch.setattr(feeds, "random_view", view)
    return seen


@pytest.mark.parametrize("window", [0.0, 2.56])
def test_views_come_from_the_frames_that_the_recipe_says(numbered: ClipPool, captured: list, window: float) -> None:
    pairs = set()
    for step in range(6):
        captured.clear()
        batch = pool_batch(numbered, replace(RECIPE, window=window), 2, Place(step))
        (one, first), (two, second) = captured
        assert (first, second) == ((RECIPE.augmentation, 0), (RECIPE.augmentation, 1))
        assert one[:, 0, 0, 0].tolist() == two[:, 0, 0, 0].tolist() == batch.labels.tolist()
        frames = one[:, 1, 0, 0], two[:, 1, 0, 0]
        assert (frames[0] != frames[1]).all() if window else (frames[0] == frames[1]).all()
        pairs |= set(zip(frames[0].tolist(), frames[1].tolist(), strict=True))
    assert len(pairs) >= (9 if window else 4)


def test_views_are_those_of_byol() -> None:
    assert RECIPE.augmentation.blur == (1.0, 0.1)
    assert RECIPE.augmentation.solarise == (0.0, 0.2)


@pytest.mark.parametrize("objective", METHODS)
def test_every_objective_learns_and_leaves_its_target_alone(objective: str, numbered: ClipPool) -> None:
    torch.manual_seed(0)
    recipe = replace(RECIPE, method=small(objective), window=0.0)
    learner = make_learner(recipe, classes=12).train()
    optimiser = torch.optim.AdamW([p for p in learner.parameters() if p.requires_grad], lr=1e-3)
    before = {name: value.clone() for name, value in learner.encoder.state_dict().items()}
    for step in range(3):
        batch = pool_batch(numbered, recipe, learner.views, Place(step))
        loss, features = learner(batch.views, batch.labels)
        assert torch.isfinite(loss)
        assert features.shape == (8, learner.encoder.pool.width)
        assert not features.requires_grad
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        learner.after_step(step + 1)
    moved = [name for name, value in learner.encoder.state_dict().items() if not torch.equal(value, before[name])]
    assert len(moved) > 20
    if hasattr(learner, "target"):
        assert all(p.grad is None for p in learner.target.parameters())


def test_only_the_online_branch_learns(numbered: ClipPool) -> None:
    learner = make_learner(RECIPE)
    assert isinstance(learner, ContrastiveLearner)
    batch = pool_batch(numbered, RECIPE, 2, Place(0))
    learner(batch.views, batch.labels)[0].backward()
    assert all(p.grad is None for p in learner.target.parameters())
    assert all(p.grad is None for p in learner.encoder.head.parameters())
    others = [p for n, p in learner.named_parameters() if not n.startswith("target") and "encoder.head" not in n]
    assert all(p.grad is not None for p in others)


def test_supervised_loss_is_cross_entropy_on_the_shape(numbered: ClipPool) -> None:
    learner = make_learner(replace(RECIPE, method=Supervised(), window=0.0), classes=12).eval()
    view, labels = torch.rand(3, 3, 32, 32), torch.tensor([4, -1, 8])
    loss, _ = learner((view,), labels)
    with torch.no_grad():
        logits = learner.encoder(normalise(view)).double()
    known = torch.tensor([0, 2])
    expected = -F.log_softmax(logits, 1)[known, labels[known]].mean()  # a clip of unknown class counts for nothing
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_clips_without_any_label_cost_nothing() -> None:
    learner = make_learner(replace(RECIPE, method=Supervised(), window=0.0), classes=12)
    loss, _ = learner((torch.rand(4, 3, 32, 32),), torch.full((4,), -1))
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is None or not p.grad.any() for p in learner.parameters())


@pytest.mark.parametrize("epsilon", [0.1, 1.0])
def test_an_attack_stays_in_its_ball_and_raises_the_loss(epsilon: float) -> None:
    torch.manual_seed(1)
    images, weights = torch.rand(5, 3, 8, 8), torch.randn(3, 8, 8)

    def loss_of(shown: torch.Tensor) -> torch.Tensor:
        return (shown * weights).sum().sin() + (shown.square() * weights).sum()

    found = l2_attack(loss_of, images, epsilon, steps=5, step_size=epsilon / 2)
    distance = (found - images).flatten(1).norm(dim=1)
    assert (distance <= epsilon + 1e-5).all()
    assert (distance > 0.5 * epsilon).all()
    assert found.min() >= 0
    assert found.max() <= 1
    assert loss_of(found) > loss_of(images)


def test_an_attack_on_a_line_goes_straight_to_its_end() -> None:
    images, direction = torch.full((1, 3, 4, 4), 0.5), torch.ones(3, 4, 4)
    found = l2_attack(lambda shown: (shown * direction).sum(), images, 0.3, steps=4, step_size=0.2)
    torch.testing.assert_close(found, images + 0.3 * direction / direction.norm())


def test_normalise() -> None:
    views = torch.rand(2, 3, 4, 4)
    got = normalise(views)
    for channel, (mean, deviation) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
        torch.testing.assert_close(got[:, channel], (views[:, channel] - mean) / deviation)
    assert got.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("device", "ahead"), [("cuda", True), ("mps", False), ("cpu", False)])
def test_only_cuda_copies_a_batch_while_it_computes(device: str, ahead: bool) -> None:
    calls = []

    class Recorder(torch.Tensor):
        def to(self, *place: torch.device, non_blocking: bool) -> torch.Tensor:
            calls.append((*place, non_blocking))
            return self

    view, labels = torch.zeros(2, 3, 4, 4).as_subclass(Recorder), torch.zeros(2).as_subclass(Recorder)
    Batch((view, view), labels).to(torch.device(device))
    assert calls == [(torch.device(device), ahead)] * 3
