from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import asin, pi, sqrt

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from sklearn.metrics import cohen_kappa_score

from vitobench.tasks.alignment.decisions import shown
from vitobench.tasks.alignment.experiments import AlignmentSet, micro_alignment_set
from vitobench.tasks.alignment.observers import MICRO_PANEL, Psychometric, SimulatedObserver, simulated_trials
from vitobench.tests.tasks.alignment.observer_truth import (
    true_accuracy,
    true_error_consistency,
    true_observed_consistency,
    true_shape_bias,
)

CONFLICT, CONTRAST, EDGE = (micro_alignment_set(name) for name in ("cue-conflict", "contrast", "edge"))
SHAPE, OTHER, TEXTURE = MICRO_PANEL[0], MICRO_PANEL[3], MICRO_PANEL[4]
TWO = replace(CONTRAST, conditions=("c100", "c10"), excluded=("c100",))
DRAWS = 400_000
SIZE = 16


def accuracy_at(observer: SimulatedObserver, rank: float) -> float:
    sees = observer.sees
    return sees.chance + (sees.ceiling - sees.chance) * float(ndtr((sees.midpoint - rank) / sees.width))


def by_hand(
    observer: SimulatedObserver, rank: int, cues: str, common: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Shape and texture decisions of the model as it is described, written anew; the shape is category 0."""
    n = len(common)
    hard = sqrt(observer.shared) * common + sqrt(1 - observer.shared) * rng.normal(size=n)
    sees = hard < ndtri(accuracy_at(observer, rank))
    answers = np.empty(n, int)
    texture = {"agree": 0, "conflict": 5, "shape": None}[cues]
    mine, other = (0, texture) if observer.cue == "shape" else (texture, 0)
    if mine is None:
        answers[:] = rng.integers(0, SIZE, n)
    else:
        rest = [c for c in range(SIZE) if c not in (mine, other)]
        answers[:] = rng.choice(rest, n)
        if other not in (None, mine):
            answers = np.where(rng.random(n) < observer.other_cue, other, answers)
        answers = np.where(sees, mine, answers)
    return answers == 0, answers == 5


def monte_carlo(a: SimulatedObserver, b: SimulatedObserver, rank: int, cues: str) -> dict[str, float]:
    rng = np.random.default_rng([rank, len(cues)])
    common = rng.normal(size=DRAWS)
    (right_a, texture_a), (right_b, _) = (by_hand(one, rank, cues, common, rng) for one in (a, b))
    return {
        "accuracy": right_a.mean(),
        "bias": right_a.sum() / (right_a | texture_a).sum(),
        "observed": (right_a == right_b).mean(),
        "kappa": cohen_kappa_score(right_a, right_b),
    }


@pytest.mark.parametrize(
    ("data_set", "condition", "rank"),
    [(CONFLICT, "0", 1), (EDGE, "0", 1), (CONTRAST, "c100", 0), (CONTRAST, "c10", 4), (CONTRAST, "c01", 7)],
    ids=lambda value: getattr(value, "name", str(value)),
)
@pytest.mark.parametrize(("a", "b"), [(SHAPE, OTHER), (TEXTURE, SHAPE)], ids=["shape-shape", "texture-shape"])
def test_closed_forms_are_what_brute_force_finds(
    a: SimulatedObserver, b: SimulatedObserver, data_set: AlignmentSet, condition: str, rank: int
) -> None:
    found = monte_carlo(a, b, rank, data_set.cues)
    p, q = true_accuracy(a, data_set, condition), true_accuracy(b, data_set, condition)
    error = 4 * 0.5 / sqrt(DRAWS)
    assert found["accuracy"] == pytest.approx(p, abs=error)
    assert found["observed"] == pytest.approx(true_observed_consistency(a, b, data_set, condition), abs=error)
    # Kappa divides the error by 1 - expected, which is small where both are nearly always right or wrong.
    kappa_error = 2 * error / (p * (1 - q) + q * (1 - p))
    assert found["kappa"] == pytest.approx(true_error_consistency(a, b, data_set, condition), abs=kappa_error)
    if data_set is CONFLICT:
        assert found["bias"] == pytest.approx(true_shape_bias(a, data_set), abs=error)


@pytest.mark.parametrize(("of_a", "of_b"), [(0.0, 0.5), (0.3, 0.3), (0.65, 0.65), (0.9, 0.4)])
def test_kappa_at_the_threshold_is_sheppards(of_a: float, of_b: float) -> None:
    """Two medians: P(both below) = 1/4 + asin(r) / 2 pi (Sheppard 1899), hence kappa = 2 asin(r) / pi."""
    half = Psychometric(1.0, 3.0, chance=0.0)
    a, b = (SimulatedObserver(name, "shape", half, shared) for name, shared in (("a", of_a), ("b", of_b)))
    assert true_accuracy(a, CONTRAST, "c15") == pytest.approx(0.5)
    expected = 2 * asin(sqrt(of_a * of_b)) / pi
    assert true_error_consistency(a, b, CONTRAST, "c15") == pytest.approx(expected, abs=1e-9)


def test_overall_is_the_mean_over_conditions_that_count() -> None:
    kept = [true_error_consistency(SHAPE, OTHER, CONTRAST, condition) for condition in CONTRAST.kept]
    assert len(kept) == 5
    assert true_error_consistency(SHAPE, OTHER, CONTRAST) == pytest.approx(np.mean(kept))
    kept = [true_accuracy(SHAPE, CONTRAST, condition) for condition in CONTRAST.kept]
    assert true_accuracy(SHAPE, CONTRAST) == pytest.approx(np.mean(kept))
    assert kept == sorted(kept, reverse=True)


def test_observers_of_other_seeds_agree_by_chance() -> None:
    assert true_error_consistency(SHAPE, replace(OTHER, seed=1), CONTRAST) == pytest.approx(0, abs=1e-9)
    assert true_error_consistency(SHAPE, replace(SHAPE, seed=1), CONTRAST) == pytest.approx(0, abs=1e-9)


def test_what_has_no_truth_is_refused() -> None:
    with pytest.raises(ValueError, match="not in conflict"):
        true_shape_bias(SHAPE, EDGE)
    with pytest.raises(ValueError, match="held against itself"):
        true_error_consistency(SHAPE, SHAPE, EDGE)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("data_set", [CONFLICT, EDGE, TWO], ids=lambda one: one.name)
def test_the_sampler_has_the_truth(
    data_set: AlignmentSet, seed: int, make_names: Callable[..., tuple[str, ...]]
) -> None:
    n = 4_800
    stimuli = shown(data_set, make_names(data_set, n))
    counted = stimuli.conditions == len(data_set.conditions) - 1
    panel = [replace(observer, seed=seed) for observer in (SHAPE, OTHER, TEXTURE)]
    answers = np.stack([simulated_trials(observer, stimuli).responses[counted] for observer in panel])
    right = answers == stimuli.shapes[counted]
    texture = answers == stimuli.textures[counted]
    error = 4 * 0.5 / sqrt(n)
    for row, observer in enumerate(panel):
        assert right[row].mean() == pytest.approx(true_accuracy(observer, data_set), abs=error)
        if data_set is CONFLICT:
            bias = right[row].sum() / (right[row] | texture[row]).sum()
            assert bias == pytest.approx(true_shape_bias(observer, data_set), abs=error)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        p, q = right[a].mean(), right[b].mean()
        kappa_error = 2 * error / (p * (1 - q) + q * (1 - p))
        truth = true_error_consistency(panel[a], panel[b], data_set)
        assert cohen_kappa_score(right[a], right[b]) == pytest.approx(truth, abs=kappa_error)
