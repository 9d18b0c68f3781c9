"""VITO and MoCLR: InfoNCE between online predictions and the projections of a target network."""

from __future__ import annotations

from torch import Tensor

from ...networks import PooledNetwork
from ..ema import Target
from ..objectives import momentum_at, symmetric_info_nce
from ..ranks import Ranks
from ..recipe import Recipe
from .learner import Learner, make_branch, mlp, normalise


class ContrastiveLearner(Learner):
    """VITO's framework (Parthasarathy et al. 2023); with window 0 and average pooling MoCLR (Tian et al. 2021)."""

    def __init__(self, recipe: Recipe, ranks: Ranks, classes: int) -> None:
        super().__init__()
        self.recipe, self.ranks = recipe, ranks
        self.online = make_branch(recipe, classes)
        self.target = Target(self.online, recipe.target_statistics)
        self.predictor = mlp(recipe.projection, recipe.hidden, recipe.projection)

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
        same = self.recipe.same_view_negatives
        return symmetric_info_nce(predictions, targets, self.recipe.temperature, start, same), features

    def after_step(self, step: int) -> None:
        """Move the target toward the online branch."""
        self.target.follow(self.online, momentum_at(step, self.recipe.steps, self.recipe.momentum))
