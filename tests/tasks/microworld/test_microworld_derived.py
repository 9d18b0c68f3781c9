"""Sets made of frames of others: those a committee got wrong, and clips frame by frame."""

import pickle

import numpy as np
import pytest

from vitobench.errors import DataError
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.microworld import sets
from vitobench.tasks.microworld.action_clips import MicroActions
from vitobench.tasks.microworld.labelled_scenes import MicroLabelledScenes
from vitobench.tasks.microworld.object_clips import MicroObjectClips
from vitobench.tasks.microworld.sets import FRAMES, GENERATOR_VERSION, NEIGHBOURS, HardSet, MicroSet, MicroVideo, facts
from vitobench.tasks.microworld.vocabulary import CLIP_SECONDS
from vitobench.tasks.opening import open_source

SMALL = Geometry(24, 24, "bilinear")


def test_hard_photographs_are_those_of_the_set_they_come_from() -> None:
    chosen = facts()
    assert chosen["generator"] == GENERATOR_VERSION, "choose them anew: tests/benchmarks/world_calibration.py choose"
    indices = chosen["indices"]
    assert indices == sorted(set(indices))
    first, last = chosen["searched"]
    assert first <= indices[0]
    assert indices[-1] < last
    hard = HardSet(10_000)
    assert len(hard) == len(indices) == len(set(hard.image_ids))
    assert set(hard.labels.tolist()) == set(range(16))
    images, failed = hard.load(range(5), SMALL)
    assert failed == {}
    frames = MicroSet(chosen["set"], last, chosen["seed"])
    np.testing.assert_array_equal(images, frames.frames(indices[:5], 24).images)
    assert hard.labels[:5].tolist() == frames.labels[indices[:5]].tolist()
    assert HardSet(3).image_ids == hard.image_ids[:3]
    assert HardSet(3).digest == hard.digest


def test_a_list_that_was_chosen_in_another_world_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    old = facts() | {"generator": GENERATOR_VERSION - 1}
    monkeypatch.setattr(sets, "facts", lambda: old)
    with pytest.raises(DataError, match=r"generator version 1, and this is version 2.*Choose it anew"):
        HardSet(5).load([0], SMALL)


def test_any_whole_number_is_a_seed_of_clips_and_scenes() -> None:
    one, other = (MicroActions(6, seed).clip(0) for seed in (-1, 1))
    assert (one != other).any()
    scenes = [MicroLabelledScenes(2, seed) for seed in (-1, 1)]
    for images in ("image_ids", "memory_ids"):
        one, other = (source.picture(getattr(source, images)[1]) for source in scenes)
        assert (one != other).any()
    one, other = (source.frame(source.object_at(0)[0], 3) for source in (MicroObjectClips(1, -1), MicroObjectClips(1)))
    assert (one != other).any()


def test_frames_of_a_clip_move_little_by_little_around_the_anchor() -> None:
    video = MicroVideo(3 * FRAMES + 5)
    assert len(video) == 3 * FRAMES
    images, _ = video.load(range(len(video)), SMALL)
    anchors = MicroSet("val", 3).frames(range(3), 24, [0.5 * CLIP_SECONDS] * 3, "filmed").images
    np.testing.assert_array_equal(images[NEIGHBOURS::FRAMES], anchors)
    assert video.labels.tolist() == [0] * FRAMES + [1] * FRAMES + [2] * FRAMES
    clip = images[:FRAMES].astype(float)
    near = np.abs(clip[1:] - clip[:-1]).mean()
    far = np.abs(clip[-1] - clip[0]).mean()
    assert 0 < near < far / 2


def test_every_frame_belongs_to_one_anchor() -> None:
    video = MicroVideo(4 * FRAMES, seed=3)
    assert len(video.anchors) == 4
    members = [frame for anchor, neighbours in video.anchors.items() for frame in (anchor, *neighbours)]
    assert sorted(members) == sorted(video.image_ids)
    for anchor, neighbours in video.anchors.items():
        assert len(neighbours) == FRAMES - 1
        assert {frame.split("/")[0] for frame in neighbours} == {anchor.split("/")[0]}


@pytest.mark.parametrize("dataset", ["microworld/hard", "microworld/vid-robust"])
def test_they_open_by_name_and_travel_to_workers(dataset: str) -> None:
    source = open_source(dataset, {}, 42, 0)
    assert len(source.image_ids) == len(source.labels) == 42
    copy = pickle.loads(pickle.dumps(source))
    assert (copy.digest, copy.image_ids) == (source.digest, source.image_ids)
    assert source.manifest()
    np.testing.assert_array_equal(copy.load([1, 30], SMALL)[0], source.load([1, 30], SMALL)[0])
    small, whole = open_source(dataset, {}, 21, 0), open_source(dataset, {}, 42, 0)
    assert small.digest == whole.digest
    assert whole.image_ids[:21] == small.image_ids


def test_depth_belongs_to_the_pixels() -> None:
    source = MicroSet("val", 6)
    depth, failed = source.depths(range(6), SMALL)
    assert failed == {}
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, source.frames(range(6), 24).depth)
    assert np.isfinite(depth).all()
    assert (depth > 0).all()
