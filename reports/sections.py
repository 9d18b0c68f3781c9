"""Parts of the page as plain values, so that a new part is one more function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..plugins import PluginError
from .data import ReportData
from .figure import FigureSpec, Place
from .figure_registry import all_figures
from .gallery import Disagreement
from .view import ViewTable


@dataclass(frozen=True)
class ViewFigure:
    """A picture of the page: its element, a heading, and how to read it; ``folded`` starts collapsed.

    Without an element the caption says why there is no picture.
    """

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
        tables: Shown first.
        first: Head of the first column of the tables.
        legend: How to read the tables.
        notes: Remarks for people.
        open_notes: Whether the notes are open at first.
        figures: Shown after the tables.
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


def page_figures(data: ReportData, place: Place, prefix: str, note: str = "", more: str = "") -> tuple[ViewFigure, ...]:
    """Draw every figure of one place on the page that the data are enough for. One of a plugin that fails says why.

    Args:
        data: What to draw.
        place: Where on the page.
        prefix: Begins the ids inside the pictures; unlike that of any other place.
        note: Ends every caption.
        more: Text for screen readers in addition.
    """
    from .style import to_svg

    pictures: list[ViewFigure] = []

    def draw(spec: FigureSpec) -> None:
        for subject in spec.subjects(data):
            caption = spec.caption(data, subject)
            text = f"{caption.text}{note}"
            words = " ".join(filter(None, [f"{caption.title}.", text, more, "The tables hold the same numbers."]))
            picture = to_svg(spec.draw(data, subject), f"{prefix}{len(pictures) + 1}", words)
            pictures.append(ViewFigure(caption.title, picture, text, caption.folded))

    for spec in all_figures().values():
        if spec.place is place:
            try:
                draw(spec)
            except PluginError as error:
                pictures.append(ViewFigure(spec.title, "", str(error)))
    return tuple(pictures)
