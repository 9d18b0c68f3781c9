"""What is optimised: the contrastive pair of networks, or the supervised classifier, behind one small face."""

from __future__ import annotations

from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks import MicroResNet, build
from ..spec import IMAGENET_MEAN, IMAGENET_STD
from .clips import ClipPool
from .ema import make_target, update_target
from .objectives import momentum_at, symmetric_info_nce
from .recipe import Recipe
from .views import ViewSettings, random_view

# BYOL's two views differ: the first is always blurred, the second seldom, and only the second is solarised.
FIRST_VIEW = ViewSettings(blur=1.0)
SECOND_VIEW = ViewSettings(blur=0.1, solarise=0.2)
SUPERVISED_VIEW = ViewSettings(jitter=0.0, grey=0.0)


class Learner(Protocol):
    """A module with a loss for a batch of clips and something to do after each step."""

    encoder: MicroResNet

    def loss(self, pool: ClipPool, clips: Tensor, rng: torch.Generator) -> Tensor:
        """Loss of the clips with these indices."""

    def after_step(self, step: int) -> None:
        """Called after the optimiser's step number ``step`` (from 1)."""


def normalise(views: Tensor) -> Tensor:
    """Subtract ImageNet's mean and divide by its deviation; channels last in memory."""
    mean = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    deviation = torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return ((views - mean) / deviation).contiguous(memory_format=torch.channels_last)


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, outputs, bias=False),
    )


class _Branch(nn.Module):
    """Encoder and projector: the part that exists twice, online and as a target."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.encoder = cast(MicroResNet, build(recipe.architecture, 16))
        self.projector = _mlp(self.encoder.pool.width, recipe.hidden, recipe.projection)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.projector(self.encoder.features(x)))


class ContrastiveLearner(nn.Module):
    """VITO's framework; with ``two_frames`` off and average pooling it is MoCLR."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.online = _Branch(recipe)
        # The classifier is fitted later on frozen features; here it must neither train nor decay.
        self.online.encoder.head.requires_grad_(False)
        self.target = make_target(self.online)
        self.predictor = _mlp(recipe.projection, recipe.hidden, recipe.projection)

    @property
    def encoder(self) -> MicroResNet:
        """The online encoder."""
        return self.online.encoder

    def loss(self, pool: ClipPool, clips: Tensor, rng: torch.Generator) -> Tensor:
        """Symmetric InfoNCE between two views of each clip."""
        choices = torch.rand(len(clips), pool.frames.shape[1], generator=rng).argsort(dim=1)
        second = choices[:, 1] if self.recipe.two_frames else choices[:, 0]
        one = normalise(random_view(pool.frames[clips, choices[:, 0]], FIRST_VIEW, rng))
        two = normalise(random_view(pool.frames[clips, second], SECOND_VIEW, rng))
        with torch.no_grad():
            targets = (self.target(one), self.target(two))
        predictions = (self.predictor(self.online(one)), self.predictor(self.online(two)))
        return symmetric_info_nce(predictions, targets, self.recipe.temperature)

    def after_step(self, step: int) -> None:
        """Move the target toward the online branch."""
        update_target(self.target, self.online, momentum_at(step, self.recipe.steps, self.recipe.momentum))


class SupervisedLearner(nn.Module):
    """Cross-entropy on the shape label, with crops and flips, as the field's supervised baseline is trained."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.encoder = cast(MicroResNet, build(recipe.architecture, 16))

    def loss(self, pool: ClipPool, clips: Tensor, rng: torch.Generator) -> Tensor:
        """Cross-entropy of one view of one frame of each clip."""
        frames = torch.randint(pool.frames.shape[1], (len(clips),), generator=rng)
        views = normalise(random_view(pool.frames[clips, frames], SUPERVISED_VIEW, rng))
        return F.cross_entropy(self.encoder(views), pool.labels[clips])

    def after_step(self, step: int) -> None:
        """Nothing to do."""


def make_learner(recipe: Recipe) -> ContrastiveLearner | SupervisedLearner:
    """The learner that a recipe asks for."""
    return SupervisedLearner(recipe) if recipe.objective == "supervised" else ContrastiveLearner(recipe)
