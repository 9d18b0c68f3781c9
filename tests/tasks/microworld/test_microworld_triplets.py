"""Triplets of the micro-world: what similarity is made of, and that observers judge by it with the stated weights."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.microworld.sets import photographs
from vitobench.tasks.microworld.triplets import (
    HELD_OUT,
    OBSERVERS,
    SHAPES,
    TEMPERATURE,
    WEIGHTS,
    MicroTriplets,
    choice_probabilities,
    parts_of,
)
from vitobench.tasks.similarity.judgements import PAIRS, choice_shares
from vitobench.tests.tasks.similarity.ceiling import noise_ceiling

SIZE = Geometry(32, 32, "bilinear")


@pytest.fixture(scope="module")
def triplets() -> MicroTriplets:
    return MicroTriplets(400)


@pytest.fixture(scope="module")
def parts(triplets: MicroTriplets) -> np.ndarray:
    return parts_of([triplets.pictures.scene(n) for n in range(3 * len(triplets))])


def test_the_weights_can_be_found_again_from_the_judgements(triplets: MicroTriplets, parts: np.ndarray) -> None:
    def loss(weights: np.ndarray) -> float:
        return float(-(triplets.votes * log_softmax(parts @ weights, axis=1)).sum() / triplets.votes.sum())

    found = minimize(loss, np.zeros(4), method="BFGS").x * TEMPERATURE
    assert found == pytest.approx(np.array(list(WEIGHTS.values())), abs=0.06)


def test_who_knows_the_similarity_reaches_the_ceiling(triplets: MicroTriplets, parts: np.ndarray) -> None:
    known = choice_shares(parts @ np.array(list(WEIGHTS.values())))
    votes = triplets.votes
    reached = (known * votes).sum() / votes.sum()
    assert noise_ceiling(votes) - 0.03 < reached <= noise_ceiling(votes)
    assert 0.6 < reached < 0.85  # noise that a model can be seen to fall short of
    by_part = [(choice_shares(parts[:, :, n]) * votes).sum() / votes.sum() for n in range(4)]
    assert sorted(by_part, reverse=True) == by_part
    assert by_part[0] < reached - 0.05
    assert by_part[3] > 1 / 3


def test_shares_follow_the_rule_of_luce(triplets: MicroTriplets, parts: np.ndarray) -> None:
    scenes = [triplets.pictures.scene(n) for n in range(30)]
    expected = softmax(parts[:10] @ np.array(list(WEIGHTS.values())) / TEMPERATURE, axis=1)
    assert choice_probabilities(scenes) == pytest.approx(expected)


def test_parts_are_those_of_the_rendered_pictures(triplets: MicroTriplets, parts: np.ndarray) -> None:
    scenes = [triplets.pictures.scene(n) for n in range(60)]
    frames = photographs(scenes, 16)
    assert set(frames.labels.tolist()) <= set(SHAPES)
    for n in range(20):
        for k, (a, b) in enumerate(PAIRS):
            i, j = 3 * n + a, 3 * n + b
            turn = frames.poses[i] @ frames.poses[j].T
            angle = np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))
            assert parts[n, k, 0] == (frames.labels[i] == frames.labels[j])
            assert parts[n, k, 1] == (frames.textures[i] == frames.textures[j])
            assert parts[n, k, 2] == pytest.approx(1 - angle / np.pi, abs=1e-6)
    assert (frames.classes[:, 1:] == -1).all()  # nothing else to compare


def test_every_choice_is_equally_likely_and_shapes_and_textures_are_shared(
    triplets: MicroTriplets, parts: np.ndarray
) -> None:
    assert triplets.votes.sum(axis=1).tolist() == [OBSERVERS] * 400
    assert triplets.votes.mean(axis=0) / OBSERVERS == pytest.approx(np.full(3, 1 / 3), abs=0.05)
    assert parts[:, :, :2].any(axis=1).mean(axis=0) == pytest.approx(np.full(2, 0.55), abs=0.06)


def test_a_longer_set_begins_with_a_shorter_one_and_seeds_differ(triplets: MicroTriplets) -> None:
    short, other = MicroTriplets(7), MicroTriplets(7, seed=1)
    assert short.image_ids == triplets.image_ids[:7]
    assert np.array_equal(short.votes, triplets.votes[:7])
    assert short.digest == triplets.digest != other.digest
    assert not np.array_equal(short.votes, other.votes)
    pixels, failed = short.load([5, 2], SIZE)
    assert failed == {}
    assert pixels.shape == (2, 96, 32, 3)
    assert np.array_equal(pixels, triplets.load([5, 2], SIZE)[0])
    pictures, _ = triplets.pictures.load([15, 16, 17], SIZE)
    assert np.array_equal(pixels[0], np.concatenate(pictures))
    assert np.array_equal(pickle.loads(pickle.dumps(short)).load([5, 2], SIZE)[0], pixels)


def test_what_a_transform_is_fitted_on_is_not_scored(triplets: MicroTriplets) -> None:
    assert len(triplets.held_out) == HELD_OUT
    scored, fitted = set(triplets.judged.triplets.ravel()), set(triplets.held_out.triplets.ravel())
    assert not scored & fitted
    assert len(triplets.pictures) == len(scored | fitted)
    assert len(set(triplets.picture_names)) == len(triplets.pictures)
    # The same scenes serve, however many triplets are scored.
    few = MicroTriplets(3)
    one, other = (s.pictures.load([3 * len(s), 3 * len(s) + 1], SIZE)[0] for s in (few, triplets))
    assert np.array_equal(one, other)
