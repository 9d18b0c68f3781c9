"""The target network: an exponential moving average of the online one."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Target(nn.Module):
    """A copy of the whole online network, encoder and projector alike, that follows it without gradients.

    A target whose projector starts from its own random numbers is a known fault elsewhere: it makes the first targets
    unrelated to anything.

    Its batch normalisation is decided by ``statistics``. With ``"batch"``, as in BYOL, it normalises with the
    statistics of its own input; its running ones follow those inputs and are read by nobody but a user of the target.
    With ``"running"`` it normalises with running statistics, which are averaged along with the weights.

    Args:
        online: The network that is followed.
        statistics: ``"batch"`` or ``"running"``.
    """

    def __init__(self, online: nn.Module, statistics: str = "batch") -> None:
        super().__init__()
        self.network = copy.deepcopy(online).requires_grad_(False)
        self.statistics = statistics
        self.train()

    def train(self, mode: bool = True) -> Target:
        """Set the mode of the copy: evaluation where running statistics are used."""
        super().train(mode)
        if self.statistics == "running":
            self.network.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """What the copy makes of x; an ordinary tensor that no gradient flows through."""
        with torch.inference_mode():
            out: Tensor = self.network(x)
        # A loss keeps its inputs for the backward pass, which tensors of inference mode refuse.
        return out.clone()

    @torch.no_grad()
    def follow(self, online: nn.Module, momentum: float) -> None:
        """Move toward the online network: ``target = momentum * target + (1 - momentum) * online``."""
        pairs = list(zip(self.network.parameters(), online.parameters(), strict=True))
        if self.statistics == "running":
            buffers = zip(self.network.buffers(), online.buffers(), strict=True)
            pairs += [(t, o) for t, o in buffers if t.is_floating_point()]  # type: ignore[misc]
        torch._foreach_lerp_([t for t, _ in pairs], [o for _, o in pairs], 1.0 - momentum)
