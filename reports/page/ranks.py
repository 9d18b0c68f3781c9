"""The part of the page that a report of many models begins with: their ranks over the suite."""

from __future__ import annotations

from dataclasses import replace

from ..data import ReportData
from ..figures.figure import Place
from ..ranks import HEADS, LEGEND, about_lines, cells, led_by_ranks, title
from .sections import ViewSection, page_figures
from .view import ViewCell, ViewRow, ViewTable


def rank_sections(data: ReportData) -> list[ViewSection]:
    """A part for each world in which more models are ranked than a table of pairs can show.

    Args:
        data: The report's input.
    """
    sections = []
    for number, ranking in enumerate(led_by_ranks(data), start=1):
        rows = []
        for row in ranking.rows:
            rank, mean, span, images, tasks, group = cells(row, ranking.metric)
            values = (ViewCell(rank), ViewCell(mean, span), *map(ViewCell, (images, tasks, group)))
            rows.append(ViewRow(row.model, "", False, "", values))
        heading = title(data, ranking)
        first, *remarks = about_lines(data, ranking)
        sections.append(
            ViewSection(
                title=heading,
                anchor="ranks" if number == 1 else f"ranks-{number}",
                lede=" ".join([first, *remarks]),
                tables=(ViewTable(heading, HEADS, tuple(rows)),) if rows else (),
                first="Model",
                legend=LEGEND if rows else "",
                figures=page_figures(replace(data, rankings=(ranking,)), Place.RANKS, f"ranks{number}-"),
                figures_first=True,
            )
        )
    return sections
