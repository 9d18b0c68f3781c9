"""What each pretraining method trains: a module that returns a loss for a batch of views, and its encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ..networks import PooledNetwork, build
from ..spec import IMAGENET_MEAN, IMAGENET_STD
from . import methods
from .devices import Ranks
from .methods import Contrastive, Dino, L2Robust, MethodSettings, Projected, Simclr, TwoViews, WithTarget
from .objectives import Target, byol_loss, dino_loss, momentum_at, nt_xent, symmetric_info_nce
from .recipe import Recipe

# The base class of learners: a module that returns a loss for a batch of views, and its encoder.


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
        # Copied while the computation goes on, but only to CUDA: on MPS, torch may read the batch after it was freed,
        # and silently train on other pixels.
        ahead = device.type == "cuda"
        move = [view.to(device, non_blocking=ahead) for view in self.views]
        return Batch(tuple(move), self.labels.to(device, non_blocking=ahead))

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


# Methods that are a loss of two views' projections, by one network: `methods.TwoViews`.


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


# VITO and MoCLR: InfoNCE between online predictions and the projections of a target network.


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


# BYOL: the online network predicts the target's projection of another view, without negatives.


class ByolLearner(ContrastiveLearner):
    """Grill et al. 2020: the networks of the contrastive learner, with a loss of positive pairs only."""

    def forward(self, views: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of both directions, as in the paper."""
        one, two = (normalise(view) for view in views)
        target_one, target_two = self.target(one), self.target(two)
        first, features = self.online.both(one)
        loss = byol_loss(self.predictor(first), target_two)
        return loss + byol_loss(self.predictor(self.online(two)), target_one), features


# SimCLR: two views must find each other among all others, with one network and no target.


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


# DINO: a student matches the centred and sharpened outputs of its own moving average.


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


# The supervised baseline: cross-entropy on labels.


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


# Adversarial training against perturbations of bounded L2 norm.


def l2_attack(
    loss_of: Callable[[Tensor], Tensor], images: Tensor, epsilon: float, steps: int, step_size: float
) -> Tensor:
    """Adversarial images, found by projected gradient ascent in an L2 ball (Madry et al. 2018).

    Args:
        loss_of: Loss of images, summed over them.
        images: float (N, 3, H, W) in [0, 1].
        epsilon: Radius of the ball around each image.
        steps: Number of steps along the normalised gradient.
        step_size: Length of each step.

    Returns:
        float (N, 3, H, W) in [0, 1], with a distance of at most ``epsilon`` from the images.
    """
    moved = images
    for _ in range(steps):
        moved = moved.detach().requires_grad_(True)
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(loss_of(moved), moved)
        with torch.no_grad():
            length = gradient.flatten(1).norm(dim=1).clamp(min=1e-12).view(-1, 1, 1, 1)
            shift = moved - images + step_size * gradient / length
            reach = shift.flatten(1).norm(dim=1).clamp(min=1e-12).view(-1, 1, 1, 1)
            moved = (images + shift * (epsilon / reach).clamp(max=1.0)).clamp(0, 1)
    return moved.detach()


class L2RobustLearner(SupervisedLearner):
    """Cross-entropy on attacked images; the attack sees the network as it is evaluated (Salman et al. 2020)."""

    def forward(self, views: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the classes under attack."""

        def loss_of(images: Tensor) -> Tensor:
            logits = self.network(normalise(images)).float()
            return F.cross_entropy(logits, labels, ignore_index=-1, reduction="sum")

        training = self.network.training
        self.network.eval()
        own = own_settings(self.recipe, L2Robust)
        attacked = l2_attack(loss_of, views[0], own.epsilon, own.attack_steps, own.attack_step_size)
        self.network.train(training)
        return super().forward((attacked,), labels)


# The learner of each pretraining method.


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
