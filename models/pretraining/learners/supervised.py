"""The supervised baseline: cross-entropy on labels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ...networks import PooledNetwork, build
from ..ranks import Ranks
from ..recipe import Recipe
from .learner import Learner, normalise


class SupervisedLearner(Learner):
    """One view of one frame of each clip; clips with an unknown class are ignored."""

    views = 1

    def __init__(self, recipe: Recipe, ranks: Ranks, classes: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = build(recipe.network, classes)

    @property
    def encoder(self) -> PooledNetwork:
        """The network, including its classifier."""
        return self.network

    def forward(self, views: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the classes."""
        features = self.network.features(normalise(views[0]))
        total = F.cross_entropy(self.network.head(features).float(), labels, ignore_index=-1, reduction="sum")
        # A part without any known class has loss 0; its mean would be NaN.
        return total / (labels >= 0).sum().clamp(min=1), features.detach()
