"""Accuracy over images and over classes, against scikit-learn, in every bootstrap sample as well."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from vitobench.results import statistics
from vitobench.tasks.registry import get_task
from vitobench.tasks.scoring.samples import Answers, prepare
from vitobench.tasks.scoring.score import score_task
from vitobench.tasks.task import Task
from vitobench.tasks.understanding.classification import Classifying

CLASSES, REPLICATES = 6, 60
HEADS = ("knn", "linear")


def task(by_class: bool) -> Task:
    """One on six classes, in place of the set's own."""
    return replace(get_task("transfer-pets"), protocol=Classifying(CLASSES, by_class=by_class))


def answers() -> Answers:
    """Of 30 images: class 5 has none, although it is named, and class 4 has one, which many draws lack."""
    rng = np.random.default_rng(5)
    true = np.array([0] * 12 + [1] * 8 + [2] * 6 + [3] * 3 + [4])
    named = {head: np.where(rng.random(30) < 0.5, true, rng.integers(0, CLASSES, 30)) for head in HEADS}
    named["linear"][:2] = 5
    numbers = {f"{name} class": own[:, None].astype(np.float32) for name, own in (named | {"true": true}).items()}
    ids = np.array([f"{n:02d}" for n in range(30)])
    none = np.full((30, 1), -1, np.int16)
    return Answers("m", ids, none, none.astype(np.float32), np.full(30, -1), none.astype(np.float32), numbers=numbers)


def classes_of(given: Answers, name: str) -> np.ndarray:
    return given.numbers[f"{name} class"][:, 0].astype(int)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_numbers_and_their_draws_are_those_of_scikit_learn() -> None:
    given = answers()
    prepared = prepare(task(by_class=True), {"m": given}, replicates=REPLICATES)
    sampled = prepared.resampler.sampled("m", prepared.resampler.units["m"].ids)
    measures = {measure.metric: measure for measure in prepared.measures}
    assert measures.keys() == {f"{head}_{mean}accuracy" for head in HEADS for mean in ("", "class_")}
    drawn = [row for _, counts in statistics.draws(30, REPLICATES) for row in counts]
    true = classes_of(given, "true")
    assert {len({*true[row > 0].tolist()}) for row in drawn} >= {4, 5}  # classes that have an image
    for head in HEADS:
        named = classes_of(given, head)
        for metric, oracle in (("accuracy", accuracy_score), ("class_accuracy", balanced_accuracy_score)):
            measure = measures[f"{head}_{metric}"]
            assert measure.compute(sampled.point)[0] == pytest.approx(oracle(true, named))
            expected = [oracle(np.repeat(true, row), np.repeat(named, row)) for row in drawn]
            np.testing.assert_allclose(measure.compute(sampled.samples), expected)
    assert balanced_accuracy_score(true, classes_of(given, "knn")) != accuracy_score(true, classes_of(given, "knn"))


def test_the_mean_of_classes_is_given_where_it_is_the_published_measure() -> None:
    assert {score.metric for score in score_task(task(by_class=False), {"m": answers()}, [], replicates=9).scores} == {
        f"{head}_accuracy" for head in HEADS
    }
    chosen = task(by_class=True)
    assert [line.metric for line in chosen.kind.lines(chosen)] == ["linear_class_accuracy", "knn_class_accuracy"]
    assert chosen.metric == "linear_class_accuracy"


def test_an_image_without_an_answer_leaves_no_number() -> None:
    given = answers()
    given.numbers["true class"][7] = np.nan
    scores = score_task(task(by_class=True), {"m": given}, [], replicates=9).scores
    assert len(scores) == 4
    assert all(np.isnan(score.value) for score in scores)
