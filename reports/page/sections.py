"""The sections of the page, each one function: figures, human alignment, published numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...plugins import PluginError
from ...results.metrics import metric
from ...results.published.tables import PublishedScore, published_for
from ...results.schema import Comparison, RunFacts
from ..alignment_data import ALL, OVERALL, SHAPE_BIAS, AlignmentData, Estimate
from ..data import Disagreement, Example, Examples, Gallery, ReportData, title_of
from ..figures.figure import FigureSpec, Place
from ..figures.registry import all_figures
from ..standing import about, hundredths, marks, matches, pixels, standing_lines
from ..tables.alignment import (
    FORMS,
    FORMS_LEGEND,
    HEADS,
    LEGEND,
    form_rows,
    form_text,
    has_mean,
    headline,
    heads,
    holes_in_means,
    mean_title,
    number,
    span,
)
from ..wording import HOLE, MARKS, MINUS, value_text, verdict, verdict_words
from .view import ViewCell, ViewRow, ViewTable, p_words

# Sections as plain values for the template.


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
    """A part of the page with separate tables, because its numbers are on another scale.

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
        figures_first: Whether they are shown before the tables.
        pictures: Images on which models disagree.
        examples: Pictures with what models found in them, by task.
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
    figures_first: bool = False
    pictures: tuple[Disagreement, ...] = ()
    examples: tuple[tuple[str, tuple[Example, ...]], ...] = ()
    details: tuple[tuple[str, tuple[ViewTable, ...]], ...] = ()


Section = Callable[[ReportData], Sequence[ViewSection]]
"""From the report's input to parts of the page; none where there is nothing to show."""


def page_figures(data: ReportData, place: Place, prefix: str, note: str = "", more: str = "") -> tuple[ViewFigure, ...]:
    """Draw every figure of one place on the page that has enough data. A plugin's figure that fails says why.

    Args:
        data: What to draw.
        place: Where on the page.
        prefix: Begins the ids inside the pictures; unlike that of any other place.
        note: Ends every caption.
        more: Text for screen readers in addition.
    """
    pictures: list[ViewFigure] = []
    # Who made the data, and when, is in no figure, so that it need not be drawn again for that.
    data = replace(data, run=RunFacts(), gallery=Gallery(), examples=Examples())

    def draw(spec: FigureSpec) -> None:
        for subject in spec.subjects(data):
            caption = spec.caption(data, subject)
            text = f"{caption.text}{note}"
            words = " ".join(filter(None, [f"{caption.title}.", text, more, "The tables hold the same numbers."]))
            picture = _drawn(spec, data, subject, f"{prefix}{len(pictures) + 1}", words)
            pictures.append(ViewFigure(caption.title, picture, text, caption.folded))

    for spec in all_figures().values():
        if spec.place is place:
            try:
                draw(spec)
            except PluginError as error:
                pictures.append(ViewFigure(spec.title, "", str(error)))
    return tuple(pictures)


def _drawn(spec: FigureSpec, data: ReportData, subject: str, prefix: str, words: str) -> str:
    """A figure's element: the one that was drawn of the same data before, or a new one."""

    def draw() -> str:
        from ..figures.style import to_svg

        return to_svg(spec.draw(data, subject), prefix, words)

    if spec.plugin is not None or not data.digest:
        return draw()  # a plugin may have changed, whatever its version says
    return data.keeper.remember(["figure", spec.name, subject, prefix, words, data.digest], draw)


# Human alignment on the page: its tables as plain values.


_CALLED = {"humans": "people"}


def reference_words(data: AlignmentData) -> str:
    """The group that models are compared with, in words: ``"people"`` or ``"simulated observers"``."""
    return _CALLED.get(data.reference, data.reference)


def compared_table(data: AlignmentData, report: ReportData) -> ViewTable:
    """`headline_table` with the paired difference of every model to its baseline, as judged in the report."""
    table = headline_table(data)
    rows = []
    for row in table.rows:
        entries = []
        for entry, name in zip(row.cells, heads(data), strict=True):
            task = data.task(data.shape_set if name == SHAPE_BIAS else ALL)
            pair = report.comparison(row.label, task, OVERALL, name)
            entries.append(entry if pair is None or entry.hole else _judged(entry, pair))
        against = report.baseline(row.label)
        rows.append(replace(row, note=f"against {against}" if against else "", cells=tuple(entries)))
    return replace(table, rows=tuple(rows))


