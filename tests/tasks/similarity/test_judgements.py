"""Choices from features against plain loops, scipy and published numbers; the fitted transform against finite steps."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.spatial.distance import cosine as cosine_distance
from scipy.special import log_softmax

from vitobench.tasks.kinds.similarity import ACCURACY, CEILED
from vitobench.tasks.labels import Truth
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.samples import Answers
from vitobench.tasks.scoring.score import Scored, score_task
from vitobench.tasks.similarity import COSINE, DOT, NAMES, column
from vitobench.tasks.similarity.judgements import (
    PAIRS,
    _Fit,
    choice_shares,
    fit_transform,
    numbers_of,
    similarities,
    surprise,
)

THINGS = Path(os.environ.get("VITOBENCH_TEST_DATA", "absent")) / "things"
BOTH = (1, 2)


def accuracy(values: np.ndarray, votes: np.ndarray, offered: tuple[int, ...] = (0, 1, 2)) -> float:
    return float((choice_shares(values, offered) * votes).sum() / votes.sum())


def votes_for(n: int, offered: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.eye(3)[np.random.default_rng(seed).choice(offered, n)]


def test_similarities_are_scipys() -> None:
    features = np.random.default_rng(0).normal(size=(7, 3, 5))
    for n, three in enumerate(features):
        for k, (a, b) in enumerate(PAIRS):
            assert {a, b, k} == {0, 1, 2}
            assert similarities(features, COSINE)[n, k] == pytest.approx(1 - cosine_distance(three[a], three[b]))
            assert similarities(features, DOT)[n, k] == pytest.approx(float(three[a] @ three[b]), rel=1e-6)


@pytest.mark.parametrize(("offered", "chance"), [((0, 1, 2), 1 / 3), (BOTH, 1 / 2)])
@pytest.mark.parametrize("kind", [COSINE, DOT])
def test_a_constant_a_random_and_a_perfect_model(offered: tuple[int, ...], chance: float, kind: str) -> None:
    n = 20_000
    votes = votes_for(n, offered)
    constant = np.broadcast_to(np.array([0.3, 0.2, 0.9]), (n, 3, 3))
    assert accuracy(similarities(constant, kind), votes, offered) == pytest.approx(chance, abs=1e-12)
    noise = np.random.default_rng(1).normal(size=(n, 3, 8))
    assert accuracy(similarities(noise, kind), votes, offered) == pytest.approx(chance, abs=0.015)
    # A perfect model puts the two pictures that the choice leaves together, and the third apart.
    perfect = np.tile(np.eye(2)[0], (n, 3, 1))
    perfect[np.arange(n), votes.argmax(axis=1)] = np.eye(2)[1]
    assert accuracy(similarities(perfect, kind), votes, offered) == 1.0


def test_equal_pairs_share_a_choice() -> None:
    values = np.array([[0.5, 0.5, 0.1], [0.5, 0.5, 0.5], [0.1, 0.2, 0.3], [np.nan, 0.1, 0.2]])
    assert choice_shares(values[:3]).tolist() == [[0.5, 0.5, 0.0], [1 / 3] * 3, [0.0, 0.0, 1.0]]
    assert choice_shares(values[:3], BOTH).tolist() == [[0.0, 1.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]
    assert np.isnan(choice_shares(values)[3]).all()
    assert choice_shares(values, BOTH)[3].tolist() == [0.0, 0.0, 1.0]  # what is not offered is not asked


def test_a_zero_vector_has_no_cosine_and_one_that_is_not_finite_has_nothing() -> None:
    features = np.ones((2, 3, 4))
    features[0, 0], features[1, 1, 2] = 0.0, np.inf
    assert np.isnan(similarities(features, COSINE)[0]).tolist() == [False, True, True]
    assert similarities(features, DOT)[0].tolist() == [4.0, 0.0, 0.0]
    assert np.isnan(similarities(features, DOT)[1]).tolist() == [True, False, True]


def test_a_similarity_that_a_unit_cannot_hold_is_undefined() -> None:
    features = np.ones((1, 3, 4))
    features[0, 0] = 1e30
    assert np.isnan(similarities(features, DOT)[0]).tolist() == [False, True, True]
    assert similarities(features, COSINE)[0] == pytest.approx(np.ones(3))
    assert np.isnan(similarities(1e200 * features, DOT)).all()


def test_surprise_is_the_cross_entropy_of_a_softmax() -> None:
    rng = np.random.default_rng(2)
    values, votes = rng.normal(size=(9, 3)), rng.integers(0, 5, (9, 3))
    assert surprise(values, votes) == pytest.approx(-(votes * log_softmax(values, axis=1)).sum(axis=1))
    two = votes * np.array([0, 1, 1])
    expected = -(two[:, 1:] * log_softmax(values[:, 1:], axis=1)).sum(axis=1)
    assert surprise(values, two, BOTH) == pytest.approx(expected)
    assert surprise(np.zeros((1, 3)), np.array([[0, 1, 0]]))[0] == pytest.approx(math.log(3))
    assert surprise(1e4 * values, votes).max() < np.inf


def scored(values: list[list[float]], votes: list[list[float]]) -> Scored:
    """A model with these cosines on triplets of THINGS with these judgements."""
    ids = np.array([f"t{n}" for n in range(len(votes))])
    none = np.full((len(ids), 1), np.nan, np.float32)
    cosines = np.array(values, np.float32)
    numbers = {column(COSINE, name): cosines[:, [n]] for n, name in enumerate(NAMES)}
    labels = np.array(votes).argmax(axis=1)
    own = Answers("m", ids, np.full((len(ids), 1), -1, np.int16), none, labels, none, numbers=numbers)
    return score_task(TASKS["things"], {"m": own}, [], truth=Truth(votes=dict(zip(ids.tolist(), votes, strict=True))))


def test_the_share_of_the_ceiling_is_of_the_majoritys_mean_share_and_needs_two_judgements() -> None:
    values = [[0.9, 0.1, 0.2], [0.9, 0.1, 0.2], [0.9, 0.1, 0.2]]
    found = {row.metric: row.value for row in scored(values, [[3, 1, 0], [1, 1, 2], [1, 0, 0]]).scores}
    assert found[ACCURACY] == pytest.approx((3 + 1 + 1) / 9)
    assert found[CEILED] == pytest.approx((3 / 4 + 1 / 4) / (3 / 4 + 2 / 4))
    found = {row.metric: row.value for row in scored(values, np.eye(3).tolist()).scores}
    assert found[ACCURACY] == pytest.approx(1 / 3)
    assert math.isnan(found[CEILED])


def test_a_triplet_without_a_cosine_is_left_out_of_both_numbers_for_the_same_reason() -> None:
    both = scored([[0.9, 0.1, 0.2], [math.nan, 0.1, 0.2]], [[3, 1, 0], [0, 4, 0]])
    assert {row.metric: (row.value, row.n) for row in both.scores} == {ACCURACY: (0.75, 1), CEILED: (1.0, 1)}
    assert len(both.reasons) == 2
    assert all("undefined on 1 images whose features are zero" in reason for reason in both.reasons.values())


@pytest.mark.skipif(not THINGS.is_dir(), reason="needs the judgements of THINGS, see VITOBENCH_TEST_DATA")
def test_the_embedding_of_vice_scores_what_is_published() -> None:
    rows = np.loadtxt(THINGS / "test_triplets.csv", dtype=np.int64)
    embedding = np.load(THINGS / "vice_embedding_things_1854x42.npy")
    votes = np.eye(3)[rows[:, 3] - 1]
    values = similarities(embedding[rows[:, :3] - 1], DOT)
    assert accuracy(values, votes) == pytest.approx(0.63565, abs=5e-6)
    assert surprise(values, votes).mean() == pytest.approx(0.83652, abs=5e-6)


# The fitted transform.


def judged(points: np.ndarray, n: int, offered: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Triplets of pictures, and 20 judgements of each by the softmax of dot products of the true points."""
    rng = np.random.default_rng(seed)
    triplets = np.array([rng.choice(len(points), 3, replace=False) for _ in range(n)])
    values = np.stack([(points[triplets[:, a]] * points[triplets[:, b]]).sum(axis=1) for a, b in PAIRS], axis=1)
    part = np.exp(values[:, list(offered)])
    shares = np.zeros((n, 3))
    shares[:, list(offered)] = part / part.sum(axis=1, keepdims=True)
    return triplets, np.array([rng.multinomial(20, share) for share in shares], dtype=np.float64)


