"""Models from other installed packages; see `vitobench.plugins`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ...errors import VitobenchError
from ...plugins import MODELS, Plugin, PluginError, plugins
from ..spec import ModelSpec
from .source import ModelRow, Source

if TYPE_CHECKING:
    from torch import nn

NAME = "plugin"


class ModelPlugin(Protocol):
    """The target of an entry point in the group ``vitobench.models``: a module or an object with these two functions.

    The name of the entry point is the name of the model.
    """

    def describe(self) -> ModelSpec:
        """Describe the model without loading it. Listings call this, so it should not import torch.

        ``weights_hash`` and ``architecture`` are the model's identity: they must change whenever its output may change.
        vitobench sets ``name`` and ``source``.
        """

    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the network with its weights: a module with ``forward`` (logits) and ``features``.

        Its input are normalised float32 images (N, 3, size, size); see `models.model.Network`.
        """


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
    return replace(spec, name=plugin.name, source=NAME, extra=spec.extra | {"plugin": plugin.origin})


class PluginSource(Source):
    """Models from other installed packages.

    Args:
        others: The other sources, whose names a plugin must not use.
    """

    name = NAME
    shipped = False

    def __init__(self, others: Sequence[Source]) -> None:
        self._others = others

    def names(self) -> list[str]:
        """Sorted names that packages declare, usable or not; no plugin is imported."""
        return sorted({plugin.name for plugin in self._declared()})

    def listing(self) -> list[ModelRow]:
        """A row for each model; if it fails, with the reason in place of a description."""
        return [_row(plugin) for plugin in self._declared()]

    def complete(self, incomplete: str) -> list[str]:
        """Usable names; no plugin is imported."""
        return [p.name for p in self._declared() if not p.problem and p.name.startswith(incomplete)]

    def resolve(self, name: str) -> ModelSpec:
        """Describe a model of a plugin.

        Raises:
            PluginError: The plugin fails, or does not return a `ModelSpec`.
        """
        # If several entry points have this name, each has that as its problem, so any of them reports it.
        return _describe(next(plugin for plugin in self._declared() if plugin.name == name))

    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the network of a description.

        Raises:
            PluginError: The plugin is no longer installed, has changed, or fails.
        """
        plugin = next((p for p in self._declared() if p.name == spec.name and not p.problem), None)
        if plugin is None:
            origin = spec.extra.get("plugin", "a plugin")
            raise PluginError(f"No installed package gives the model {spec.name}; it came from {origin}.")
        now = replace(_describe(plugin), precision=spec.precision)
        if now.weights_hash != spec.weights_hash or now.architecture != spec.architecture:
            raise plugin.refuse("it changed after the model was described; start again")
        target = plugin.load()
        with plugin.doing("building the network"):
            network = target.build(spec)
        for method in ("forward", "features", "state_dict"):
            if not callable(getattr(network, method, None)):
                raise plugin.refuse(f"its network has no {method}(); it should be a torch.nn.Module with features()")
        module: nn.Module = network
        return module

    def _declared(self) -> list[Plugin]:
        return plugins(MODELS, [name for source in self._others for name in source.names()])


def _row(plugin: Plugin) -> ModelRow:
    try:
        spec = _describe(plugin)
    except VitobenchError as error:
        return ModelRow(plugin.name, plugin.origin, problem=str(error))
    return ModelRow(
        plugin.name,
        plugin.origin,
        spec.label_space,
        spec.training_data,
        spec.licence,
        spec.baseline,
        spec.description,
    )
