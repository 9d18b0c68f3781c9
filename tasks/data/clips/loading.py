"""Training examples from clips: frames at random times, and replacements of damaged clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock

import numpy as np

from ....errors import DataError
from .source import ClipSource, UnreadableClipError
from .times import sample_times

_ATTEMPTS = 20
_ALWAYS_BEARABLE = 10  # failed clips; 5 % of a small set would be too strict


@dataclass(frozen=True)
class Example:
    """Frames of one clip.

    Attributes:
        clip: The clip that was read: the requested one, or its replacement.
        times: float64 (n,) seconds.
        frames: uint8 (n, H, W, 3).
    """

    clip: int
    times: np.ndarray
    frames: np.ndarray


class FailedClips:
    """Counts clips that cannot be read, and ends the run when there are too many. Safe to use from several threads.

    Args:
        clips: Total number of clips.
        share: Share of them that may fail. Ten may always fail, but never all.
    """

    def __init__(self, clips: int, share: float = 0.05) -> None:
        self.limit = min(max(_ALWAYS_BEARABLE, int(share * clips)), clips - 1)
        self.clips = clips
        self.errors: dict[int, UnreadableClipError] = {}
        self._lock = Lock()

    def add(self, clip: int, error: UnreadableClipError) -> None:
        """Record a failure; a clip that fails repeatedly counts once.

        Raises:
            DataError: Too many clips have failed. The message names some of them, with reasons.
        """
        with self._lock:
            self.errors.setdefault(clip, error)
            if len(self.errors) > self.limit:
                examples = "; ".join(str(e) for e in islice(self.errors.values(), 3))
                raise DataError(
                    f"{len(self.errors)} of {self.clips} clips cannot be read, more than the {self.limit} that may "
                    f"be replaced by others: {examples}. Remove them, or raise the limit."
                )

    def reasons(self) -> dict[str, int]:
        """Number of failed clips by reason."""
        with self._lock:
            return dict(Counter(error.reason for error in self.errors.values()))


def draw_example(
    source: ClipSource,
    clip: int,
    frames: int,
    window: float,
    key: Sequence[int],
    failed: FailedClips,
    size: int | None = None,
) -> Example:
    """Read frames of a clip at random times, or of another random clip if it is damaged.

    Times and replacements depend only on ``key`` and ``clip``, so that any number of threads in any order give the same
    examples.

    Args:
        source: The clips.
        clip: Position of the clip.
        frames: Number of frames.
        window: T in seconds; see `sample_times`.
        key: Whole numbers from 0, such as (seed, epoch).
        failed: Counts clips that fail.
        size: Length of the shorter side in pixels.

    Raises:
        DataError: Too many clips fail.
    """
    rng = np.random.default_rng([*key, clip])
    requested = clip
    for _ in range(_ATTEMPTS):
        try:
            times = sample_times(source.seconds(clip), frames, window, rng)
            return Example(clip, times, source.frames(clip, times.tolist(), size))
        except UnreadableClipError as error:
            failed.add(clip, error)
            clip = int(rng.integers(len(source)))
            rng = np.random.default_rng([*key, requested, clip])
    raise DataError(f"clip {requested} and {_ATTEMPTS - 1} replacements cannot be read; the last was {clip}")
