"""Methods that are a loss of two views' projections, by one network: `methods.TwoViews`."""

from __future__ import annotations

from torch import Tensor

from ...networks import PooledNetwork
from ..methods import TwoViews
from ..ranks import Ranks
from ..recipe import Recipe
from .learner import Learner, make_branch, normalise, own_settings


class TwoViewLearner(Learner):
    """Encoder and projector; the loss is the method's."""

    def __init__(self, recipe: Recipe, ranks: Ranks, classes: int) -> None:
        super().__init__()
        self.recipe, self.ranks = recipe, ranks
        self.online = make_branch(recipe, classes)

    @property
    def encoder(self) -> PooledNetwork:
        """The one encoder."""
        return self.online.encoder

    def forward(self, views: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss over the projections of all ranks; gradients reach every rank's projections."""
        one, two = (normalise(view) for view in views)
        first, features = self.online.both(one)
        everyone = (self.ranks.gather(part, gradients=True).float() for part in (first, self.online(two)))
        method: TwoViews = own_settings(self.recipe, TwoViews)  # type: ignore[type-abstract] # only asked whether it is one
        return method.loss(*everyone), features
