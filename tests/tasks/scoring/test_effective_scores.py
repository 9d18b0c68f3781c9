"""Effective robustness as a score, against numpy's polynomial fit, plain loops and the delta method."""

import math

import numpy as np
import pytest

from vitobench.results import statistics
from vitobench.results.published import timm
from vitobench.results.schema import Score
from vitobench.tasks import kinds
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.samples import Answers
from vitobench.tasks.scoring.score import effective_scores
from vitobench.tasks.task import Task

V2, SKETCH, A, R = (
    TASKS[name] for name in ("imagenet-v2-matched-frequency", "imagenet-sketch", "imagenet-a", "imagenet-r")
)


def answers(right: int, n: int) -> Answers:
    """Answers to n images, of which the first are right."""
    correct = (np.arange(n) < right).astype(np.float32)[:, None]
    ids = np.array([f"i{number:05d}" for number in range(n)])
    decisions = np.where(correct > 0, 3, 4).astype(np.int16)
    return Answers("m", ids, decisions, correct, np.full(n, 3), np.full((n, 1), 0.5, np.float32))


def expected(task: Task, clean: float) -> float:
    line = timm.line(task.name)  # held against scipy in tests/results
    return 1 / (1 + math.exp(-(line.slope * math.log(clean / (1 - clean)) + line.intercept)))


def only(task: Task, own: Answers, clean: Answers) -> Score:
    (score,) = effective_scores(task, {"m": own}, {"m": clean})
    return score


@pytest.mark.parametrize("task", [V2, SKETCH, A, R], ids=lambda task: task.name)
def test_the_value_is_accuracy_less_what_the_line_expects(task: Task) -> None:
    score = only(task, answers(240, 500), answers(608, 800))
    assert score.value == pytest.approx(240 / 500 - expected(task, 608 / 800), abs=1e-9)
    assert (score.model, score.task, score.condition, score.metric) == ("m", task.name, "overall", score.metric)
    assert score.metric == "effective_robustness"
    assert score.n == 500


def test_resnet50_by_its_published_accuracies_lies_near_the_line() -> None:
    assert abs(only(V2, answers(6_321, 10_000), answers(7_613, 10_000)).value) < 0.01
    assert abs(only(SKETCH, answers(2_409, 10_000), answers(7_613, 10_000)).value) < 0.02


@pytest.mark.parametrize("n_clean", [400, 900])
def test_the_interval_has_the_width_of_two_independent_samples(n_clean: int) -> None:
    # Of equal length in one case: with common draws the two errors would nearly cancel.
    n, p, x = 400, 0.65, 0.75
    score = only(V2, answers(round(p * n), n), answers(round(x * n_clean), n_clean))
    rise = (expected(V2, x + 1e-5) - expected(V2, x - 1e-5)) / 2e-5
    line = timm.line(V2.name)
    at = math.log(x / (1 - x)) - line.centre
    on_line = expected(V2, x) * (1 - expected(V2, x)) * line.scatter * math.sqrt(1 / line.models + at**2 / line.spread)
    error = math.sqrt(p * (1 - p) / n + rise**2 * x * (1 - x) / n_clean + on_line**2)
    assert score.ci_high - score.ci_low == pytest.approx(2 * 1.96 * error, rel=0.08)
    assert score.ci_low < score.value < score.ci_high


def test_the_interval_is_that_of_the_loop_over_replicates() -> None:
    own, clean = answers(130, 200), answers(230, 300)
    score = only(V2, own, clean)
    shifted_means = statistics.resampled_means(own.correct, seed=0)[:, 0]
    clean_means = statistics.resampled_means(clean.correct, seed=1)[:, 0]
    lines = timm.line(V2.name).draws(statistics.REPLICATES, 2)
    values = [
        s - 1 / (1 + math.exp(-(slope * math.log(x / (1 - x)) + intercept)))
        for s, x, slope, intercept in zip(shifted_means, clean_means, lines.slope, lines.intercept, strict=True)
    ]
    assert (score.ci_low, score.ci_high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])), abs=1e-9)


def test_on_very_many_images_the_line_alone_is_uncertain() -> None:
    """ImageNet-A's line is known less well than ImageNet-V2's."""
    spans = {}
    for task in (V2, A):
        many = only(task, answers(40_000, 200_000), answers(160_000, 200_000))
        spans[task.name] = many.ci_high - many.ci_low
        assert many.ci_low < many.value < many.ci_high
    line = timm.line(A.name)
    at = expected(A, 0.8)
    error = at * (1 - at) * line.scatter * math.sqrt(1 / line.models + (math.log(4) - line.centre) ** 2 / line.spread)
    sampled = math.sqrt(0.2 * 0.8 / 200_000)
    assert spans[A.name] == pytest.approx(2 * 1.96 * math.hypot(error, sampled), rel=0.15)


def test_a_model_without_clean_or_shifted_answers_has_a_hole_and_the_others_have_none() -> None:
    own = {"a": answers(60, 100), "b": answers(60, 100), "c": answers(0, 0), "d": answers(60, 100)}
    clean = {"a": answers(70, 100), "c": answers(70, 100), "d": answers(0, 0)}
    found = {score.model: score for score in effective_scores(V2, own, clean)}
    assert list(found) == ["a", "b", "c", "d"]
    assert math.isfinite(found["a"].value)
    for name in "bcd":
        assert all(math.isnan(v) for v in (found[name].value, found[name].ci_low, found[name].ci_high))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("share", [0, 1])
def test_at_the_ends_the_expectation_is_its_limit(share: int) -> None:
    score = only(V2, answers(5, 10), answers(10 * share, 10))
    assert score.value == pytest.approx(0.5 - share)
    assert score.ci_low <= score.value <= score.ci_high


def test_only_tasks_whose_line_starts_from_their_clean_counterpart_are_scored() -> None:
    assert set(timm.LINES) == {V2.name, SKETCH.name, A.name, R.name}
    for name, task in TASKS.items():
        if effective_scores(task, {"m": answers(6, 10)}, {"m": answers(7, 10)}):
            assert name in timm.LINES
            assert (task.kind, len(task.conditions)) == (kinds.SHIFT, 1)
            assert task.clean is not None
            # The clean images are of the same classes, and answered among the same.
            assert TASKS[task.clean].answers == task.answers
