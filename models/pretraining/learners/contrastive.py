"""VITO and MoCLR: InfoNCE between online predictions and the projections of a target network."""

from __future__ import annotations

from torch import Tensor

from ...networks import PooledNetwork
from ..ema import Target
from ..methods import Contrastive, WithTarget
from ..objectives import momentum_at, symmetric_info_nce
from ..ranks import Ranks
from ..recipe import Recipe
from .learner import Learner, make_branch, mlp, normalise, own_settings


class ContrastiveLearner(Learner):
    """VITO's framework (Parthasarathy et al. 2023); with window 0 and average pooling MoCLR (Tian et al. 2021)."""

    def __init__(self, recipe: Recipe, ranks: Ranks, classes: int) -> None:
        super().__init__()
        self.recipe, self.ranks = recipe, ranks
        self.online = make_branch(recipe, classes)
        own = own_settings(recipe, WithTarget)
        self.target = Target(self.online, own.target_statistics)
        self.predictor = mlp(own.projection, own.hidden, own.projection)
        self.momentum = own.momentum

    @property
    def encoder(self) -> PooledNetwork:
        """The online encoder."""
        return self.online.encoder

    def forward(self, views: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Symmetric InfoNCE between two views of each clip, with the targets of all ranks."""
        one, two = (normalise(view) for view in views)
        targets = self.ranks.gather(self.target(one)), self.ranks.gather(self.target(two))
        first, features = self.online.both(one)
        predictions = self.predictor(first), self.predictor(self.online(two))
        start = self.ranks.first(len(one))
        own = own_settings(self.recipe, Contrastive)
        return symmetric_info_nce(predictions, targets, own.temperature, start, own.same_view_negatives), features

    def after_step(self, step: int) -> None:
        """Move the target toward the online branch."""
        self.target.follow(self.online, momentum_at(step, self.recipe.steps, self.momentum))
