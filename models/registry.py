"""Find models by name. Listing and resolving do not import torch unless the name requires it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import VitobenchError, unknown_name
from ..plugins import own_modules
from ..text import printable
from .sources.plugins import PluginSource, PluginSources
from .sources.random_weights import RandomSource
from .sources.source import ModelRow, Progress, Source, listening
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
    "hugging_face_models",
    "open_clip_models",
    "files",
    "onnx_files",
)
"""Files of ``models/sources`` with a ``SOURCE``, in the order of listings; any other file with one follows them."""

_SHARED = ("checkpoints", "plugins", "random_weights", "source")
"""Files that sources share. They are listed because some import torch, and finding the sources must not."""


def _built_in() -> Iterator[Source]:
    folder = f"{__package__}.sources"
    for file in (*_FILES, *own_modules(folder, but=(*_FILES, *_SHARED))):
        source: Source = import_module(f"{folder}.{file}").SOURCE
        yield source


_BUILT_IN = tuple(_built_in())

SOURCES: tuple[Source, ...] = (
    *_BUILT_IN,
    RandomSource(_BUILT_IN),
    PluginSource(_BUILT_IN),
    PluginSources(_BUILT_IN),
)
"""Every source of models. Plugins come last, because they must not use another source's names."""

FORMS = {source.form: source.about for source in SOURCES if source.form}
"""Patterns of names for more models than can be listed, each with a one-line explanation."""

HOW_TO_NAME = "A name of `bench models`, " + " or ".join(", ".join(FORMS).rsplit(", ", 1))
"""Values of ``--model``, for help texts."""


def list_models() -> list[ModelRow]:
    """List the named models; `FORMS` describes the others.

    Returns:
        The rows of all sources. A model that cannot be used is listed with the reason, and never hides the others.
    """
    return [row for source in SOURCES for row in source.listing()]


def complete(incomplete: str) -> list[str]:
    """Names of models that start with `incomplete`, for tab completion; a source that fails contributes none."""
    names: list[str] = []
    for source in SOURCES:
        with suppress(VitobenchError, OSError, ImportError):
            names += source.complete(incomplete)
    return names


def source_of(name: str) -> Source:
    """The source that a name belongs to.

    Args:
        name: A name from `list_models`, or in one of `FORMS`.

    Raises:
        UnknownNameError: No source has this name; the message lists similar ones.
    """
    for source in SOURCES:
        if source.has(name):
            return source
    valid = [known_name for source in SOURCES for known_name in source.names()]
    raise unknown_name("model", name, valid, f"Further models: {'; '.join(f'{k} ({v})' for k, v in FORMS.items())}.")


def resolve(name: str) -> ModelSpec:
    """Describe a model without loading it.

    For the zoo, packages and files with a card, this only hashes the file. ``timm:``, ``torchvision:`` and the
    published models have to download their weights, because the hash of the weights is part of a model's identity.

    Args:
        name: A name from `list_models`, or in one of `FORMS`.

    Returns:
        The description.

    Raises:
        UnknownNameError: There is no such model; the message lists similar names.
        PluginError: It belongs to a plugin that fails.
        CheckpointError: Its file is missing, damaged, unsafe to open, or for another architecture.
        VitobenchError: Its weights could not be downloaded.
    """
    name = printable(name)  # a file's name may contain bytes that are not text, and it will be in every table
    return source_of(name).resolve(name)


def can_reuse(name: str) -> bool:
    """Whether an earlier description of this model may be reused; `still_describes` decides in each case."""
    return source_of(name).can_reuse


def still_describes(spec: ModelSpec) -> bool:
    """Whether an earlier description of a model is certainly still valid; False if only `resolve` can tell."""
    return source_of(spec.name).still_describes(spec)


def file_of(name: str) -> Path | None:
    """The path of a user's checkpoint, as typed; None if the name is not that of a file."""
    return next((source.file_of(name) for source in SOURCES if source.prefix and source.has(name)), None)


def with_classes(name: str, label_space: str) -> str | None:
    """The name of the same model predicting other classes; None if it has none."""
    return source_of(name).with_classes(name, label_space)


def encoder(architecture: str) -> nn.Module | None:
    """Build an untrained encoder from the library of a source, such as ``timm:resnet50``.

    Returns:
        See `Source.encoder`; None if the name has no source's prefix.

    Raises:
        UnknownNameError: The library has no such architecture.
    """
    source = next((source for source in SOURCES if source.begins(architecture)), None)
    return None if source is None else source.encoder(architecture)


def load(name_or_spec: str | ModelSpec, progress: Progress | None = None) -> Model:
    """Load a model on the CPU.

    Args:
        name_or_spec: A name as for `resolve`, or a description. The preprocessing of a description is used as it is;
            its weights must not have changed.
        progress: Called with (stage, amount done, whole amount) where loading takes long.

    Returns:
        The model.

    Raises:
        VitobenchError: As for `resolve`, or the weights have changed since the description.
    """
    spec = resolve(name_or_spec) if isinstance(name_or_spec, str) else name_or_spec
    if spec.imported:
        raise VitobenchError(f"{spec.name} was imported: its predictions were made elsewhere, so it cannot be run.")
    by_name = {source.name: source for source in SOURCES}
    if spec.source not in by_name:
        sources = ", ".join(sorted(by_name))
        raise VitobenchError(f"{spec.name} comes from {spec.source!r}; known sources: {sources}.")
    with listening(progress):
        network = by_name[spec.source].build(spec)
    from .model import Model

    return Model(spec, network)
