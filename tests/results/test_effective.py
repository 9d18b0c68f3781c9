"""Effective robustness against scikit-learn and models whose robustness is known."""

import csv
from importlib import resources

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import linregress
from sklearn.linear_model import LinearRegression
from statsmodels.api import OLS, add_constant

from vitobench.results import published
from vitobench.results.published.timm import LINES, accuracies_of, line
from vitobench.results.ranking import Baseline, effective_robustness, fit_baseline

CLEAN = {
    "imagenet-v2-matched-frequency": "imagenet-v2-clean",
    "imagenet-sketch": "imagenet-val",
    "imagenet-a": "imagenet-a-clean",
    "imagenet-r": "imagenet-r-clean",
}
LATER = {
    "imagenet-v2-matched-frequency": (0.9096, -0.4781),
    "imagenet-sketch": (1.1454, -2.4393),
    "imagenet-r": (0.7208, -2.3044),
    "imagenet-a": (2.1060, -7.7163),
}
"""Slope and intercept that were reported of timm's files of 2025, through every row whose model was trained on
ImageNet-1k alone: at all sizes, and with more of timm's toy networks (``test_...``), which only guess at ImageNet-A."""


def pairs(task: str) -> tuple[np.ndarray, np.ndarray]:
    """From the published file itself: of several sizes, the largest."""
    chosen = {}
    text = (resources.files(published) / "timm.csv").read_text(encoding="utf-8")
    for row in sorted(csv.DictReader(text.splitlines()), key=lambda row: int(row["size"])):
        if row["trained_on"] == "in1k" and row[task] and row[CLEAN[task]]:
            chosen[row["weights"]] = (float(row[CLEAN[task]]) / 100, float(row[task]) / 100)
    x, y = np.array(list(chosen.values())).T
    return x, y


@pytest.mark.parametrize("task", LINES)
def test_the_line_is_that_of_linregress_with_its_errors(task: str) -> None:
    x, y = pairs(task)
    wanted = linregress(logit(x), logit(y))
    found = line(task)
    assert found.models == len(x) == len(accuracies_of(task)) > 690
    assert (found.slope, found.intercept) == pytest.approx((wanted.slope, wanted.intercept), rel=1e-9)
    assert found.errors == pytest.approx((wanted.stderr, wanted.intercept_stderr), rel=1e-9)


@pytest.mark.parametrize(("task", "later"), LATER.items())
def test_the_line_is_that_of_later_files_in_their_middle(task: str, later: tuple[float, float]) -> None:
    found = line(task)
    middle = expit(found.centre)
    assert found.predict(middle) == pytest.approx(Baseline(*later).predict(middle), abs=0.01)
    if task != "imagenet-a":  # where toy networks at the end of the line tilt it
        assert abs(found.slope - later[0]) < 3 * found.errors[0]
        assert abs(found.intercept - later[1]) < 4.5 * found.errors[1]


def test_drawn_lines_scatter_as_least_squares_says() -> None:
    found = line("imagenet-sketch")
    drawn = found.draws(20_000, 3)
    assert (drawn.slope.std(), drawn.intercept.std()) == pytest.approx(found.errors, rel=0.05)
    assert (drawn.slope.mean(), drawn.intercept.mean()) == pytest.approx((found.slope, found.intercept), abs=0.002)
    # Far from the models the expectation is less certain than among them.
    spans = [np.ptp(np.percentile(logit(drawn.predict(x)), [2.5, 97.5])) for x in (0.8, 0.3)]
    assert spans[1] > 3 * spans[0]
    assert Baseline(1.0, 0.0).draws(10) == Baseline(1.0, 0.0)


def test_the_band_is_that_of_statsmodels() -> None:
    x, y = pairs("imagenet-sketch")
    at = np.linspace(-1, 3, 9)
    fitted = OLS(logit(y), add_constant(logit(x))).fit()
    wanted = fitted.get_prediction(add_constant(at)).conf_int()
    found = line("imagenet-sketch")
    np.testing.assert_allclose(np.transpose(found.band(at)), wanted, rtol=1e-9)
    drawn = found.draws(20_000)
    sampled = np.percentile(np.multiply.outer(at, drawn.slope) + drawn.intercept, [2.5, 97.5], axis=1)
    np.testing.assert_allclose(found.band(at), sampled, atol=0.01)
    low, high = Baseline(1.0, 0.5).band(at)
    assert (low == high).all()
    assert (low == at + 0.5).all()


@pytest.mark.parametrize("shift", LINES)
def test_the_baseline_is_a_least_squares_line_in_log_odds(shift: str) -> None:
    clean, shifted = pairs(shift)
    line = LinearRegression().fit(logit(clean)[:, None], logit(shifted))
    baseline = fit_baseline(clean, shifted)
    assert (baseline.slope, baseline.intercept) == pytest.approx((line.coef_[0], line.intercept_), rel=1e-9)
    expected = shifted - expit(line.predict(logit(clean)[:, None]))
    np.testing.assert_allclose(effective_robustness(clean, shifted, baseline), expected, atol=1e-12)


def test_interventions_that_the_testbed_measured_lie_above_it() -> None:
    # ResNet-50 by semi-weakly supervised learning on Sketch, and by DeepAugment and AugMix on ImageNet-R.
    assert effective_robustness(0.8118, 0.4955, line("imagenet-sketch")) > 0.15
    assert effective_robustness(0.9196, 0.4677, line("imagenet-r")) > 0.07
    # Nearly everything lies on ImageNet-V2's line, that ResNet-50 too.
    assert abs(effective_robustness(0.8118, 0.7146, line("imagenet-v2-matched-frequency"))) < 0.02


def test_a_line_through_two_models_predicts_them() -> None:
    baseline = fit_baseline(np.array([0.5, 0.8]), np.array([0.3, 0.6]))
    np.testing.assert_allclose(baseline.predict(np.array([0.5, 0.8])), [0.3, 0.6], rtol=1e-12)
    assert effective_robustness(0.5, 0.5, Baseline(1.0, 0.0)) == pytest.approx(0.0)


def test_a_line_needs_models() -> None:
    with pytest.raises(ValueError, match="two different"):
        fit_baseline(np.array([0.5, 0.5]), np.array([0.3, 0.4]))
    with pytest.raises(ValueError, match="strictly between"):
        fit_baseline(np.array([0.5, 1.0]), np.array([0.3, 0.4]))
