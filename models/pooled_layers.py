"""Features from more than the last layer: class tokens and means of patches of the last layers of an encoder.

Heads are published on such features: DINOv2's and DINOv3's on the class token of the last layer, or of the last four,
beside the mean of the patches of the last one (Oquab et al., 2023); DINO's on the class tokens of the last four.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ..errors import VitobenchError, unknown_name

POOLS = ("cls", "mean", "cls+mean", "interleaved")
"""What is read of each layer: see `LayerPool`."""


class Layer(NamedTuple):
    """The output of one layer: tokens (N, T, C) of positions or patches, and the class token (N, C) if there is one."""

    tokens: Tensor
    class_token: Tensor | None


class Layered(Protocol):
    """An encoder whose last layers can be read."""

    def layers(self, x: Tensor, count: int) -> list[Layer]:
        """The last ``count`` layers, the last one last, for normalised images (N, 3, H, W)."""
        ...


@dataclass(frozen=True)
class LayerPool:
    """Which layers of an encoder are read, and how each becomes a vector.

    Attributes:
        layers: How many of the last layers; 0 for the features of the network itself.
        pool: With ``"cls"`` the class token of each layer, with ``"mean"`` the mean of the patches (of the positions of
            a feature map) of each layer, one after the other. With ``"cls+mean"`` the class token of each layer, then
            the mean of the patches of the last one, as in DINOv2. ``"interleaved"`` is ``"cls+mean"`` of one layer with
            the two numbers of each channel side by side, as in DINO's own evaluation with ``--avgpool_patchtokens``.

    Raises:
        UnknownNameError: The pool is unknown.
        VitobenchError: Less than one layer, or more than one that is interleaved.
    """

    layers: int = 0
    pool: str = ""

    def __post_init__(self) -> None:
        if not self.layers and not self.pool:
            return
        if self.pool not in POOLS:
            raise unknown_name("pool", self.pool, POOLS)
        if self.layers < 1:
            raise VitobenchError(f"{self.layers} layers cannot be read; give 1 or more.")
        if self.pool == "interleaved" and self.layers > 1:
            raise VitobenchError("Only one layer can be interleaved; give layers=1, or another pool.")

    def __bool__(self) -> bool:
        return self.layers > 0

    @property
    def text(self) -> str:
        """``"layers=4,pool=cls+mean"``; empty for the features of the network itself."""
        return f"layers={self.layers},pool={self.pool}" if self else ""

    def read(self, encoder: Layered, x: Tensor) -> Tensor:
        """Features (N, D) of normalised images.

        Raises:
            VitobenchError: The encoder has fewer layers, no class token, or cannot be read by layers.
        """
        if not hasattr(encoder, "layers"):
            raise VitobenchError(f"{type(encoder).__name__} cannot be read by layers; leave out --layers and --pool.")
        layers = encoder.layers(x, self.layers)
        if len(layers) != self.layers:
            raise VitobenchError(f"This encoder has {len(layers)} layers that can be read; {self.layers} are too many.")
        means = [layer.tokens.mean(dim=1) for layer in layers]
        if self.pool == "mean":
            return torch.cat(means, dim=1)
        class_tokens = [layer.class_token for layer in layers if layer.class_token is not None]
        if len(class_tokens) != len(layers):
            raise VitobenchError(f"This encoder has no class token, which pool {self.pool} reads; choose pool mean.")
        if self.pool == "interleaved":
            return torch.stack([class_tokens[-1], means[-1]], dim=2).flatten(1)
        return torch.cat([*class_tokens, *(means[-1:] if self.pool == "cls+mean" else ())], dim=1)


OWN_FEATURES = LayerPool()
"""The features of the network itself."""


def pool_of_width(factor: int, form: str) -> list[LayerPool]:
    """The ways of reading an encoder that give a multiple of its width, of those that heads are published for.

    Args:
        factor: Width of the head by that of the encoder.
        form: ``"dino"`` if the head's names are those of DINO's own evaluation (``linear.weight``), whose means of
            patches are interleaved; ``"plain"`` for a bare linear layer, as DINOv2 and DINOv3 publish theirs.
    """
    ways = {
        1: [LayerPool(1, "cls"), LayerPool(1, "mean")],
        2: [LayerPool(1, "cls+mean")] if form == "plain" else [LayerPool(1, "cls+mean"), LayerPool(1, "interleaved")],
        4: [LayerPool(4, "cls")],
        5: [LayerPool(4, "cls+mean")],
    }
    return ways.get(factor, [])
