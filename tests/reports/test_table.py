"""The headline in a terminal and as Markdown."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from vitobench.reports.headline import render_terminal, to_markdown
from vitobench.reports.wording import interval, value_text


def terminal(data, width=100):
    console = Console(record=True, width=width, file=io.StringIO())
    render_terminal(data, console)
    return console.export_text()


@pytest.mark.parametrize("models", [1, 2, 3, 8])
def test_every_headline_value_fits_a_hundred_columns(make_report, models):
    data = make_report(models)
    text = terminal(data)
    assert max(map(len, text.splitlines())) <= 100
    for score in data.scores:
        if score.condition == "overall" and score.metric in ("top1", "mce", "shape_bias"):
            assert value_text(score.value, score.metric) in text
            assert interval(score.ci_low, score.ci_high, score.metric) in text


def test_evaluated_models_come_first_and_show_the_difference(report):
    lines = terminal(report).splitlines()
    assert lines[0].strip() == "vito-micro  against supervised-micro"
    clean = next(line for line in lines if "Micro-world, clean" in line)
    assert re.search(r"90\.0\s+\[88\.0, 92\.0\]\s+800\s+▲ \+5\.0\s+\[\+1\.9, \+8\.1\]", clean)
    mce = next(line for line in lines if "mCE ↓" in line)
    assert "▲ −12.0" in mce


def test_missing_things_are_listed_and_cut(make_report):
    text = terminal(make_report(3, holes=True))
    assert "Missing (4)" in text
    assert "(3 images): the model returned NaN logits" in text
    assert "—" in next(line for line in text.splitlines() if "Micro-world, light" in line)


def test_procedural_world_is_named(make_report):
    assert "procedural world, not photographs" in terminal(make_report(1))
    mixed = " ".join(terminal(make_report(1, photographs=True)).split())
    assert "cue conflict: images of a procedural world" in mixed


def test_names_are_no_markup(make_report):
    assert "[bold]x[/nope]" in terminal(make_report(1, names=("[bold]x[/nope]",)))


def test_markdown_is_one_table(report):
    lines = [line for line in to_markdown(report).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {7}
    assert "| Micro-world, corrupted | mCE ↓ | 76.7 [73.7, 79.7] | ▲ −12.0 [−15.1, −8.9] |" in to_markdown(report)


def test_markdown_escapes_names(make_report):
    text = to_markdown(make_report(1, names=("a|b<script>",)))
    assert "a\\|b&lt;script&gt;" in text
    assert "<script>" not in text


def test_the_legend_says_over_how_many_main_numbers_the_marks_are_corrected(report):
    families = ("primary", "primary", "secondary")
    rows = tuple(replace(row, family=family) for row, family in zip(report.comparisons, families, strict=False))
    judged = replace(report, comparisons=rows)
    assert "over the 2 main numbers that are compared here" in " ".join(to_markdown(judged).split())
    assert "over the 2 main numbers that are compared here" in " ".join(terminal(judged).split())
    assert "after Holm's correction. mCE" in to_markdown(replace(report, comparisons=()))
