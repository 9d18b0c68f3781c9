"""SimCLR: two views must find each other among all others, with one network and no target."""

from __future__ import annotations

from torch import Tensor

from ..methods import Simclr
from ..objectives import nt_xent
from .learner import normalise, own_settings
from .two_views import TwoViewLearner


class SimclrLearner(TwoViewLearner):
    """Chen et al. 2020."""

    def forward(self, views: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """NT-Xent over the projections of all ranks; gradients reach every rank's projections."""
        one, two = (normalise(view) for view in views)
        first, features = self.online.both(one)
        second = self.online(two)
        everyone = self.ranks.gather(first, gradients=True), self.ranks.gather(second, gradients=True)
        temperature = own_settings(self.recipe, Simclr).temperature
        return nt_xent(first, second, temperature, everyone, self.ranks.first(len(one))), features
