"""What a part of the page is made of, so that a new part is one function beside the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .data import ReportData
from .gallery import Disagreement
from .view import ViewTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ViewFigure:
    """A picture of the page: its element, a heading, and how to read it; ``folded`` stands closed at first."""

    title: str
    svg: str
    caption: str
    folded: bool = False


@dataclass(frozen=True)
class ViewSection:
    """A part of the page with tables of its own, on a scale of its own.

    Attributes:
        title: Its heading.
        anchor: Its id on the page.
        lede: What it is about, in a sentence.
        tables: What stands first.
        first: What the first column of the tables is called.
        legend: How to read the tables.
        notes: Remarks for people.
        open_notes: Whether they stand open at first.
        figures: What follows.
        pictures: Images on which models disagree.
        details: Groups of tables, closed at first, that go with all other values of the page.
    """

    title: str
    anchor: str
    lede: str = ""
    tables: tuple[ViewTable, ...] = ()
    first: str = "Task"
    legend: str = ""
    notes: tuple[str, ...] = ()
    open_notes: bool = False
    figures: tuple[ViewFigure, ...] = ()
    pictures: tuple[Disagreement, ...] = ()
    details: tuple[tuple[str, tuple[ViewTable, ...]], ...] = ()


Section = Callable[[ReportData], Sequence[ViewSection]]
"""From the report's input to parts of the page; none where there is nothing to show."""


def drawn(figure: Figure, prefix: str, title: str, caption: str, more: str = "", folded: bool = False) -> ViewFigure:
    """Turn a figure into a picture of the page.

    Args:
        figure: The figure.
        prefix: Unlike that of any other picture of the page.
        title: Its heading.
        caption: How to read it.
        more: Said to a screen reader in addition.
        folded: Whether it stands closed at first.
    """
    from .style import to_svg

    words = " ".join(filter(None, [f"{title}.", caption, more, "The tables hold the same numbers."]))
    return ViewFigure(title, to_svg(figure, prefix, words), caption, folded)
