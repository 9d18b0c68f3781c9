"""Human alignment on the page: a section for each world in which models were compared with observers."""

from __future__ import annotations

from dataclasses import replace

from .alignment_data import AlignmentData
from .alignment_table import LEGEND, has_mean, holes_in_means
from .alignment_view import compared_table, difference_table, reference_words, set_tables, shape_table
from .data import ReportData
from .figure import Place
from .sections import ViewSection, page_figures

_DIFFERENCES = (
    "Second line: the paired difference to the baseline; ▲ and ▼ mark differences that are significant after "
    "correction for the number of comparisons; intervals are not corrected."
)
_SIMULATED = (
    "The observers here are simulated, not people: they see what was rendered, plus noise of a known strength. The "
    "results show how models decide in a world where the truth is known, not how close they are to people."
)


def alignment_sections(data: ReportData) -> list[ViewSection]:
    """Lay out what `ReportData.alignment` holds.

    Args:
        data: The report's input.
    """
    return [_section(data, world, number) for number, world in enumerate(data.alignment, start=1)]


def _section(data: ReportData, world: AlignmentData, number: int) -> ViewSection:
    words = reference_words(world)
    title = f"Human alignment: agreement with {words}"
    shape = shape_table(world)
    return ViewSection(
        title=title,
        anchor="alignment" if number == 1 else f"alignment-{number}",
        lede=" ".join([*([_SIMULATED] if world.simulated else []), *holes_in_means(world)]),
        # Without a mean there is nothing to head the section, and the sets are what there is to look at.
        tables=(compared_table(world, data),) if has_mean(world) else tuple(set_tables(world)),
        first="Observer",
        legend=f"{LEGEND} {_DIFFERENCES}" if has_mean(world) else LEGEND,
        notes=tuple(world.notes),
        figures=page_figures(replace(data, alignment=(world,)), Place.ALIGNMENT, f"align{number}-"),
        details=(
            (f"{title}, every data set", tuple(set_tables(world))),
            (f"{title}, shape bias by category", () if shape is None else (shape,)),
            (f"{title}, every paired difference", (difference_table(world, data),)),
        ),
    )
