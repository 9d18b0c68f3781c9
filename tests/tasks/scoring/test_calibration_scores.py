"""Calibration, AURRA and top-5 as scores: their values, intervals and paired differences."""

import math
from dataclasses import replace

import numpy as np
import pytest

from vitobench.results import statistics
from vitobench.results.schema import Comparison, Score
from vitobench.tasks.confidences import (
    aurra,
    coverage_at,
    expected_calibration_error,
    resampled,
    rms_calibration_error,
    selective_risk,
)
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.samples import Answers
from vitobench.tasks.scoring.score import Scored, score_task

VAL = TASKS["micro-val"]
ORDERED = {"rms_calibration_error", "aurra", "risk_at_80", "coverage_at_5"}
IDS = np.array([f"i{n:05d}" for n in range(20_000)])


def model(seed: int, n: int, overconfidence: float = 0.0, name: str = "m") -> Answers:
    """Answers whose accuracy is their confidence less some overconfidence; equal seeds share the images' difficulty."""
    rng = np.random.default_rng(seed)
    confidence = np.round(rng.uniform(0.3, 1.0, n), 3)
    right = rng.random(n) < confidence - overconfidence
    labels = rng.integers(0, 16, n)
    ranks = np.argsort(rng.random((n, 16)), axis=1)
    ranks[:, 0] = (labels + 3) % 16
    ranks[right, 0] = labels[right]
    decided = ranks[:, 0].astype(np.int16)[:, None]
    correct, said = right.astype(np.float32)[:, None], confidence.astype(np.float32)[:, None]
    return Answers(name, IDS[:n], decided, correct, labels, said, ranks[:, None, :5].astype(np.int16))


def scores(scored: Scored, name: str = "m") -> dict[str, Score]:
    return {s.metric: s for s in scored.scores if s.model == name}


def comparisons(scored: Scored) -> dict[str, Comparison]:
    return {c.metric: c for c in scored.comparisons}


def test_values_are_those_of_the_functions_and_lie_in_their_intervals() -> None:
    own = model(0, 900, 0.1)
    found = scores(score_task(VAL, {"m": own}, [], replicates=300))
    confidence, correct = own.confidence[:, 0], own.correct[:, 0]
    assert set(found) == {*ORDERED, "top1", "top5", "ece", "worst_classes"}
    assert found["ece"].value == pytest.approx(expected_calibration_error(confidence, correct), abs=1e-7)
    risks = selective_risk(confidence, correct)
    assert found["risk_at_80"].value == pytest.approx(risks[719])
    assert found["coverage_at_5"].value == pytest.approx(coverage_at(risks))
    assert found["rms_calibration_error"].value == pytest.approx(rms_calibration_error(confidence, correct), rel=1e-9)
    assert found["aurra"].value == pytest.approx(aurra(confidence, correct), rel=1e-9)
    hits = [label in top for label, top in zip(own.labels, own.top[:, 0].tolist(), strict=True)]
    assert found["top5"].value == pytest.approx(np.mean(hits))
    assert (found["top5"].ci_low, found["top5"].ci_high) == statistics.wilson(sum(hits), 900)
    for score in found.values():
        assert score.ci_low < score.value < score.ci_high
        assert score.n == 900


def test_differences_pair_the_models_by_image() -> None:
    a, b = model(1, 500, 0.05, "a"), model(1, 700, 0.2, "b")
    scored = score_task(VAL, {"a": a, "b": b}, [("a", "b")], replicates=200)
    found = comparisons(scored)
    counts = np.concatenate([c for _, c in statistics.draws(500, 200)])
    for metric, number in (("rms_calibration_error", rms_calibration_error), ("aurra", aurra)):
        pairs = [(m.confidence[:500, 0], m.correct[:500, 0]) for m in (a, b)]
        values = [number(*pair) for pair in pairs]
        assert found[metric].difference == pytest.approx(values[0] - values[1], rel=1e-9)
        # The same draws, written out as samples of 500 images.
        samples = [np.repeat(np.arange(500), often) for often in counts]
        drawn = np.array([[number(c[s], r[s]) for c, r in pairs] for s in samples])
        if metric == "rms_calibration_error":
            drawn += values - drawn.mean(axis=0)
        low, high = np.quantile(drawn[:, 0] - drawn[:, 1], [0.025, 0.975])
        assert (found[metric].ci_low, found[metric].ci_high) == pytest.approx((low, high), abs=1e-9)
        assert found[metric].n == 500
    assert found["aurra"].difference > 0
    assert found["aurra"].p < 0.05


def test_equal_models_do_not_differ() -> None:
    own = model(2, 400)
    found = comparisons(score_task(VAL, {"a": own, "b": own}, [("a", "b")], replicates=100))
    assert set(found) == {*ORDERED, "top1", "top5", "ece", "worst_classes"}
    for row in found.values():
        assert (row.difference, row.ci_low, row.ci_high, row.p) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("overconfidence", [0.0, 0.15])
def test_intervals_of_the_calibration_error_cover_its_expectation(overconfidence: float) -> None:
    n, metric = 600, "rms_calibration_error"
    many = (model(10_000 + seed, n, overconfidence) for seed in range(400))
    expected = np.mean([rms_calibration_error(m.confidence[:, 0], m.correct[:, 0]) for m in many])
    covered = 0
    for seed in range(60):
        score = scores(score_task(VAL, {"m": model(seed, n, overconfidence)}, [], replicates=150))[metric]
        covered += score.ci_low <= expected <= score.ci_high
    assert covered >= 53


def test_plain_percentiles_would_not_hold_the_estimate_of_a_calibrated_model() -> None:
    # Why the draws are shifted: a sample of a sample is noisier, and noise looks like miscalibration.
    own = model(3, 6000)
    counts = np.concatenate([c for _, c in statistics.draws(6000, 200)])
    drawn = resampled(own.confidence[:, 0], own.correct[:, 0], counts)[:, 0]
    score = scores(score_task(VAL, {"m": own}, [], replicates=200))["rms_calibration_error"]
    assert statistics.interval(drawn)[0] > score.value
    assert score.ci_low < score.value < score.ci_high


def test_too_few_images_are_told_apart_from_what_was_not_stored() -> None:
    few = score_task(VAL, {"m": model(4, 150)}, [], replicates=50)
    assert math.isnan(scores(few)["rms_calibration_error"].value)
    assert math.isfinite(scores(few)["aurra"].value)
    assert set(few.reasons) == {("m", VAL.name, "overall", "rms_calibration_error")}
    assert "fewer than 200" in few.reasons[("m", VAL.name, "overall", "rms_calibration_error")]
    own = model(5, 300)
    lacking = replace(own, confidence=np.where(np.arange(300)[:, None] == 7, np.nan, own.confidence), top=None)
    holes = score_task(VAL, {"m": lacking, "whole": own}, [("m", "whole")], replicates=50)
    missing = {metric for metric, score in scores(holes).items() if math.isnan(score.value)}
    assert missing == {*ORDERED, "top5", "ece"}
    assert not holes.reasons
    assert set(comparisons(holes)) == {"top1", "worst_classes"}
    assert not any(math.isnan(score.value) for score in scores(holes, "whole").values())


def test_shifts_have_them_too() -> None:
    task = TASKS["micro-light"]
    found = scores(score_task(task, {"m": model(6, 300)}, [], replicates=50))
    assert set(found) == {*ORDERED, "top1", "top5", "ece"}
