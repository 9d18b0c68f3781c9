"""Figures of human alignment: what is drawn, with few observers and with many, beside people and simulated ones."""

from __future__ import annotations

import csv
import io
import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from matplotlib.colors import to_hex

from vitobench.reports.alignment_data import ALL, OVERALL, AlignmentData, Observer
from vitobench.reports.figures.alignment import (
    BENCHMARK,
    accuracy_against_consistency,
    agreement_matrix,
    agreement_of,
    agreement_rows,
    bar_rows,
    benchmark_bars,
    benchmark_rows,
    expected_by_chance,
    scatter_rows,
)
from vitobench.reports.figures.severity import accuracy_by_strength, consistency_by_strength, strength_rows
from vitobench.reports.figures.shape_bias import observer_shares, shape_bias_with_people, shape_bias_with_people_rows
from vitobench.reports.figures.style import INK, REST, names_of, observer_pens, to_svg
from vitobench.reports.focus import Focus
from vitobench.reports.wording import csv_text
from vitobench.results.published.tables import PublishedScore
from vitobench.results.schema import ObserverDecisions, ObserverScore

CATEGORIES = [f"category {letter}" for letter in "abcdefghijklmnop"]
METRICS = ("accuracy", "accuracy_difference", "observed_consistency", "expected_consistency", "error_consistency")
NO_AXIS = {"axis": "", "conditions": ["0"], "ticks": [""], "excluded": [], "kind": "nonparametric"}
SETS: list[Any] = [
    {"name": "contrast", "task": "alignment-contrast", "title": "Contrast", "axis": "Contrast (%)",
     "conditions": ["c100", "c50", "c30", "c03"], "ticks": ["100", "50", "30", "3"], "excluded": ["c100", "c03"],
     "kind": "parametric"},
    {"name": "colour", "task": "alignment-colour", "title": "Colour", "axis": "Colour", "conditions": ["cr", "bw"],
     "ticks": ["colour", "grey"], "excluded": ["cr"], "kind": "binary"},
    {"name": "edge", "task": "alignment-edge", "title": "Edges", **NO_AXIS},
    {"name": "cue-conflict", "task": "alignment-cue-conflict", "title": "Cue conflict", **NO_AXIS},
]  # fmt: skip
PUBLISHED = [
    PublishedScore("ResNet-50", ALL, metric, value, "s", "p")
    for metric, value in zip(METRICS, (0.559, 0.087, 0.665, None, 0.208), strict=True)
    if value is not None
]
PUBLISHED += [
    replace(PUBLISHED[0], data_set="cue-conflict", metric="shape_bias", value=value) for value in (0.214, 0.2207)
]


def build(models: int, simulated: bool = False, published: bool = True, hole: bool = False) -> AlignmentData:
    rng = random.Random(3)
    group, kind = ("simulated observers", "simulated") if simulated else ("humans", "human")
    people = [f"subject-{number:02d}" for number in range(1, 4)]
    names = [f"model {index}" for index in range(models)]
    scores: list[ObserverScore] = []

    def add(observer: str, data_set: str, condition: str, metric: str, value: float) -> None:
        task = "alignment" if data_set == ALL else f"alignment-{data_set}"
        scores.append(
            ObserverScore(observer, task, condition, metric, value, value - 0.02, value + 0.03, 160, data_set)
        )

    for observer in (*names, group):
        for metric in METRICS:
            for record in SETS:
                for condition in record["conditions"]:
                    add(observer, record["name"], condition, metric, rng.uniform(0.1, 0.8))
            missing = hole and observer == names[0]
            add(observer, ALL, OVERALL, metric, math.nan if missing else rng.uniform(0.2, 0.8))
        add(observer, "cue-conflict", OVERALL, "shape_bias", rng.uniform(0.2, 0.9))
    for person in people:
        add(person, "edge", "0", "accuracy", 0.8)
    order = (people[0], *names, *people[1:])
    decisions = [
        ObserverDecisions(
            observer=observer, category=category, shape=rng.randint(1, 30), texture=rng.randint(1, 30), other=0
        )
        for observer in (*names, *people, group)
        for category in CATEGORIES
    ]
    values = [[math.nan if a == b else round(0.01 * (a + b), 2) for b in range(len(order))] for a in range(len(order))]
    return AlignmentData(
        scores=scores,
        data_sets=SETS,
        observers=[
            *({"name": name, "kind": "model", "label": name} for name in names),
            *({"name": name, "kind": kind, "label": name} for name in (group, *people)),
        ],
        reference=group,
        agreement=[{"data_set": "edge", "observers": order, "values": values}],
        shape_decisions=decisions,
        published=PUBLISHED if published else [],
    )


