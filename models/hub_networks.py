"""Networks of open_clip and transformers, with the methods that `models.model.Model` needs.

Importing this imports torch. All take normalised float32 images (N, 3, size, size).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import VitobenchError
from .class_order import NEVER
from .dense_maps import NamedMap, timm_maps, token_map
from .pooled_layers import Layer
from .state_dicts import TimmNetwork

# Image towers of open_clip, alone and with the embeddings of classes.


class ImageTower(nn.Module):
    """The image side of a model of open_clip.

    Attributes:
        visual: open_clip's tower.
        input_size: (3, height, width) of its images.
    """

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual
        self.input_size = (3, *_both(visual.image_size))

    def features(self, x: Tensor) -> Tensor:
        """Embeddings (N, D), before they are brought to length 1."""
        output = self.visual(x)
        return output[0] if isinstance(output, tuple) else output  # CoCa's tower gives its tokens, too

    def forward(self, x: Tensor) -> Tensor:
        """The features: without classes there is nothing else."""
        return self.features(x)

    def tokens(self, x: Tensor) -> Tensor:
        """Spatial tokens of the last layer, (N, T, C).

        Raises:
            VitobenchError: This tower has none.
        """
        tower: Any = self.visual
        if not hasattr(tower, "forward_intermediates"):
            raise VitobenchError(f"open_clip's {type(tower).__name__} has no spatial tokens.")
        output = tower.forward_intermediates(
            x, indices=1, normalize_intermediates=True, intermediates_only=True, output_fmt="NCHW"
        )
        last: Tensor = output["image_intermediates"][-1]
        return last.flatten(2).transpose(1, 2)

    def layers(self, x: Tensor, count: int) -> list[Layer]:
        """The last layers, each after the tower's last normalisation: blocks of a transformer, stages of a ResNet.

        Raises:
            VitobenchError: This tower gives no intermediate layers, or has fewer.
        """
        tower: Any = self.visual
        if hasattr(tower, "trunk"):
            return TimmNetwork(tower.trunk).layers(x, count)
        if not hasattr(tower, "forward_intermediates"):
            raise VitobenchError(f"open_clip's {type(tower).__name__} gives no intermediate layers.")
        try:
            output = tower.forward_intermediates(
                x,
                indices=count,
                normalize_intermediates=True,
                intermediates_only=True,
                output_fmt="NCHW",
                output_extra_tokens=True,
            )
        except AssertionError:  # how it says that there are fewer
            raise VitobenchError(f"This tower has fewer than {count} layers that can be read.") from None
        maps = output["image_intermediates"]
        prefixes = output.get("image_intermediates_prefix") or [None] * len(maps)
        return [
            Layer(each.flatten(2).transpose(1, 2), None if prefix is None else prefix[:, 0])
            for each, prefix in zip(maps, prefixes, strict=True)
        ]

    def named_maps(self, x: Tensor) -> list[NamedMap]:
        """Every map of the tower: stages, or blocks of a transformer, each after the tower's last normalisation.

        Raises:
            VitobenchError: This tower gives no intermediate layers.
        """
        tower: Any = self.visual
        if hasattr(tower, "trunk"):
            return timm_maps(tower.trunk, x)
        if not hasattr(tower, "forward_intermediates"):
            raise VitobenchError(f"open_clip's {type(tower).__name__} gives no feature maps.")
        output = tower.forward_intermediates(
            x, normalize_intermediates=True, intermediates_only=True, output_fmt="NCHW"
        )
        return [NamedMap(f"layer{number}", values) for number, values in enumerate(output["image_intermediates"], 1)]


class ZeroShot(ImageTower):
    """An image tower and one embedding per class: logits are scale x cosine + bias, as in training.

    Args:
        visual: open_clip's tower.
        embeddings: float32 (K, D), of length 1.
        scale: Positive.
        bias: Of SigLIP; 0 for CLIP. It is the same for every class.
    """

    embeddings: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(self, visual: nn.Module, embeddings: Tensor, scale: float, bias: float) -> None:
        super().__init__(visual)
        self.register_buffer("embeddings", embeddings)
        self.register_buffer("scale", torch.tensor(scale))
        self.register_buffer("bias", torch.tensor(bias))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K)."""
        cosine = F.normalize(self.features(x).float(), dim=-1) @ self.embeddings.T
        return cosine * self.scale + self.bias


def _both(size: Any) -> tuple[int, int]:
    """Height and width of a size that may be one number."""
    height, width = size if isinstance(size, (tuple, list)) else (size, size)
    return int(height), int(width)


# Classifiers and encoders of transformers.


