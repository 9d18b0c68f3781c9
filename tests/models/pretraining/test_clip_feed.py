import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vitobench.errors import DataError
from vitobench.models.pretraining import feeds, trainer
from vitobench.models.pretraining.feeds import ClipFeed, ClipViews
from vitobench.models.pretraining.recipe import Recipe
from vitobench.models.pretraining.views import centre_view, frame_view, stored_side
from vitobench.tasks.clips.source import UnreadableClipError
from vitobench.tests.models.pretraining.two_ranks import small

RECIPE = Recipe(
    "t", "", small("contrastive"), "micro-resnet8", window=1.0, data="clips", clips=0, size=32, batch=8, steps=4,
    warmup=1, precision="float32", monitor_every=2,
)  # fmt: skip


class Coloured:
    """Clips of 3 seconds whose red is the clip and whose green is the time; some cannot be read."""

    def __init__(self, length: int = 20, broken: Sequence[int] = (), labels: bool = True) -> None:
        self.length, self.broken, self.labels = length, tuple(broken), labels

    def __len__(self) -> int:
        return self.length

    def seconds(self, clip: int) -> float:
        return 3.0

    def label(self, clip: int) -> int:
        return clip % 3 if self.labels else -1

    def frames(self, clip: int, times: Sequence[float], size: int | None = None) -> np.ndarray:
        if clip in self.broken:
            raise UnreadableClipError(clip, "broken")
        out = np.zeros((len(times), size or 50, 60, 3), np.uint8)
        out[..., 0] = 10 * clip
        out[..., 1] = np.array([round(80 * t) for t in times], np.uint8)[:, None, None]
        return out


PLAIN = replace(
    RECIPE.augmentation, jitter=0, grey=0, blur=(0.0, 0.0), solarise=(0.0, 0.0)
)  # leaves colours as they are


@pytest.mark.parametrize("window", [0.0, 1.0])
def test_views_are_of_two_times_of_one_clip(window: float) -> None:
    feed = ClipFeed(Coloured(), replace(RECIPE, window=window, augmentation=PLAIN))
    apart = []
    for batch in feed.batches(feed.recipe, 2, 0):
        one, two = (view[:, :, 16, 16] for view in batch.views)
        assert batch.views[0].shape == (8, 3, 32, 32)
        assert torch.equal(one[:, 0], two[:, 0])
        clips = (one[:, 0] * 25.5).round().long()
        assert torch.equal(batch.labels, clips % 3)
        apart += ((one - two)[:, 1].abs() * 255 / 80).tolist()
    assert len(apart) == 32
    assert max(apart) <= window + 0.02
    assert (max(apart) > 0.4) == (window > 0)


def test_batches_depend_on_seed_step_and_clip_alone() -> None:
    whole = list(ClipFeed(Coloured(), RECIPE).batches(RECIPE, 2, 0))
    late = list(ClipFeed(Coloured(), RECIPE, workers=2).batches(RECIPE, 2, 2))
    assert len(whole) == 4
    assert len(late) == 2
    for a, b in zip(whole[2:], late, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a.views, b.views, strict=True))
    halves = [list(ClipFeed(Coloured(), RECIPE).batches(RECIPE, 2, 0, rank, 2)) for rank in (0, 1)]
    for step, batch in enumerate(whole):
        assert torch.equal(torch.cat([half[step].views[1] for half in halves]), batch.views[1])
    other = next(ClipFeed(Coloured(), RECIPE).batches(replace(RECIPE, seed=1), 2, 0))
    assert not torch.equal(whole[0].views[0], other.views[0])


def test_reading_leaves_the_generator_of_the_process_alone() -> None:
    drawn = torch.random.get_rng_state()
    next(ClipFeed(Coloured(), RECIPE).batches(RECIPE, 2, 0))
    assert torch.equal(torch.random.get_rng_state(), drawn)