FIGURES: dict[str, Callable[[AlignmentData], Any]] = {
    "shape": shape_bias_with_people,
    "accuracy": accuracy_by_strength,
    "consistency": consistency_by_strength,
    "matrix": lambda data: agreement_matrix(data, "edge"),
    "scatter": accuracy_against_consistency,
    "bars": benchmark_bars,
}


DRAWN_WITH: dict[str, Callable[[AlignmentData, Focus], Any]] = {
    "accuracy": accuracy_by_strength,
    "scatter": accuracy_against_consistency,
    "shape": shape_bias_with_people,
}


@pytest.mark.parametrize("models", [0, 2, 30])
@pytest.mark.parametrize("name", FIGURES)
def test_few_and_many_observers_are_drawn_as_pictures_without_pixels(name: str, models: int) -> None:
    data = build(models)
    text = to_svg(FIGURES[name](data), name, name)
    if models == 2:
        assert text == to_svg(FIGURES[name](data), name, name)
    assert "data:image" not in text
    assert "http" not in text


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_drawn_as_nothing(name: str) -> None:
    data = AlignmentData(scores=[], data_sets=SETS, agreement=[{"data_set": "edge", "observers": (), "values": []}])
    to_svg(FIGURES[name](data), name, name)


@pytest.mark.parametrize("name", ["accuracy", "consistency", "scatter", "bars", "matrix", "shape"])
def test_simulated_observers_are_called_so_wherever_they_are_named(name: str) -> None:
    data = build(2, simulated=True)
    text = to_svg(FIGURES[name](data), name, name)
    assert "simulated" in text
    assert "humans" not in text
    assert "ublished" not in text


def test_a_simulated_observer_whose_label_does_not_say_so_is_still_called_so() -> None:
    observers = [{"name": "reference", "kind": "simulated", "label": "ideal observer"}]
    data = AlignmentData(scores=[], observers=observers, reference="reference", published=PUBLISHED)
    assert data.simulated
    assert data.label("reference") == "ideal observer (simulated)"
    assert data.published_values("accuracy") == {}
    assert AlignmentData(scores=[], published=PUBLISHED).published_values("accuracy") == {"ResNet-50": 0.559}


CHOSEN = Focus(("model 3", "model 20"), tuple(f"model {n}" for n in range(30) if n not in (3, 20)))


def test_models_in_the_background_are_grey_and_only_counted_in_the_legend() -> None:
    data = build(30)
    for name, per_panel in (("accuracy", 28), ("scatter", 28), ("shape", 28)):
        figure = DRAWN_WITH[name](data, CHOSEN)
        assert sum(line.get_color() == REST for line in figure.axes[0].lines) == per_panel
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert labels == ["model 3", "model 20", "humans", "28 others"]
    # Two in colour have their intervals, which thirty would hide: two curves, two whiskers; and the line of chance.
    lines = accuracy_by_strength(data, CHOSEN).axes[0].lines
    assert sum(line.get_color() not in (REST, INK) for line in lines) == 2 * (2 + 2) + 1


def test_bars_in_the_background_keep_their_names() -> None:
    axes = benchmark_bars(build(30), CHOSEN).axes[0]
    assert len(axes.get_yticklabels()) == 32
    assert sum(to_hex(bar.get_facecolor()) == REST for bar in axes.patches) == 28


def test_pens_of_thirty_models_differ_and_none_has_the_ink_of_people() -> None:
    data = build(30)
    found = observer_pens(data)
    assert len({(found[name].colour, found[name].marker) for name in data.models}) == 30
    assert found["humans"].colour == INK
    assert INK not in {found[name].colour for name in data.models}


