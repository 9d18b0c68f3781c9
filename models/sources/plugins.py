"""Models that other installed packages give; see `vitobench.plugins`."""

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
    """Models that other installed packages give.

    Args:
        others: The sources whose names no plugin may take.
    """

    name = NAME
    shipped = False

    def __init__(self, others: Sequence[Source]) -> None:
        self._others = others

    def names(self) -> list[str]:
        """Every name that a package declares, usable or not, sorted; no plugin is imported."""
        return sorted({plugin.name for plugin in self._declared()})

    def listing(self) -> list[ModelRow]:
        """A row for each; one that fails has the reason in place of a description."""
        return [_row(plugin) for plugin in self._declared()]

    def complete(self, incomplete: str) -> list[str]:
        """Names that can be used; no plugin is imported."""
        return [p.name for p in self._declared() if not p.problem and p.name.startswith(incomplete)]

    def resolve(self, name: str) -> ModelSpec:
        """Describe a model of a plugin.

        Raises:
            PluginError: The plugin fails, or gives something else than a `ModelSpec`.
        """
        # Of several entry points of one name each has its problem, so whichever is taken says it.
        return _describe(next(plugin for plugin in self._declared() if plugin.name == name))

    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the network of a description.

        Raises:
            PluginError: The plugin is gone, changed, or fails.
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
