"""Every corruption by name: its collection, its version, what it takes and where its kernel is.

Importing this loads names and numbers only; a kernel (numba, SciPy, OpenCV, PyAV) loads when it is first used.

A collection is what papers cite, and its version is part of the identity of every task that draws from it. A corruption
has a version of its own beside it: it starts at 0 and is raised when a mended kernel gives other pixels, so that the
answers to all other corruptions of the collection stay valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any

from ... import plugins
from ...errors import unknown_name
from . import imagenet_3dcc as three_d
from . import imagenet_c_bar as bar
from . import laion_c as laion
from .imagenet_c import parameters
from .record import Collection, Corruption

IMAGENET_C = Collection("imagenet-c", parameters.VERSION, parameters.VARIANTS)
IMAGENET_C_BAR = Collection("imagenet-c-bar", bar.VERSION_BAR)
IMAGENET_3DCC = Collection("imagenet-3dcc", three_d.VERSION_3D)
LAION_C = Collection("laion-c", laion.VERSION_LAION)
PUBLISHED = (IMAGENET_C, IMAGENET_C_BAR, IMAGENET_3DCC, LAION_C)
"""Published collections, which are closed: a new corruption is of another one."""


def _members(
    collection: Collection, package: Any, modules: Mapping[str, Iterable[str]], **facts: Any
) -> list[Corruption]:
    """Corruptions whose kernels are functions of their own name, and whose constants are in ``package``."""

    def constants(name: str) -> Callable[[int, int, int], Mapping[str, Any]]:
        return lambda severity, height, width: package.parameters(name, severity, height, width)

    where = package.__name__.rpartition(".")[0]
    return [
        Corruption(
            name,
            collection,
            f"{where}.{module}:{name}",
            constants(name),
            version=package.VERSIONS.get(name, 0),
            needs_depth=name in getattr(package, "NEEDS_DEPTH", ()),
            **facts,
        )
        for module, names in modules.items()
        for name in names
    ]


CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        corruption.name: corruption
        for corruption in (
            *_members(IMAGENET_C, parameters, parameters.MODULES, counted=True),
            *_members(IMAGENET_C_BAR, bar.parameters, bar.parameters.MODULES),
            *_members(IMAGENET_3DCC, three_d.parameters, three_d.parameters.FAMILIES_3D),
            *_members(LAION_C, laion.parameters, laion.parameters.MODULES),
            *chain.from_iterable(plugins.added(f"{__package__}.more", "CORRUPTIONS")),
        )
    }
)
"""Those of vitobench itself, with the ``CORRUPTIONS`` of each module of the folder `more`; `find` and `all_corruptions`
also know those of plugins."""


def find(name: str) -> Corruption:
    """A corruption by name.

    Raises:
        UnknownNameError: There is none; with the nearest names.
        PluginError: It belongs to a plugin that fails.
    """
    if name in CORRUPTIONS:
        return CORRUPTIONS[name]
    plugin = plugins.usable(plugins.CORRUPTIONS, CORRUPTIONS).get(name)
    if plugin is None:
        raise unknown_name("corruption", name, all_corruptions())
    return _of_plugin(plugin)


def all_corruptions() -> dict[str, Corruption]:
    """Every corruption that can be used, by name: vitobench's own, then those of plugins."""
    return dict(CORRUPTIONS) | {given.name: given for _, given, _ in plugged() if given is not None}


def plugged() -> list[tuple[plugins.Plugin, Corruption | None, str]]:
    """Every corruption of a plugin: its entry point, the corruption or None, and what is wrong with it."""
    return plugins.looked_at(plugins.CORRUPTIONS, CORRUPTIONS, _of_plugin)


def _of_plugin(plugin: plugins.Plugin) -> Corruption:
    """What a plugin gives, in a collection that no other package can share."""
    given = plugins.given(plugin, Corruption)
    if given.name != plugin.name:
        raise plugin.refuse(f"its entry point is named {plugin.name!r}, but the corruption {given.name!r}")
    if given.collection in PUBLISHED:
        raise plugin.refuse(f"{given.collection.name} is published and closed; give it a Collection of its own")
    return given