def test_shape_bias_has_a_marker_per_category_and_a_line_per_observer() -> None:
    data = build(2)
    left, right = shape_bias_with_people(data).axes
    drawn = [line for line in left.lines if len(line.get_xdata()) == len(CATEGORIES)]
    assert len(drawn) == 3 + 3  # two models, humans, three people
    lines = {line.get_xdata()[0] for line in left.lines if len(set(line.get_xdata())) == 1}
    for observer in ("model 0", "model 1", "humans"):
        assert 1 - data.estimate(observer, "cue-conflict", OVERALL, "shape_bias").value in lines
    bands = [patch for patch in left.patches if patch.get_height() == 1]
    assert sorted(round(patch.get_width(), 6) for patch in bands) == [0.05] * 3
    assert left.get_xlabel() == "Fraction of 'texture' decisions"
    assert left.child_axes[0].get_xlabel() == "Fraction of 'shape' decisions"
    assert "ResNet-50 (published)" in [text.get_text() for text in right.get_yticklabels()]
    # Of two published values the first is drawn.
    assert [bar.get_width() for bar in right.patches if bar.get_hatch()] == [0.214]


def test_categories_are_in_the_order_of_the_group_compared_with() -> None:
    data = build(2)
    axes = shape_bias_with_people(data).axes[0]
    fractions = observer_shares(data, "humans")
    shown = [fractions[text.get_text().lower()] for text in axes.get_yticklabels()]
    assert shown == sorted(fractions.values(), reverse=True)


def test_strength_has_a_panel_per_graded_set_and_greys_what_does_not_count() -> None:
    data = build(2)
    contrast, colour = accuracy_by_strength(data).axes
    assert (contrast.get_title("left"), colour.get_title("left")) == ("Contrast", "Colour")
    assert [text.get_text() for text in contrast.get_xticklabels()] == ["100", "50", "30", "3"]
    greyed = [text.get_text() for text in contrast.get_xticklabels() if text.get_color() != INK]
    assert greyed == ["100", "3"]
    assert len(contrast.patches) == 2
    assert len(contrast.collections) == 1  # the group's band
    assert contrast.get_ylim() == (0, 1)
    assert [1 / 16] * 2 in [list(line.get_ydata()) for line in contrast.lines]
    kept = [data.estimate("model 1", "contrast", c, "accuracy").value for c in ("c50", "c30")]
    assert kept in [list(line.get_ydata()) for line in contrast.lines]


def test_consistency_by_strength_goes_below_nothing_and_names_whom_it_is_with() -> None:
    figure = consistency_by_strength(build(2))
    assert figure.axes[0].get_ylim() == (-0.2, 1)
    assert [0, 0] in [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert figure.get_supylabel() == "Error consistency (κ)\nwith humans"


def test_intervals_of_many_models_are_left_out_of_the_curves() -> None:
    few, many = accuracy_by_strength(build(2)).axes[0], accuracy_by_strength(build(30)).axes[0]
    whiskers = [len([1 for line in a.lines if len(set(line.get_xdata())) == 1]) for a in (few, many)]
    assert whiskers == [3 * 2, 2]


def test_the_matrix_puts_models_first_and_people_apart() -> None:
    data = build(2)
    names, values = agreement_of(data, "edge")
    assert names == ["model 0", "model 1", "subject-01", "subject-02", "subject-03"]
    # In the record the order was subject-01, model 0, model 1, ...; values there are a hundredth of both positions.
    assert values[0][2] == pytest.approx(0.01 * (1 + 0))
    assert values[1][3] == pytest.approx(0.01 * (2 + 3))
    axes = agreement_matrix(data, "edge").axes[0]
    assert len(axes.patches) == 25
    assert len(axes.texts) == 20
    places = list(axes.get_xticks())
    assert places[2] - places[1] > places[1] - places[0] == places[3] - places[2]
    assert len(agreement_matrix(build(30), "edge").axes[0].texts) == 0
    with pytest.raises(KeyError):
        agreement_of(data, "sketch")


def test_scatter_draws_what_accuracies_alone_would_give() -> None:
    data = build(2)
    observed, error = accuracy_against_consistency(data).axes
    whole = data.headline("humans", "accuracy").value
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in observed.lines]
    assert ([0, 1], [pytest.approx(1 - whole), pytest.approx(whole)]) in lines
    assert ([0, 1], [0.0, 0.0]) in [(list(line.get_xdata()), list(line.get_ydata())) for line in error.lines]
    for observer in (*data.models, "humans"):
        x, y = (data.headline(observer, metric) for metric in ("accuracy", "observed_consistency"))
        assert ([x.low, x.high], [y.value, y.value]) in lines
        assert ([x.value, x.value], [y.low, y.high]) in lines
    assert ([0.559], [0.665]) in lines
    assert observed.get_ylabel() == "Observed consistency with humans"


