"""Wrap classifiers of other libraries for `models.model.Model`. Importing this imports torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ...errors import CheckpointError, VitobenchError


class TimmNetwork(nn.Module):
    """A timm classifier with the two methods that `Model` needs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape (N, K)."""
        return self.network(x)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The input of the last linear layer, of shape (N, D)."""
        network: Any = self.network
        return network.forward_head(network.forward_features(x), pre_logits=True).flatten(1)

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        """Spatial tokens of the last layer, of shape (N, T, C): a map's positions, or a transformer's patches.

        Raises:
            VitobenchError: This network of timm has none.
        """
        network: Any = self.network
        if not hasattr(network, "forward_intermediates"):
            raise VitobenchError(f"timm's {type(network).__name__} has no spatial tokens.")
        last = network.forward_intermediates(x, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True)[-1]
        return last.flatten(2).transpose(1, 2)


class TorchvisionNetwork(nn.Module):
    """A torchvision classifier with the two methods that `Model` needs.

    torchvision has no common interface for features. But for all of its classifiers, the features are the input of the
    last layer with one output per class, which a hook captures.
    """

    def __init__(self, network: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.network = network
        self._captured: torch.Tensor | None = None
        layers = [m for m in network.modules() if _outputs(m) == num_classes]
        if not layers:
            raise CheckpointError(f"{type(network).__name__} has no layer with {num_classes} outputs.")
        layers[-1].register_forward_pre_hook(self._capture)

    def _capture(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self._captured = inputs[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape (N, K)."""
        logits = self.network(x)
        self._captured = None  # do not keep it alive between batches
        return logits

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The input of the last layer, of shape (N, D); averaged over space if that layer is a convolution."""
        self.network(x)
        captured, self._captured = self._captured, None
        if captured is None:
            raise CheckpointError(f"{type(self.network).__name__} did not use its last layer.")
        return captured.mean((2, 3)) if captured.ndim == 4 else captured


def _outputs(module: nn.Module) -> int | None:
    if isinstance(module, nn.Linear):
        return module.out_features
    return module.out_channels if isinstance(module, nn.Conv2d) else None