class TransformersNetwork(nn.Module):
    """An image classifier or encoder of transformers.

    Args:
        network: Of transformers.
        size: Side of its images, in pixels.
        heads: Names of the layers of its classifier, which has two in a distilled network; empty if there is none, and
            then its logits are features.
        order: For each class the number of its output, -1 for none; None if they are in the order of the classes.
    """

    order: Tensor | None

    def __init__(
        self, network: nn.Module, size: int, heads: Sequence[str] = (), order: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.input_size = (3, size, size)
        self.register_buffer("order", None if order is None else torch.tensor(order), persistent=False)
        self._captured: list[Tensor] = []
        for name in heads:
            network.get_submodule(name).register_forward_pre_hook(self._capture)
        self._classifies = self._wraps = bool(heads)

    def _capture(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._captured.append(inputs[0])

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, K) in the order of the classes; features if there is no classifier."""
        if not self._classifies:
            return self.features(x)
        logits: Tensor = self.network(pixel_values=x).logits
        self._captured.clear()  # do not keep it alive between batches
        if self.order is None:
            return logits
        return logits[:, self.order.clamp(min=0)].masked_fill(self.order < 0, NEVER)

    def features(self, x: Tensor) -> Tensor:
        """The input of the classifier, (N, D), averaged over its layers if there are several, as their outputs are.

        Of an encoder: its class token, or else its pooled output.
        """
        self._captured.clear()
        output = self.network(pixel_values=x)
        if self._classifies:
            captured = torch.stack(self._captured).mean(0)
            self._captured.clear()
            return captured.flatten(1)
        if hasattr(output, "logits"):
            return output.logits.flatten(1)
        tokens = output.last_hidden_state
        if tokens.ndim == 3 and self._prefix(tokens.shape[1], x):
            return tokens[:, 0]  # not the pooler's: few checkpoints have trained it
        pooled = getattr(output, "pooler_output", None)
        if pooled is not None:
            return pooled.flatten(1)
        return tokens.mean((2, 3)) if tokens.ndim == 4 else tokens.mean(1)

    def tokens(self, x: Tensor) -> Tensor:
        """Spatial tokens of the last layer, (N, T, C), without the class token, registers and the like.

        Raises:
            VitobenchError: This network has none.
        """
        network: Any = self.network
        last = None if self._wraps else getattr(network(pixel_values=x), "last_hidden_state", None)
        if last is None:  # a classifier, around an encoder
            self._wraps = True
            last = getattr(network.base_model(pixel_values=x), "last_hidden_state", None)
        self._captured.clear()
        if last is None or last.ndim not in (3, 4):
            raise VitobenchError(f"transformers' {type(network).__name__} has no spatial tokens.")
        return last.flatten(2).transpose(1, 2) if last.ndim == 4 else last[:, self._prefix(last.shape[1], x) :]

    def layers(self, x: Tensor, count: int) -> list[Layer]:
        """The last layers: blocks of a transformer, each after its last normalisation, or stages of other networks.

        Raises:
            VitobenchError: This network gives no intermediate layers, or has fewer.
        """
        base: Any = getattr(self.network, "base_model", self.network)
        outputs: list[tuple[nn.Module, Tensor]] = []
        norms = [module for module in base.modules() if "Norm" in type(module).__name__]
        handles = [norm.register_forward_hook(lambda norm, _, out: outputs.append((norm, out))) for norm in norms]
        try:
            output = base(pixel_values=x, output_hidden_states=True)
        finally:
            for handle in handles:
                handle.remove()
        self._captured.clear()
        last, states = getattr(output, "last_hidden_state", None), getattr(output, "hidden_states", None)
        if last is None or not states or any(state.ndim not in (3, 4) for state in states):
            raise VitobenchError(f"transformers' {type(self.network).__name__} gives no intermediate layers.")
        if count >= len(states):  # the first one is the input of the first layer
            raise VitobenchError(f"This network has {len(states) - 1} layers that can be read, not {count}.")
        # All blocks of a transformer have one width, and its last normalisation makes the last state.
        same = last.ndim == 3 and all(state.shape == last.shape for state in states)
        norm = next((norm for norm, out in outputs if out is last), None) if same else None
        earlier = [state if norm is None else norm(state) for state in states[-count:-1]]
        return [self._layer(state, x) for state in (*earlier, last)]

    def named_maps(self, x: Tensor) -> list[NamedMap]:
        """The map of every layer, as `layers` has them.

        Raises:
            VitobenchError: This network gives no intermediate layers.
        """
        depth: int = getattr(self.network.config, "num_hidden_layers", None) or len(
            getattr(self.network.config, "depths", ())
        )
        layers = self.layers(x, depth)
        return [NamedMap(f"layer{number}", token_map(one.tokens, x)) for number, one in enumerate(layers, 1)]

    def _layer(self, state: Tensor, x: Tensor) -> Layer:
        if state.ndim == 4:
            return Layer(state.flatten(2).transpose(1, 2), None)
        prefix = self._prefix(state.shape[1], x)
        return Layer(state[:, prefix:], state[:, 0] if prefix else None)

    def _prefix(self, length: int, x: Tensor) -> int:
        """How many of a sequence's tokens, at its start, belong to no part of the image."""
        config: Any = self.network.config
        patch = getattr(config, "patch_size", None)
        grid = (x.shape[2] // _both(patch)[0]) ** 2 if patch else math.isqrt(length) ** 2
        # Where stages merge patches, there are fewer tokens than the first stage has.
        return length - grid if length >= grid else 0
