"""BYOL: the online network predicts the target's projection of another view, without negatives."""

from __future__ import annotations

from torch import Tensor

from ..objectives import byol_loss
from .contrastive import ContrastiveLearner
from .learner import normalise


class ByolLearner(ContrastiveLearner):
    """Grill et al. 2020: the networks of the contrastive learner, with a loss of positive pairs only."""

    def forward(self, views: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of both directions, as in the paper."""
        one, two = (normalise(view) for view in views)
        target_one, target_two = self.target(one), self.target(two)
        first, features = self.online.both(one)
        loss = byol_loss(self.predictor(first), target_two)
        return loss + byol_loss(self.predictor(self.online(two)), target_one), features
