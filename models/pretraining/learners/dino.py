"""DINO: a student matches the centred and sharpened outputs of its own moving average."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ...networks import PooledNetwork, build
from ..ema import Target
from ..methods import Dino
from ..objectives import dino_loss, momentum_at
from ..ranks import Ranks
from ..recipe import Recipe
from .learner import Branch, Learner, normalise, own_settings


class DinoHead(nn.Module):
    """Three layers, a unit-length bottleneck and prototypes of unit length (Caron et al. 2021, appendix C)."""

    def __init__(self, inputs: int, hidden: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        self.prototypes = weight_norm(nn.Linear(bottleneck, prototypes, bias=False))
        scale = cast(nn.Parameter, self.prototypes.parametrizations.weight.original0)
        nn.init.ones_(scale)
        scale.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, prototypes) of features (N, inputs)."""
        return cast(Tensor, self.prototypes(F.normalize(self.layers(x), dim=1)))


class DinoLearner(Learner):
    """Caron et al. 2021, with its two large views but without the small ones. The result is the teacher's encoder."""

    centre: Tensor

    def __init__(self, recipe: Recipe, ranks: Ranks, classes: int) -> None:
        super().__init__()
        self.recipe, self.ranks = recipe, ranks
        self.own = own = own_settings(recipe, Dino)
        encoder = build(recipe.network, classes)
        head = DinoHead(encoder.pool.width, own.hidden, own.projection, own.prototypes)
        self.online = Branch(encoder, head)
        self.target = Target(self.online, own.target_statistics)
        self.register_buffer("centre", torch.zeros(1, own.prototypes))

    @property
    def encoder(self) -> PooledNetwork:
        """The teacher's encoder, which is the better one in the paper."""
        return cast(PooledNetwork, self.target.network.encoder)

    def forward(self, views: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy across the two views; the centre moves toward the mean of the teachers of all ranks."""
        one, two = (normalise(view) for view in views)
        teacher = self.target(one), self.target(two)
        first, features = self.online.both(one)
        loss = dino_loss(
            (first, self.online(two)), teacher, self.centre, self.own.temperature, self.own.teacher_temperature
        )
        batch_mean = self.ranks.mean(torch.cat(teacher).float().mean(0, keepdim=True))
        self.centre.lerp_(batch_mean, 1.0 - self.own.centre_momentum)
        return loss, features

    def after_step(self, step: int) -> None:
        """Move the teacher toward the student."""
        self.target.follow(self.online, momentum_at(step, self.recipe.steps, self.own.momentum))
