import os
import subprocess
import sys
from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.stats import binom, chisquare

from vitobench.errors import UnknownNameError
from vitobench.tasks.microworld import vocabulary as k
from vitobench.tasks.microworld.sets import SETS, MicroSet, render
from vitobench.tasks.microworld.vocabulary import (
    BACKGROUNDS,
    CLASSES,
    CLIP_SECONDS,
    TEXTURES,
    TRAINING_BACKGROUNDS,
    UNSEEN_BACKGROUNDS,
)
from vitobench.tasks.microworld.worlds import WORLDS, Draws, draw_scene


def test_every_set_has_a_world_and_every_word_a_place() -> None:
    assert set(SETS) == set(WORLDS)
    assert len(set(CLASSES)) == len(set(TEXTURES)) == 16
    assert sorted(TRAINING_BACKGROUNDS + UNSEEN_BACKGROUNDS) == list(range(len(BACKGROUNDS)))


@pytest.mark.parametrize("name", SETS)
def test_same_seed_and_index_give_the_same_pixels(name: str) -> None:
    once, again = MicroSet(name, 6).frames(range(6), 24), MicroSet(name, 6).frames(range(6), 24)
    for entry in fields(once):
        np.testing.assert_array_equal(getattr(once, entry.name), getattr(again, entry.name))


def test_pixels_do_not_depend_on_order_batch_length_or_threads() -> None:
    source = MicroSet("val", 40)
    whole = source.frames(range(40), 16)
    order = np.random.default_rng(0).permutation(40)
    assert np.array_equal(source.frames(order.tolist(), 16).images, whole.images[order])
    assert np.array_equal(MicroSet("val", 4000).frames([7], 16).images[0], whole.images[7])
    scenes, times = source.scenes(range(40)), np.linspace(0, CLIP_SECONDS, 40)
    filmed = render(scenes, times.tolist(), 16, 1).images
    for threads in (2, 5):
        assert np.array_equal(render(scenes, times.tolist(), 16, threads).images, filmed)
    reordered = render([scenes[i] for i in order], times[order].tolist(), 16)
    assert np.array_equal(reordered.images, filmed[order])


def test_another_seed_or_set_is_another_world() -> None:
    first = MicroSet("val", 8).frames(range(8), 16).images
    for other in (MicroSet("val", 8, seed=1), MicroSet("train", 8)):
        images = other.frames(range(8), 16).images
        assert all((a != b).any() for a, b in zip(first, images, strict=True))
        assert other.digest != MicroSet("val", 8).digest
    assert MicroSet("val", 9).digest == MicroSet("val", 8).digest


@pytest.mark.parametrize("length", [1, 16, 50])
def test_ids_are_unique_and_classes_balanced(length: int) -> None:
    source = MicroSet("light", length, seed=3)
    assert len(source) == len(set(source.image_ids)) == length
    assert source.image_ids[0] == "light-3-000000"
    counts = np.bincount(source.labels, minlength=16)
    assert counts.max() - counts.min() <= 1
    assert source.labels.dtype == np.int64
    assert source.frames(range(min(length, 17)), 8).labels.tolist() == source.labels[:17].tolist()


@pytest.mark.parametrize("name", [name for name in SETS if name != "cue-conflict"])
def test_natural_sets_correlate_texture_and_class_as_they_say(name: str) -> None:
    source = MicroSet(name, 2000)
    # A scene that does not wear its own texture draws one of all 16, its own among them.
    expected = WORLDS[name].correlation + (1 - WORLDS[name].correlation) / 16
    low, high = binom.interval(0.9999, 2000, expected)
    assert low <= (source.textures() == source.labels).sum() <= high


def test_correlation_is_a_setting() -> None:
    for correlation, low, high in ((0.0, 10, 60), (0.5, 210, 320), (1.0, 500, 500)):
        world = replace(WORLDS["val"], correlation=correlation)
        own = sum(draw_scene(world, Draws(0, "x", i), i % 16).texture == i % 16 for i in range(500))
        assert low <= own <= high


def test_cue_conflict_never_agrees_and_covers_textures_evenly() -> None:
    source = MicroSet("cue-conflict", 2000)
    textures = source.textures()
    assert (textures != source.labels).all()
    assert chisquare(np.bincount(textures, minlength=16)).pvalue > 1e-4
    pairs = Counter(zip(source.labels.tolist(), textures.tolist(), strict=True))
    assert len(pairs) > 235  # of 240 pairs, each expected 8 times


@pytest.mark.parametrize("name", SETS)
def test_held_out_backgrounds_stay_out_of_training(name: str) -> None:
    source = MicroSet(name, 300)
    seen = {int(source.scene(i).start[k.BACKGROUND]) for i in range(300)}
    assert seen == set(UNSEEN_BACKGROUNDS if name == "backgrounds" else TRAINING_BACKGROUNDS)


def test_shifted_sets_change_what_they_name() -> None:
    def scenes(name: str) -> list:
        source = MicroSet(name, 200)
        return [source.scene(i) for i in range(200)]

    natural = scenes("val")
    assert max(s.camera[1] for s in natural) < np.deg2rad(48.01)
    assert min(s.camera[1] for s in scenes("viewpoints")) > np.deg2rad(54.99)
    assert max(s.start[k.LIGHT + 1] for s in scenes("light")) < min(s.start[k.LIGHT + 1] for s in natural)
    assert all(s.start[k.OCCLUDERS] == 2 for s in scenes("occlusion"))
    assert all(s.start[k.OCCLUDERS] == 0 for s in scenes("cue-conflict"))
    assert 40 < sum(s.start[k.OCCLUDERS] for s in natural) < 120  # 400 places at probability 0.2


def test_unknown_set_and_empty_set_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="'backgrounds'"):
        MicroSet("background", 4)
    for length in (0, -3):
        with pytest.raises(ValueError, match="1 or more"):
            MicroSet("val", length)


def test_drawing_scenes_needs_no_compiler() -> None:
    code = (
        "import sys; from vitobench.tasks.microworld.sets import MicroSet; "
        "MicroSet('val', 20).textures(); MicroSet('val', 20).digest; "
        "sys.exit('numba' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
