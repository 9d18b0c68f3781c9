from __future__ import annotations

import random

import pytest

from vitobench.models.pretraining.curation.duplicates import HashIndex, duplicates_among, duplicates_of


def flipped(value: int, bits: int, rng: random.Random) -> int:
    for place in rng.sample(range(64), bits):
        value ^= 1 << place
    return value


@pytest.mark.parametrize("radius", [0, 1, 3, 4, 6, 7, 8, 11, 15])
def test_the_index_finds_what_comparing_every_pair_finds(radius: int) -> None:
    rng = random.Random(radius)
    centres = [rng.getrandbits(64) for _ in range(20)]
    values = [flipped(rng.choice(centres), rng.randrange(0, 20), rng) for _ in range(400)]
    index = HashIndex(radius)
    for key, value in enumerate(values):
        index.add(value, key)
    for value in values[:100]:
        assert index.near(value) == [k for k, v in enumerate(values) if bin(v ^ value).count("1") <= radius]


def test_the_first_of_its_like_survives_and_a_duplicate_of_a_duplicate_names_the_survivor() -> None:
    a, b = 0x0123456789ABCDEF, 0xFEDCBA9876543210
    clips = [(a, b, a), (b, a, b), (a, b, a ^ 1), (a, b ^ 3, a), (a, b, b)]
    # The last has the same middle frame, but another third.
    assert duplicates_among(clips, 2) == {2: 0, 3: 0}
    assert duplicates_among(clips, 0) == {}


def test_likeness_is_not_passed_on() -> None:
    clips = [(0,), (0b11,), (0b1111,)]
    # The third is near the second only, which is gone.
    assert duplicates_among(clips, 2) == {1: 0}


def test_clips_of_another_number_of_frames_are_compared_with_none() -> None:
    assert duplicates_among([(5,), (5, 5)], 6) == {}


def test_any_frame_that_shows_an_evaluation_image_counts() -> None:
    images = {"b.png": 0xFF, "a.png": 0xFE, "c.png": 0xFFFF << 32}
    clips = [(1 << 40, 0, 0xFF), (0xAAAA << 16, 0xBBBB << 16), (0xFFFF << 32,)]
    assert duplicates_of(clips, images, 1) == {0: "a.png", 2: "c.png"}
    assert duplicates_of(clips, {}, 6) == {}
