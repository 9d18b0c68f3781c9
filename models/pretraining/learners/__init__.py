"""The learner of each pretraining method."""

from __future__ import annotations

from importlib import import_module

from .. import methods
from ..methods import MethodSettings
from ..ranks import Ranks
from ..recipe import Recipe
from .byol import ByolLearner
from .contrastive import ContrastiveLearner
from .dino import DinoLearner
from .l2_robust import L2RobustLearner
from .learner import Batch, Learner, normalise
from .simclr import SimclrLearner
from .supervised import SupervisedLearner
from .two_views import TwoViewLearner

__all__ = ["LEARNERS", "Batch", "Learner", "make_learner", "normalise"]

LEARNERS: dict[type[MethodSettings], type[Learner]] = {
    methods.Contrastive: ContrastiveLearner,
    methods.Simclr: SimclrLearner,
    methods.Byol: ByolLearner,
    methods.Dino: DinoLearner,
    methods.Supervised: SupervisedLearner,
    methods.L2Robust: L2RobustLearner,
    methods.TwoViews: TwoViewLearner,
}
"""By the settings of their method, or by a class that these derive from."""


def learner_of(method: type[MethodSettings]) -> type[Learner]:
    """The learner of a method: the one that it names, else the one of its settings."""
    if method.learner:
        module, _, name = method.learner.partition(":")
        learner: type[Learner] = getattr(import_module(module), name)
        return learner
    return next(LEARNERS[base] for base in method.__mro__ if base in LEARNERS)


def make_learner(recipe: Recipe, ranks: Ranks | None = None, classes: int = 16) -> Learner:
    """The learner of a recipe, with fresh weights.

    Args:
        recipe: The run.
        ranks: The processes that train together; by default a single one.
        classes: Number of classes of the data; 0 without labels.
    """
    return learner_of(type(recipe.method))(recipe, ranks or Ranks(), classes)
