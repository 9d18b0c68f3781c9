import numpy as np
import pytest
import torch
from scipy.stats import kstest

from vitobench.models.pretraining.clips import LONGEST_WINDOW, render_pool, sample_times
from vitobench.tasks.microworld.sets import MicroSet
from vitobench.tasks.microworld.vocabulary import CLIP_SECONDS


@pytest.mark.parametrize("window", [0.0, 0.3, 1.0, CLIP_SECONDS])
def test_times_keep_to_the_window_and_the_clip(window: float) -> None:
    times = sample_times(2000, 5, window, np.random.default_rng(0))
    assert times.shape == (2000, 5)
    assert times.min() >= 0
    assert times.max() <= CLIP_SECONDS
    spread = times.max(1) - times.min(1)
    assert spread.max() <= window
    assert spread.max() >= 0.9 * window
    if window == 0:
        assert (times == times[:, :1]).all()
        assert np.ptp(times) > 0.9 * CLIP_SECONDS


def test_times_are_independent_and_uniform_over_the_whole_clip() -> None:
    times = sample_times(3000, 2, CLIP_SECONDS, np.random.default_rng(1))
    assert kstest(times[:, 0] / CLIP_SECONDS, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(times.T)[0, 1]) < 0.08
    # Two independent uniform times lie a third of the clip apart on average.
    assert np.abs(times[:, 0] - times[:, 1]).mean() == pytest.approx(CLIP_SECONDS / 3, rel=0.05)


@pytest.mark.parametrize("window", [-0.1, LONGEST_WINDOW + 0.01])
def test_windows_that_do_not_fit_are_refused(window: float) -> None:
    with pytest.raises(ValueError, match="choose 0 to"):
        sample_times(4, 2, window, np.random.default_rng(0))


def test_pool_holds_the_frames_of_its_clips() -> None:
    calls = []
    pool = render_pool(130, 2, 16, 5, lambda done, total: calls.append((done, total)))
    assert pool.frames.shape == (130, 2, 3, 16, 16)
    assert pool.frames.dtype == torch.uint8
    assert pool.labels.tolist() == [i % 16 for i in range(130)]
    assert calls == [(128, 130), (130, 130)]
    times = sample_times(130, 2, CLIP_SECONDS, np.random.default_rng([5, 0x7153]))
    for clip in (0, 127, 128, 129):
        expected = MicroSet("train", 130, 5).frames([clip, clip], 16, times[clip].tolist()).images
        assert np.array_equal(pool.frames[clip].permute(0, 2, 3, 1).numpy(), expected)
    assert (pool.frames[:, 0] != pool.frames[:, 1]).flatten(1).any(1).all()
    again = render_pool(130, 2, 16, 5)
    assert torch.equal(again.frames, pool.frames)
    assert not torch.equal(render_pool(4, 2, 16, 6).frames, pool.frames[:4])
