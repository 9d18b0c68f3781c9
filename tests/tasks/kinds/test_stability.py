"""Flips and top-5 distance against the paper's formula written out over full rankings."""

import numpy as np
import pytest

from vitobench.tasks.measures import against_first, flip_probability, mean_rate, rates, top5_distance

CLASSES = 12


def sequences(seed: int, count: int = 7) -> list[list[list[int]]]:
    """Full rankings of the classes in the frames of some sequences, each a few swaps from the one before."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        ranking = rng.permutation(CLASSES).tolist()
        frames = []
        for _ in range(int(rng.integers(2, 9))):
            for _ in range(int(rng.integers(0, 4))):
                a, b = rng.integers(0, CLASSES, 2)
                ranking[a], ranking[b] = ranking[b], ranking[a]
            frames.append(list(ranking))
        found.append(frames)
    return found


def compared(frames: list, first: bool, step: int) -> list[tuple]:
    """Pairs of frames: all start frames within a step, then from each frame to the one a step later."""
    pairs = []
    for start in range(1 if first else step):
        before = frames[start]
        for frame in frames[start :: 1 if first else step][1:]:
            pairs.append((before, frame))
            if not first:
                before = frame
    return pairs


def paper_distance(before: list[int], after: list[int]) -> int:
    """Sum over ranks i = 1..5 of how many j in (min, max] of i and its new rank have 1 <= j - 1 <= 5."""
    total = 0
    for i in range(1, 6):
        new = after.index(before[i - 1]) + 1
        for j in range(min(i, new) + 1, max(i, new) + 1):
            total += 1 <= j - 1 <= 5
    return total


@pytest.mark.parametrize(("first", "step"), [(True, 1), (False, 1), (False, 2), (False, 3)])
def test_flips_and_distances_are_those_of_the_paper(first: bool, step: int) -> None:
    videos = [frames for frames in sequences(step) if len(frames) > step]
    lengths = np.array([len(frames) for frames in videos])
    top = np.array([frame[:5] for frames in videos for frame in frames], np.int16)
    flips = [np.mean([a[0] != b[0] for a, b in compared(frames, first, step)]) for frames in videos]
    distances = [np.mean([paper_distance(a, b) for a, b in compared(frames, first, step)]) for frames in videos]
    np.testing.assert_allclose(flip_probability(top[:, 0], lengths, first, step), flips, rtol=1e-12)
    np.testing.assert_allclose(top5_distance(top, lengths, first, step), distances, rtol=1e-12)
    assert 0 < np.mean(flips) < 1
    assert np.mean(distances) > 0


def test_noise_is_compared_with_the_first_frame() -> None:
    assert [name for name in ("gaussian_noise", "shot_noise", "tilt", "snow") if against_first(name)] == [
        "gaussian_noise",
        "shot_noise",
    ]
    there_and_back = np.array([1, 2, 1, 2, 1])
    assert flip_probability(there_and_back, np.array([5]), first=False).tolist() == [1.0]
    assert flip_probability(there_and_back, np.array([5]), first=True).tolist() == [0.5]


def test_distance_has_bounds() -> None:
    top = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], np.int16)
    assert top5_distance(top, np.array([3]), first=True).tolist() == [7.5]
    assert top5_distance(top[1:], np.array([2]), first=True).tolist() == [15.0]


def test_what_cannot_be_compared_is_undefined() -> None:
    top = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 1, 2, -1, -1], [0, 1, 2, 3, 4]], np.int16)
    np.testing.assert_array_equal(top5_distance(top, np.array([1, 1, 2]), first=False), [np.nan] * 3)
    np.testing.assert_array_equal(flip_probability(top[:, 0], np.array([1, 1, 2]), first=False), [np.nan, np.nan, 0.0])


def test_rates_are_means_of_ratios() -> None:
    own, other = np.array([[0.1, 0.3, 0.2]]), np.array([[0.2, 0.3, 0.8]])
    assert mean_rate(own, other).tolist() == pytest.approx([(0.5 + 1.0 + 0.25) / 3])
    assert mean_rate(other, other).tolist() == [1.0]
    np.testing.assert_array_equal(rates(own, np.array([[0.0, 0.3, 0.1]])), [[np.nan, 1.0, 2.0]])
    assert np.isnan(mean_rate(own, np.array([[0.0, 0.3, 0.1]]))).all()
