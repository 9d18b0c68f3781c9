"""The ranks that a report of many models begins with: sentences, terminal, page and figure."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from vitobench.reports.comparison import Compared, render_comparison
from vitobench.reports.data import ReportData
from vitobench.reports.figures.ranks import rank_rows
from vitobench.reports.figures.registry import FIGURES
from vitobench.reports.headline import render_terminal
from vitobench.reports.page.html import rank_sections, render_html
from vitobench.reports.ranks import about_lines, led_by_ranks, title
from vitobench.results.ranking import Contest, ranked
from vitobench.results.suite_ranking import SuiteRanking, rank_over_tasks

from .conftest import FEW, SHIFTS, build

MEMBERS = [("micro-val",), *((f"micro-{name}",) for name in SHIFTS), ("micro-a",)]


def contests(names: tuple[str, ...], without: str = "") -> dict[str, Contest]:
    """Models in order, two points apart; each number has an error of half a point."""
    made = {}
    for number, (task,) in enumerate(MEMBERS[:-1]):
        rng = np.random.default_rng(number)
        order = [place for place, name in enumerate(names) if name != without or task != "micro-light"]
        values = 0.9 - 0.02 * np.array(order) + 0.001 * rng.standard_normal(len(order))
        errors = 0.005 * rng.standard_normal((len(order), 1000))
        lacking = {without: "not measured"} if len(order) < len(names) else {}
        made[task] = Contest(task, "top1", tuple(names[place] for place in order), values, errors, 800, lacking)
    return made


def ranked_report(names: tuple[str, ...], without: str = "") -> ReportData:
    ranking = rank_over_tasks("microworld", "mean accuracy over tasks", MEMBERS, contests(names, without), names)
    assert ranking is not None
    return replace(build(len(names), names=names, families=FEW), rankings=(ranking,))


@pytest.fixture
def report() -> ReportData:
    return ranked_report(("a", "b", "<i>c</i>", "d", "e"), without="d")


def printed(show: Callable[[Console], None], width: int = 110) -> str:
    out = io.StringIO()
    show(Console(file=out, width=width, highlight=False))
    return out.getvalue()


def ranking_of(data: ReportData) -> SuiteRanking:
    (ranking,) = data.rankings
    return ranking


def test_sentences_say_what_counts_and_what_is_missing(report: ReportData) -> None:
    assert title(report, ranking_of(report)) == "4 models ranked over 5 tasks"
    lines = about_lines(report, ranking_of(report))
    assert lines[0].startswith("Ranked by mean accuracy over tasks: Micro-world, clean; Micro-world, viewpoints;")
    assert "a is clearly better than every other model." in lines
    assert "5 tasks are too few to say what other tasks would give: six or more are needed." in lines
    assert "Not in the mean, not measured here: micro-a." in lines
    assert "Not ranked: d: lacks micro-light (not measured)." in lines
    two = replace(report, rankings=(ranking_of(report), replace(ranking_of(report), world="photographs")))
    assert [title(two, one) for one in two.rankings] == [
        "4 models ranked over 5 tasks on the micro-world", "4 models ranked over 5 tasks on photographs",
    ]  # fmt: skip
    level = replace(ranking_of(report), rows=tuple(replace(row, group=1) for row in ranking_of(report).rows))
    assert "4 of 4 models are level with the best: a, b, <i>c</i>, e." in about_lines(report, level)


def test_nobody_who_can_be_ranked_is_said() -> None:
    names = ("a", "b", "c", "d")
    data = ranked_report(names)
    empty = replace(ranking_of(data), rows=(), unranked=tuple((name, "lacks x (not measured)") for name in names))
    data = replace(data, rankings=(empty,))
    assert "Not ranked: a, b, c, d: lacks x (not measured)." in about_lines(data, empty)
    assert "No two models have all of these tasks, so none is ranked." in printed(lambda c: render_terminal(data, c))
    (section,) = rank_sections(data)
    assert (section.tables, section.figures, section.legend) == ((), (), "")
    assert "none is ranked" in section.lede
    assert list(FIGURES["ranks"].subjects(data)) == []


def test_the_page_of_more_than_three_models_begins_with_their_ranks(report: ReportData) -> None:
    page = render_html(report)
    assert page.index('id="ranks"') < page.index("Ranked by mean accuracy") < page.index('id="headline"')
    assert page.index('<li><a href="#ranks"') < page.index('<li><a href="#headline"')
    assert "<i>c</i>" not in page
    assert "lacks micro-light (not measured)" in page
    assert 'aria-label="4 models ranked over 5 tasks, figure"' in page
    few = ranked_report(("a", "b", "c"))
    assert led_by_ranks(few) == ()
    assert rank_sections(few) == []


def test_a_terminal_begins_with_them(report: ReportData) -> None:
    text = printed(lambda console: render_terminal(report, console))
    lines = [line.split() for line in text.splitlines()]
    row = ranking_of(report).rows[1]
    assert row.model == "b"
    assert ["2", "b", f"{100 * row.value:.1f}"] in [line[:3] for line in lines]
    assert text.index("4 models ranked over 5 tasks") < text.index("against")


def test_the_figure_draws_what_it_lists(report: ReportData) -> None:
    rows = rank_rows(report, "microworld")
    assert [(row["model"], row["rank"], row["low"], row["high"]) for row in rows] == [
        ("a", 1, 1, 1), ("b", 2, 2, 2), ("<i>c</i>", 3, 3, 3), ("e", 4, 4, 4),
    ]  # fmt: skip
    assert {(row["tasks_low"], row["tasks_high"]) for row in rows} == {(1, 4)}
    (axes,) = FIGURES["ranks"].draw(report, "microworld").axes
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert dots == [(row["rank"], place) for place, row in enumerate(rows)]
    spans = [tuple(line.get_xdata()) for line in axes.lines if line.get_marker() != "o"]
    assert spans == [(1, 4)] * 4  # over tasks; over images every rank is certain
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "<i>c</i>", "e"]


def test_a_comparison_of_many_names_who_is_level_with_the_best_in_each_task() -> None:
    names = tuple(f"m{number}" for number in range(10))
    data = ranked_report(names)
    places = tuple(row for one in contests(names).values() for row in ranked(one, 1))
    pairs = tuple(
        replace(row, family="primary", verdict="tie", p_adjusted=0.5)
        for row in data.comparisons
        if row.condition == "overall" and row.metric == "top1" and row.task != "micro-c"
    )
    compared = Compared(names, replace(data, comparisons=pairs), ranks=places)
    text = printed(lambda console: render_comparison(compared, console))
    parts = ["10 models ranked over 5 tasks", "Level with the best by each task's main number", "1 of 10: m0",
             "45 pairs: --json FILE writes their differences"]  # fmt: skip
    found = [text.index(part) for part in parts]
    assert found == sorted(found)
    assert "m0 against m1" not in text
    alone = replace(compared, data=replace(compared.data, rankings=()))
    assert "No rank over tasks: only a suite declares" in printed(lambda console: render_comparison(alone, console))
