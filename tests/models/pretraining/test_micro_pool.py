from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vitobench.errors import DataError, VitobenchError
from vitobench.models.pretraining.clips import (
    for_the_head,
    keep_pool,
    micro_exam,
    micro_pool,
    open_pool,
    pool_key,
    render_pool,
    sample_times,
    uncurated_clips,
)
from vitobench.models.pretraining.methods import Contrastive
from vitobench.models.pretraining.recipe import Recipe
from vitobench.tasks.microworld.sets import MicroSet

RECIPE = Recipe("t", "", Contrastive(), "micro-resnet8", clips=40, frames_per_clip=2, size=16, window=2.56, batch=8)


@pytest.mark.parametrize("window", [0.0, 2.56])
def test_curated_clips_are_those_of_the_plain_pool(window: float) -> None:
    pool = micro_pool(replace(RECIPE, window=window))
    assert torch.equal(pool.frames, render_pool(40, 2, 16, 0).frames)


def test_windows_between_keep_their_frames_together() -> None:
    pool = micro_pool(replace(RECIPE, window=0.5))
    times = sample_times(40, 2, 0.5, np.random.default_rng([0, 0x7153]))
    for clip in (0, 39):
        expected = MicroSet("train", 40, 0).frames([clip, clip], 16, times[clip].tolist()).images
        assert np.array_equal(pool.frames[clip].permute(0, 2, 3, 1).numpy(), expected)


def test_windows_longer_than_a_clip_lie_around_it() -> None:
    times = sample_times(2000, 2, 7.68, np.random.default_rng(0))
    assert -2.56 <= times.min() < -2.5
    assert 5.06 < times.max() <= 5.12
    with pytest.raises(ValueError, match=r"choose 0 to 10\.24"):
        sample_times(1, 2, 10.5, np.random.default_rng(0))


def test_every_head_learns_from_the_same_frames() -> None:
    recipes = [RECIPE, *(replace(RECIPE, **change) for change in ({"window": 0.5}, {"data": "micro-uncurated"}))]
    assert len({pool_key(recipe) for recipe in recipes}) == 3
    assert {pool_key(for_the_head(recipe)) for recipe in recipes} == {
        pool_key(replace(RECIPE, data="micro-photographs", window=0.0, frames_per_clip=1))
    }
    pools = [micro_pool(for_the_head(recipe)) for recipe in recipes]
    assert all(torch.equal(pool.frames, pools[0].frames) for pool in pools)
    assert np.bincount(pools[0].labels).tolist() == [3] * 8 + [2] * 8
    expected = MicroSet("train", 40, 0).frames([3, 39], 16).images  # photographs, which need no times
    assert np.array_equal(pools[0].frames[[3, 39], 0].permute(0, 2, 3, 1).numpy(), expected)


def test_an_ideal_camera_takes_the_same_moments() -> None:
    filmed, ideal = micro_pool(RECIPE), micro_pool(replace(RECIPE, data="micro-ideal"))
    times = sample_times(40, 2, 2.56, np.random.default_rng([0, 0x7153]))
    expected = MicroSet("train", 40, 0).frames([7, 7], 16, times[7].tolist(), "ideal").images
    assert np.array_equal(ideal.frames[7].permute(0, 2, 3, 1).numpy(), expected)
    assert not torch.equal(filmed.frames, ideal.frames)
    assert torch.equal(filmed.labels, ideal.labels)


def test_a_pool_on_disk_is_the_one_that_was_rendered_and_is_not_rendered_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(RECIPE, data="micro-uncurated")
    pool, path = micro_pool(recipe), keep_pool(recipe, tmp_path)
    mapped = open_pool(recipe, tmp_path)
    assert torch.equal(mapped.frames, pool.frames)
    assert torch.equal(mapped.labels, pool.labels)
    other = replace(recipe, name="another", steps=3, window=0.0)  # which needs the same frames
    assert keep_pool(other, tmp_path) == path
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    keep_pool(recipe, tmp_path)  # renders it again
    assert torch.equal(open_pool(recipe, tmp_path).frames, pool.frames)
    monkeypatch.setattr("vitobench.models.pretraining.clips.micro_pool", None)
    keep_pool(recipe, tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        open_pool(replace(recipe, seed=1), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(VitobenchError, match="cannot be written"):
        keep_pool(replace(recipe, seed=1), tmp_path / "file")


def test_uncurated_clips_follow_zipf_and_show_what_their_label_says() -> None:
    indices = uncurated_clips(20_000, 3)
    assert len(set(indices.tolist())) == 20_000
    found = np.sort(np.bincount(indices % 16, minlength=16))[::-1] / 20_000
    expected = (1 / np.arange(1, 17)) / (1 / np.arange(1, 17)).sum()
    assert np.abs(found - expected).max() < 0.015
    assert np.array_equal(indices, uncurated_clips(20_000, 3))
    assert not np.array_equal(indices, uncurated_clips(20_000, 4))
    pool = micro_pool(replace(RECIPE, data="micro-uncurated"))
    drawn = uncurated_clips(40, 0)
    assert pool.labels.tolist() == (drawn % 16).tolist()
    times = sample_times(40, 2, 2.56, np.random.default_rng([0, 0x7153]))
    expected = MicroSet("train", 4000, 0).frames([int(drawn[7])] * 2, 16, times[7].tolist()).images
    assert np.array_equal(pool.frames[7].permute(0, 2, 3, 1).numpy(), expected)


def test_the_exam_asks_for_images_that_nobody_else_uses() -> None:
    pool = micro_pool(RECIPE)
    exam = micro_exam(pool, 16, 0)
    assert torch.equal(exam.bank, pool.frames[:, 0])
    assert exam.queries.shape == (256, 3, 16, 16)
    assert sorted(set(exam.query_labels.tolist())) == list(range(16))
