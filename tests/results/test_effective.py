"""Effective robustness against scikit-learn and models whose robustness is known."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LinearRegression

from vitobench.results.published.tables import accuracies_under_shift
from vitobench.results.ranking import Baseline, effective_robustness, fit_baseline

SHIFTS = ("imagenet-v2", "imagenet-sketch", "objectnet", "imagenet-r")


def published(shift: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = np.array(list(accuracies_under_shift(shift).values()))
    return pairs[:, 0], pairs[:, 1]


@pytest.mark.parametrize("shift", SHIFTS)
def test_the_baseline_is_a_least_squares_line_in_log_odds(shift: str) -> None:
    clean, shifted = published(shift)
    line = LinearRegression().fit(logit(clean)[:, None], logit(shifted))
    baseline = fit_baseline(clean, shifted)
    assert (baseline.slope, baseline.intercept) == pytest.approx((line.coef_[0], line.intercept_), rel=1e-9)
    expected = shifted - expit(line.predict(logit(clean)[:, None]))
    np.testing.assert_allclose(effective_robustness(clean, shifted, baseline), expected, atol=1e-12)


@pytest.mark.parametrize("shift", SHIFTS)
def test_models_trained_for_accuracy_alone_lie_near_the_line(shift: str) -> None:
    clean, shifted = published(shift)
    off = np.abs(effective_robustness(clean, shifted, fit_baseline(clean, shifted)))
    assert off.max() < 0.05
    assert off.max() < 0.2 * (shifted.max() - shifted.min())


def test_interventions_that_the_testbed_measured_lie_above_it() -> None:
    # ResNet-50 by semi-weakly supervised learning on Sketch, and by DeepAugment and AugMix on ImageNet-R.
    assert effective_robustness(0.8118, 0.4955, fit_baseline(*published("imagenet-sketch"))) > 0.15
    assert effective_robustness(0.9196, 0.4677, fit_baseline(*published("imagenet-r"))) > 0.07
    # Nearly everything lies on ImageNet-V2's line, that ResNet-50 too.
    assert abs(effective_robustness(0.8118, 0.7146, fit_baseline(*published("imagenet-v2")))) < 0.02


def test_a_line_through_two_models_predicts_them() -> None:
    baseline = fit_baseline(np.array([0.5, 0.8]), np.array([0.3, 0.6]))
    np.testing.assert_allclose(baseline.predict(np.array([0.5, 0.8])), [0.3, 0.6], rtol=1e-12)
    assert effective_robustness(0.5, 0.5, Baseline(1.0, 0.0)) == pytest.approx(0.0)


def test_a_line_needs_models() -> None:
    with pytest.raises(ValueError, match="two different"):
        fit_baseline(np.array([0.5, 0.5]), np.array([0.3, 0.4]))
    with pytest.raises(ValueError, match="strictly between"):
        fit_baseline(np.array([0.5, 1.0]), np.array([0.3, 0.4]))