@pytest.mark.parametrize("offered", [(0, 1, 2), BOTH])
def test_the_likelihood_has_the_slope_of_finite_steps(offered: tuple[int, ...]) -> None:
    points = np.random.default_rng(3).normal(size=(12, 4))
    triplets, votes = judged(points, 30, offered, 4)
    fit = _Fit(points, triplets, votes, offered)
    weights = np.random.default_rng(5).normal(size=16) / 4

    def value(flat: np.ndarray) -> float:
        return fit._likelihood(flat.reshape(4, 4))[0]

    def slope(flat: np.ndarray) -> np.ndarray:
        return fit._likelihood(flat.reshape(4, 4))[1].ravel()

    assert check_grad(value, slope, weights) < 1e-6 * max(1.0, float(np.abs(slope(weights)).max()) * 100)
    turned = points @ weights.reshape(4, 4)
    values = np.stack([(turned[triplets[:, a]] * turned[triplets[:, b]]).sum(axis=1) for a, b in PAIRS], axis=1)
    assert value(weights) == pytest.approx(surprise(values, votes, offered).sum() / votes.sum())


@pytest.mark.parametrize("offered", [(0, 1, 2), BOTH])
def test_a_transform_finds_what_people_attend_to(offered: tuple[int, ...]) -> None:
    rng = np.random.default_rng(6)
    what, noise = rng.normal(size=(120, 3)), 4 * rng.normal(size=(120, 12))
    features = np.hstack([what, noise]) @ np.linalg.qr(rng.normal(size=(15, 15)))[0] + 7.0
    triplets, votes = judged(1.2 * what, 600, offered, 7)
    unseen, truth = judged(1.2 * what, 600, offered, 8)
    transform = fit_transform(features, triplets, votes, offered)
    before = accuracy(similarities(features[unseen], DOT), truth, offered)
    after = accuracy(similarities(transform(features)[unseen], DOT), truth, offered)
    best = accuracy(similarities(what[unseen], DOT), truth, offered)
    assert before < best - 0.15
    assert after > best - 0.05
    loss = surprise(similarities(transform(features)[unseen], DOT), truth, offered).sum() / truth.sum()
    exact = surprise(similarities(1.2 * what[unseen], DOT), truth, offered).sum() / truth.sum()
    assert exact <= loss < exact + 0.1


