"""Calibration and selective classification against scikit-learn, torchmetrics, plain loops and all orders of ties."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve
from torchmetrics.functional.classification import binary_calibration_error

from vitobench.results.statistics import draws
from vitobench.tasks.confidences import (
    BIN_SIZE,
    aurra,
    bin_of,
    coverage_at,
    expected_calibration_error,
    resampled,
    rms_calibration_error,
    selective_risk,
)
from vitobench.tasks.measures import worst_classes


def answers(seed: int, n: int, trust: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    """Distinct confidences, and an accuracy that rises with them less than they say."""
    rng = np.random.default_rng(seed)
    confidence = rng.permutation((np.arange(n) + 0.5) / n)
    return confidence, (rng.random(n) < trust * confidence).astype(np.float64)


def loop_rms(confidence: list[float], correct: list[float], size: int, last: bool) -> float:
    """Bin by bin over sorted answers; the last bin takes the rest and can be left out."""
    pairs = sorted(zip(confidence, correct, strict=True), key=lambda pair: pair[0])
    bins = max(1, len(pairs) // size)
    total = 0.0
    for number in range(bins if last else bins - 1):
        part = pairs[number * size :] if number == bins - 1 else pairs[number * size : (number + 1) * size]
        gap = sum(c for c, _ in part) / len(part) - sum(r for _, r in part) / len(part)
        total += len(part) / len(pairs) * gap**2
    return math.sqrt(total)


def loop_aurra(confidence: list[float], correct: list[float]) -> float:
    pairs = sorted(zip(confidence, correct, strict=True), key=lambda pair: -pair[0])
    accuracies, right = [], 0.0
    for number, (_, hit) in enumerate(pairs, 1):
        right += hit
        accuracies.append(right / number)
    return sum(accuracies) / len(accuracies)


@pytest.mark.parametrize("n", [100, 199, 200, 250, 999, 1000, 7500])
def test_calibration_error_is_that_of_a_loop(n: int) -> None:
    confidence, correct = answers(n, n)
    whole = rms_calibration_error(confidence, correct, bins="all")
    assert whole == pytest.approx(loop_rms(list(confidence), list(correct), 100, last=True), rel=1e-12)
    official = rms_calibration_error(confidence, correct)
    if n < 200:
        assert math.isnan(official)
    else:
        assert official == pytest.approx(loop_rms(list(confidence), list(correct), 100, last=False), rel=1e-12)
        assert official < whole


def test_calibration_error_is_that_of_scikit_learns_bins() -> None:
    confidence, correct = answers(1, 5000)
    true, said = calibration_curve(correct, confidence, n_bins=50, strategy="quantile")
    assert rms_calibration_error(confidence, correct, bins="all") == pytest.approx(np.sqrt(((true - said) ** 2).mean()))
    # The official code leaves out the last of the 50 bins but still divides by all answers.
    expected = np.sqrt(((true - said)[:-1] ** 2).sum() / 50)
    assert rms_calibration_error(confidence, correct) == pytest.approx(expected)


def test_the_official_error_is_blind_to_the_most_confident() -> None:
    confidence, correct = answers(2, 1000)
    worse = correct.copy()
    worse[np.argsort(confidence)[-100:]] = 0.0
    assert rms_calibration_error(confidence, worse) == rms_calibration_error(confidence, correct)
    assert rms_calibration_error(confidence, worse, bins="all") > rms_calibration_error(confidence, correct, bins="all")


def test_aurra_is_the_mean_precision_over_thresholds_of_scikit_learn() -> None:
    confidence, correct = answers(3, 2000)
    precision, _, thresholds = precision_recall_curve(correct, confidence)
    assert len(thresholds) == 2000
    assert aurra(confidence, correct) == pytest.approx(precision[:-1].mean(), rel=1e-12)
    assert aurra(confidence, correct) == pytest.approx(loop_aurra(list(confidence), list(correct)), rel=1e-12)


def test_aurra_of_equal_confidences_is_the_mean_over_all_orders() -> None:
    confidence = [0.9, 0.5, 0.5, 0.5, 0.5, 0.2, 0.2]
    correct = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0]
    found = []
    for middle in itertools.permutations(correct[1:5]):
        for end in itertools.permutations(correct[5:]):
            found.append(loop_aurra([0.9, 0.54, 0.53, 0.52, 0.51, 0.22, 0.21], [0.0, *middle, *end]))
    assert aurra(np.array(confidence), np.array(correct)) == pytest.approx(np.mean(found), rel=1e-12)


def test_the_order_of_equal_confidences_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    confidence, correct = rng.integers(1, 12, 700) / 12, rng.random(700) < 0.6
    order = rng.permutation(700)
    for number in (rms_calibration_error, aurra):
        assert number(confidence, correct) == pytest.approx(number(confidence[order], correct[order]), rel=1e-12)


def test_extremes() -> None:
    confidence, _ = answers(5, 400)
    assert aurra(confidence, np.ones(400)) == 1.0
    assert aurra(confidence, np.zeros(400)) == 0.0
    assert rms_calibration_error(np.ones(400), np.ones(400), bins="all") == 0.0
    assert rms_calibration_error(np.ones(400), np.zeros(400), bins="all") == pytest.approx(1.0)
    assert math.isnan(aurra(np.empty(0), np.empty(0)))
    assert math.isnan(rms_calibration_error(np.empty(0), np.empty(0)))
    assert BIN_SIZE == 100


def in_a_loop(confidence: np.ndarray, correct: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """`resampled` one resample at a time, as plainly as it can be written."""
    order = np.argsort(confidence, kind="stable")
    values, hits = confidence[order].astype(np.float64), correct[order].astype(np.float64)
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    rows = []
    for often in counts[:, order].astype(np.int64):
        size = np.add.reduceat(often, starts)
        share = np.repeat(np.add.reduceat(often * hits, starts) / np.maximum(size, 1), size)
        trust = np.repeat(values[starts], size)
        n = len(trust)
        edges = np.arange(max(1, n // BIN_SIZE)) * BIN_SIZE
        members = np.diff(np.r_[edges, n])
        squares = (members / n * (np.add.reduceat(trust - share, edges) / members) ** 2)[:-1]
        error = math.sqrt(squares.sum()) if len(squares) else math.nan
        accuracy = np.cumsum(share[::-1]) / np.arange(1, n + 1)
        few = [k for k in range(1, n + 1) if 1 - accuracy[k - 1] <= 0.05 + 1e-12]
        coverage = max(few, default=0) / n
        rows.append((error, float(accuracy.mean()), 1 - accuracy[math.ceil(n * 80 / 100) - 1], coverage))
    return np.array(rows)


@pytest.mark.parametrize("n", [1, 2, 99, 100, 199, 200, 257, 1000, 3001])
@pytest.mark.parametrize("digits", [1, 2, 12])
def test_many_samples_at_once_are_those_of_a_loop_to_the_last_bit(n: int, digits: int) -> None:
    rng = np.random.default_rng(n)
    confidence = np.round(rng.random(n), digits).astype(np.float32)
    correct = (rng.random(n) < confidence).astype(np.float32)
    counts = next(iter(draws(n, 40)))[1]
    np.testing.assert_array_equal(resampled(confidence, correct, counts), in_a_loop(confidence, correct, counts))
    # Samples of other sizes, mixed.
    uneven = rng.integers(0, 4, (30, n)).astype(np.int64)
    uneven[:, 0] += 1
    np.testing.assert_array_equal(resampled(confidence, correct, uneven), in_a_loop(confidence, correct, uneven))


def test_a_sample_is_scored_as_if_its_answers_were_written_out() -> None:
    rng = np.random.default_rng(6)
    confidence, correct = np.round(rng.random(450), 2).astype(np.float32), (rng.random(450) < 0.5).astype(np.float32)
    counts = next(iter(draws(450, 20)))[1]
    assert (counts.sum(axis=1) == 450).all()
    for found, often in zip(resampled(confidence, correct, counts), counts, strict=True):
        sample = np.repeat(np.arange(450), often)
        risks = selective_risk(confidence[sample], correct[sample])
        expected = (
            rms_calibration_error(confidence[sample], correct[sample]),
            aurra(confidence[sample], correct[sample]),
            risks[359],
            coverage_at(risks),
        )
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bins", [10, 15])
def test_expected_calibration_error_is_that_of_torchmetrics(seed: int, bins: int) -> None:
    confidence, correct = answers(seed, 4001)
    theirs = binary_calibration_error(torch.tensor(confidence), torch.tensor(correct).int(), n_bins=bins, norm="l1")
    assert expected_calibration_error(confidence, correct, bins) == pytest.approx(float(theirs), rel=1e-9)


def test_edges_belong_to_the_bin_below_and_certainty_to_the_last() -> None:
    assert bin_of(np.array([0.0, 1e-9, 0.2, 0.2 + 1e-9, 0.4, 1.0]), 5).tolist() == [0, 0, 0, 1, 1, 4]
    assert expected_calibration_error(np.ones(4), np.array([1, 1, 1, 0])) == 0.25
    assert expected_calibration_error(np.array([0.9, 0.8]), np.array([1, 0]), 2) == pytest.approx(0.35)  # .85 - .5
    assert expected_calibration_error(np.array([0.9, 0.3]), np.array([1, 0]), 2) == pytest.approx(0.2)
    assert math.isnan(expected_calibration_error(np.empty(0), np.empty(0)))


def test_selective_risk_is_one_less_the_precision_of_scikit_learn() -> None:
    confidence, correct = answers(9, 1500)
    precision, _, thresholds = precision_recall_curve(correct, confidence)
    assert len(thresholds) == 1500
    risks = selective_risk(confidence, correct)
    np.testing.assert_allclose(risks[::-1], 1 - precision[:-1], atol=1e-12)
    assert risks.mean() == pytest.approx(1 - aurra(confidence, correct))
    assert risks[-1] == pytest.approx(1 - correct.mean())


def test_coverage_is_the_largest_share_within_the_allowed_error() -> None:
    hits = np.r_[np.ones(30), 0, np.ones(9), 0, np.zeros(9)]  # 1 of 31 wrong, 1 of 40, 2 of 41, then too many
    confidence = np.linspace(0.99, 0.5, 50)
    assert coverage_at(selective_risk(confidence, hits)) == 41 / 50
    assert coverage_at(selective_risk(confidence, np.ones(50))) == 1.0
    assert coverage_at(selective_risk(confidence, np.zeros(50))) == 0.0
    # A first error is no obstacle if enough right answers follow.
    assert coverage_at(selective_risk(confidence, np.r_[0, np.ones(49)])) == 1.0


def test_equal_confidences_share_their_risk() -> None:
    """As stored confidences are rounded, many are equal; the risk in between is the mean over their orders."""
    risks = selective_risk(np.array([0.9, 0.5, 0.5, 0.2]), np.array([1, 1, 0, 0]))
    assert risks.tolist() == pytest.approx([0, 0.25, 1 / 3, 0.5])


def test_the_worst_tenth_of_the_classes() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(25), rng.integers(3, 9, 25))
    order = rng.permutation(len(labels))
    labels, correct = labels[order], (rng.random(len(labels)) < 0.6).astype(np.float64)
    counts = np.concatenate([np.ones((1, len(labels)), np.uint8), next(iter(draws(len(labels), 20)))[1]])
    expected = []
    for often in counts:
        sample = np.repeat(np.arange(len(labels)), often)
        accuracies = sorted(correct[sample][labels[sample] == k].mean() for k in set(labels[sample].tolist()))
        worst = math.ceil(len(accuracies) / 10)
        expected.append(np.mean(accuracies[:worst]))
    np.testing.assert_allclose(worst_classes(correct, labels, counts), expected, rtol=1e-12)
    assert np.isnan(worst_classes(np.empty(0), np.empty(0, np.int64), np.ones((2, 0), np.uint8))).all()
