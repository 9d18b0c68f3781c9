from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from vitobench.tasks.alignment.measures import (
    accuracy,
    accuracy_difference,
    copy_probability,
    corrected_for_few,
    error_consistency,
    error_consistency_limits,
    error_consistency_spread,
    expected_consistency,
    observed_consistency,
    response_entropy,
    stimuli_needed,
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


# Klein, Meyen, Brendel, Wichmann & Meding, NeurIPS 2025.


def test_kappa_corrected_for_few_stimuli() -> None:
    a, b = np.array([0, 1, 0, 1, 1, 1, 1], bool), np.array([0, 1, 1, 0, 0, 0, 0], bool)
    assert corrected_for_few(np.array(kappa(a, b)), 7) == pytest.approx(-0.25)  # a test case of the authors
    values = corrected_for_few(np.array([0.0, 1.0, np.nan, -1.0]), np.array([9, 9, 9, 2]))
    assert values[:2].tolist() == [0.0, 1.0]
    assert np.isnan(values[2:]).all()


def test_the_correction_takes_away_the_bias() -> None:
    """Of samples of 20 stimuli the plain kappa is .017 too low on average, the corrected one a quarter of that."""
    shares = np.array([0.5, 0.15, 0.1, 0.25])  # both right, only a, only b, none
    p, q = shares[:2].sum(), shares[[0, 2]].sum()
    truth = (shares[[0, 3]].sum() - expected_consistency(p, q)) / (1 - expected_consistency(p, q))
    rng, n = np.random.default_rng(0), 20
    both, only_a, only_b, _ = rng.multinomial(n, shares, size=200_000).T / n
    a, b = both + only_a, both + only_b
    plain = error_consistency(1 - only_a - only_b, expected_consistency(a, b))
    bias, left = (truth - np.nanmean(values) for values in (plain, corrected_for_few(plain, n)))
    assert 0.014 < bias < 0.02
    assert abs(left) < 0.3 * bias


@pytest.mark.parametrize(("p", "better", "rest"), [(0.3, 0.8, 0.5), (0.9, 0.7, 0.2), (0.0, 0.6, 0.5), (1.0, 0.75, 0.4)])
def test_copy_probability_is_the_share_that_is_copied(p: float, better: float, rest: float) -> None:
    """The better observer answers, the other copies on a share p and else answers by itself."""
    other = p * better + (1 - p) * rest
    observed = p + (1 - p) * (better * rest + (1 - better) * (1 - rest))
    for a, b in ((better, other), (other, better)):
        assert copy_probability(np.array(a), np.array(b), np.array(observed)) == pytest.approx(p)


def test_copy_probability_of_opposites_and_of_the_perfect() -> None:
    assert copy_probability(np.array(0.5), np.array(0.5), np.array(0.0)) == -1.0
    assert np.isnan(copy_probability(np.array(1.0), np.array(0.6), np.array(0.6)))
    assert np.isnan(copy_probability(np.array(0.0), np.array(0.0), np.array(1.0)))


@pytest.mark.parametrize("table", [(50, 15, 10, 25), (90, 3, 4, 3), (10, 30, 40, 20), (70, 20, 0, 10)])
def test_spread_of_kappa_is_that_of_statsmodels(table: tuple[int, int, int, int]) -> None:
    both, only_a, only_b, none = table
    n = sum(table)
    theirs = cohens_kappa(np.array([[both, only_a], [only_b, none]]))
    spread = error_consistency_spread((both + only_a) / n, (both + only_b) / n, float(theirs.kappa))
    assert spread / np.sqrt(n) == pytest.approx(float(theirs.std_kappa), rel=1e-9)


def test_as_many_stimuli_as_planned_give_the_wanted_interval() -> None:
    a, b, truth = 0.8, 0.7, 0.35
    n = stimuli_needed(a, b, truth, half_width=0.05)
    assert 900 < n < 1700
    expected = float(expected_consistency(np.array(a), np.array(b)))
    both = a * b + truth * (1 - expected) / 2
    rng = np.random.default_rng(1)
    hit, only_a, only_b, _ = rng.multinomial(n, [both, a - both, b - both, 1 - a - b + both], size=20_000).T / n
    kappas = error_consistency(1 - only_a - only_b, expected_consistency(hit + only_a, hit + only_b))
    assert (np.abs(kappas - truth) <= 0.05).mean() == pytest.approx(0.95, abs=0.007)
    assert stimuli_needed(a, b, truth, half_width=0.025) == pytest.approx(4 * n, rel=0.01)


@pytest.mark.parametrize("wrong", [(1.0, 0.5, 0.0, 0.05), (0.9, 0.5, 0.9, 0.05), (0.8, 0.8, 0.5, 0.0)])
def test_what_cannot_be_planned(wrong: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"possible is (none|from)|above 0"):
        stimuli_needed(*wrong)
