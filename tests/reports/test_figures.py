"""Figures: what is drawn, that it is deterministic, and that nothing warns."""

from __future__ import annotations

import dataclasses
import math
import re

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from vitobench.reports.data import ReportData
from vitobench.reports.figures import confidence, factors
from vitobench.reports.figures.headline import overview
from vitobench.reports.figures.severity import accuracy_by_corruption, accuracy_by_family, severity_curve
from vitobench.reports.figures.shape_bias import model_shares, shape_bias
from vitobench.reports.figures.style import add_legend, pens, to_svg
from vitobench.reports.page.html import render_html
from vitobench.reports.page.view import corruption_view, factor_view
from vitobench.reports.wording import condition_label
from vitobench.results.schema import Curve, CurvePoint, Score

from .conftest import FEW


def test_a_legend_tells_seeds_of_one_recipe_apart():
    names = [f"file:runs/2026-11-28/vito-seed{seed}/vito.safetensors" for seed in range(3)]
    figure = Figure()
    add_legend(figure, names, line=True)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [f"seed{seed}" in text for seed, text in enumerate(texts)] == [True] * 3
    assert all(len(text) <= 28 for text in texts)


@pytest.mark.parametrize("models", [1, 8])
def test_severity_panels(make_report, models):
    data = make_report(models)
    by_family, by_corruption = (draw(data, "micro-c") for draw in (accuracy_by_family, accuracy_by_corruption))
    assert len(by_family.axes) == 4
    assert len(by_corruption.axes) == 15
    for axes in (*by_family.axes, *by_corruption.axes):
        assert len(axes.lines) == len(axes.collections) == models
    assert len(by_family.legends[0].get_texts()) == models


def test_a_task_without_families_shows_every_corruption_all_the_same(make_report):
    whole = make_report(1, families=FEW)
    records = [dict(record) for record in whole.tasks]
    (task,) = [record for record in records if record["name"] == "micro-c"]
    names = [name for members in task.pop("families").values() for name in members]
    task["headline"] = [line for line in task["headline"] if not line["part"]]
    task["conditions"] = [f"{name}/{severity}" for name in names for severity in range(1, 6)]
    data = dataclasses.replace(whole, tasks=tuple(records))
    assert data.corruptions("micro-c") == (("", tuple(names)),)
    by_family, by_corruption = (draw(data, "micro-c") for draw in (accuracy_by_family, accuracy_by_corruption))
    assert by_family.axes == []
    assert len(by_corruption.axes) == len(names)
    page = render_html(data)
    assert f"{task['title']}: accuracy by severity, family means" not in page
    assert f"{task['title']}: accuracy by severity, every corruption" in page
    rows = {row.label for row in corruption_view(data, task).rows}
    assert {condition_label(name) for name in names} <= rows


def test_clean_counterpart_is_severity_zero(report):
    curve = severity_curve(report, "vito-micro", "micro-c", "gaussian_noise")
    assert len(curve) == 6
    assert curve[0].value == pytest.approx(0.9)
    assert curve[3].value == report.score("vito-micro", "micro-c", "gaussian_noise/3", "top1").value


@pytest.mark.parametrize(("families", "rows"), [(1, [1]), (4, [4]), (5, [5]), (6, [3, 3]), (7, [4, 3])])
def test_families_stand_in_rows_of_equal_length_as_far_as_they_go(make_report, families, rows):
    whole = make_report(1)
    records = [dict(record) for record in whole.tasks]
    (task,) = [record for record in records if record["name"] == "micro-c"]
    names = [name for members in task["families"].values() for name in members][:families]
    task["families"] = {f"family of {name}": [name] for name in names}
    data = dataclasses.replace(whole, tasks=tuple(records))
    by_family, _ = (draw(data, "micro-c") for draw in (accuracy_by_family, accuracy_by_corruption))
    found = [axes.get_subplotspec().rowspan.start for axes in by_family.axes]
    assert [found.count(row) for row in dict.fromkeys(found)] == rows


def test_family_point_is_the_mean_of_its_cells_and_a_hole_when_one_is_missing(make_report):
    data = make_report(2, holes=True)
    members = data.task("micro-c")["families"]["weather"]
    curve = severity_curve(data, "vito-micro", "micro-c", "weather", members)
    cells = [data.score("vito-micro", "micro-c", f"{member}/2", "top1").value for member in members]
    assert curve[2].value == pytest.approx(sum(cells) / 4)
    assert math.isnan(curve[4].value)


def test_a_family_score_of_its_own_wins(report):
    own = Score("vito-micro", "micro-c", "noise/2", "top1", 0.123, 0.1, 0.15, 800)
    data = dataclasses.replace(report, scores=(*report.scores, own))
    assert severity_curve(data, "vito-micro", "micro-c", "noise", ("shot_noise",))[2].value == 0.123


@pytest.mark.parametrize("models", [1, 8])
def test_shape_bias_has_a_marker_per_category_and_a_line_per_model(make_report, models):
    data = make_report(models)
    axes = shape_bias(data, "micro-cue-conflict").axes[0]
    assert len([line for line in axes.lines if len(line.get_xdata()) == 16]) == models
    pooled = 1 - data.score("vito-micro", "micro-cue-conflict", "overall", "shape_bias").value
    assert any(list(line.get_xdata()) == [pooled, pooled] for line in axes.lines)
    assert axes.get_xlabel() == "Fraction of 'texture' decisions"
    assert len(axes.get_yticklabels()) == 17


def test_no_decision_for_either_cue_is_a_hole(report):
    row = {**report.shape_decisions[0], "shape": 0, "texture": 0, "other": 30}
    data = dataclasses.replace(report, shape_decisions=(row, *report.shape_decisions[1:]))
    assert math.isnan(model_shares(data, "micro-cue-conflict")[row["model"]][row["category"]])
    shape_bias(data, "micro-cue-conflict")


