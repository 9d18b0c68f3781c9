from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from vitobench.models.pretraining import learner as module
from vitobench.models.pretraining.clips import ClipPool
from vitobench.models.pretraining.learner import ContrastiveLearner, SupervisedLearner, make_learner, normalise
from vitobench.models.pretraining.recipe import Recipe

RECIPE = Recipe("t", "", "contrastive", "micro-resnet/attention-2scale", two_frames=True, hidden=16, projection=8)


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

    def view(images: torch.Tensor, settings: module.ViewSettings, rng: torch.Generator) -> torch.Tensor:
        seen.append((images.clone(), settings))
        return torch.rand(images.shape, generator=rng)

    monkeypatch.setattr(module, "random_view", view)
    return seen


@pytest.mark.parametrize("two_frames", [False, True])
def test_views_come_from_the_frames_that_the_recipe_says(numbered: ClipPool, captured: list, two_frames: bool) -> None:
    clips = torch.tensor([3, 0, 11, 7, 3, 5, 1, 9])
    learner = make_learner(replace(RECIPE, two_frames=two_frames))
    pairs = set()
    for seed in range(6):
        captured.clear()
        learner.loss(numbered, clips, torch.Generator().manual_seed(seed))
        (one, first), (two, second) = captured
        assert (first, second) == (module.FIRST_VIEW, module.SECOND_VIEW)
        assert one[:, 0, 0, 0].tolist() == two[:, 0, 0, 0].tolist() == clips.tolist()
        frames = one[:, 1, 0, 0], two[:, 1, 0, 0]
        assert torch.equal(one, two) != two_frames
        assert (frames[0] != frames[1]).all() if two_frames else (frames[0] == frames[1]).all()
        pairs |= set(zip(frames[0].tolist(), frames[1].tolist(), strict=True))
    assert len(pairs) >= (9 if two_frames else 4)


def test_views_are_those_of_byol() -> None:
    assert (module.FIRST_VIEW.blur, module.SECOND_VIEW.blur) == (1.0, 0.1)
    assert (module.FIRST_VIEW.solarise, module.SECOND_VIEW.solarise) == (0.0, 0.2)
    assert module.SUPERVISED_VIEW.jitter == module.SUPERVISED_VIEW.grey == module.SUPERVISED_VIEW.blur == 0


def test_only_the_online_branch_learns(numbered: ClipPool) -> None:
    learner = ContrastiveLearner(RECIPE)
    learner.loss(numbered, torch.arange(8), torch.Generator().manual_seed(0)).backward()
    assert all(p.grad is None for p in learner.target.parameters())
    assert all(p.grad is None for p in learner.encoder.head.parameters())
    others = [p for n, p in learner.named_parameters() if not n.startswith("target") and "encoder.head" not in n]
    assert all(p.grad is not None for p in others)


def test_supervised_loss_is_cross_entropy_on_the_shape(numbered: ClipPool, captured: list) -> None:
    learner = make_learner(replace(RECIPE, objective="supervised"))
    assert isinstance(learner, SupervisedLearner)
    learner.eval()
    clips = torch.tensor([4, 2, 8])
    loss = learner.loss(numbered, clips, torch.Generator().manual_seed(0))
    assert captured[0][0][:, 0, 0, 0].tolist() == clips.tolist()
    rng = torch.Generator().manual_seed(0)
    torch.randint(4, (3,), generator=rng)
    with torch.no_grad():
        logits = learner.encoder(normalise(torch.rand(3, 3, 32, 32, generator=rng)))
    expected = -F.log_softmax(logits.double(), 1)[torch.arange(3), clips].mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_normalise() -> None:
    views = torch.rand(2, 3, 4, 4)
    got = normalise(views)
    for channel, (mean, deviation) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
        torch.testing.assert_close(got[:, channel], (views[:, channel] - mean) / deviation)
    assert got.is_contiguous(memory_format=torch.channels_last)
