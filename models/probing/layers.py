"""Learning rates by depth."""

from __future__ import annotations

import re
from typing import Any

from torch import nn

_NUMBERED = re.compile(r"(.*?\.\d+)\.")
_TOP = re.compile(r"(.*\.)?(head|pool|fc|classifier)(\.|$)")


def depths(network: nn.Module) -> dict[str, int]:
    """Depth of every parameter, from 0.

    Layers are told by the first number in a parameter's name (``stages.1``, ``blocks.3``, ``layer2.0``), in the order
    in which the network lists them. What comes before the first of them is as deep as it; poolings and classifiers are
    one deeper than the last; other parameters are as deep as those before them.
    """
    found: dict[str, int] = {}
    layers: dict[str, int] = {}
    top = []
    for name, _ in network.named_parameters():
        if _TOP.match(name):
            top.append(name)
            continue
        match = _NUMBERED.match(name)
        if match:
            layers.setdefault(match[1], len(layers))
        found[name] = layers[match[1]] if match else max(0, len(layers) - 1)
    last = max(found.values(), default=-1) + 1
    return found | dict.fromkeys(top, last)


def parameter_groups(
    network: nn.Module, learning_rate: float, layer_decay: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Groups for an optimiser: ``lr`` and ``peak`` are learning_rate * layer_decay ** (depth of the top - depth).

    Weight decay is for parameters of two or more dimensions.
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
