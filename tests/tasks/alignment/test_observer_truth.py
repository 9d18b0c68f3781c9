from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy.special import ndtr
from sklearn.metrics import cohen_kappa_score

from vitobench.tasks.alignment.decisions import NO_TEXTURE
from vitobench.tasks.alignment.experiments import AlignmentSet, micro_alignment_set
from vitobench.tasks.alignment.observers import (
    MICRO_PANEL,
    USUAL_AREA,
    SimulatedObserver,
    Weights,
    simulated_trials,
)
from vitobench.tests.tasks.alignment.observer_truth import (
    Population,
    made_up,
    true_accuracy,
    true_error_consistency,
    true_shape_bias,
)

CONFLICT, CONTRAST, EDGE = (micro_alignment_set(name) for name in ("cue-conflict", "contrast", "edge"))
SHAPE, OTHER, TEXTURE = MICRO_PANEL[0], MICRO_PANEL[3], MICRO_PANEL[4]
DRAWS = 200_000
SIZE = 16


def by_hand(
    observer: SimulatedObserver, population: Population, rows: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Answers of the model as it is described, written anew and one stimulus at a time."""
    w, seen, answers = observer.weights, population.evidence, np.empty(len(rows), int)
    for row in np.unique(rows):
        at = np.flatnonzero(rows == row)
        shape, texture = int(population.shapes[row]), int(seen.textures[row])
        strength = (w.fine * seen.fine[row] + w.coarse * seen.coarse[row]) * (seen.area[row] / USUAL_AREA) ** w.size
        strength *= 1 - w.turned * (1 - seen.upright[row])
        if texture == shape:
            strength += w.usual * seen.surface[row]
        pattern = w.pattern * seen.surface[row] * (seen.area[row] / USUAL_AREA) ** w.pattern_size
        margins = {"shape": strength - observer.threshold, "texture": pattern - observer.texture_threshold}
        classes = {"shape": shape, "texture": texture}
        mine, other = ("shape", "texture") if observer.cue == "shape" else ("texture", "shape")
        sees = (rng.normal(size=len(at)) < margins[mine]) & (rng.random(len(at)) >= observer.lapses)
        follows = rng.random(len(at)) < observer.other_cue * float(ndtr(margins[other]))
        guesses = rng.integers(0, SIZE, len(at))
        if texture == NO_TEXTURE:
            follows[:] = False
            sees &= mine == "shape"
        answers[at] = np.where(sees, classes[mine], np.where(follows, classes[other], guesses))
    return answers


@pytest.mark.parametrize(
    ("data_set", "condition"),
    [(CONFLICT, "0"), (EDGE, "0"), (CONTRAST, "c100"), (CONTRAST, "c10"), (CONTRAST, "c01")],
    ids=lambda value: getattr(value, "name", str(value)),
)
@pytest.mark.parametrize(("a", "b"), [(SHAPE, OTHER), (TEXTURE, SHAPE)], ids=["shape-shape", "texture-shape"])
def test_closed_forms_are_what_brute_force_finds(
    a: SimulatedObserver, b: SimulatedObserver, data_set: AlignmentSet, condition: str
) -> None:
    population = made_up(data_set, 32)
    rng = np.random.default_rng(0)
    rows = rng.choice(population.rows[data_set.condition(condition)], DRAWS)
    one, two = (by_hand(observer, population, rows, rng) for observer in (a, b))
    right_a, right_b = (answers == population.shapes[rows] for answers in (one, two))
    p, q = true_accuracy(a, population, condition), true_accuracy(b, population, condition)
    error = 4 * 0.5 / sqrt(DRAWS)
    assert right_a.mean() == pytest.approx(p, abs=error)
    # Kappa divides the error by 1 - expected, which is small where both are nearly always right or wrong.
    kappa_error = 2 * error / (p * (1 - q) + q * (1 - p))
    truth = true_error_consistency(a, b, population, condition)
    assert cohen_kappa_score(right_a, right_b) == pytest.approx(truth, abs=kappa_error)
    if data_set is CONFLICT:
        by_texture = one == population.evidence.textures[rows]
        bias = right_a.sum() / (right_a | by_texture).sum()
        assert bias == pytest.approx(true_shape_bias([a], population), abs=error)


def test_kappa_of_two_equals_is_the_share_of_variance_that_the_image_explains() -> None:
    """With probabilities of 1 and 0 halves, kappa is 1; with the same probability everywhere, 0."""
    plain = made_up(EDGE)
    half = plain.conditions * 0 + np.arange(len(plain.shapes)) % 2
    sure = Weights(fine=1000.0, coarse=0.0, size=0.0, turned=0.0)
    a, b = (replace(SHAPE, name=name, threshold=500.0, weights=sure, lapses=0.0) for name in ("a", "b"))
    divided = replace(plain, evidence=replace(plain.evidence, fine=half.astype(float)))
    # The half that is not seen is guessed: right in one of 16.
    p, q = 1.0, 1 / 16
    mean = (p + q) / 2
    expected = ((p - q) / 2) ** 2 / (mean * (1 - mean))
    assert true_error_consistency(a, b, divided) == pytest.approx(expected, abs=1e-12)
    same = replace(plain, evidence=replace(plain.evidence, fine=np.full(len(half), 0.5)))
    assert true_error_consistency(a, b, same) == pytest.approx(0, abs=1e-12)


def test_overall_is_the_mean_over_conditions_that_count() -> None:
    population = made_up(CONTRAST)
    kept = [true_error_consistency(SHAPE, OTHER, population, condition) for condition in CONTRAST.kept]
    assert len(kept) == 5
    assert true_error_consistency(SHAPE, OTHER, population) == pytest.approx(np.mean(kept))
    kept = [true_accuracy(SHAPE, population, condition) for condition in CONTRAST.kept]
    assert true_accuracy(SHAPE, population) == pytest.approx(np.mean(kept))
    assert kept[0] > kept[2] > kept[-1]  # the mean is not over equals


def test_what_has_no_truth_is_refused() -> None:
    population = made_up(EDGE)
    with pytest.raises(ValueError, match="not in conflict"):
        true_shape_bias([SHAPE], population)
    with pytest.raises(ValueError, match="held against itself"):
        true_error_consistency(SHAPE, SHAPE, population)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("data_set", [CONFLICT, EDGE, CONTRAST], ids=lambda one: one.name)
def test_the_sampler_has_the_truth(data_set: AlignmentSet, seed: int) -> None:
    n = 4_800
    population = made_up(data_set, 320)
    stimuli, evidence = population.drawn(np.random.default_rng(seed), n)
    counted = stimuli.conditions == len(data_set.conditions) // 2
    condition = data_set.conditions[len(data_set.conditions) // 2]
    panel = [replace(observer, seed=seed) for observer in (SHAPE, OTHER, TEXTURE)]
    answers = np.stack([simulated_trials(observer, stimuli, evidence).responses[counted] for observer in panel])
    right = answers == stimuli.shapes[counted]
    texture = answers == evidence.textures[counted]
    error = 4 * 0.5 / sqrt(n)
    for row, observer in enumerate(panel):
        assert right[row].mean() == pytest.approx(true_accuracy(observer, population, condition), abs=error)
        if data_set is CONFLICT:
            bias = right[row].sum() / (right[row] | texture[row]).sum()
            assert bias == pytest.approx(true_shape_bias([observer], population), abs=error)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        p, q = right[a].mean(), right[b].mean()
        kappa_error = 2 * error / (p * (1 - q) + q * (1 - p))
        truth = true_error_consistency(panel[a], panel[b], population, condition)
        assert cohen_kappa_score(right[a], right[b]) == pytest.approx(truth, abs=kappa_error)
