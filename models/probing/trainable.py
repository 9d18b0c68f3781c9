"""Turn a loaded model into a network that can be trained."""

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
    """A copy of a model's network with a classifier for a label space, and the name of its architecture.

    Args:
        model: The model; it is not changed.
        label_space: Label space of the training data.
        classes: Number of its classes.

    Returns:
        A network whose parameters require gradients. It keeps the model's classifier if the label space is the same and
        the network is one of vitobench's or has a fitted head; otherwise its classifier is new and zero.

    Raises:
        VitobenchError: The model predicts by nearest neighbours.
    """
    source, name = model.network, model.spec.architecture
    keeps_classifier = model.spec.label_space == label_space
    if isinstance(source, HeadedNetwork) and isinstance(source.head, NeighbourHead):
        raise VitobenchError(
            f"{model.spec.name} predicts by nearest neighbours, which cannot be trained; fit a linear head first: "
            f"bench probe --model {model.spec.name}."
        )
    network: nn.Module
    if isinstance(source, HeadedNetwork):
        network = build_network(name, classes)
        state = {
            key: value
            for key, value in source.state_dict().items()
            if keeps_classifier or not key.startswith("head.linear.")
        }
    elif isinstance(source, PooledNetwork):
        network = build(name, classes)
        for parameter in network.head.parameters():
            nn.init.zeros_(parameter)
        state = {
            key: value for key, value in source.state_dict().items() if keeps_classifier or not key.startswith("head.")
        }
    else:
        encoder = encoder_of(source, name)
        spec = HeadSpec("linear")
        return _ready(HeadedNetwork(encoder, LinearHead(width_of(encoder, False), classes))), headed(name, spec)
    network.load_state_dict(state, strict=False)
    return _ready(network), name


def _ready(network: nn.Module) -> nn.Module:
    ready: Any = network.requires_grad_(True).to(memory_format=torch.channels_last)
    return ready
