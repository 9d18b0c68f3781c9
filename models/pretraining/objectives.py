"""Training objectives as pure functions, and the target network as a moving average."""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Training objectives as pure functions.
#
# If a batch is distributed over several ranks, each of them calls the function with its own rows and the gathered
# ones; the mean over the ranks is the loss of the whole batch.


def info_nce(
    predictions: Tensor,
    targets: Tensor,
    temperature: float = 0.1,
    first: int = 0,
    same_view: Tensor | None = None,
) -> Tensor:
    """Contrastive loss of online predictions against target projections.

    For prediction i the positive is its own clip's target and the negatives are the targets of the other clips:
    ``-log softmax(cos(p_i, z_j) / temperature)_i``, averaged over i (van den Oord et al. 2018; used by MoCLR and VITO).

    Args:
        predictions: float (N, D), from the online network; need not be normalised.
        targets: float (M, D), targets of the other view from all ranks; no gradient flows into them.
        temperature: Positive; 0.1 in related recipes.
        first: Row of ``targets`` that belongs to the first prediction.
        same_view: float (M, D), targets of the same view; those of other clips are additional negatives (as in
            DetCon-B).

    Returns:
        Scalar loss; ``log(M)`` if predictions are uninformative.

    Raises:
        ValueError: Shapes do not match, or the temperature is not positive.
    """
    if predictions.shape[1:] != targets.shape[1:] or first + len(predictions) > len(targets):
        raise ValueError(f"predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)} differ in shape")
    _check_temperature(temperature)
    positives = torch.arange(len(predictions), device=predictions.device) + first
    logits = _cosines(predictions, targets.detach())
    if same_view is not None:
        same_view_logits = _cosines(predictions, same_view.detach())
        logits = torch.cat([logits, same_view_logits.scatter(1, positives.unsqueeze(1), -torch.inf)], dim=1)
    return F.cross_entropy(logits / temperature, positives)


def symmetric_info_nce(
    predictions: tuple[Tensor, Tensor],
    targets: tuple[Tensor, Tensor],
    temperature: float = 0.1,
    first: int = 0,
    same_view: bool = False,
) -> Tensor:
    """Mean of `info_nce` over both directions: view 1 predicts target 2 and view 2 predicts target 1."""
    one, two = targets
    forth = info_nce(predictions[0], two, temperature, first, one if same_view else None)
    back = info_nce(predictions[1], one, temperature, first, two if same_view else None)
    return 0.5 * (forth + back)


def nt_xent(
    one: Tensor, two: Tensor, temperature: float, everyone: tuple[Tensor, Tensor] | None = None, first: int = 0
) -> Tensor:
    """SimCLR's loss: each of 2 N projections must find its partner among the 2 M - 1 others (Chen et al. 2020, eq. 1).

    Args:
        one: float (N, D), projections of the first views.
        two: float (N, D), projections of the second views.
        temperature: Positive.
        everyone: The projections of all ranks, (M, D) each, with gradients; by default those of this rank.
        first: Row of ``everyone`` that belongs to the first projection.

    Returns:
        Scalar loss.

    Raises:
        ValueError: The temperature is not positive.
    """
    _check_temperature(temperature)
    keys = torch.cat(everyone or (one, two))
    count = len(keys) // 2
    rows = torch.arange(len(one), device=one.device) + first
    itself, partner = torch.cat([rows, rows + count]), torch.cat([rows + count, rows])
    logits = _cosines(torch.cat([one, two]), keys).scatter(1, itself.unsqueeze(1), -torch.inf)
    return F.cross_entropy(logits / temperature, partner)


def byol_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared distance of unit vectors, ``2 - 2 cos(p, z)`` (Grill et al. 2020, eq. 2).

    Args:
        prediction: float (N, D), from the online network.
        target: float (N, D), target of the other view; no gradient flows into it.
    """
    return 2.0 - 2.0 * F.cosine_similarity(prediction.float(), target.detach().float(), dim=1).mean()


def dino_loss(
    student: tuple[Tensor, Tensor],
    teacher: tuple[Tensor, Tensor],
    centre: Tensor,
    student_temperature: float,
    teacher_temperature: float,
) -> Tensor:
    """Cross-entropy of the student with the centred, sharpened teacher of the other view (Caron et al. 2021, eq. 1-4).

    Args:
        student: float (N, K) logits of both views.
        teacher: float (N, K) logits of both views; no gradient flows into them.
        centre: float (K,) or (1, K), subtracted from the teacher's logits.
        student_temperature: Positive.
        teacher_temperature: Positive; lower than the student's, so that targets are sharp.
    """
    sharp = [((t.detach().float() - centre) / teacher_temperature).softmax(1) for t in teacher]
    soft = [(s.float() / student_temperature).log_softmax(1) for s in student]
    return -0.5 * ((sharp[0] * soft[1]).sum(1).mean() + (sharp[1] * soft[0]).sum(1).mean())


def momentum_at(step: int, steps: int, base: float) -> float:
    """EMA momentum: ``1 - (1 - base) (cos(pi step / steps) + 1) / 2``, from ``base`` to 1 (Grill et al. 2020)."""
    return 1.0 - (1.0 - base) * (math.cos(math.pi * step / steps) + 1.0) / 2.0


def _cosines(rows: Tensor, others: Tensor) -> Tensor:
    # Autocast would compute this product in bfloat16: divided by a temperature of 0.1, its last digit is 0.04.
    with torch.autocast(rows.device.type, enabled=False):
        return F.normalize(rows.float(), dim=1) @ F.normalize(others.float(), dim=1).T


def _check_temperature(temperature: float) -> None:
    if temperature <= 0:
        raise ValueError(f"temperature {temperature} must be positive")


# The target network: an exponential moving average of the online one.


class Target(nn.Module):
    """A copy of the whole online network, encoder and projector, that follows it without gradients.

    It must be a copy: some implementations initialise the target's projector separately, and then the first targets are
    unrelated to the online network.

    ``statistics`` sets its batch normalisation. With ``"batch"``, as in BYOL, it normalises with the statistics of its
    own input; its running statistics follow these inputs, but are only used if the target itself is evaluated. With
    ``"running"`` it normalises with running statistics, which are averaged like the weights.

    Args:
        online: The network to follow.
        statistics: ``"batch"`` or ``"running"``.
    """

    def __init__(self, online: nn.Module, statistics: str = "batch") -> None:
        super().__init__()
        self.network = copy.deepcopy(online).requires_grad_(False)
        self.statistics = statistics
        self.train()

    def train(self, mode: bool = True) -> Target:
        """Set the mode of the copy: always evaluation if it uses running statistics."""
        super().train(mode)
        if self.statistics == "running":
            self.network.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """The copy's output for x: an ordinary tensor without gradient."""
        with torch.inference_mode():
            out: Tensor = self.network(x)
        # Autograd cannot save inference tensors for the backward pass of a loss; a clone is an ordinary tensor.
        return out.clone()

    @torch.no_grad()
    def follow(self, online: nn.Module, momentum: float) -> None:
        """Move toward the online network: ``target = momentum * target + (1 - momentum) * online``."""
        pairs = list(zip(self.network.parameters(), online.parameters(), strict=True))
        if self.statistics == "running":
            buffers = zip(self.network.buffers(), online.buffers(), strict=True)
            pairs += [(t, o) for t, o in buffers if t.is_floating_point()]  # type: ignore[misc]
        torch._foreach_lerp_([t for t, _ in pairs], [o for _, o in pairs], 1.0 - momentum)
