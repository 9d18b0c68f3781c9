from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vitobench.tasks.microworld.sets import MicroSet, render
from vitobench.tasks.microworld.skewed import (
    EMPTY,
    FIRST_INDEX,
    SkewedClip,
    brighter,
    skewed_clips,
    skewed_frames,
    skewed_scene,
    zipf,
)
from vitobench.tasks.microworld.vocabulary import CLASSES, SYNONYMS

CLIPS = skewed_clips(4000, seed=1)


def said(clip: SkewedClip) -> set[int]:
    text = f" {clip.title} {' '.join(clip.tags)} "
    return {i for i, n in enumerate(CLASSES) if any(f" {w}" in text for w in (n, *SYNONYMS.get(n, ())))}


def test_zipf() -> None:
    shares = sorted(zipf(1.0), reverse=True)
    harmonic = sum(1 / rank for rank in range(1, 17))
    np.testing.assert_allclose(shares, [1 / (rank * harmonic) for rank in range(1, 17)])
    np.testing.assert_allclose(zipf(0.0), 1 / 16)


def test_shares_are_the_stated_ones_within_chance() -> None:
    originals = [clip for clip in CLIPS if not clip.copy_of]
    n = len(originals)

    def near(count: int, share: float, of: int) -> bool:
        return abs(count - share * of) < 4.5 * (of * share * (1 - share)) ** 0.5 + 1

    assert near(len(CLIPS) - n, 0.1, len(CLIPS))
    assert near(sum(clip.shows == EMPTY for clip in originals), 0.1, n)
    scenes = Counter(clip.index % 16 for clip in originals)
    assert all(near(scenes[label], share, n) for label, share in enumerate(zipf(1.0)))
    named = [clip for clip in CLIPS if said(clip)]
    assert near(len(CLIPS) - len(named), 0.1, len(CLIPS))
    assert near(sum(said(clip) != {clip.index % 16} for clip in named), 0.2, len(named))


def test_originals_are_distinct_scenes_that_no_shipped_model_saw_and_copies_repeat_them() -> None:
    originals = {clip.name: clip for clip in CLIPS if not clip.copy_of}
    assert len({clip.index for clip in originals.values()}) == len(originals)
    assert min(clip.index for clip in CLIPS) >= FIRST_INDEX
    for clip in CLIPS:
        if clip.copy_of:
            original = originals[clip.copy_of]
            assert (clip.index, clip.shows) == (original.index, original.shows)


def test_a_longer_source_begins_with_a_shorter_one_and_seeds_differ() -> None:
    assert skewed_clips(50, 1) == CLIPS[:50]
    assert skewed_clips(50, 2) != CLIPS[:50]


def test_empty_clips_show_no_object_and_others_are_those_of_the_set() -> None:
    empty = [clip for clip in CLIPS if clip.shows == EMPTY][:20]
    assert not render([skewed_scene(c.index, c.shows, 1) for c in empty], [0.4] * 20).mask.any()
    full = [clip for clip in CLIPS if clip.shows != EMPTY][:4]
    clips = [(clip.index, clip.shows) for clip in full]
    theirs = MicroSet("train", FIRST_INDEX * 2, 1).frames([clip.index for clip in full], 32, [1.0] * 4).images
    np.testing.assert_array_equal(skewed_frames(clips, [1.0] * 4, 32, seed=1), theirs)


def test_brighter() -> None:
    assert brighter(np.array([0, 100, 255], np.uint8)).tolist() == [12, 102, 242]


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="wrong"):
        skewed_clips(5, wrong=1.2)
    with pytest.raises(ValueError, match="length"):
        skewed_clips(0)
