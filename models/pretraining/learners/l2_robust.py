"""Adversarial training against perturbations of bounded L2 norm."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..methods import L2Robust
from .learner import normalise, own_settings
from .supervised import SupervisedLearner


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
