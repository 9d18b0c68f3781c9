"""Examine videos: decode the probed frames, classify and hash them. This stage takes nearly all of the time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from ....tasks.images.geometry import Geometry
from ....tasks.images.reading import fit
from ...batching import answer
from ...model import Model
from .duplicates import perceptual_hash
from .evidence import ANSWERS, ClipEvidence, probe_times
from .queries import FrameAnswer
from .settings import CurationSettings
from .sources import Source, UnreadableVideoError

_CLIPS_AT_ONCE = 16
"""Clips of a video to hold in memory at once: a long video is examined in parts."""

_READERS = 2
"""Threads that decode ahead of the classifier, each one part at a time."""


@dataclass(frozen=True)
class Look:
    """Clips to examine.

    Attributes:
        path: The video.
        clips: (start, end) in seconds by the position of the clip in the video.
    """

    path: str
    clips: Mapping[int, tuple[float, float]]


@dataclass(frozen=True)
class _Read:
    pixels: np.ndarray
    hashes: tuple[int, ...]


class _Eye:
    """Decodes frames for one classifier, crops them to its input size, and hashes them."""

    def __init__(self, source: Source, geometry: Geometry, frames: int) -> None:
        self._source, self._geometry, self._frames = source, geometry, frames

    def read(self, path: str, clips: Sequence[tuple[float, float]]) -> list[_Read | UnreadableVideoError]:
        times = [probe_times(start, end, self._frames) for start, end in clips]
        try:
            together = self._source.frames(path, [t for part in times for t in part], self._geometry.resize)
        except UnreadableVideoError as error:
            # One damaged place makes the whole part fail: try its clips one by one. A single clip's error is final.
            return [error] if len(clips) == 1 else [result for clip in clips for result in self.read(path, [clip])]
        return [self._one(together[i : i + self._frames]) for i in range(0, len(together), self._frames)]

    def _one(self, frames: np.ndarray) -> _Read:
        pixels = np.stack([fit(Image.fromarray(frame), self._geometry) for frame in frames])
        return _Read(pixels, tuple(perceptual_hash(frame) for frame in frames))


class Classifier:
    """A model that predicts the classes of frames."""

    def __init__(self, model: Model, top_k: int, batch: int) -> None:
        """Wrap a model.

        Args:
            model: A model on its device.
            top_k: Number of predictions needed; at least `ANSWERS` are stored if there are as many classes.
            batch: Frames per forward pass.
        """
        self.geometry = model.spec.preprocessing.geometry
        self._model, self._keep, self._batch = model, max(top_k, ANSWERS), batch

    def answers(self, pixels: np.ndarray) -> list[FrameAnswer]:
        """Top predictions for frames, uint8 (n, size, size, 3); ties are resolved by the lower class index."""
        logits, self._batch = answer(self._model, pixels, self._batch)
        shares = torch.softmax(logits.double(), 1).numpy()
        order = np.argsort(-shares, axis=1, kind="stable")[:, : self._keep]
        return [
            FrameAnswer(tuple(map(int, first)), tuple(round(float(row[label]), 6) for label in first))
            for row, first in zip(shares, order, strict=True)
        ]


def examine(
    source: Source,
    looks: Sequence[Look],
    classifier: Classifier,
    settings: CurationSettings,
    report: Callable[[str, dict[int, ClipEvidence], bool], None],
) -> None:
    """Examine videos, in order.

    Args:
        source: The videos.
        looks: The clips to examine.
        classifier: The classifier.
        settings: Number of frames per clip.
        report: Called in this thread after each video with (path, evidence by clip, whether it may be cached): after a
            disk error, another attempt may succeed.
    """
    eye = _Eye(source, classifier.geometry, settings.frames)
    with ThreadPoolExecutor(_READERS) as pool:
        evidence: dict[int, ClipEvidence] = {}
        lasting = True
        for look, part, results, last in _ahead(pool, eye, looks):
            decoded = {p: r for p, r in zip(part, results, strict=True) if isinstance(r, _Read)}
            predictions = classifier.answers(np.concatenate([r.pixels for r in decoded.values()])) if decoded else []
            for position, result in zip(part, results, strict=True):
                if isinstance(result, UnreadableVideoError):
                    evidence[position] = ClipEvidence(problem=str(result))
                    lasting &= not result.transient
            for number, (position, r) in enumerate(decoded.items()):
                of_clip = predictions[number * settings.frames : (number + 1) * settings.frames]
                evidence[position] = ClipEvidence(tuple(of_clip), r.hashes)
            if last:
                report(look.path, evidence, lasting)
                evidence, lasting = {}, True


def _ahead(
    pool: ThreadPoolExecutor, eye: _Eye, looks: Sequence[Look]
) -> Iterator[tuple[Look, list[int], list[_Read | UnreadableVideoError], bool]]:
    """Parts of videos in order, a few of them decoded ahead."""
    waiting: deque[tuple[Look, list[int], Future[list[_Read | UnreadableVideoError]], bool]] = deque()
    for look in looks:
        positions = sorted(look.clips)
        for start in range(0, max(1, len(positions)), _CLIPS_AT_ONCE):
            part = positions[start : start + _CLIPS_AT_ONCE]
            last = start + _CLIPS_AT_ONCE >= len(positions)
            future = pool.submit(eye.read, look.path, [look.clips[p] for p in part]) if part else Future()
            if not part:
                future.set_result([])
            waiting.append((look, part, future, last))
            if len(waiting) > 2 * _READERS:
                ready = waiting.popleft()
                yield ready[0], ready[1], ready[2].result(), ready[3]
    while waiting:
        ready = waiting.popleft()
        yield ready[0], ready[1], ready[2].result(), ready[3]
