"""VITO's encoder: multi-scale attention pooling over the last two blocks of a residual network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class AttentionPooling(nn.Module):
    """Pools a feature map with a learned mask.

    Two 1x1 convolutions (C to 2C to C, each with bias and ReLU) and a third without bias compute one score per
    position; a softmax over all positions gives the mask; the pooled vector is the mask-weighted sum of the features.
    There is one head, no temperature, no positional encoding and no normalisation.

    Source: Parthasarathy et al., NeurIPS 2023 (arXiv 2210.06433); layer sizes as in the released layer-4 head.

    Args:
        channels: Channels C of the feature map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * channels, channels, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, 1, 1, bias=False),
        )

    def mask(self, features: Tensor) -> Tensor:
        """The attention mask.

        Args:
            features: (N, C, H, W).

        Returns:
            float32 (N, H, W), positive, each image summing to 1.
        """
        scores = self.score(features).flatten(1).float()
        return scores.softmax(dim=1).view(features.shape[0], *features.shape[-2:])

    def forward(self, features: Tensor) -> Tensor:
        """Pool (N, C, H, W) to float32 (N, C)."""
        mask = self.mask(features)
        with torch.autocast(features.device.type, enabled=False):  # it would round the mask and the sum to bfloat16
            return torch.einsum("nchw,nhw->nc", features.float(), mask)


class AveragePooling(nn.Module):
    """Plain spatial average, (N, C, H, W) to float32 (N, C): the pooling of the image-pretrained baselines."""

    def forward(self, features: Tensor) -> Tensor:
        """Pool (N, C, H, W) to float32 (N, C)."""
        return features.float().mean(dim=(2, 3))


class MultiScalePooling(nn.Module):
    """Pools several feature maps and concatenates the results.

    Args:
        channels: Channels of each map, from fine to coarse.
        attention: Use attention pooling at every scale, instead of plain averages.
    """

    def __init__(self, channels: Sequence[int], attention: bool) -> None:
        super().__init__()
        self.scales = nn.ModuleList(AttentionPooling(c) if attention else AveragePooling() for c in channels)
        self.width = sum(channels)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Pool the maps (N, C_i, H_i, W_i) to float32 (N, sum C_i)."""
        return torch.cat([scale(m) for scale, m in zip(self.scales, maps, strict=True)], dim=1)
