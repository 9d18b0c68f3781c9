"""Models, and whole sources of models, from other installed packages; see `vitobench.plugins`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ...errors import VitobenchError
from ...plugins import MODELS, SOURCES, Plugin, PluginError, given, plugins
from ..spec import ModelSpec
from .source import ModelRow, Source

if TYPE_CHECKING:
    from torch import nn

NAME = "plugin"
SOURCE_NAME = "plugin-source"

T = TypeVar("T")


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
    return _checked(plugin, spec, "describe", plugin.name, NAME)


def _checked(plugin: Plugin, spec: Any, function: str, name: str, source: str) -> ModelSpec:
    """The description that a function of a plugin returned, under the name and source that vitobench knows it by."""
    if not isinstance(spec, ModelSpec):
        raise plugin.refuse(f"{function}() gave a {type(spec).__name__}, not a ModelSpec")
    if not spec.weights_hash or not spec.architecture:
        raise plugin.refuse("its ModelSpec needs a weights_hash and an architecture, which identify its predictions")
    mean, std = spec.preprocessing.mean, spec.preprocessing.std
    if len(mean) != 3 or len(std) != 3 or not all(map(math.isfinite, (*mean, *std))) or min(std) <= 0:
        raise plugin.refuse(
            f"its preprocessing has the means {mean} and deviations {std}; valid are three finite numbers each, "
            "deviations above 0"
        )
    return replace(spec, name=name, source=source, extra=spec.extra | {"plugin": plugin.origin})


def _unchanged(plugin: Plugin, now: ModelSpec, spec: ModelSpec) -> None:
    now_is, was = (now.architecture, now.weights_hash), (spec.architecture, spec.weights_hash)
    if now_is != was:
        raise plugin.refuse(
            f"it changed after the model was described: architecture and hash of the weights are {' '.join(now_is)}, "
            f"the description has {' '.join(was)}; start again"
        )


def _network(plugin: Plugin, network: Any) -> nn.Module:
    for method in ("forward", "features", "state_dict"):
        if not callable(getattr(network, method, None)):
            raise plugin.refuse(f"its network has no {method}(); it should be a torch.nn.Module with features()")
    module: nn.Module = network
    return module


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
        _unchanged(plugin, _describe(plugin), spec)
        target = plugin.load()
        with plugin.doing("building the network"):
            network = target.build(spec)
        return _network(plugin, network)

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


class PluginSources(Source):
    """Whole sources that other packages give. An entry point's name is the prefix: ``hub`` has the models ``hub:NAME``.

    Args:
        others: The sources whose prefixes no plugin may take.
    """

    name = SOURCE_NAME
    shipped = False

    def __init__(self, others: Sequence[Source]) -> None:
        self._taken = [source.prefix.removesuffix(":") for source in others if source.prefix]

    def has(self, name: str) -> bool:
        """Whether the part before the colon is an entry point's name; no plugin is imported."""
        return bool(name.partition(":")[2]) and self.begins(name)

    def begins(self, architecture: str) -> bool:
        """As `has`, also where nothing follows the colon."""
        return ":" in architecture and self._plugin(architecture) is not None

    def listing(self) -> list[ModelRow]:
        """A row for each source, not for its models."""
        return [_source_row(plugin) for plugin in self._declared()]

    def complete(self, incomplete: str) -> list[str]:
        """Prefixes; after one, what its source offers."""
        if ":" not in incomplete:
            return [f"{p.name}:" for p in self._declared() if not p.problem and p.name.startswith(incomplete)]
        plugin = self._plugin(incomplete)
        with suppress(VitobenchError):
            return [] if plugin is None else _ask(plugin, "completing a name", lambda s: s.complete(incomplete))
        return []

    def encoder(self, architecture: str) -> nn.Module | None:
        """See `Source.encoder`; None where the source has no architectures."""
        return _ask(self._of(architecture), "building an encoder", lambda source: source.encoder(architecture))

    def resolve(self, name: str) -> ModelSpec:
        """Describe a model of such a source.

        Raises:
            PluginError: The plugin fails, or returns something other than a `ModelSpec`.
            VitobenchError: What the source itself says, for instance that it has no such model.
        """
        plugin = self._of(name)
        spec = _ask(plugin, f"describing {name}", lambda source: source.resolve(name))
        return _checked(plugin, spec, "resolve", name, SOURCE_NAME)

    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the network of a description.

        Raises:
            PluginError: The plugin is gone, changed, or fails.
            VitobenchError: What the source itself says.
        """
        plugin = self._of(spec.name, str(spec.extra.get("plugin", "a plugin")))
        _unchanged(plugin, self.resolve(spec.name), spec)
        return _network(plugin, _ask(plugin, f"building {spec.name}", lambda source: source.build(spec)))

    def _declared(self) -> list[Plugin]:
        return plugins(SOURCES, self._taken)

    def _plugin(self, name: str) -> Plugin | None:
        prefix = name.partition(":")[0]
        return next((plugin for plugin in self._declared() if plugin.name == prefix), None)

    def _of(self, name: str, origin: str = "") -> Plugin:
        plugin = self._plugin(name)
        if plugin is None:
            came = f"; it came from {origin}" if origin else ""
            raise PluginError(f"No installed package gives the source of {name}{came}.")
        return plugin


def _source(plugin: Plugin) -> Source:
    source: Source = given(plugin, Source)  # type: ignore[type-abstract] # only asked whether it is one
    if source.prefix != f"{plugin.name}:":
        raise plugin.refuse(f"its entry point is named {plugin.name!r}, so its prefix must be '{plugin.name}:'")
    return source


def _ask(plugin: Plugin, what: str, ask: Callable[[Source], T]) -> T:
    """Call a plugin's source; its own errors of vitobench's kind are sentences for the user and pass as they are."""
    source = _source(plugin)
    with plugin.doing(what):
        try:
            return ask(source)
        except VitobenchError as error:
            said = error
    raise said


def _source_row(plugin: Plugin) -> ModelRow:
    name = f"{plugin.name}:NAME"
    try:
        return ModelRow(name, plugin.origin, description=_source(plugin).about)
    except VitobenchError as error:
        return ModelRow(name, plugin.origin, problem=str(error))
