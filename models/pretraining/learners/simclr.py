"""SimCLR: two views must find each other among all others, with one network and no target."""

from __future__ import annotations

from torch import Tensor

from ...networks import PooledNetwork
from ..methods import Simclr
from ..objectives import nt_xent
from ..ranks import Ranks
from ..recipe import Recipe
from .learner import Learner, make_branch, normalise, own_settings


class SimclrLearner(Learner):
    """Chen et al. 2020."""

    def __init__(self, recipe: Recipe, ranks: Ranks, classes: int) -> None:
        super().__init__()
        self.recipe, self.ranks = recipe, ranks
        self.online = make_branch(recipe, classes)

    @property
    def encoder(self) -> PooledNetwork:
        """The one encoder."""
        return self.online.encoder

    def forward(self, views: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """NT-Xent over the projections of all ranks; gradients reach every rank's projections."""
        one, two = (normalise(view) for view in views)
        first, features = self.online.both(one)
        second = self.online(two)
        everyone = self.ranks.gather(first, gradients=True), self.ranks.gather(second, gradients=True)
        temperature = own_settings(self.recipe, Simclr).temperature
        return nt_xent(first, second, temperature, everyone, self.ranks.first(len(one))), features
