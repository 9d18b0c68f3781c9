import csv
import os
import re
from pathlib import Path

import numpy as np
import pytest

from vitobench.tasks.kinds.kind import Means
from vitobench.tasks.labels import Truth
from vitobench.tasks.measures import cue_hits, shape_bias
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.samples import Sampled

# As published with the data of Geirhos et al. (2019), in per cent: ten observers, and all their trials together.
PEOPLE = (96.17, 94.38, 96.73, 91.91, 96.40, 97.60, 94.08, 95.77, 98.66, 95.89)
POOLED = 95.87


def test_decisions_follow_one_cue_the_other_or_none() -> None:
    by_shape, by_texture = cue_hits(np.array([0, 1, 2, 0]), np.array([0, 0, 0, 1]), np.array([1, 1, 1, 0]))
    assert by_shape.tolist() == [True, False, False, False]
    assert by_texture.tolist() == [False, True, False, True]


def test_images_without_conflict_count_for_neither_cue() -> None:
    by_shape, by_texture = cue_hits(np.array([3, 3]), np.array([3, 4]), np.array([3, 3]))
    assert by_shape.tolist() == [False, False]
    assert by_texture.tolist() == [False, True]


def test_shape_bias_by_hand() -> None:
    assert shape_bias(np.array(3), np.array(1)) == 0.75
    found = shape_bias(np.array([0.0, 2.0, 0.0]), np.array([4.0, 0.0, 0.0]))
    np.testing.assert_array_equal(found, [0.0, 1.0, np.nan])


def test_shape_bias_is_pooled_over_trials_and_not_averaged_over_categories() -> None:
    # Category a: 9 shape and 1 texture decisions; category b: 1 texture decision.
    columns = np.zeros((12, 7))
    columns[:9, [1, 3]] = 1
    columns[9, [2, 5]] = 1
    columns[10, [2, 6]] = 1
    names = ("correct", "shape", "texture", "shape, a", "shape, b", "texture, a", "texture, b")
    means = Means(names, columns.mean(0)[None])
    sampled = Sampled(names, columns, means, means)
    task = TASKS["micro-cue-conflict"]
    measures = task.kind.measures(task, Truth(categories=("a", "b")))
    values = {(m.condition, m.metric): (m.compute(means)[0], sampled.count(m)) for m in measures}
    assert values[("overall", "shape_bias")] == (pytest.approx(9 / 11), 11)
    assert values[("a", "shape_bias")] == (pytest.approx(9 / 10), 10)
    assert values[("b", "shape_bias")] == (0.0, 1)
    assert values[("overall", "top1")] == (0.0, 12)


def test_people_have_their_published_shape_bias() -> None:
    folder = Path(os.environ.get("VITOBENCH_TEST_DATA", "")) / "human" / "cue-conflict"
    if "VITOBENCH_TEST_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with trials of human observers (human/cue-conflict/*.csv)")
    values, hits = [], np.zeros(2)
    classes: dict[str, int] = {"na": -1}

    def index(word: str) -> int:
        return classes.setdefault(word, len(classes))

    for path in sorted(folder.glob("*subject-*.csv")):
        with path.open(encoding="utf-8", newline="") as handle:
            trials = list(csv.DictReader(handle))
        shown = [
            re.sub(r"\d", "", trial["imagename"].split("_")[-1].removesuffix(".png")).split("-") for trial in trials
        ]
        assert [shape for shape, _ in shown] == [trial["category"] for trial in trials]
        decided = np.array([index(trial["object_response"]) for trial in trials])
        shapes, textures = (np.array([index(cue[which]) for cue in shown]) for which in (0, 1))
        found = np.array([hit.sum() for hit in cue_hits(decided, shapes, textures)])
        assert (shapes != textures).sum() == 1200
        values.append(100 * float(shape_bias(*found)))
        hits += found
    assert values == pytest.approx(PEOPLE, abs=0.005)
    assert 100 * float(shape_bias(*hits)) == pytest.approx(POOLED, abs=0.005)
