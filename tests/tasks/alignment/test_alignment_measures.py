from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import cohen_kappa_score

from vitobench.tasks.alignment.measures import (
    accuracy,
    accuracy_difference,
    error_consistency,
    error_consistency_limits,
    expected_consistency,
    observed_consistency,
    response_entropy,
)


def kappa(a: np.ndarray, b: np.ndarray, compat: str | None = None) -> float:
    expected = expected_consistency(accuracy(a), accuracy(b))
    return float(error_consistency(observed_consistency(a, b), expected, compat))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_error_consistency_is_cohens_kappa(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, 150)) < rng.random((2, 1)) * 0.8 + 0.1
    assert kappa(a, b) == pytest.approx(cohen_kappa_score(a, b), abs=1e-12)


def test_kappa_is_undefined_where_nobody_errs_or_everybody_does() -> None:
    right, wrong = np.ones(8, bool), np.zeros(8, bool)
    for a in (right, wrong):
        assert np.isnan(kappa(a, a))
        assert kappa(a, a, "model-vs-human") == 1.0
    assert kappa(right, wrong) == 0.0  # chance explains all of it: expected and observed are 0
    mixed = np.arange(8) % 2 == 0
    assert kappa(mixed, mixed) == kappa(mixed, mixed, "model-vs-human") == 1.0
    assert kappa(mixed, right) == 0.0


def test_accuracy_difference_is_squared() -> None:
    assert accuracy_difference(np.array(0.9), np.array(0.6)) == pytest.approx(0.09)


def test_limits_are_the_extremes_of_all_arrangements() -> None:
    """Every overlap of errors that 12 stimuli allow, for every pair of numbers of right answers."""
    n = 12
    for hits_a in range(n + 1):
        for hits_b in range(n + 1):
            a = np.arange(n) < hits_a
            found = [kappa(a, np.roll(np.arange(n) < hits_b, shift)) for shift in range(n)]
            low, high = error_consistency_limits(np.array(hits_a / n), np.array(hits_b / n))
            if np.isnan(found).any():
                assert np.isnan([low, high]).all()
            else:
                assert [float(low), float(high)] == pytest.approx([min(found), max(found)], abs=1e-12)


def test_response_entropy() -> None:
    rng = np.random.default_rng(0)
    responses = rng.integers(0, 16, (3, 400))
    expected = [entropy(np.bincount(row, minlength=16), base=2) for row in responses]
    np.testing.assert_allclose(response_entropy(responses), expected, atol=1e-12)
    assert response_entropy(np.arange(16)) == 4.0
    assert response_entropy(np.full(5, 3)) == 0.0
    # Half of the trials without a response: 0.5 * log2(2) of the other half remains.
    assert response_entropy(np.array([7, 7, -1, -1])) == 0.5


def test_without_trials_there_is_no_accuracy() -> None:
    assert np.isnan(accuracy(np.empty((2, 0), bool))).all()