@pytest.mark.parametrize("models", [1, 8])
def test_overview_has_a_panel_per_metric(make_report, models):
    figure = overview(make_report(models, holes=True))
    assert [axes.get_title("left").split(" (")[0] for axes in figure.axes] == ["Top-1 accuracy", "mCE", "Shape bias"]


def test_overview_of_nothing_is_drawn(report):
    empty = dataclasses.replace(report, scores=())
    to_svg(overview(empty), "x", "empty")


def test_pens_differ():
    found = pens([str(index) for index in range(8)])
    assert len({pen.colour for pen in found.values()}) == len({pen.marker for pen in found.values()}) == 8
    assert len({(pen.colour, str(pen.dashes)) for pen in pens([str(i) for i in range(16)]).values()}) == 16


def test_svg_is_deterministic_and_leaves_no_trace(report):
    before = dict(mpl.rcParams)
    first = to_svg(accuracy_by_family(report, "micro-c"), "one", "label <&>")
    second = to_svg(accuracy_by_family(report, "micro-c"), "one", "label <&>")
    assert first == second
    assert dict(mpl.rcParams) == before
    assert first.startswith("<svg ")
    assert 'aria-label="label &lt;&amp;&gt;"' in first
    assert "http" not in first
    assert "<metadata" not in first
    assert ">Noise</text>" in first


def test_svg_ids_are_prefixed_and_every_pointer_has_its_target(report):
    text = to_svg(overview(report), "one", "x")
    ids = re.findall(r'\bid="([^"]+)"', text)
    pointers = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    assert pointers
    assert all(name.startswith("one-") for name in ids)
    assert len(ids) == len(set(ids))
    assert pointers <= set(ids)


@pytest.mark.parametrize("name", ["$\\frac{", "日本語モデル", "<b>&\"' --><script>", "x" * 300, "_hidden"])
def test_any_name_can_be_drawn(make_report, name):
    text = to_svg(accuracy_by_family(make_report(1, names=(name,)), "micro-c"), "f", "x")
    assert "<script>" not in text
    assert "<b>" not in text


def annotated(models: int = 2) -> ReportData:
    """A task of three factors, one of which nobody has, and curves of two tasks."""
    names = [f"model-{number}" for number in range(models)]
    ratios = {"pose": 0.7, "texture": 2.4, "style": math.nan}
    scores = [
        Score(name, "x", factor, metric, value + 0.1 * place, value - 0.05, value + 0.3, 40)
        for place, name in enumerate(names)
        for factor, value in ratios.items()
        for metric in ("error_ratio", "top1")
    ]
    curves = [
        CurvePoint(name, task, curve, at, at * at, at * at - 0.02, at * at + 0.02, 50)
        for name in names
        for task in ("x", "other")
        for curve in Curve
        for at in (0.2, 0.5, 1.0)
    ]
    tasks = [
        {"name": "x", "title": "Factors", "views": ["factors"], "families": {"factors": list(ratios)}, "headline": []},
        {"name": "other", "title": "Other", "headline": []},
    ]
    for task in tasks:
        task |= {"world": "photographs", "metric": "top1"}
    return ReportData(
        "r", tuple(scores), models=tuple({"name": n} for n in names), tasks=tuple(tasks), curves=tuple(curves)
    )


def test_factors_are_drawn_from_the_most_affected_down():
    data = annotated()
    assert factors.FIGURE.subjects(data) == ["x"]
    figure = factors.draw(data, "x")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["Texture (40)", "Pose (40)"]
    rows = factors.rows(data, "x")
    assert [(row["factor"], row["model"], row["error_ratio"]) for row in rows[:2]] == [
        ("texture", "model-0", 2.4),
        ("texture", "model-1", pytest.approx(2.5)),
    ]
    assert len(rows) == 4
    table = factor_view(data, data.task("x"))
    assert [(row.label, row.part) for row in table.rows[:2]] == [("Pose", False), ("Pose", True)]
    assert table.rows[0].cells[0].value == "70.0"
    assert table.rows[4].cells[0].hole
    page = render_html(data)
    assert "Factors: error ratio by factor" in page
    assert "Factors: every factor" in page


def test_a_ratio_of_zero_has_no_place_on_a_scale_of_ratios():
    data = annotated(1)
    zero = dataclasses.replace(data, scores=tuple(dataclasses.replace(s, value=0.0, ci_low=0.0) for s in data.scores))
    assert len(factors.rows(zero, "x")) == 3
    axes = factors.draw(zero, "x").axes[0]
    assert len(axes.lines) == 1  # that of no difference
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Pose (40)", "Texture (40)", "Style (40)"]


@pytest.mark.parametrize("models", [2, 12])
def test_confidence_has_a_panel_for_each_task_and_curve(models):
    data = annotated(models)
    assert confidence.FIGURE.subjects(data) == ["photographs"]
    figure = confidence.draw(data, "photographs")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Factors", "Other"] * 2
    assert [len(axes.lines) for axes in figure.axes] == [models + 1, models + 1, models, models]
    assert all(len(axes.collections) == (models if models <= 6 else 0) for axes in figure.axes)
    rows = confidence.rows(data, "photographs")
    assert len(rows) == len(data.curves)
    assert set(rows[0]) == {"curve", "task", "model", "at", "value", "ci_low", "ci_high", "n"}
    assert "Confidence on photographs" in render_html(data)
    assert len(data.of(["model-0"]).curves) == 12
    assert confidence.FIGURE.subjects(dataclasses.replace(data, curves=())) == []
