"""The distribution of the times of frames, against its formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vitobench.tasks.clips.source import sample_times

N = 20_000


def draws(duration: float, window: float, frames: int = 2, n: int = N) -> np.ndarray:
    rng = np.random.default_rng(17)
    return np.stack([sample_times(duration, frames, window, rng) for _ in range(n)])


def sum_of_uniforms(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """Distribution function of U(0, a) + U(0, b), by integrating the trapezoidal density."""
    a, b = min(a, b), max(a, b)
    x = np.clip(x, 0, a + b)
    rising = x**2 / (2 * a * b)
    flat = (2 * x - a) / (2 * b)
    falling = 1 - (a + b - x) ** 2 / (2 * a * b)
    return np.where(x < a, rising, np.where(x < b, flat, falling))


@pytest.mark.parametrize(("duration", "window"), [(10.0, 2.56), (3.0, 2.56), (4.0, 2.0)])
def test_times_are_uniform_in_a_window_that_lies_anywhere(duration: float, window: float) -> None:
    found = draws(duration, window)
    assert found.min() >= 0.0
    assert found.max() <= duration
    assert np.ptp(found, axis=1).max() <= window
    for column in found.T:
        assert stats.kstest(column, lambda x: sum_of_uniforms(x, duration - window, window)).pvalue > 1e-3


@pytest.mark.parametrize(("duration", "window", "length"), [(10.0, 2.56, 2.56), (1.0, 2.56, 1.0), (2.56, 2.56, 2.56)])
def test_distances_are_those_of_independent_uniform_times(duration: float, window: float, length: float) -> None:
    found = draws(duration, window)
    # |U - V| of independent uniforms on (0, L) has F(d) = 1 - (1 - d / L)^2.
    distances = np.abs(np.diff(found, axis=1))[:, 0]
    assert stats.kstest(distances, lambda d: 1 - (1 - np.clip(d / length, 0, 1)) ** 2).pvalue > 1e-3


def test_a_clip_shorter_than_the_window_is_the_window() -> None:
    found = draws(1.0, 2.56)
    assert stats.kstest(found[:, 0], stats.uniform(0, 1).cdf).pvalue > 1e-3
    assert abs(stats.spearmanr(found[:, 0], found[:, 1])[0]) < 0.03


def test_no_window_is_one_frame_anywhere() -> None:
    found = draws(7.0, 0.0, 3)
    assert (found == found[:, :1]).all()
    assert stats.kstest(found[:, 0], stats.uniform(0, 7).cdf).pvalue > 1e-3


def test_a_photograph_has_one_time() -> None:
    assert sample_times(0.0, 3, 2.56, np.random.default_rng(0)).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1.0, 2, 1.0), "no times"),
        ((float("nan"), 2, 1.0), "no times"),
        ((float("inf"), 2, 1.0), "no times"),
        ((5.0, 2, -0.1), "window"),
        ((5.0, 2, float("nan")), "window"),
        ((5.0, 0, 1.0), "frames"),
    ],
)
def test_refuses_what_has_no_times(arguments: tuple[float, int, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sample_times(*arguments, np.random.default_rng(0))
