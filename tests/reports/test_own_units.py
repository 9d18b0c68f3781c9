"""A metric that is no share, such as an RMSE in metres, is shown as it is in everything that shows numbers."""

from __future__ import annotations

import html
import io
import math
import re
from dataclasses import replace

import pytest
from rich.console import Console

from vitobench.bench.api import summary_html
from vitobench.bench.exports.eval_results import notes
from vitobench.reports.comparison import Compared, legend, render_comparison
from vitobench.reports.data import ReportData
from vitobench.reports.figures.headline import ablation, overview
from vitobench.reports.headline import main_lines, render_terminal, to_markdown
from vitobench.reports.page.html import render_html
from vitobench.reports.page.view import metrics_view
from vitobench.reports.tables.registry import TABLES, tables
from vitobench.reports.tables.writing import WRITERS
from vitobench.results.metrics import METRICS, Metric, metric
from vitobench.results.schema import Comparison, Score
from vitobench.tasks.kinds import KINDS

PLAIN = [
    reading
    for reading in dict.fromkeys((*METRICS.values(), *(one for kind in KINDS.values() for one in kind.metrics)))
    if not reading.percent
]
VALUES = {"a": 12.3456, "b": 11.2345, "c": 14.5678}


def report(*readings: Metric) -> ReportData:
    """A task for each metric, whose values are those of `VALUES`."""
    records = tuple(
        {
            "name": one.name, "title": f"Task {n}", "kind": "clean", "metric": one.name, "seed": 0, "views": [],
            "headline": [{"condition": "overall", "metric": one.name, "part": False}],
        }
        for n, one in enumerate(readings)
    )  # fmt: skip
    scores = tuple(
        Score(model, one.name, "overall", one.name, value, value - 2, value + 2, 100)
        for one in readings
        for model, value in VALUES.items()
    )
    pairs = tuple(
        Comparison(model, "b", one.name, "overall", one.name, VALUES[model] - VALUES["b"], -0.5432, 2.7654, 0.2, 100,
                   100, 100, "bootstrap", 1.6543, "primary", 0.2, "tie")
        for one in readings
        for model in ("a", "c")
    )  # fmt: skip
    models = tuple({"name": name, "baseline": "b" if name == "a" else None} for name in VALUES)
    return ReportData("t", scores, pairs, models=models, tasks=records, run={"versions": {}, "seed": 0})


def printed(data: ReportData) -> dict[str, str]:
    """By name, all texts that show numbers."""
    two = replace(data, models=data.models[:2], scores=tuple(s for s in data.scores if s.model != "c"),
                  comparisons=tuple(c for c in data.comparisons if c.a != "c"))  # fmt: skip
    out = io.StringIO()
    console = Console(file=out, width=160, highlight=False)
    render_terminal(data, console)
    headline, start = out.getvalue(), len(out.getvalue())
    render_comparison(Compared(("a", "b"), two), console)
    ((_, (grid,)),) = tables(data, [TABLES["headline"]])
    written = {name: write(grid) for name, write in WRITERS.items() if name != "csv"}
    return {
        "terminal": headline,
        "comparison": out.getvalue()[start:],
        "lines": "\n".join(main_lines(data)),
        "markdown": to_markdown(data),
        "notebook": html.unescape(summary_html(data)),
        **{f"table {name}": html.unescape(text) for name, text in written.items()},
    }


@pytest.mark.parametrize("reading", PLAIN, ids=lambda one: one.name)
def test_every_text_shows_it_as_it_is(reading: Metric) -> None:
    data = report(reading)
    value = f"{12.3456:.{reading.decimals}f}"
    difference = f"+{12.3456 - 11.2345:.{reading.decimals}f}"
    for name, text in printed(data).items():
        assert re.search(rf"(?<![\d.]){re.escape(value)}(?!\d)", text), (name, text)
        assert not re.search(r"1,?234\.|1,?123\.|111\.1|276\.5", text), (name, text)  # times 100
        if name in ("terminal", "comparison", "markdown"):
            assert difference in text, (name, text)
        if name not in ("lines", "comparison") and not name.startswith("table html"):
            assert f"except {reading.label}" in text.replace("$\\kappa$", "κ"), (name, text)
    assert f"except {reading.label}" in legend(Compared(("a", "b"), data))
    assert "a fraction" not in notes(data.task_records[0], data.scores[0], "")


def test_every_number_of_the_page_is_in_its_own_unit() -> None:
    data = report(*PLAIN)
    text = re.sub(r"<(style|script|svg).*?</\1>", "", render_html(data), flags=re.S)
    words = html.unescape(re.sub(r"<[^>]+>", " ", text))
    assert not re.search(r"1,?234\.|1,?123\.|111\.1|276\.5", words)
    assert words.count("12.346") == sum(one.decimals == 3 for one in PLAIN)
    # Differences with their p-values have a line for each as well.
    differences = words[words.index("Every paired difference") :]
    for reading in PLAIN:
        assert f"Overall, {reading.label}" in differences


def test_the_table_of_every_metric_has_those_in_their_own_unit() -> None:
    data = report(*PLAIN)
    data = replace(data, scores=tuple(replace(score, task=PLAIN[0].name) for score in data.scores))
    table = metrics_view(data, data.task_records[0])
    assert table is not None
    assert [row.cells[0].value for row in table.rows] == [f"{12.3456:.{one.decimals}f}" for one in PLAIN]
    assert table.note.startswith(f"In percent, except {PLAIN[0].label}; ")


def test_axes_are_in_the_unit_of_their_metric() -> None:
    data = report(*PLAIN, metric("top1"))
    data = replace(data, scores=tuple(replace(s, value=0.7, ci_low=0.6, ci_high=0.8) if s.metric == "top1" else s
                                      for s in data.scores))  # fmt: skip
    for axes, reading in zip(overview(data).axes, (*PLAIN, metric("top1")), strict=True):
        low, high = axes.get_xlim()
        assert ("(%)" in axes.get_title(loc="left")) is reading.percent
        if reading.percent:
            assert (low, high) == pytest.approx((58, 82), abs=2)
        else:
            assert low == 0
            assert 16.5 < high < 20
            drawn = [float(line.get_xdata()[0]) for line in axes.lines if len(line.get_xdata()) == 1]
            assert sorted(drawn) == pytest.approx(sorted(VALUES.values()))
    for axes, reading in zip(ablation(data, "b").axes, (*PLAIN, metric("top1")), strict=True):
        assert ("(points)" in axes.get_xlabel()) is reading.percent
        assert math.isclose(axes.get_xlim()[1], 1.08 * (276.54 if reading.percent else 3.3333), rel_tol=0.3)
