"""What a figure of the registry is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .data import ReportData

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .focus import Focus


@dataclass(frozen=True)
class FigureSpec:
    """A figure, or one for each of several tasks.

    Attributes:
        name: What the user types, and the beginning of its files' names.
        title: What it shows, in a line.
        needs: What has to be in the scores, for people.
        subjects: What there is to draw in some data: names of tasks, say; one empty name where the figure is one for
            all; nothing where the data are not enough.
        draw: Draws one subject.
        rows: The numbers behind it, a record for each.
    """

    name: str
    title: str
    needs: str
    subjects: Callable[[ReportData], Sequence[str]]
    draw: Callable[[ReportData, str, Focus], Figure]
    rows: Callable[[ReportData, str], list[dict[str, Any]]]
