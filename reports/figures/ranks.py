"""Ranks of models over a suite as intervals: what other images, and what other tasks, might give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..data import ReportData
from ..ranks import title
from ..wording import labels, value_text
from .figure import Caption, FigureSpec, Place

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...results.suite_ranking import SuiteRanking
    from ..focus import Focus

_COLOURS = ("#0173b2", "#d55e00")
"""By turns for the groups; their edges are what matters, and the number says which group it is."""


def _ranking(data: ReportData, world: str) -> SuiteRanking:
    return next(one for one in data.rankings if one.world == world)


def rank_rows(data: ReportData, world: str) -> list[dict[str, Any]]:
    """The figure's numbers: a row for each model, best first."""
    return [
        {
            "model": row.model, "rank": row.rank, "low": row.low, "high": row.high, "tasks_low": row.tasks_low,
            "tasks_high": row.tasks_high, "group": row.group, "value": row.value, "ci_low": row.ci_low,
            "ci_high": row.ci_high,
        }
        for row in _ranking(data, world).rows
    ]  # fmt: skip


def ranks(data: ReportData, world: str, models: Focus | None = None) -> Figure:
    """Draw the ranks of one world.

    Args:
        data: The report's input.
        world: Which.
        models: If some are in the background, the names of the others are in bold.

    Returns:
        The figure, as tall as its models need.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    from .style import BAND, FAINT, INK, REST, grid_along, styled

    ranking = _ranking(data, world)
    rows, count = ranking.rows, len(ranking.rows)
    strong = set(models.shown) if models is not None and models.rest else set()
    short = labels([row.model for row in rows], 34)
    inch = 0.24 if count <= 12 else 0.15
    with styled():
        figure = Figure(figsize=(7.2, 0.95 + inch * count), layout="constrained")
        axes = figure.add_subplot()
        for y, row in enumerate(rows):
            colour = _COLOURS[(row.group - 1) % 2]
            if y % 2 == 0:
                axes.axhspan(y - 0.5, y + 0.5, color=BAND, linewidth=0, zorder=0)
            axes.plot(
                [row.tasks_low, row.tasks_high], [y, y], color=REST, linewidth=1.0, zorder=1, solid_capstyle="butt"
            )
            if row.low < row.high:
                axes.plot([row.low, row.high], [y, y], color=colour, linewidth=3.2, alpha=0.55, zorder=2,
                          solid_capstyle="butt")  # fmt: skip
            axes.plot([row.rank], [y], "o", color=colour, markersize=4.2, markeredgecolor="white", markeredgewidth=0.5,
                      zorder=3)  # fmt: skip
            # Behind the longest interval there is room for the group and the mean.
            axes.annotate(str(row.group), (1.02, y), xycoords=("axes fraction", "data"), va="center", ha="center",
                          fontsize=7, color=colour)  # fmt: skip
            axes.annotate(value_text(row.value, ranking.metric), (1.10, y), xycoords=("axes fraction", "data"),
                          va="center", ha="right", fontsize=7, color=INK)  # fmt: skip
        for x, head, side in ((1.02, "group", "center"), (1.10, "mean", "right")):
            axes.annotate(head, (x, 1.0), xycoords="axes fraction", xytext=(0, 3), textcoords="offset points",
                          ha=side, va="bottom", fontsize=7, color=FAINT)  # fmt: skip
        axes.set_yticks(range(count), [short[row.model] for row in rows])
        axes.tick_params(axis="y", length=0, labelsize=8 if count <= 12 else 6.5)
        for row, label in zip(rows, axes.get_yticklabels(), strict=True):
            label.set_fontweight("bold" if row.model in strong else "normal")
        axes.set_ylim(count - 0.5, -0.5)
        axes.set_xlim(0.5, count + 0.5)
        ticks = [tick for tick in MaxNLocator(10, integer=True).tick_values(1, count) if 1 < tick <= count]
        axes.set_xticks([1, *ticks])
        axes.set_xlabel("Rank")
        grid_along(axes, "x")
        handles = [
            Line2D(
                [], [], color=_COLOURS[0], marker="o", markersize=4.2, linewidth=3.2, alpha=0.7, label="over images"
            ),
            Line2D([], [], color=REST, linewidth=1.0, label="over tasks"),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=2)
    return figure


def _worlds(data: ReportData) -> list[str]:
    return [one.world for one in data.rankings if one.rows]


def _caption(data: ReportData, world: str) -> Caption:
    ranking = _ranking(data, world)
    return Caption(
        title(data, ranking),
        "Dots are ranks by the mean; coloured bars are what other images of these tasks might give, grey lines what "
        "other tasks like these might give; all bars hold together with 95 %, and so do all lines. Colours change "
        "from one group of equals to the next.",
    )


FIGURE = FigureSpec(
    name="ranks",
    title="Ranks over a suite with their intervals; one file per world",
    needs="a suite that declares what it ranks by, and more than three models",
    place=Place.RANKS,
    subjects=_worlds,
    module="ranks",
    function="ranks",
    numbers="rank_rows",
    arguments=lambda data, world: (data, world),
    caption=_caption,
)