def _judged(entry: ViewCell, pair: Comparison) -> ViewCell:
    mark = MARKS[verdict(pair)]
    return replace(
        entry,
        change=f"{mark} {span(pair.difference, math.nan, math.nan, sign=True)}".strip(),
        change_span=_ends(pair.ci_low, pair.ci_high, True),
        verdict=verdict(pair).value,
        words=verdict_words(pair),
    )


def headline_table(data: AlignmentData) -> ViewTable:
    """Every observer with the mean over data sets and its shape bias."""
    columns = heads(data)
    rows = [
        ViewRow(data.label(name), "", False, "", tuple(_cell(headline(data, name, metric)) for metric in columns))
        for name in data.drawn
    ]
    return ViewTable(mean_title(data), tuple(columns.values()), tuple(rows))


def forms_table(data: AlignmentData) -> ViewTable:
    """Error consistency of every observer in all its forms."""
    titles = {record["name"]: record["title"] for record in data.data_sets}
    rows = tuple(
        ViewRow(data.label(observer), titles.get(name, ""), False, "", tuple(_form(*each) for each in estimates))
        for name, observer, estimates in form_rows(data)
    )
    return ViewTable(
        "Error consistency in its other forms", tuple(FORMS.values()), rows, FORMS_LEGEND, first="Observer"
    )


def _form(metric: str, estimate: Estimate) -> ViewCell:
    if not estimate.measured:
        return ViewCell(HOLE)
    return ViewCell(form_text(metric, estimate.value), _ends(estimate.low, estimate.high))


def set_tables(data: AlignmentData) -> list[ViewTable]:
    """A table for each metric: data sets in rows, observers in columns."""
    heads = tuple(data.label(observer) for observer in data.drawn)
    tables = []
    for name, title in HEADS.items():
        rows = []
        for record in data.data_sets:
            estimates = [data.estimate(observer, record["name"], OVERALL, name) for observer in data.drawn]
            if any(one.measured for one in estimates):
                n = f"{max(one.n for one in estimates):,}"
                entries = tuple(_cell(one) for one in estimates)
                rows.append(ViewRow(record["title"], "", False, n, entries, task=record["task"]))
        if rows:
            tables.append(ViewTable(title, heads, tuple(rows), first="Data set"))
    return tables


def difference_table(data: AlignmentData, report: ReportData) -> ViewTable:
    """Paired differences of models, as judged in the report: means over data sets first, then each data set."""
    titles = {record["task"]: record["title"] for record in data.data_sets}
    mean = data.task(ALL)
    own = [pair for pair in report.comparisons if pair.task == mean or pair.task in titles]
    rows = []
    for pair in sorted(own, key=lambda pair: pair.task != mean):
        where = f"{titles.get(pair.task, 'mean of all')}, {HEADS.get(pair.metric, pair.metric.replace('_', ' '))}"
        value = f"{MARKS[verdict(pair)]} {span(pair.difference, math.nan, math.nan, sign=True)}".strip()
        cells = (
            ViewCell(value, _ends(pair.ci_low, pair.ci_high, True), verdict=verdict(pair).value),
            ViewCell(p_words(pair.p)),
            ViewCell(p_words(pair.p_adjusted)),
        )
        rows.append(ViewRow(f"{pair.a} {MINUS} {pair.b}", where, False, f"{pair.n:,}", cells, task=pair.task))
    return ViewTable("Every paired difference", ("difference", "p", "corrected p"), tuple(rows))


def shape_table(data: AlignmentData) -> ViewTable | None:
    """Shape bias by category, with the decisions behind it."""
    if not data.shape_set:
        return None
    counts = {observer: data.shape_counts(observer) for observer in data.drawn}
    categories = dict.fromkeys(category for by_category in counts.values() for category in by_category)
    rows = []
    for category in categories:
        cells = []
        for observer in data.drawn:
            estimate = data.estimate(observer, data.shape_set, category, SHAPE_BIAS)
            shape, texture = counts[observer].get(category, (0, 0))
            cell = _cell(estimate)
            cells.append(ViewCell(cell.value, cell.span, change=f"{shape} / {texture}"))
        rows.append(ViewRow(category, "", False, "", tuple(cells)))
    heads = tuple(data.label(observer) for observer in data.drawn)
    return ViewTable(
        "Shape bias by category", heads, tuple(rows), "Second line: decisions for shape / texture.", first="Category"
    )


