"""Encoders without classifier, and networks of an encoder and a head: ``ENCODER+HEAD``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...errors import VitobenchError
from ..networks import PooledNetwork, build
from ..registry import encoder as encoder_of_library
from .heads import Head, HeadSpec, build_head

_PLUS = "+"
_NO_TOKENS = "This encoder has no spatial tokens; choose --head linear or knn."


class HeadedNetwork(nn.Module):
    """An encoder and a head, with the two methods that `Model` needs.

    Attributes:
        encoder: Has ``features`` (N, D) and, for heads that read them, ``tokens`` (N, T, C).
        head: See `Head`.
    """

    head: Head

    def __init__(self, encoder: nn.Module, head: Head) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def features(self, x: Tensor) -> Tensor:
        """The input of the head's last step, (N, D), for normalised images."""
        encoder: Any = self.encoder
        return self.head.pool(self.tokens(x) if self.head.reads_tokens else encoder.features(x))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) for normalised images."""
        return self.head.classify(self.features(x))

    def tokens(self, x: Tensor) -> Tensor:
        """The encoder's tokens (N, T, C).

        Raises:
            VitobenchError: It has none.
        """
        encoder: Any = self.encoder
        if not hasattr(encoder, "tokens"):
            raise VitobenchError(_NO_TOKENS)
        tokens: Tensor = encoder.tokens(x)
        return tokens


def encoder_part(architecture: str) -> str:
    """The encoder of ``ENCODER+HEAD``, or the architecture itself."""
    return architecture.partition(_PLUS)[0]


def headed(architecture: str, head: HeadSpec) -> str:
    """The architecture of an encoder with another head."""
    return f"{encoder_part(architecture)}{_PLUS}{head.text}"


def build_encoder(architecture: str) -> nn.Module:
    """Build an untrained encoder.

    Args:
        architecture: An architecture of a library, such as ``timm:NAME``, or of `vitobench.models.networks`; a head in
            it is ignored.

    Returns:
        A module with ``features`` and, except for torchvision, ``tokens``. Its state has no classifier, except for
        torchvision, where the classifier is needed to get features.

    Raises:
        UnknownNameError: There is no such architecture.
    """
    architecture = encoder_part(architecture)
    if (encoder := encoder_of_library(architecture)) is not None:
        return encoder
    network: Any = build(architecture, 1)
    network.head = nn.Identity()
    return network


def build_network(architecture: str, num_classes: int) -> nn.Module:
    """Build the untrained network that a card names.

    Args:
        architecture: An architecture of `vitobench.models.networks`, or ``ENCODER+HEAD``.
        num_classes: Number of outputs.

    Raises:
        UnknownNameError: There is no such encoder or head.
        VitobenchError: The head is invalid or does not fit.
    """
    encoder_name, plus, text = architecture.partition(_PLUS)
    if not plus:
        return build(architecture, num_classes)
    spec = HeadSpec.parse(text)
    encoder = build_encoder(encoder_name)
    return HeadedNetwork(encoder, build_head(spec, width_of(encoder, spec.kind == "attentive"), num_classes))


@torch.no_grad()
def width_of(encoder: nn.Module, tokens: bool) -> int:
    """Channels of an encoder's features or tokens.

    Raises:
        VitobenchError: The encoder has no tokens.
    """
    if isinstance(encoder, PooledNetwork) and not tokens:
        return encoder.pool.width
    if tokens and not hasattr(encoder, "tokens"):
        raise VitobenchError(_NO_TOKENS)
    training, asked = encoder.training, encoder.eval()
    network: Any = asked
    images = torch.zeros(1, 3, *_size_of(network))
    output: Tensor = network.tokens(images) if tokens else network.features(images)
    encoder.train(training)
    return output.shape[-1]


def _size_of(network: Any) -> tuple[int, int]:
    """An input size that the encoder accepts: timm's default for the architecture, if there is one."""
    size = (getattr(getattr(network, "network", None), "pretrained_cfg", None) or {}).get("input_size", (3, 224, 224))
    return size[1], size[2]


def encoder_of(network: nn.Module, architecture: str) -> nn.Module:
    """A copy of a loaded network's encoder, in evaluation mode.

    Args:
        network: The network of a loaded model.
        architecture: Name of its architecture.

    Raises:
        VitobenchError: The layers of the network are not those of the named architecture.
    """
    source = network.encoder if isinstance(network, HeadedNetwork) else network
    encoder = build_encoder(architecture)
    state = source.state_dict()
    expected = encoder.state_dict()
    lacking = [name for name in expected if name not in state or state[name].shape != expected[name].shape]
    if lacking:
        raise VitobenchError(
            f"The encoder of {architecture} cannot be separated from its classifier: {lacking[0]} differs."
        )
    encoder.load_state_dict({name: state[name] for name in expected})
    return encoder.eval()
