"""Kinds of tasks: names of columns and metrics agree, and every task says what its kind needs."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

from vitobench.errors import VitobenchError
from vitobench.results.metrics import Metric, metric
from vitobench.tasks.kinds import KINDS
from vitobench.tasks.kinds.kind import Kind, Means
from vitobench.tasks.labels import Truth
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.samples import Answers
from vitobench.tasks.task import Task

IDS = np.array(["a", "b", "c", "d"])
TRUTH = Truth(
    textures=dict(zip(IDS.tolist(), (1, 0, 1, 1), strict=True)),
    categories=("bear", "cat"),
    anchors={"a": ["b"], "c": ["d"]},
    sequences={"snow": {"s": ["a", "b"], "t": ["c", "d"]}},
    accepted={name: (0, 1) for name in IDS.tolist()},
    votes={name: (1.0, 0.0, 2.0) for name in IDS.tolist()},
)


def answers(task: Task) -> Answers:
    cells = len(task.conditions)
    decisions = np.tile(np.array([[0], [1], [0], [1]], np.int16), (1, cells))
    labels = np.array([0, 0, 1, 1])
    correct = (decisions == labels[:, None]).astype(np.float32)
    top = np.tile(np.arange(5, dtype=np.int16), (4, cells, 1))
    numbers = {}
    if task.kind.numbers:
        numbers = {
            f"{task.kind.whole(task)} {name}": np.full((4, cells), 0.5, np.float32) for name in task.kind.numbers
        }
    return Answers("m", IDS, decisions, correct, labels, np.full((4, cells), 0.5, np.float32), top, numbers)


def test_kinds_are_known_by_their_own_name() -> None:
    assert all(kind.name == name for name, kind in KINDS.items())
    assert {task.kind.name for task in TASKS.values()} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_baselines_that_are_made_from_the_truth_are_ceilings(kind: Kind) -> None:
    assert set(kind.ceilings) == {name for name in kind.observers if name.startswith("true ")}


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_measures_read_columns_that_the_units_have(task: Task) -> None:
    own = answers(task)
    units = task.kind.units(task, own, own, TRUTH)
    assert len(set(units.columns)) == len(units.columns) == units.values.shape[1]
    names = (*units.columns, *units.beyond)
    means = Means(names, np.full((3, len(names)), 0.25))
    for measure in task.kind.measures(task, TRUTH):
        assert metric(measure.metric).name == measure.metric
        assert set(measure.reads) | set(measure.counts) <= set(units.columns)
        assert measure.proportion is None or measure.reads == (measure.proportion,)
        both = Means(names, means.array, means) if measure.needs_reference else means
        assert measure.compute(both).shape == (3,)
        of_means = Means(units.columns, means.array[:, : len(units.columns)], both.reference)
        with pytest.raises(KeyError) if measure.beyond else nullcontext():
            measure.compute(of_means)


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_the_headline_is_made_of_numbers_that_there_are(task: Task) -> None:
    numbers = {(measure.condition, measure.metric) for measure in task.kind.measures(task, TRUTH)}
    lines = task.kind.lines(task)
    assert {(line.condition, line.metric) for line in lines} <= numbers
    main = (task.kind.whole(task), task.metric)
    assert task.kind.together or main in {(line.condition, line.metric) for line in lines}
    assert metric(task.metric)


def test_a_normalised_number_without_its_reference_is_an_error() -> None:
    task = TASKS["micro-c"]
    (mce,) = [m for m in task.kind.measures(task, TRUTH) if m.metric == "mce"]
    names = tuple(condition.key for condition in task.conditions)
    with pytest.raises(ValueError, match="reference"):
        mce.compute(Means(names, np.ones((1, len(names)))))


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_what_a_kind_needs_is_a_field_of_truth(kind: Kind) -> None:
    assert set(kind.needs) <= set(Truth.__dataclass_fields__)


def test_an_unknown_metric_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(VitobenchError, match="Did you mean 'mean_flip_rate'"):
        metric("mean_flip_rat")


def test_a_kind_makes_its_own_metrics_known_and_takes_none_of_another() -> None:
    own = Metric("own_errors", "Own errors", better=-1)
    with pytest.raises(VitobenchError, match="Declare it in `metrics` of the kind of task"):
        metric("own_errors")
    type("Own", (Kind,), {"name": "own", "metrics": (own,)})
    assert metric("own_errors") is own
    type("Again", (Kind,), {"name": "again", "metrics": (Metric("own_errors", "Own errors", better=-1),)})
    for name in ("own_errors", "top1"):
        with pytest.raises(ValueError, match=f"the metric '{name}' is declared twice"):
            type("Other", (Kind,), {"name": "other", "metrics": (Metric(name, "Other"),)})
