"""Numbers that others published for the same photographs, apart from what was measured here."""

from __future__ import annotations

from ..results.metrics import metric
from ..results.published.robustness import published_for
from ..results.published.rows import PublishedScore
from .data import ReportData
from .sections import ViewSection
from .view import ViewCell, ViewRow, ViewTable
from .wording import HOLE, percent

_LEGEND = (
    "In percent, as published by others: not measured here, without intervals, and not tested against the models "
    "above. ↓: lower is better."
)


def published_sections(data: ReportData) -> list[ViewSection]:
    """A table of models others measured, with a column for each number of the report's photograph tasks.

    Args:
        data: The report's input.

    Returns:
        One section; none where no task shows photographs, since numbers on photographs say nothing of another world.
    """
    rows: dict[str, dict[tuple[str, str], PublishedScore]] = {}
    columns: dict[tuple[str, str], str] = {}
    for task in data.task_records:
        if task.get("world") != "photographs":
            continue
        for score in published_for(str(task["name"])):
            key = (score.data_set, score.metric)
            columns.setdefault(key, f"{task.get('title') or task['name']}: {metric(score.metric).heading}")
            rows.setdefault(score.model, {})[key] = score
    if not rows:
        return []
    table = ViewTable(
        "Published by others",
        tuple(columns.values()),
        tuple(
            ViewRow(model, "published", False, "", tuple(_cell(values.get(key)) for key in columns))
            for model, values in rows.items()
        ),
    )
    every = [score for values in rows.values() for score in values.values()]
    notes = dict.fromkeys(
        f"{', '.join(_titles(every, source, protocol, columns))}: {source}; {protocol}."
        for source, protocol in dict.fromkeys((score.source, score.protocol) for score in every)
    )
    return [
        ViewSection(
            "Published numbers, for reference",
            "published",
            tables=(table,),
            first="Model",
            legend=_LEGEND,
            notes=tuple(notes),
            open_notes=True,
        )
    ]


def _titles(every: list[PublishedScore], source: str, protocol: str, columns: dict[tuple[str, str], str]) -> list[str]:
    return list(
        dict.fromkeys(
            columns[(score.data_set, score.metric)]
            for score in every
            if (score.source, score.protocol) == (source, protocol)
        )
    )


def _cell(score: PublishedScore | None) -> ViewCell:
    return ViewCell(HOLE if score is None else percent(score.value), absent="not published")
