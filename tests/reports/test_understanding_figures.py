"""Tasks that ask for features on the page: every encoder beside random networks, floors and ceilings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from vitobench.reports.data import Example, Examples, Overlay, ReportData
from vitobench.reports.figures import over_time, understanding
from vitobench.reports.figures.registry import FIGURES
from vitobench.reports.figures.understanding import Role, mains, roles, untrained, without_random
from vitobench.reports.focus import Focus
from vitobench.reports.page.html import render_html
from vitobench.reports.page.pictures import understanding_sections
from vitobench.results.schema import Score

FIFTHS = [f"fifth {number}" for number in range(1, 6)]
FLOORS, CEILINGS = ["unmoved mask"], ["true masks at stride 8"]
VALUES = {"random:vito": 0.4, "moclr": 0.6, "vito": 0.7, "true masks at stride 8": 0.9, "unmoved mask": 0.45}


def features(values: dict[str, float] = VALUES, others: Sequence[str] = ("depth",)) -> ReportData:
    """Masks that are carried, and another task whose error is better when it is lower, with another floor."""
    sources = {"random:vito": "random"} | dict.fromkeys([*FLOORS, *CEILINGS, "mean depth"], "baseline")
    names = [*values, "mean depth"] if others else [*values]
    models = tuple({"name": name, "source": sources.get(name, "zoo")} for name in names)
    carried: dict[str, Any] = {
        "name": "micro-davis", "title": "Masks carried", "metric": "j_and_f", "floors": FLOORS, "ceilings": CEILINGS,
        "over_time": FIFTHS, "headline": [{"condition": "overall", "metric": "j_and_f", "part": False}],
    }  # fmt: skip
    depth = {"name": "depth", "title": "Depth", "metric": "mce", "floors": ["mean depth"], "ceilings": []}
    scores = []
    for name, value in values.items():
        scores.append(Score(name, "micro-davis", "overall", "j_and_f", value, value - 0.05, value + 0.04, 60))
        for part, condition in enumerate(FIFTHS):
            own = value - 0.02 * part
            scores.append(Score(name, "micro-davis", condition, "j_and_f", own, own - 0.1, own + 0.1, 60))
    if others:
        scores += [Score(name, "depth", "overall", "mce", 1 - VALUES[name], 0.1, 0.9, 9) for name in ("vito", "moclr")]
        scores.append(Score("mean depth", "depth", "overall", "mce", 0.8, 0.7, 0.9, 9))
    tasks = (carried, depth) if others else (carried,)
    return ReportData("understanding", tuple(scores), models=models, tasks=tasks)


def test_encoders_come_first_then_random_networks_floors_and_ceilings() -> None:
    data = features()
    expected = {"moclr": Role.ENCODER, "vito": Role.ENCODER, "random:vito": Role.RANDOM}
    expected |= {"unmoved mask": Role.FLOOR, "true masks at stride 8": Role.CEILING}
    assert list(roles(data, "micro-davis").items()) == list(expected.items())
    assert [score.model for score in mains(data, "micro-davis")] == list(expected)
    # The floor of another task has no place here, whatever it is called.
    assert [score.model for score in mains(data, "depth")] == ["moclr", "vito", "mean depth"]


def test_what_needs_no_training_is_the_best_of_floors_and_random_networks_on_the_side_that_is_better() -> None:
    assert untrained(features(), "micro-davis") == 0.45
    assert untrained(features(VALUES | {"random:vito": 0.5}), "micro-davis") == 0.5
    assert untrained(features(), "depth") == 0.8
    assert math.isnan(untrained(features({"vito": 0.7}, others=()), "micro-davis"))


def test_bars_have_the_numbers_and_differ_without_colour() -> None:
    data = features()
    figure = understanding.draw(data)
    rows = understanding.rows(data)
    assert [(row["task"], row["model"], row["role"]) for row in rows][:3] == [
        ("micro-davis", "moclr", "encoder"),
        ("micro-davis", "vito", "encoder"),
        ("micro-davis", "random:vito", "random weights"),
    ]
    drawn = [patch.get_width() for axes in figure.axes for patch in axes.patches]
    assert drawn == pytest.approx([100 * row["value"] for row in rows])
    masks, depth = figure.axes
    assert [text.get_text() for text in masks.get_yticklabels()] == [r["model"] for r in rows if "davis" in r["task"]]
    assert depth.get_xlabel() == "mCE (%) ↓"
    hatched = [patch.get_hatch() for patch in masks.patches]
    assert [bool(hatch) for hatch in hatched] == [False, False, True, False, False]
    dotted = [line.get_xdata()[0] for line in masks.lines if len(set(line.get_xdata())) == 1]
    assert dotted == pytest.approx([45])


def test_controls_are_drawn_whatever_models_are_chosen() -> None:
    data = features()
    figure = understanding.draw(data, Focus(("vito",), tuple(name for name in data.model_names if name != "vito")))
    assert len(figure.axes[0].patches) == 5
    lines = over_time.draw(data, "micro-davis", Focus(("vito",), ("moclr", "random:vito", *FLOORS, *CEILINGS)))
    assert {text.get_text() for text in lines.axes[0].texts} == {"random:vito", *FLOORS, *CEILINGS}
    assert [text.get_text() for text in lines.legends[0].get_texts()] == ["vito", "1 other"]


def test_lines_go_through_the_parts_of_the_clips_and_stop_where_one_has_no_number() -> None:
    data = features()
    hole = [s for s in data.scores if not (s.model == "vito" and s.condition == "fifth 3")]
    data = replace(data, scores=tuple(hole))
    (axes,) = over_time.draw(data, "micro-davis").axes
    whole = {tuple(round(float(y), 6) for y in line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == 5}
    assert (60.0, 58.0, 56.0, 54.0, 52.0) in whole
    (holed,) = [values for values in whole if any(map(math.isnan, values))]
    assert [round(value) for value in holed if not math.isnan(value)] == [70, 68, 64, 62]
    assert len(over_time.rows(data, "micro-davis")) == 5 * 5 - 1
    # Names at the right do not cover each other, although two lines end close to one another.
    close = over_time.draw(features(VALUES | {"random:vito": 0.451}), "micro-davis").axes[0]
    heights = sorted(text.xy[1] for text in close.texts)
    assert min(b - a for a, b in pairwise(heights)) >= 0.05


def test_a_caption_says_which_command_adds_a_random_network() -> None:
    data = features()
    assert without_random(data).endswith(" on Depth, so the bars do not show what training adds. To add one, with the "
                                         "store, limit, seed and folders of this run: bench run --task depth --model "
                                         "random:moclr")  # fmt: skip
    assert without_random(features(others=())) == ""
    alone = features({"vito": 0.7, "unmoved mask": 0.4}, others=())
    assert "No network with random weights was run, so" in FIGURES["understanding"].caption(alone, "").text
    assert without_random(alone).endswith("--task micro-davis --model random:vito")
    imported = replace(alone, models=({"name": "vito", "source": "imported"}, *alone.models[1:]))
    assert without_random(imported).endswith("--model random:NAME")


def test_baselines_alone_are_no_figure() -> None:
    data = features({"unmoved mask": 0.4, "true masks at stride 8": 0.9}, others=())
    assert FIGURES["understanding"].subjects(data) == []
    assert FIGURES["over-time"].subjects(data) == []
    assert understanding_sections(data) == []


def test_the_page_has_a_section_with_both_figures_and_keeps_controls_of_many_encoders() -> None:
    many = {f"model-{number}": 0.5 for number in range(9)}
    data = features(many | VALUES, others=())
    (section,) = understanding_sections(data)
    assert len(section.figures) == 2
    for figure in section.figures:
        assert "3 more models are only in the tables" in figure.caption
        for control in ("random:vito", *FLOORS, *CEILINGS):
            assert f">{control}</text>" in figure.svg
        assert "model-8" not in figure.svg
    text = render_html(features({"vito": 0.7, "random:vito": 0.5, **{name: VALUES[name] for name in FLOORS}}))
    assert "Understanding: what the features know" in text
    assert "3 models and 2 baselines without a network on 2 tasks" in " ".join(text.split())


def test_examples_are_pictures_with_the_rule_that_chose_them() -> None:
    overlays = (
        Overlay("", "", "image/webp", b"\x00", (40, 30)),
        Overlay("<b>vito", "J 71, F 60", "image/webp", b"\xff", (40, 30)),
    )
    shown = Examples((("Masks carried", (Example("a/1, frame 2", overlays),)),), ("This page contains photographs",))
    text = render_html(replace(features(others=()), examples=shown))
    assert 'src="data:image/webp;base64,/w==" width="40" height="30" alt="a/1, frame 2, &lt;b&gt;vito"' in text
    assert "J 71, F 60" in text
    assert text.index("smallest SHA-256") < text.index("This page contains photographs") < text.index("a/1, frame 2")
    # Without pictures there is no rule, and the reason is there.
    absent = render_html(replace(features(others=()), examples=Examples(notes=("bench report --masks",))))
    assert "smallest SHA-256" not in absent
    assert "bench report --masks" in absent


def test_a_single_model_that_is_left_out_is_one() -> None:
    many = {f"model-{number}": 0.5 for number in range(9)}
    (section,) = understanding_sections(features(many, others=()))
    assert "1 more model is only in the tables" in section.figures[0].caption
