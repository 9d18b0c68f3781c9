"""Accuracy over splits: the mean of the splits, each split by itself, and classes over all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitobench.tasks.kinds.kind import Means
from vitobench.tasks.labels import Truth
from vitobench.tasks.registry import get_task
from vitobench.tasks.scoring.samples import Answers
from vitobench.tasks.task import Task
from vitobench.tasks.understanding.actions import HEADS, Recognising

CLIPS = {  # true class, then what the head that sees order names
    "1/Dive/g01/a": (0, 0),
    "1/Dive/g01/b": (0, 1),
    "1/Swing/g01/a": (1, 1),
    "1/Swing/g02/b": (1, 1),
    "2/Dive/g01/a": (0, 1),  # the same footage as in the first split
    "2/Swing/g03/a": (1, 1),
}


@pytest.fixture
def task() -> Task:
    protocol = Recognising(("Dive", "Swing"), splits=("split 1", "split 2"))
    return replace(get_task("ucf101"), protocol=protocol)


def numbers(task: Task, clips: dict[str, tuple[int, int]]) -> dict[tuple[str, str], tuple[float, float]]:
    """Value and number of clips of each measure."""
    ids = np.array(sorted(clips))
    true, ordered = (np.array([[clips[name][place]] for name in ids], np.float32) for place in (0, 1))
    named = {head: ordered if head == "ordered" else np.zeros_like(true) for head in HEADS} | {"true": true}
    nothing = np.full((len(ids), 1), np.nan, np.float32)
    answers = Answers(
        "m",
        ids,
        np.full((len(ids), 1), -1, np.int16),
        nothing,
        np.full(len(ids), -1),
        nothing,
        numbers={f"{head} class": values for head, values in named.items()},
    )
    units = task.kind.units(task, answers, None, Truth())
    means = Means(units.columns, units.values.mean(axis=0)[None])
    found = {}
    for measure in task.kind.measures(task, Truth()):
        value = float(measure.compute(means)[0])
        counted = sum(units.values[:, units.columns.index(name)].sum() for name in measure.counts)
        found[measure.condition, measure.metric] = (value, float(counted))
    return found


def test_splits_count_alike_and_classes_are_over_all_of_them(task: Task) -> None:
    found = numbers(task, CLIPS)
    assert found["split 1", "ordered_accuracy"] == (pytest.approx(3 / 4), 4)
    assert found["split 2", "ordered_accuracy"] == (pytest.approx(1 / 2), 2)
    assert found["overall", "ordered_accuracy"] == (pytest.approx((3 / 4 + 1 / 2) / 2), 6)
    assert found["overall", "averaged_accuracy"] == (pytest.approx(1 / 2), 6)
    assert found["overall", "order_gain"] == (pytest.approx(1 / 8), 6)
    assert found["Dive", "ordered_accuracy"] == (pytest.approx(1 / 3), 3)
    assert found["Swing", "ordered_accuracy"] == (pytest.approx(1), 3)


def test_footage_is_drawn_whole_from_all_splits(task: Task) -> None:
    nothing = np.full((6, 1), np.nan, np.float32)
    answers = Answers("m", np.array(sorted(CLIPS)), np.full((6, 1), -1, np.int16), nothing, np.full(6, -1), nothing)
    units = task.kind.units(task, answers, None, Truth())
    assert units.ids.tolist() == ["Dive/g01", "Swing/g01", "Swing/g02", "Swing/g03"]


def test_a_split_without_clips_leaves_no_mean(task: Task) -> None:
    found = numbers(task, {name: named for name, named in CLIPS.items() if name.startswith("1/")})
    assert np.isnan(found["overall", "ordered_accuracy"][0])
    assert found["split 1", "ordered_accuracy"][0] == pytest.approx(3 / 4)
