"""Human alignment on the page: its tables as plain values."""

from __future__ import annotations

import math
from dataclasses import replace

from ..results.schema import Comparison
from .alignment_data import ALL, OVERALL, SHAPE_BIAS, AlignmentData, Estimate
from .alignment_table import HEADS, headline, mean_title, number, span
from .data import ReportData
from .view import ViewCell, ViewRow, ViewTable, p_words
from .wording import HOLE, MARKS, MINUS, verdict, verdict_words

_CALLED = {"humans": "people"}


def reference_words(data: AlignmentData) -> str:
    """The group that models are compared with, in words: ``"people"`` or ``"simulated observers"``."""
    return _CALLED.get(data.reference, data.reference)


def compared_table(data: AlignmentData, report: ReportData) -> ViewTable:
    """`headline_table` with the paired difference of every model to its declared baseline, as judged in the report."""
    table = headline_table(data)
    rows = []
    for row in table.rows:
        entries = []
        for entry, metric in zip(row.cells, HEADS, strict=True):
            task = data.task(data.shape_set if metric == SHAPE_BIAS else ALL)
            pair = report.comparison(row.label, task, OVERALL, metric)
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
    rows = [
        ViewRow(data.label(observer), "", False, "", tuple(_cell(headline(data, observer, metric)) for metric in HEADS))
        for observer in data.drawn
    ]
    return ViewTable(mean_title(data), tuple(HEADS.values()), tuple(rows))


def set_tables(data: AlignmentData) -> list[ViewTable]:
    """A table for each metric: data sets in rows, observers in columns."""
    heads = tuple(data.label(observer) for observer in data.drawn)
    tables = []
    for metric, title in HEADS.items():
        rows = []
        for record in data.data_sets:
            estimates = [data.estimate(observer, record["name"], OVERALL, metric) for observer in data.drawn]
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