def test_broken_clips_are_replaced_with_their_own_labels_until_they_are_too_many() -> None:
    feed = ClipFeed(Coloured(broken=[3, 4]), replace(RECIPE, augmentation=PLAIN))
    for batch in feed.batches(feed.recipe, 1, 0):
        clips = (batch.views[0][:, 0, 16, 16] * 25.5).round().long()
        assert not set(clips.tolist()) & {3, 4}
        assert torch.equal(batch.labels, clips % 3)
    with pytest.raises(DataError, match="cannot be read"):
        list(ClipFeed(Coloured(broken=range(2, 20)), RECIPE).batches(RECIPE, 1, 0))


def test_classes_and_exam() -> None:
    feed = ClipFeed(Coloured(broken=[0]), RECIPE)
    assert feed.classes == 3
    assert feed.exam is not None
    assert (len(feed.exam.bank), len(feed.exam.queries)) == (12, 7)
    assert feed.exam.bank.shape[1:] == (3, 32, 32)
    unlabelled = ClipFeed(Coloured(labels=False), RECIPE)
    assert (unlabelled.classes, unlabelled.exam) == (0, None)
    assert ClipFeed(Coloured(), replace(RECIPE, clips=9)).clips == 9


@pytest.mark.parametrize(
    ("labels", "accumulate", "workers"), [(True, 1, (0, 0, 0)), (False, 1, (0, 0, 0)), (True, 2, (0, 2, 1))]
)
def test_a_resumed_run_equals_an_undisturbed_one(
    labels: bool, accumulate: int, workers: tuple[int, int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "LOG_STEPS", 1)
    recipe = replace(RECIPE, accumulate=accumulate)
    feeds = [ClipFeed(Coloured(labels=labels, broken=[3]), recipe, count) for count in workers]
    whole = trainer.train(recipe, feeds[0], tmp_path / "whole")
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(trainer, "CHECKPOINT_SHARE", 0.0)

    def stop(done: int, steps: int, loss: float) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.train(recipe, feeds[1], tmp_path / "cut", stop)
    torch.manual_seed(99)
    resumed = trainer.train(recipe, feeds[2], tmp_path / "cut")
    timeless = [[{k: v for k, v in row.items() if k != "seconds"} for row in t.curve] for t in (resumed, whole)]
    assert timeless[0] == timeless[1]
    assert ("neighbours" in whole.curve[1]) == labels
    for a, b in zip(resumed.learner.parameters(), whole.learner.parameters(), strict=True):
        assert torch.equal(a, b)


def test_views_of_a_frame_cover_what_the_settings_say() -> None:
    torch.manual_seed(0)
    ramp = torch.arange(200, dtype=torch.uint8).expand(3, 150, 200).contiguous()
    view = frame_view(replace(PLAIN, min_area=0.25), 0, 24)
    spans = []
    for _ in range(200):
        made = view(ramp)
        assert made.shape == (3, 24, 24)
        assert made.dtype == torch.float32
        spans.append(float(made[0].max() - made[0].min()) * 255 / 200)
    # The width of a crop is sqrt(area x aspect x 4 / 3) of the frame's height, and no more than all of it.
    assert max(spans) <= 1.0
    assert 0.25 < min(spans) < 0.6
    first, second = frame_view(RECIPE.augmentation, 0, 24), frame_view(RECIPE.augmentation, 1, 24)
    names = [[type(step).__name__ for step in views.transforms] for views in (first, second)]
    assert "RandomSolarize" not in names[0]
    assert "RandomSolarize" in names[1]
    assert stored_side(RECIPE.augmentation, 224) == 355
    assert centre_view(ramp, 24).shape == (3, 24, 24)


def test_at_most_two_batches_wait_for_a_worker() -> None:
    taken = []

    def keys():
        for number in itertools.count():
            taken.append(number)
            yield [(number, 0)]

    loader = torch.utils.data.DataLoader(
        ClipViews(Coloured(), RECIPE, 1), batch_sampler=feeds._Once(keys()), num_workers=2, prefetch_factor=2,
        collate_fn=feeds._Collate(True),
    )  # fmt: skip
    found = iter(loader)
    next(found)
    assert len(taken) <= 2 * 2 + 1
    del found
