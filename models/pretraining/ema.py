"""The target network: an exponential moving average of the online one."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


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
