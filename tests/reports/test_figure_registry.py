"""Figures by name: what is drawn, from what, and that the numbers beside them are those drawn."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vitobench.errors import UnknownNameError
from vitobench.reports.data import ReportData
from vitobench.reports.figures.clean_shifted import clean_against_shifted, clean_shifted_rows, line_of, spots
from vitobench.reports.figures.figure import Caption, Place
from vitobench.reports.figures.headline import (
    ablation,
    ablation_rows,
    checkpoint_curves,
    curve_rows,
    overview,
    overview_rows,
)
from vitobench.reports.figures.registry import FIGURES, figure_spec, file_stem, write_figures
from vitobench.reports.figures.severity import accuracy_by_corruption, severity_rows
from vitobench.reports.figures.style import REST
from vitobench.reports.focus import Focus, base_name, focus, trainings
from vitobench.reports.page import sections
from vitobench.reports.page.html import render_html
from vitobench.results.published.timm import accuracies_of
from vitobench.results.schema import Comparison, Score

from .conftest import FEW, described

DOCS = Path(__file__).parent.parent.parent / "docs" / "figures.md"
MANY = tuple(f"model-{number:02d}" for number in range(50))


def with_steps(data: ReportData) -> ReportData:
    """Three checkpoints of one training, two of another, and one alone."""
    names = [
        "vito@100",
        "vito@200",
        "vito@50",
        "file:runs/a/step-000010.safetensors",
        "file:runs/a/step-20.safetensors",
    ]
    names.append("alone@7")
    scores = [Score(name, "micro-val", "overall", "top1", 0.1 * n, 0.0, 1.0, 9) for n, name in enumerate(names, 1)]
    models = tuple(
        {"name": name} | ({"training_step": 10 * n} if "file" in name else {}) for n, name in enumerate(names)
    )
    return dataclasses.replace(data, scores=tuple(scores), models=models, comparisons=())


def test_each_figure_is_drawn_or_says_what_it_needs(make_report, tmp_path: Path) -> None:
    data = make_report(3, photographs=True, families=FEW)
    drawn = {
        spec.name: [path.name for path in paths]
        for spec, paths in write_figures(data, list(FIGURES.values()), focus(data), tmp_path, ("svg",))
    }
    assert set(drawn) == set(FIGURES)
    assert drawn["headline"] == ["headline.svg", "headline.csv"]
    assert drawn["corruptions"] == [f"corruptions-{t}.{e}" for t in ("micro-c", "imagenet-c") for e in ("svg", "csv")]
    assert drawn["shape-bias"] == ["shape-bias-micro-cue-conflict.svg", "shape-bias-micro-cue-conflict.csv"]
    assert "clean-shifted-micro-light.svg" in drawn["clean-shifted"]
    # Two models are compared with the second one.
    assert drawn["ablation"] == ["ablation-supervised-micro.svg", "ablation-supervised-micro.csv"]
    assert drawn["curves"] == []
    assert drawn["alignment-benchmark"] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        name for names in drawn.values() for name in names
    )
    for path in tmp_path.glob("*.csv"):
        assert list(csv.DictReader(io.StringIO(path.read_text()))), path


def test_nothing_is_drawn_of_nothing(report: ReportData) -> None:
    empty = dataclasses.replace(report, scores=(), comparisons=(), shape_decisions=())
    assert {name: list(spec.subjects(empty)) for name, spec in FIGURES.items()} == {name: [] for name in FIGURES}


def test_files_are_the_same_bytes_again_and_of_their_kind(make_report, tmp_path: Path) -> None:
    data = make_report(2)
    for folder in ("a", "b"):
        list(write_figures(data, [FIGURES["headline"]], focus(data), tmp_path / folder, ("pdf", "svg", "png")))
    starts = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG", "csv": b"task,"}
    for ending, start in starts.items():
        first = (tmp_path / f"a/headline.{ending}").read_bytes()
        assert first.startswith(start)
        assert first == (tmp_path / f"b/headline.{ending}").read_bytes()


def test_names_of_files_stay_apart() -> None:
    spec = FIGURES["ablation"]
    assert file_stem(spec, "vito") == "ablation-vito"
    assert file_stem(spec, "a/b") != file_stem(spec, "a_b")
    assert re.fullmatch(r"ablation-a_b-[0-9a-f]{8}", file_stem(spec, "a/b"))


def test_an_unknown_figure_and_an_unknown_model_are_refused_with_the_nearest_names(report: ReportData) -> None:
    with pytest.raises(UnknownNameError, match="clean-shifted"):
        figure_spec("clean-shift")
    with pytest.raises(UnknownNameError, match="vito-micro"):
        focus(report, ["vito-micr"])


def test_of_many_models_eight_are_in_colour_or_those_that_were_chosen(make_report) -> None:
    data = make_report(50, names=MANY, families=FEW)
    assert len(focus(data).shown) == 8
    assert len(focus(data).rest) == 42
    chosen = focus(data, ["model-40", "model-02"])
    assert chosen.shown == ("model-02", "model-40")
    figure = accuracy_by_corruption(data, "micro-c", chosen)
    axes = figure.axes[0]
    assert sum(line.get_color() == REST for line in axes.lines) == 48
    assert len(axes.lines) == 50
    assert len(axes.collections) == 2  # bands
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["model-02", "model-40", "48 others"]
    assert focus(make_report(8)) == Focus(make_report(8).model_names)


def test_rows_are_what_is_drawn(make_report) -> None:
    data = make_report(2)
    rows = severity_rows(data, "micro-c", families=False)
    assert len(rows) == 15 * 2 * 6
    axes = accuracy_by_corruption(data, "micro-c").axes[0]
    drawn = [value for line in axes.lines for value in line.get_ydata()]
    title = "gaussian_noise"
    assert drawn == pytest.approx([100 * row["top1"] for row in rows if row["corruption"] == title])
    points = {
        round(float(line.get_xdata()[0]), 6)
        for axes in overview(data).axes
        for line in axes.lines
        if len(line.get_xdata()) == 1
    }
    assert points == {round(100 * row["value"], 6) for row in overview_rows(data)}


def shifted(points: dict[str, tuple[float, float]], task: str, clean: str) -> ReportData:
    scores = []
    for model, (x, y) in points.items():
        scores.append(Score(model, clean, "overall", "top1", x, x - 0.01, x + 0.01, 500))
        scores.append(Score(model, task, "overall", "top1", y, y - 0.01, y + 0.01, 500))
    records = tuple(
        described(record)
        for record in ({"name": clean, "kind": "clean"}, {"name": task, "kind": "shift", "clean": clean})
    )
    return ReportData("t", tuple(scores), models=tuple({"name": name} for name in points), tasks=records)


def test_the_line_goes_through_published_models_where_there_are_some() -> None:
    data = shifted({"mine": (0.7, 0.65)}, "imagenet-sketch", "imagenet-val")
    shown = spots(data, "imagenet-sketch")
    standard = accuracies_of("imagenet-sketch")
    assert {spot.model for spot in shown if spot.kind == "standard"} == set(standard)
    line, _ = line_of(shown)
    x, y = (np.array([math.log(p[i] / (1 - p[i])) for p in standard.values()]) for i in (0, 1))
    slope, intercept = np.polyfit(x, y, 1)
    at = slope * math.log(0.7 / 0.3) + intercept
    (row,) = [row for row in clean_shifted_rows(data, "imagenet-sketch") if row["model"] == "mine"]
    assert line is not None
    assert row["line"] == pytest.approx(1 / (1 + math.exp(-at)))
    assert row["shifted"] > row["line"]
    axes = clean_against_shifted(data, "imagenet-sketch").axes[0]
    (mine,) = [line for line in axes.lines if line.get_marker() == "o" and line.get_markerfacecolor() != "white"]
    assert mine.get_xydata()[0] == pytest.approx([math.log(0.7 / 0.3), math.log(0.65 / 0.35)])


def test_without_published_models_three_make_a_line_and_two_do_not() -> None:
    points = {"a": (0.6, 0.4), "b": (0.7, 0.5), "c": (0.8, 0.6)}
    assert line_of(spots(shifted(points, "micro-light", "micro-val"), "micro-light"))[0] is not None
    del points["c"]
    data = shifted(points, "micro-light", "micro-val")
    assert line_of(spots(data, "micro-light")) == (None, "")
    assert all(math.isnan(row["line"]) for row in clean_shifted_rows(data, "micro-light"))


def test_accuracies_of_nothing_and_everything_are_drawn_at_the_edge() -> None:
    data = shifted({"all": (1.0, 1.0), "none": (0.0, 0.0), "x": (0.5, 0.4)}, "micro-light", "micro-val")
    (axes,) = clean_against_shifted(data, "micro-light").axes
    assert np.isfinite([*axes.get_xlim(), *axes.get_ylim()]).all()
    for axis in (axes.xaxis, axes.yaxis):
        labels = [text.get_text() for text in axis.get_ticklabels()]
        assert (labels[0], labels[-1]) == ("≤ 0.1", "≥ 99.9")
        assert "50" in labels


def test_published_models_of_the_same_photographs_stand_beside_those_measured() -> None:
    data = shifted({"mine": (0.7, 0.4)}, "imagenet-c", "imagenet-val")
    published = {spot.model: spot for spot in spots(data, "imagenet-c") if spot.kind == "published"}
    assert published["ResNet-50, AugMix"].clean[0] == 0.775
    assert published["ResNet-50, AugMix"].shifted[0] == 0.493
    other = shifted({"mine": (0.7, 0.4)}, "micro-c", "micro-val")
    assert {spot.kind for spot in spots(other, "micro-c")} == {"measured"}


@pytest.mark.parametrize(
    ("model", "base"),
    [
        ("vito@500", "vito"),
        ("vito", "vito"),
        ("file:runs/vito/step-000500.safetensors", "file:runs/vito"),
        ("file:runs/vito-step500.safetensors", "file:runs/vito"),
        ("file:runs/vito_step_500.safetensors", "file:runs/vito"),
        ("file:stepwise/model.safetensors", "file:stepwise/model"),
        ("step-5", "step-5"),
    ],
)
def test_names_without_their_step(model: str, base: str) -> None:
    assert base_name(model) == base


def test_checkpoints_of_one_training_make_a_line_in_the_order_of_their_steps(report: ReportData) -> None:
    data = with_steps(report)
    found = {training.name: training.models for training in trainings(data)}
    assert list(found["vito"]) == [50, 100, 200]
    assert list(found["file:runs/a"]) == [30, 40]
    assert "alone" not in found
    (axes,) = checkpoint_curves(data).axes
    assert [list(line.get_xdata()) for line in axes.lines] == [[50, 100, 200], [30, 40]]
    assert list(axes.lines[0].get_ydata()) == pytest.approx([30, 10, 20])
    assert [row["step"] for row in curve_rows(data)] == [50, 100, 200, 30, 40]


def test_ablation_has_a_row_for_each_variant_and_is_hollow_where_nothing_is_clear() -> None:
    scores = tuple(Score(name, "micro-val", "overall", "top1", 0.5, 0.4, 0.6, 100) for name in ("ref", "up", "even"))
    pair = ("micro-val", "overall", "top1")
    comparisons = (
        Comparison("up", "ref", *pair, 0.05, 0.02, 0.08, 0.001, 100, p_adjusted=0.002, verdict="win"),
        Comparison("even", "ref", *pair, 0.01, -0.02, 0.04, 0.5, 100, p_adjusted=0.5, verdict="tie"),
    )
    data = ReportData("t", scores, comparisons, tasks=({"name": "micro-val", "kind": "clean"},))
    assert [(row["variant"], row["verdict"]) for row in ablation_rows(data, "ref")] == [
        ("up", "better"),
        ("even", "open"),
    ]
    (axes,) = ablation(data, "ref").axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["up", "even"]
    markers = [line for line in axes.lines if len(line.get_xdata()) == 1 and line.get_marker() != "None"]
    assert [line.get_xdata()[0] for line in markers] == pytest.approx([5.0, 1.0])
    assert [line.get_markerfacecolor() == "white" for line in markers] == [False, True]


def test_the_page_lists_the_figures_and_tables_there_are() -> None:
    from vitobench.reports.tables.registry import TABLES

    text = DOCS.read_text(encoding="utf-8")
    for heading, registry in (("## Figures", FIGURES), ("## Tables", TABLES)):
        part = text.partition(heading)[2].partition("\n## ")[0]
        rows = re.findall(r"^\| `([^`]+)` \| (.+?) \| (.+?) \|$", part, re.MULTILINE)
        assert rows == [(spec.name, spec.title, spec.needs) for spec in registry.values()]


def test_the_registry_loads_no_matplotlib() -> None:
    script = (
        "import sys, vitobench.reports.figures.registry, vitobench.reports.tables.registry; "
        "assert not {'matplotlib', 'torch', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_shows_what_the_registry_holds(make_report, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_report(2, families=FEW)
    everything = render_html(data)
    on_page = [spec for spec in FIGURES.values() if spec.place is not Place.NOWHERE]
    headings = [spec.caption(data, subject).title for spec in on_page for subject in spec.subjects(data)]
    assert headings
    assert all(heading in everything for heading in headings)
    assert everything.index("Overview") < everything.index('id="figures"')
    mine = dataclasses.replace(
        FIGURES["headline"], name="mine", place=Place.FIGURES, caption=lambda *_: Caption("My own", "")
    )
    monkeypatch.setattr(sections, "all_figures", lambda: {"mine": mine})
    assert "My own" in render_html(data)
    assert "Overview" not in render_html(data)
