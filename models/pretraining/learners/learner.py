"""The base class of learners: a module that returns a loss for a batch of views, and its encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from ...networks import PooledNetwork, build
from ...spec import IMAGENET_MEAN, IMAGENET_STD
from ..methods import MethodSettings, Projected
from ..recipe import Recipe

Own = TypeVar("Own", bound=MethodSettings)


@dataclass(frozen=True)
class Batch:
    """A rank's part of a step.

    Attributes:
        views: One float32 (N, 3, S, S) in [0, 1] for each view.
        labels: int64 (N,), -1 if a class is unknown.
    """

    views: tuple[Tensor, ...]
    labels: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        move = [view.to(device, non_blocking=True) for view in self.views]
        return Batch(tuple(move), self.labels.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The batch in pinned memory, from which an accelerator copies fast; data loaders call this."""
        return Batch(tuple(view.pin_memory() for view in self.views), self.labels.pin_memory())


class Learner(nn.Module, ABC):
    """An objective with its networks. ``forward`` returns the loss, so that wrappers for several devices work."""

    views = 2
    """Number of views of a clip that the objective needs."""

    @property
    @abstractmethod
    def encoder(self) -> PooledNetwork:
        """The network to evaluate and write."""

    @abstractmethod
    def forward(self, views: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Loss (scalar) and features of the first view (N, D), the latter without gradient.

        Args:
            views: As in `Batch`.
            labels: As in `Batch`.
        """

    def after_step(self, step: int) -> None:
        """Called after the optimiser's step number ``step`` (from 1)."""


class Branch(nn.Module):
    """Encoder and projector: the part that exists twice, online and as a target."""

    def __init__(self, encoder: PooledNetwork, projector: nn.Module) -> None:
        super().__init__()
        # The classifier is fitted later on frozen features; it must neither be trained nor decay here.
        encoder.head.requires_grad_(False)
        self.encoder = encoder
        self.projector = projector

    def forward(self, x: Tensor) -> Tensor:
        """Projection of normalised views."""
        return cast(Tensor, self.projector(self.encoder.features(x)))

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Projection and, without gradient, features."""
        features = self.encoder.features(x)
        return self.projector(features), features.detach()


def normalise(views: Tensor) -> Tensor:
    """Subtract ImageNet's mean and divide by its standard deviation; the result is channels-last in memory."""
    mean = torch.tensor(IMAGENET_MEAN, device=views.device).view(1, 3, 1, 1)
    deviation = torch.tensor(IMAGENET_STD, device=views.device).view(1, 3, 1, 1)
    return ((views - mean) / deviation).contiguous(memory_format=torch.channels_last)


def mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Projector or predictor of BYOL: linear with bias, batch normalisation, ReLU, linear without bias."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, outputs, bias=False),
    )


def own_settings(recipe: Recipe, kind: type[Own]) -> Own:
    """The settings of a recipe's method.

    Raises:
        TypeError: The method does not have settings of this kind.
    """
    if not isinstance(recipe.method, kind):
        raise TypeError(f"{recipe.objective} has no settings of {kind.__name__}")
    return recipe.method


def make_branch(recipe: Recipe, classes: int) -> Branch:
    """Encoder and projector of a recipe, with fresh weights."""
    own = own_settings(recipe, Projected)
    encoder = build(recipe.network, classes)
    return Branch(encoder, mlp(encoder.pool.width, own.hidden, own.projection))
