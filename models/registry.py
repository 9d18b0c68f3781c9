"""Finding models by name. Listing and resolving import no torch unless the name needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import VitobenchError, unknown_name
from ..text import printable
from .sources.plugins import PluginSource
from .sources.source import ModelRow as ModelRow
from .sources.source import Source
from .spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from .model import Model

_FILES = (
    "zoo",
    "packages",
    "released",
    "timm_models",
    "torchvision_models",
    "files",
)
"""Files of ``models/sources`` with a ``SOURCE``, in the order of listings; a new source is added here."""


def _built_in() -> Iterator[Source]:
    for file in _FILES:
        source: Source = import_module(f".sources.{file}", __package__).SOURCE
        yield source


_BUILT_IN = tuple(_built_in())

SOURCES: tuple[Source, ...] = (*_BUILT_IN, PluginSource(_BUILT_IN))
"""Every source of models. Plugins come last: they may take no name of another."""

FORMS = {source.form: source.about for source in SOURCES if source.form}
"""Names that stand for more models than can be listed, each with one line of explanation."""

HOW_TO_NAME = "A name of `bench models`, " + " or ".join(", ".join(FORMS).rsplit(", ", 1))
"""What ``--model`` takes, for help texts."""


def list_models() -> list[ModelRow]:
    """List the models that have names of their own; `FORMS` tells of the others.

    Returns:
        The rows of every source in turn. A model that cannot be used is listed with the reason; it never hides the
        others.
    """
    return [row for source in SOURCES for row in source.listing()]


def complete(incomplete: str) -> list[str]:
    """Names of models that start like this, for the Tab key of a shell; a source that fails offers none."""
    names: list[str] = []
    for source in SOURCES:
        with suppress(VitobenchError, OSError, ImportError):
            names += source.complete(incomplete)
    return names


def source_of(name: str) -> Source:
    """The source that a name belongs to.

    Args:
        name: A name of `list_models`, or one of `FORMS`.

    Raises:
        UnknownNameError: No source has such names; the message holds the nearest ones.
    """
    for source in SOURCES:
        if source.has(name):
            return source
    valid = [own for source in SOURCES for own in source.names()]
    raise unknown_name("model", name, valid, f"Further models: {'; '.join(f'{k} ({v})' for k, v in FORMS.items())}.")


def resolve(name: str) -> ModelSpec:
    """Describe a model without loading it.

    Cheap for the zoo, for packages and for files with a card: a hash of the file. ``timm:``, ``torchvision:`` and the
    published models have to fetch their weights, because the hash of the weights is part of what a model is.

    Args:
        name: A name of `list_models`, or one of the forms of `FORMS`.

    Returns:
        The description.

    Raises:
        UnknownNameError: No such model; the message holds the nearest names.
        PluginError: It belongs to a plugin that fails.
        CheckpointError: Its file is missing, damaged, unsafe to open, or of another architecture.
        VitobenchError: Its weights could not be fetched.
    """
    name = printable(name)  # of a file it may hold bytes that are no text, and it goes into every table
    return source_of(name).resolve(name)


def can_reuse(name: str) -> bool:
    """Whether an earlier description of this model may do; `still_describes` decides of each."""
    return source_of(name).can_reuse


def still_describes(spec: ModelSpec) -> bool:
    """Whether an earlier description of a model certainly holds now; False where only `resolve` can tell."""
    return source_of(spec.name).still_describes(spec)


def file_of(name: str) -> Path | None:
    """The checkpoint that the user named, as typed; None where the name is no file's, or that of no model here."""
    return next((source.file_of(name) for source in SOURCES if source.prefix and source.has(name)), None)


def encoder(architecture: str) -> nn.Module | None:
    """Build an untrained encoder of a library that a source brings, such as ``timm:resnet50``.

    Returns:
        See `Source.encoder`; None where the name starts like that of no source.

    Raises:
        UnknownNameError: The library has no such architecture.
    """
    source = next((source for source in SOURCES if source.prefix and architecture.startswith(source.prefix)), None)
    return None if source is None else source.encoder(architecture)


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
    by_name = {source.name: source for source in SOURCES}
    if spec.source not in by_name:
        known = ", ".join(sorted(by_name))
        raise VitobenchError(f"{spec.name} comes from {spec.source!r}; known sources: {known}.")
    network = by_name[spec.source].build(spec)
    from .model import Model

    return Model(spec, network)