def test_chance_is_the_mean_of_chances_where_one_observer_is_equally_accurate_everywhere() -> None:
    accuracies = (0.9, 0.5, 0.1)
    by_condition = [0.7 * q + 0.3 * (1 - q) for q in accuracies]
    assert expected_by_chance(0.7, sum(accuracies) / 3) == pytest.approx(sum(by_condition) / 3)


def test_bars_are_in_order_and_published_ones_are_hatched() -> None:
    data = build(3)
    figure = benchmark_bars(data)
    assert len(figure.axes) == len(BENCHMARK)
    for axes, metric in zip(figure.axes, BENCHMARK, strict=True):
        widths = [bar.get_width() for bar in axes.patches]
        assert widths == sorted(widths, reverse=metric != "accuracy_difference")
        assert len(widths) == 5
        assert [bar.get_width() for bar in axes.patches if bar.get_hatch()] == [
            data.published_values(metric)["ResNet-50"]
        ]
        assert "ResNet-50 (published)" in [text.get_text() for text in axes.get_yticklabels()]


def test_an_observer_without_a_mean_stands_last_with_a_dash() -> None:
    data = build(3, hole=True)
    assert bar_rows(data, "accuracy")[-1].observer == "model 0"
    axes = benchmark_bars(data).axes[0]
    assert len(axes.patches) == 4
    assert [text.get_text().strip() for text in axes.texts] == ["—"]


@pytest.mark.parametrize(
    ("rows", "number"),
    [
        (shape_bias_with_people_rows, 6 * 17 + 1),
        (lambda data: strength_rows(data, "accuracy"), 3 * 6),
        (lambda data: agreement_rows(data, "edge"), 10),
        (scatter_rows, 3 * 4 + 3),
        (benchmark_rows, 4 * 4),
    ],
)
def test_numbers_go_into_a_table_and_come_back(rows: Callable[[AlignmentData], Any], number: int) -> None:
    found = rows(build(2))
    back = list(csv.DictReader(io.StringIO(csv_text(found))))
    assert len(back) == len(found) == number
    for row, text in zip(found, back, strict=True):
        assert list(row) == list(text)
        for key, value in row.items():
            if isinstance(value, float):
                assert text[key] == "" if math.isnan(value) else float(text[key]) == value
    assert csv_text([]) == ""


def test_observers_of_one_label_are_told_apart() -> None:
    def record(name: str, label: str) -> Observer:
        return {"name": name, "label": label, "kind": "model"}

    long = [f"A network with quite a long name, seed {seed} of its recipe" for seed in (0, 1)]
    observers = [record("a", "ViT"), record("b", "ViT"), record("c", long[0]), record("d", long[1])]
    data = AlignmentData(scores=(), observers=(*observers, {"name": "humans", "kind": "human", "label": "humans"}))
    assert [data.label(name) for name in "ab"] == ["ViT (a)", "ViT (b)"]
    found = names_of(data, "abcd")
    assert (found["a"], found["b"]) == ("ViT (a)", "ViT (b)")
    assert "seed 0" in found["c"]
    assert "seed 1" in found["d"]
    # The same in every figure, whoever else is drawn there.
    assert names_of(data, "c") == {"c": found["c"]}
