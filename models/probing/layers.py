"""Learning rates by the depth of a layer."""

from __future__ import annotations

import re
from typing import Any

from torch import nn

_NUMBERED = re.compile(r"(.*?\.\d+)\.")
_TOP = re.compile(r"(.*\.)?(head|pool|fc|classifier)(\.|$)")


def depths(network: nn.Module) -> dict[str, int]:
    """Depth of every parameter, from 0.

    A layer is recognised by the first number in a parameter's name (``stages.1``, ``blocks.3``, ``layer2.0``), and
    layers are counted in the order in which the network lists them. Parameters before the first layer have its depth;
    poolings and classifiers are one deeper than the last layer; other parameters have the depth of those before them.
    """
    by_name: dict[str, int] = {}
    layers: dict[str, int] = {}
    top = []
    for name, _ in network.named_parameters():
        if _TOP.match(name):
            top.append(name)
            continue
        match = _NUMBERED.match(name)
        if match:
            layers.setdefault(match[1], len(layers))
        by_name[name] = layers[match[1]] if match else max(0, len(layers) - 1)
    last = max(by_name.values(), default=-1) + 1
    return by_name | dict.fromkeys(top, last)


def parameter_groups(
    network: nn.Module, learning_rate: float, layer_decay: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Groups for an optimiser: ``lr`` and ``peak`` are learning_rate * layer_decay ** (depth of the top - depth).

    Only parameters with two or more dimensions have weight decay.
    """
    depth = depths(network)
    top = max(depth.values(), default=0)
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in network.named_parameters():
        decayed = parameter.ndim >= 2
        rate = learning_rate * layer_decay ** (top - depth[name])
        group = groups.setdefault(
            (depth[name], decayed),
            {"params": [], "lr": rate, "peak": rate, "weight_decay": weight_decay if decayed else 0.0},
        )
        group["params"].append(parameter)
    return list(groups.values())
