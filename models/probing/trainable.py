"""From a model that answers to a network that can be trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ...errors import VitobenchError
from ..model import Model
from ..networks import PooledNetwork, build
from .heads import HeadSpec, LinearHead, NeighbourHead
from .network import HeadedNetwork, build_network, encoder_of, headed, width_of


def trainable(model: Model, label_space: str, classes: int) -> tuple[nn.Module, str]:
    """A copy of a model's network that answers in a label space, and its architecture's name.

    Args:
        model: Not changed.
        label_space: Wanted.
        classes: Number of its classes.

    Returns:
        A network whose parameters require gradients. Its classifier is the model's own where the label space is the
        same and the network is one that vitobench builds or probes; else it is new, and zero.

    Raises:
        VitobenchError: A model that answers by nearest neighbours.
    """
    source, name = model.network, model.spec.architecture
    same = model.spec.label_space == label_space
    if isinstance(source, HeadedNetwork) and isinstance(source.head, NeighbourHead):
        raise VitobenchError(
            f"{model.spec.name} predicts by nearest neighbours, which cannot be trained; fit a linear head first: "
            f"bench probe --model {model.spec.name}."
        )
    network: nn.Module
    if isinstance(source, HeadedNetwork):
        network = build_network(name, classes)
        kept = {key: value for key, value in source.state_dict().items() if same or not key.startswith("head.linear.")}
    elif isinstance(source, PooledNetwork):
        network = build(name, classes)
        for parameter in network.head.parameters():
            nn.init.zeros_(parameter)
        kept = {key: value for key, value in source.state_dict().items() if same or not key.startswith("head.")}
    else:
        encoder = encoder_of(source, name)
        spec = HeadSpec("linear")
        return _ready(HeadedNetwork(encoder, LinearHead(width_of(encoder, False), classes))), headed(name, spec)
    network.load_state_dict(kept, strict=False)
    return _ready(network), name


def _ready(network: nn.Module) -> nn.Module:
    made: Any = network.requires_grad_(True).to(memory_format=torch.channels_last)
    return made