def _cell(estimate: Estimate) -> ViewCell:
    if not estimate.measured:
        return ViewCell(HOLE)
    return ViewCell(span(estimate.value, math.nan, math.nan), _ends(estimate.low, estimate.high), n=f"{estimate.n:,}")


def _ends(low: float, high: float, sign: bool = False) -> str:
    if math.isnan(low):
        return ""
    return f"[{number(low, sign)}, {number(high, sign)}]"


# Human alignment on the page: a section for each world in which models were compared with observers.


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
            (f"{title}, error consistency in its other forms", (forms_table(world),)),
            (f"{title}, shape bias by category", () if shape is None else (shape,)),
            (f"{title}, every paired difference", (difference_table(world, data),)),
        ),
    )


# Numbers that others published for the same photographs, separate from those measured here.


_LEGEND = (
    "In percent, as published by others: not measured here, without intervals, and not tested against the models "
    "above. ↓: lower is better."
)


def published_sections(data: ReportData) -> list[ViewSection]:
    """A table of models others measured, with a column for each number of the report's photograph tasks.

    Args:
        data: The report's input.

    Returns:
        One section; none where no task shows photographs, since numbers on photographs do not apply to another world.
    """
    rows: dict[str, dict[tuple[str, str], PublishedScore]] = {}
    columns: dict[tuple[str, str], str] = {}
    for task in data.task_records:
        if task.get("world") != "photographs":
            continue
        for score in published_for(str(task["name"])):
            key = (score.data_set, score.metric)
            columns.setdefault(key, f"{title_of(task)}: {metric(score.metric).heading}")
            rows.setdefault(score.model, {})[key] = score
    if not rows:
        return []
    table = ViewTable(
        "Published by others",
        tuple(columns.values()),
        tuple(
            ViewRow(model, "published", False, "", tuple(_published_cell(values.get(key)) for key in columns))
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


def _published_cell(score: PublishedScore | None) -> ViewCell:
    return ViewCell(HOLE if score is None else value_text(score.value, score.metric), absent="not published")


# What to know of the models before they are compared.


def standing_sections(data: ReportData) -> list[ViewSection]:
    """Sizes and training data of the models, what was seen in training, and agreement with timm's own numbers.

    Args:
        data: The report's input.

    Returns:
        One section; none where the models do not differ in these and timm published nothing of them.
    """
    notes, matched = standing_lines(data), matches(data)
    known = [record for record in data.models if pixels(record)]
    if not notes and not any(marks(data).values()):
        return []
    models = tuple(
        ViewRow(str(record["name"]), "", False, "", tuple(ViewCell(text, absent="not known") for text in about(record)))
        for record in known
    )
    tables = [ViewTable("Models", ("Images", "Trained on"), models, first="Model")]
    if matched:
        rows = tuple(
            ViewRow(
                match.title,
                match.model,
                False,
                f"{match.agreement.n:,}",
                (
                    ViewCell(hundredths(match.agreement.value)),
                    ViewCell(hundredths(match.agreement.published)),
                    ViewCell(hundredths(match.agreement.difference, sign=True)),
                    ViewCell(f"±{hundredths(match.agreement.margin)}"),
                    ViewCell("agrees" if match.agreement.agrees else "differs"),
                ),
            )
            for match in matched
        )
        heads = ("Measured", "Published by timm", "Difference", "Expected", "Verdict")
        tables.append(ViewTable("Does the run match timm's own?", heads, rows, first="Task, top-1"))
    return [
        ViewSection(
            "What the models have seen",
            "standing",
            tables=tuple(tables),
            first="Model",
            legend=_STANDING if matched else "",
            notes=tuple(notes),
            open_notes=True,
        )
    ]


_STANDING = (
    "In percent. Expected: the largest difference (95 %) that the choice of the images, where they are only a part of "
    "the set, and the arithmetic explain."
)
