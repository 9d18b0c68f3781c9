"""AUROC, AUPR and false alarms against scikit-learn, with ties, in resamples, and at stored confidences."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score, roc_curve

from vitobench.results.unit_file import round_confidence
from vitobench.tasks.detection import NUMBERS, detection


def by_scikit_learn(score: np.ndarray, known: np.ndarray) -> list[float]:
    """As OpenOOD v1.5's evaluator computes them; ``fpr95_known`` as its first version did."""
    unseen = 1 - known

    def alarms(positive: np.ndarray, values: np.ndarray) -> float:
        fpr, tpr, _ = roc_curve(positive, values, drop_intermediate=False)
        return float(fpr[np.argmax(tpr >= 0.95 - 1e-12)])

    def area(positive: np.ndarray, values: np.ndarray) -> float:
        precision, recall, _ = precision_recall_curve(positive, values)
        return float(auc(recall, precision))

    return [
        float(roc_auc_score(known, score)),
        alarms(unseen, -score),
        alarms(known, score),
        area(unseen, -score),
        area(known, score),
    ]


def images(n: int, seed: int, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are somewhat higher for known images; with ``levels``, so few that most are equal."""
    rng = np.random.default_rng(seed)
    known = (rng.random(n) < 0.6).astype(np.float64)
    score = rng.normal(size=n) + 0.8 * known
    return (np.round(score * levels) / levels if levels else score), known


@pytest.mark.parametrize("levels", [None, 8, 1])
@pytest.mark.parametrize("n", [37, 400, 3001])
def test_every_number_is_scikit_learns(n: int, levels: int | None) -> None:
    score, known = images(n, n, levels)
    assert detection(score, known, np.ones((1, n), np.uint8))[0] == pytest.approx(by_scikit_learn(score, known))


@pytest.mark.parametrize("levels", [None, 4])
def test_a_resample_has_the_numbers_of_its_images(levels: int | None) -> None:
    score, known = images(211, 1, levels)
    rng = np.random.default_rng(2)
    counts = np.array([np.bincount(rng.integers(211, size=211), minlength=211) for _ in range(6)], dtype=np.uint8)
    for own, row in zip(detection(score, known, counts), counts, strict=True):
        drawn = np.repeat(np.arange(211), row)
        assert own == pytest.approx(by_scikit_learn(score[drawn], known[drawn]))


def test_constant_perfect_and_reversed_scores() -> None:
    known = np.repeat([1.0, 0.0], [60, 40])
    one = np.ones((1, 100), np.uint8)
    # All equal: one threshold, at which everything is taken for unseen, or for known.
    assert detection(np.zeros(100), known, one)[0] == pytest.approx([0.5, 1.0, 1.0, 0.7, 0.8])
    assert by_scikit_learn(np.zeros(100), known)[3:] == pytest.approx([0.7, 0.8])
    assert detection(known, known, one)[0].tolist() == [1.0, 0.0, 0.0, 1.0, 1.0]
    assert detection(-known, known, one)[0, :3].tolist() == [0.0, 1.0, 1.0]


def test_the_two_false_alarm_rates_are_different_numbers() -> None:
    # 100 known and 100 unseen images; six unseen ones are more certain than all known ones.
    score = np.r_[np.full(100, 0.9), np.full(6, 1.0), np.full(94, 0.1)]
    known = np.repeat([1.0, 0.0], [100, 100])
    numbers = dict(zip(NUMBERS, detection(score, known, np.ones((1, 200), np.uint8))[0], strict=True))
    assert numbers["fpr95"] == 1.0  # to find 95 of the unseen, every known image raises an alarm
    assert numbers["fpr95_known"] == pytest.approx(0.06)
    assert numbers["auroc"] == pytest.approx(0.94)


def test_a_resample_without_one_side_and_a_missing_score_are_undefined() -> None:
    score, known = np.array([0.1, 0.7, 0.9]), np.array([0.0, 1.0, 1.0])
    found = detection(score, known, np.array([[1, 1, 1], [0, 2, 1], [3, 0, 0]], np.uint8))
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True]
    assert np.isnan(detection(np.array([0.1, np.nan, 0.9]), known, np.ones((1, 3), np.uint8))).all()


def test_rounding_of_stored_confidences_moves_auroc_by_less_than_a_thousandth() -> None:
    rng = np.random.default_rng(3)
    known = np.repeat([1.0, 0.0], [4000, 4000])
    logit = rng.normal(6.0, 2.5, 8000) - 2.5 * (1 - known)
    confidence = (1 / (1 + np.exp(-logit))).astype(np.float32)
    stored = round_confidence(confidence)
    assert len(np.unique(stored)) < len(np.unique(confidence))
    one = np.ones((1, 8000), np.uint8)
    assert detection(stored, known, one)[0] == pytest.approx(detection(confidence, known, one)[0], abs=1e-3)
