"""Human alignment in the terminal and on the page."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from vitobench.reports.alignment_data import ALL, AlignmentData
from vitobench.reports.comparison import Compared
from vitobench.reports.data import ReportData
from vitobench.reports.headline import render_terminal, tallies
from vitobench.reports.page.html import render_html
from vitobench.reports.page.sections import (
    alignment_sections,
    difference_table,
    headline_table,
    set_tables,
    shape_table,
)
from vitobench.reports.tables.alignment import holes_in_means, mean_title, render_tables, span
from vitobench.results.schema import Comparison, ObserverComparison, Score

from .conftest import described
from .test_alignment_figures import build

TASK = described({"name": "micro-alignment", "title": "Alignment", "kind": "alignment", "metric": "error_consistency"})


def compared(data: AlignmentData) -> AlignmentData:
    row = ObserverComparison(
        "model 0", "model 1", "alignment", "overall", "error_consistency", -0.0424, -0.0611, -0.0213, 0.002, 480,
        data_set=ALL,
    )  # fmt: skip
    return replace(data, comparisons=[row])


def terminal(data: AlignmentData) -> str:
    out = io.StringIO()
    render_tables(data, Console(file=out, width=140))
    return out.getvalue()


def test_spans() -> None:
    assert span(0.2081, 0.1834, 0.2309) == "0.208 [0.183, 0.231]"
    assert span(-0.0424, -0.0611, -0.0213, sign=True) == "−0.042 [−0.061, −0.021]"
    assert span(float("nan"), 0.1, 0.2) == "—"
    assert span(0.5, float("nan"), float("nan")) == "0.500"
    assert span(-0.0002, -0.0004, 0.0003) == "0.000 [0.000, 0.000]"  # what rounds to 0 has no sign
    assert span(0.0002, -0.0104, 0.0123, sign=True) == "0.000 [−0.010, +0.012]"


def test_headline_has_models_and_the_group_but_no_single_person() -> None:
    data = build(2)
    table = headline_table(data)
    assert [row.label for row in table.rows] == ["model 0", "model 1", "humans"]
    for row in table.rows:
        for cell, metric in zip(row.cells[:4], ("accuracy", "accuracy_difference", "observed_consistency",
                                                "error_consistency"), strict=True):  # fmt: skip
            assert cell.value == f"{data.headline(row.label, metric).value:.3f}".replace("-", "−")


def test_a_part_of_the_sets_has_no_mean_and_says_so() -> None:
    whole = build(2)
    part = replace(whole, scores=[row for row in whole.scores if row.data_set != ALL])
    assert mean_title(whole) == "Mean of the 4 data sets"
    assert "Mean of" not in terminal(part)
    names = tuple(str(record["name"]) for record in part.data_sets)
    (line,) = holes_in_means(replace(part, family=("other", *names, "more")))
    assert line == "No mean over the 6 data sets: only 4 have scores. No scores for: other, more."
    assert holes_in_means(whole) == []


def test_every_set_and_difference_is_on_the_page() -> None:
    data = compared(build(2))
    whole = [replace(row, condition="overall") for row in data.scores if row.condition in ("c100", "cr", "0")]
    data = replace(data, scores=[*data.scores, *whole])
    titles = {row.label for table in set_tables(data) for row in table.rows}
    assert {"Contrast", "Colour", "Edges", "Cue conflict"} <= titles
    pair = Comparison(
        "model 0", "model 1", "alignment", "overall", "error_consistency", -0.0424, -0.0611, -0.0213, 0.002, 480,
        p_adjusted=0.03, verdict="loss",
    )  # fmt: skip
    (row,) = difference_table(data, ReportData("x", (), (pair, replace(pair, task="other")))).rows
    assert row.label == "model 0 − model 1"
    assert [cell.value for cell in row.cells] == ["▼ −0.042", "0.002", "0.030"]
    shape = shape_table(data)
    assert shape is not None
    assert len(shape.rows) == 16


def test_a_part_of_the_sets_shows_each_of_them_openly() -> None:
    whole = build(2)
    overall = [replace(row, condition="overall") for row in whole.scores if row.condition in ("c100", "cr", "0")]
    part = replace(whole, scores=[row for row in [*whole.scores, *overall] if row.data_set != ALL])
    (section,) = alignment_sections(ReportData("x", (), tasks=(TASK,), alignment=(part,)))
    assert [table.title for table in section.tables][:4] == [
        "OOD accuracy", "Accuracy difference ↓", "Observed consistency", "κ"
    ]  # fmt: skip
    assert not all(cell.hole for table in section.tables for row in table.rows for cell in row.cells)
    assert ">Edges<" in render_html(ReportData("x", (), tasks=(TASK,), alignment=(part,))).split('id="details"')[0]
    assert {table.first for table in section.tables} == {"Data set"}
    (section,) = alignment_sections(
        ReportData("x", (), tasks=(TASK,), alignment=(replace(part, family=("more", "edge")),))
    )
    assert section.lede == "No mean over the 2 data sets: only 1 has scores. No scores for: more."
    (section,) = alignment_sections(ReportData("x", (), tasks=(TASK,), alignment=(whole,)))
    assert len(section.tables) == 1


def test_many_models_leave_the_numbers_of_single_sets_to_the_page() -> None:
    assert "By data set" in terminal(build(3))
    assert "By data set" not in terminal(build(30))


@pytest.mark.parametrize("simulated", [False, True])
def test_the_page_says_whom_models_are_compared_with(simulated: bool) -> None:
    score = Score("model 0", "micro-alignment", "overall", "accuracy", 0.5, 0.4, 0.6, 9)
    found = compared(build(2, simulated=simulated))
    data = ReportData("human-alignment", (score,), tasks=(TASK,), alignment=(found,))
    page = render_html(data)
    words = f"Human alignment: agreement with {'simulated observers' if simulated else 'people'}"
    assert f">{words}</h2>" in page
    assert page.count("<figure>") == 6
    assert ("simulated" in page) is simulated
    assert 'id="headline"' not in page  # there is nothing in percent to show


def test_hostile_names_stay_text() -> None:
    data = build(2)
    name = "<script>alert(1)</script>"
    rename = {"model 0": name}
    hostile = replace(
        data,
        scores=[replace(row, model=rename.get(row.model, row.model)) for row in data.scores],
        observers=[{**row, "name": rename.get(row["name"], row["name"]), "label": rename.get(row["name"], row["label"])}
                   for row in data.observers],
        notes=[name],
    )  # fmt: skip
    page = render_html(ReportData("x", (), tasks=(TASK,), alignment=(hostile,)))
    assert page.count("<script") == 1
    assert name not in page
    assert "&lt;script&gt;" in page
    assert "[bold]" not in terminal(hostile)


def test_a_run_of_alignment_alone_prints_its_own_tables() -> None:
    out = io.StringIO()
    render_terminal(ReportData("x", (), tasks=(TASK,), alignment=(build(2),)), Console(file=out, width=140))
    assert "Mean of the 4 data sets" in out.getvalue()
    assert "In percent" not in out.getvalue()


def test_a_tally_counts_alignment() -> None:
    row = Comparison("a", "b", "micro-alignment", "overall", "error_consistency", -0.1, -0.2, -0.05, 0.01, 9)
    data = ReportData("x", (), (row,), models=({"name": "a", "baseline": "b"}, {"name": "b"}), tasks=(TASK,))
    (tally,) = tallies(data)
    assert (tally.better, tally.worse, tally.open, tally.missing) == (0, 1, 0, 0)


def test_a_mean_over_tasks_is_no_task_of_its_own() -> None:
    mean = described(
        {"name": "alignment", "title": "Mean", "kind": "alignment", "metric": "error_consistency", "mean_of": 1}
    )
    rows = tuple(
        Comparison("a", "b", task, "overall", "error_consistency", -0.1, -0.2, -0.05, 0.01, 9, family="primary",
                   p_adjusted=0.01, verdict="loss")
        for task in ("micro-alignment", "alignment")
    )  # fmt: skip
    data = ReportData("x", (), rows, models=({"name": "a", "baseline": "b"}, {"name": "b"}), tasks=(TASK, mean))
    (tally,) = tallies(data)
    assert (tally.better, tally.worse, tally.open, tally.missing) == (0, 1, 0, 0)
    assert Compared(("a", "b"), data).tally("a", "b") == (0, 1, 0, 0)
    assert "2 models on 1 task" in render_html(data)