def test_a_transform_of_random_judgements_promises_nothing() -> None:
    rng = np.random.default_rng(9)
    features = rng.normal(size=(60, 10))
    triplets = np.array([rng.choice(60, 3, replace=False) for _ in range(300)])
    transform = fit_transform(features, triplets, votes_for(300, (0, 1, 2), 10))
    unseen = np.array([rng.choice(60, 3, replace=False) for _ in range(300)])
    loss = surprise(similarities(transform(features)[unseen], DOT), votes_for(300, (0, 1, 2), 11)).mean()
    assert loss == pytest.approx(math.log(3), abs=0.05)


def test_a_transform_depends_on_its_input_alone_and_refuses_what_cannot_be_fitted() -> None:
    points = np.random.default_rng(12).normal(size=(30, 6))
    triplets, votes = judged(points, 60, (0, 1, 2), 13)
    one, other = (fit_transform(points, triplets, votes) for _ in range(2))
    assert np.array_equal(one.axes, other.axes)
    with pytest.raises(ValueError, match="19 triplets are too few"):
        fit_transform(points, triplets[:19], votes[:19])
    with pytest.raises(ValueError, match="alike"):
        fit_transform(np.ones((30, 6)), triplets, votes)


def test_a_unit_holds_the_fitted_similarities_only_where_there_is_a_transform() -> None:
    features = np.random.default_rng(14).normal(size=(4, 3, 6))
    assert list(numbers_of(features)) == [f"{kind} {pair}" for kind in (COSINE, DOT) for pair in ("s23", "s13", "s12")]
    points = features.reshape(-1, 6)
    triplets, votes = judged(points, 60, (0, 1, 2), 15)
    found = numbers_of(features, fit_transform(points, triplets, votes))
    assert list(found)[6:] == ["linear s23", "linear s13", "linear s12"]
    assert found["linear s12"].dtype == np.float32
    unfitted = numbers_of(features, None, held_out=True)
    assert list(unfitted) == list(found)
    assert all(np.isnan(unfitted[name]).all() and len(unfitted[name]) == 4 for name in list(found)[6:])
