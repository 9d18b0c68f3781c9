"""Models that other installed packages give; see `vitobench.plugins`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ... import plugins as found_plugins
from ...errors import VitobenchError
from ...plugins import MODELS, Plugin
from ..spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

SOURCE = "plugin"


class ModelPlugin(Protocol):
    """What an entry point of the group ``vitobench.models`` refers to: a module or an object with these two functions.

    The name of the entry point is the name of the model.
    """

    def describe(self) -> ModelSpec:
        """What is known before the model is loaded. Listings call it, so it should not import torch.

        ``weights_hash`` and ``architecture`` have to change whenever the model's output could: they are its identity.
        ``name`` and ``source`` are set by vitobench.
        """

    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the network with its weights: a module with ``forward`` (logits) and ``features``.

        It gets normalised float32 images (N, 3, size, size); `models.model.Network` says more.
        """


def listed(taken: Iterable[str]) -> list[tuple[Plugin, ModelSpec | None, str]]:
    """Every model of a plugin: its entry point, its description or None, and what is wrong with it."""
    rows: list[tuple[Plugin, ModelSpec | None, str]] = []
    for plugin in found_plugins.plugins(MODELS, taken):
        try:
            rows.append((plugin, _describe(plugin), ""))
        except VitobenchError as error:
            rows.append((plugin, None, str(error)))
    return rows


def describe(name: str, taken: Iterable[str]) -> ModelSpec:
    """Describe a model of a plugin.

    Raises:
        PluginError: The plugin fails, or gives something else than a `ModelSpec`.
    """
    return _describe(found_plugins.usable(MODELS, taken)[name])


def build(spec: ModelSpec, taken: Iterable[str]) -> nn.Module:
    """Build the network of a description.

    Raises:
        PluginError: The plugin is gone, changed, or fails.
    """
    plugin = found_plugins.usable(MODELS, taken).get(spec.name)
    if plugin is None:
        raise found_plugins.PluginError(
            f"No installed package gives the model {spec.name}; it came from {spec.extra.get('plugin', 'a plugin')}."
        )
    now = replace(_describe(plugin), precision=spec.precision)
    if now.weights_hash != spec.weights_hash or now.architecture != spec.architecture:
        raise plugin.refuse("it changed after the model was described; start again")
    target = plugin.load()
    with plugin.doing("building the network"):
        network = target.build(spec)
    for method in ("forward", "features", "state_dict"):
        if not callable(getattr(network, method, None)):
            raise plugin.refuse(f"its network has no {method}(); it should be a torch.nn.Module with features()")
    return network


def _describe(plugin: Plugin) -> ModelSpec:
    target = plugin.load()
    for function in ("describe", "build"):
        if not callable(getattr(target, function, None)):
            raise plugin.refuse(f"{plugin.target} has no function {function}")
    with plugin.doing("describing the model"):
        spec = target.describe()
    if not isinstance(spec, ModelSpec):
        raise plugin.refuse(f"describe() gave a {type(spec).__name__}, not a ModelSpec")
    if not spec.weights_hash or not spec.architecture:
        raise plugin.refuse("its ModelSpec needs a weights_hash and an architecture, which identify its predictions")
    mean, std = spec.preprocessing.mean, spec.preprocessing.std
    if len(mean) != 3 or len(std) != 3 or not all(map(math.isfinite, (*mean, *std))) or min(std) <= 0:
        raise plugin.refuse(
            f"its preprocessing has the means {mean} and deviations {std}; valid are three finite numbers each, "
            "deviations above 0"
        )
    return replace(spec, name=plugin.name, source=SOURCE, extra=spec.extra | {"plugin": plugin.origin})
