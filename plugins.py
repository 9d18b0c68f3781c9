"""What can be added to vitobench: files of its own folders, and plugins of other packages, found by entry points.

This is at the root because models and tasks both come from plugins and neither folder may import the other. A plugin is
other people's code: it is imported when its name is requested or listed, and whatever goes wrong in it becomes a line
about it, never the end of anything else.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import signal
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar

from .errors import VitobenchError
from .terminal import output_to_errors

MODELS = "vitobench.models"
"""Group of entry points that give models."""

TASKS = "vitobench.tasks"
"""Group of entry points that give tasks."""

CORRUPTIONS = "vitobench.corruptions"
"""Group of entry points that give corruptions, each a `tasks.corruptions.record.Corruption`."""

SOURCES = "vitobench.sources"
"""Group of entry points that give sources of models, each a `models.sources.source.Source`, named as its prefix."""

METHODS = "vitobench.methods"
"""Group of entry points that give pretraining methods, each a `models.pretraining.methods.MethodSettings`."""

FIGURES = "vitobench.figures"
"""Group of entry points that give figures, each a `reports.figure.FigureSpec`."""

GROUPS = (MODELS, SOURCES, TASKS, CORRUPTIONS, METHODS, FIGURES)

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class PluginError(VitobenchError):
    """A plugin that cannot be used; the message names its package."""


@dataclass(frozen=True)
class Plugin:
    """An entry point.

    Attributes:
        name: What the user types.
        group: One of `GROUPS`.
        target: ``"package.module"`` or ``"package.module:object"``.
        distribution: Package that declares it.
        version: Version of the package.
        given: What `register` was given, in place of an import.
        problem: Why its name cannot be used; empty if it can. The code behind it has not been looked at.
    """

    name: str
    group: str
    target: str
    distribution: str
    version: str
    problem: str = ""
    given: Any = field(default=None, compare=False, repr=False)

    @property
    def origin(self) -> str:
        """``"toy-plugin 1.0"``."""
        return f"{self.distribution} {self.version}".strip()

    def load(self) -> Any:
        """Import what the entry point names.

        Raises:
            PluginError: It cannot be used, or its import fails.
        """
        if self.problem:
            raise PluginError(self.problem)
        if self.given is not None:
            return self.given
        key = (self.group, self.name, self.target)
        if key not in _FAILED:
            try:
                with self.doing(f"importing {self.target}"):
                    return importlib.metadata.EntryPoint(self.name, self.target, self.group).load()
            except PluginError as error:
                _FAILED[key] = str(error)  # importing it again would fail, print and wait again
                raise
        raise PluginError(_FAILED[key])

    @contextmanager
    def doing(self, what: str, alone: bool = True) -> Iterator[None]:
        """Run code of the plugin in the block.

        Args:
            what: What is asked of it.
            alone: Nothing else runs meanwhile, so that what it prints can go to standard error, and the current
                folder, signal handlers and filters of warnings can be put back as they were.

        Raises:
            PluginError: It raised anything, be it `SystemExit`; only an interruption by the user passes.
        """
        try:
            if alone:
                with _contained():
                    yield
            else:
                yield
        except (KeyboardInterrupt, PluginError):  # `Stopped` is one of the first
            raise
        except BaseException as error:
            raise self.failure(what, error) from error

    def failure(self, doing: str, error: BaseException) -> PluginError:
        """The error for whatever a plugin raised.

        Args:
            doing: What was asked of it.
            error: What it raised.
        """
        said = str(error).strip().splitlines()
        reason = said[0] if said else "no message"
        if isinstance(error, SystemExit):
            reason = f"it tried to exit the program with {error.code!r}"
        return PluginError(f"The plugin {self.name} of {self.origin} failed: {doing}: {type(error).__name__}: {reason}")

    def refuse(self, reason: str) -> PluginError:
        """The error for a plugin that gave something of another form than it should."""
        return PluginError(f"The plugin {self.name} of {self.origin} cannot be used: {reason}")


def own_modules(package: str, prefix: str = "", but: Iterable[str] = ()) -> list[str]:
    """Names of the modules of a folder of vitobench that start with a prefix, sorted; none is imported.

    Args:
        package: The folder's dotted name.
        prefix: How the names start.
        but: Names to leave out.
    """
    names = {module.name for module in iter_modules(import_module(package).__path__)}
    return sorted(name for name in names - set(but) if name.startswith(prefix))


def added(package: str, attribute: str, prefix: str = "", but: Iterable[str] = ()) -> Iterator[Any]:
    """What the modules of `own_modules` hold under a name, for those that have it: adding a file is all there is to do.

    Args:
        package: As there.
        attribute: Name of the object.
        prefix: As there.
        but: As there.
    """
    for name in own_modules(package, prefix, but):
        module = import_module(f"{package}.{name}")
        if hasattr(module, attribute):
            yield getattr(module, attribute)


def given(plugin: Plugin, form: type[T]) -> T:
    """What a plugin gives, of the type that its group asks for.

    Raises:
        PluginError: It fails, or gives something else.
    """
    target = plugin.load()
    if not isinstance(target, form):
        article = "an" if form.__name__[0] in "AEIOU" else "a"
        raise plugin.refuse(f"{plugin.target} must be {article} {form.__name__}, not {type(target).__name__}")
    return target


def plugins(group: str, taken: Iterable[str]) -> list[Plugin]:
    """The entry points of a group, sorted by name and package; none of their code is imported.

    Args:
        group: One of `GROUPS`.
        taken: Names of what vitobench itself has, which no plugin may take.

    Returns:
        Each with its problem where its name is taken, given twice or malformed.
    """
    found = [*_declared(group), *(plugin for plugin in _REGISTERED.values() if plugin.group == group)]
    counts = Counter(plugin.name for plugin in found)
    own = set(taken)
    return [_judged(plugin, plugin.name in own, counts[plugin.name] > 1) for plugin in found]


def looked_at(group: str, taken: Iterable[str], look: Callable[[Plugin], T]) -> list[tuple[Plugin, T | None, str]]:
    """Every plugin of a group with what it gives, or None and the reason why it cannot be used.

    Args:
        group: One of `GROUPS`.
        taken: As for `plugins`.
        look: From a plugin to what it gives; raises `VitobenchError` where that cannot be used.
    """
    rows: list[tuple[Plugin, T | None, str]] = []
    for plugin in plugins(group, taken):
        try:
            rows.append((plugin, look(plugin), ""))
        except VitobenchError as error:
            rows.append((plugin, None, str(error)))
    return rows


def usable(group: str, taken: Iterable[str]) -> dict[str, Plugin]:
    """Those of `plugins` whose names can be used, by name."""
    return {plugin.name: plugin for plugin in plugins(group, taken) if not plugin.problem}


_REGISTERED: dict[tuple[str, str], Plugin] = {}


def register(group: str, name: str, target: Any) -> None:
    """Give a model, a task or another plugin to this process alone, as a plugin would give it to all.

    For scripts and notebooks that run with one worker; other processes do not know the name. A second call under the
    same name replaces the first.

    Args:
        group: One of `GROUPS`.
        name: What it is called.
        target: A module or an object, as an entry point would refer to.
    """
    _REGISTERED[group, name] = Plugin(name, group, type(target).__name__, "this process", "", given=target)


_FAILED: dict[tuple[str, str, str], str] = {}
"""Why imports failed, by group, name and target."""


@contextmanager
def _contained() -> Iterator[None]:
    """Undo what code of others may change for the whole process, and keep what it prints off standard output."""
    main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()} if main else {}
    folder = ""
    with suppress(OSError):  # the current folder was removed
        folder = os.getcwd()  # noqa: PTH109
    try:
        with warnings.catch_warnings(), output_to_errors():
            yield
    finally:
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        with suppress(OSError):
            os.chdir(folder)


def unreadable(group: str) -> list[str]:
    """Packages whose entry points cannot be read, a line each."""
    return list(_read(group)[1])


def _declared(group: str) -> tuple[Plugin, ...]:
    return _read(group)[0]


@cache
def _read(group: str) -> tuple[tuple[Plugin, ...], tuple[str, ...]]:
    found: list[Plugin] = []
    problems: list[str] = []
    try:
        found = [_plugin(entry, entry.dist) for entry in importlib.metadata.entry_points(group=group)]
    except Exception:  # one file that is no text hides all others: read them one by one
        for package in importlib.metadata.distributions():
            try:
                found += [_plugin(entry, package) for entry in package.entry_points if entry.group == group]
            except Exception as error:
                where = getattr(package, "_path", "an unknown package")
                problems.append(f"The entry points of {where} cannot be read: {error}")
    return tuple(sorted(found, key=lambda plugin: (plugin.name, plugin.distribution))), tuple(problems)


def _plugin(entry: importlib.metadata.EntryPoint, package: importlib.metadata.Distribution | None) -> Plugin:
    name, version = (package.name, package.version) if package is not None else ("an unknown package", "")
    return Plugin(entry.name, entry.group, entry.value, name, version)


def _judged(plugin: Plugin, taken: bool, twice: bool) -> Plugin:
    reason = ""
    if not _NAME.fullmatch(plugin.name):
        reason = "a name may only have letters, digits, '.', '_' and '-'"
    elif taken:
        reason = "vitobench itself uses this name; the plugin must choose another"
    elif twice:
        reason = "another package has a plugin of the same name; uninstall one of them"
    if not reason:
        return plugin
    return replace(plugin, problem=str(plugin.refuse(reason)))
