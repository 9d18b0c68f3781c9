"""What a figure of the registry is: what it needs, draws and says, and where on the page it is shown.

Importing this loads no matplotlib: a figure's module is imported when it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...plugins import Plugin
from ..data import ReportData

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..focus import Focus


class Place(StrEnum):
    """Where on the page a figure is shown."""

    RANKS = "ranks"
    """In the section that a page of many models begins with."""
    TOP = "top"
    FIGURES = "figures"
    ALIGNMENT = "alignment"
    """In the section of the world that it shows."""
    UNDERSTANDING = "understanding"
    """In the section of tasks that ask an encoder for its features."""
    NOWHERE = "nowhere"
    """Only drawn by `bench figures`."""


@dataclass(frozen=True)
class Caption:
    """A figure's heading on the page, and how to read it; ``folded`` is closed at first."""

    title: str
    text: str
    folded: bool = False


@dataclass(frozen=True)
class FigureSpec:
    """A figure, or one for each of several subjects: tasks, or worlds of human alignment.

    Attributes:
        name: What the user types, and the beginning of its files' names.
        title: What it shows, in a line.
        needs: What has to be in the scores, for people.
        place: Where on the page it is shown.
        subjects: What there is to draw in some data; one empty name where the figure is one for all; nothing where the
            data are not enough.
        module: Module that draws it: its name in this package, or its full name with dots.
        function: Function of the module: ``function(*arguments, models)`` gives the figure.
        numbers: Function of the module: ``numbers(*arguments, *more)`` gives the numbers drawn, a record for each.
        arguments: From the data and a subject to the arguments of both functions.
        caption: From the data and a subject to what the page says of it.
        more: Arguments of ``numbers`` beyond those of the figure.
        plugin: Where it comes from, if it is not vitobench's own; errors of its code name the package.
    """

    name: str
    title: str
    needs: str
    place: Place
    subjects: Callable[[ReportData], Sequence[str]]
    module: str
    function: str
    numbers: str
    arguments: Callable[[ReportData, str], tuple[Any, ...]]
    caption: Callable[[ReportData, str], Caption]
    more: tuple[Any, ...] = ()
    plugin: Plugin | None = None

    def _doing(self, what: str) -> AbstractContextManager[None]:
        return nullcontext() if self.plugin is None else self.plugin.doing(what)

    def _load(self, function: str) -> Callable[..., Any]:
        absolute = "." in self.module or self.plugin is not None
        where = self.module if absolute else f"{__package__}.{self.module}"
        loaded: Callable[..., Any] = getattr(import_module(where), function)
        return loaded

    def draw(self, data: ReportData, subject: str, models: Focus | None = None) -> Figure:
        """Draw one subject; all models are in colour unless some are given."""
        with self._doing("drawing the figure"):
            figure: Figure = self._load(self.function)(*self.arguments(data, subject), models)
        return figure

    def rows(self, data: ReportData, subject: str) -> list[dict[str, Any]]:
        """The numbers that `draw` shows."""
        with self._doing("listing its numbers"):
            rows: list[dict[str, Any]] = self._load(self.numbers)(*self.arguments(data, subject), *self.more)
        return rows
