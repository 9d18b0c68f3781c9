"""How much features reveal of shape and of texture, and how well they carry an object's mask along a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from ..progress import bar
from .declared import DECODED, DECODING, TRACKED, TRACKING
from .training import Run, keep, known

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

    from ...models.networks import MicroResNet


# How much features reveal of shape and of texture, whether or not the classifier uses it.
#
# A linear classifier on natural frames takes the easy cue, which in the micro-world is texture, so that its decisions
# say little about what the encoder represents. Here one classifier is fitted to shape and another to texture, on frozen
# features of images in which neither predicts the other (Hermann, Chen & Kornblith 2020, NeurIPS, do the same for
# networks trained on photographs).


_SET = "cue-conflict"
_FIRST, _LEARNT, _ASKED = 100_000, 4096, 2000
"""Training images have higher numbers than the images that tasks use."""


@dataclass(frozen=True)
class _Images:
    """uint8 (n, 3, S, S) and int64 (n,) classes by what is decoded; the first `_LEARNT` are for training."""

    pixels: np.ndarray
    classes: dict[str, np.ndarray]


def decode_all(runs: Sequence[Run], console: Console | None = None) -> dict[Run, dict[str, np.ndarray]]:
    """For which images shape and texture can be decoded from the features of each run.

    Results are stored next to the checkpoint and reused.

    Args:
        runs: Finished ones.
        console: Where to show progress; None is silent.

    Returns:
        By run and name of `DECODED`: float64 (2000,), 1 where the answer is right; by chance 1 / 16 of them.
    """
    decoded = {run: stored for run in runs if (stored := known(run, DECODING, DECODED))}
    left = [run for run in runs if run not in decoded]
    if left:
        images = _images(left[0].recipe.size)
        with bar(console, "Decoding", len(left)) as advance:
            for run in left:
                decoded[run] = _decode(run, images)
                advance(1, run.method.name)
    return decoded


def _images(size: int) -> _Images:
    from ...tasks.microworld.sets import MicroSet

    numbers = [*range(_FIRST, _FIRST + _LEARNT), *range(_ASKED)]
    source = MicroSet(_SET, _FIRST + _LEARNT)
    frames = source.frames(numbers, size)
    pixels = np.ascontiguousarray(frames.images.transpose(0, 3, 1, 2))
    textures = np.array([source.scene(number).texture for number in numbers], np.int64)
    return _Images(pixels, {"shape": np.asarray(frames.labels, np.int64), "texture": textures})


def _decode(run: Run, images: _Images) -> dict[str, np.ndarray]:
    import torch

    from ...models.pretraining.produce import fit_linear_head
    from ...models.registry import load
    from ...models.sources.files import name_of

    model = load(name_of(run.checkpoint))
    pixels = torch.from_numpy(images.pixels)
    features = torch.cat([model.features(part) for part in pixels.split(256)])
    correct = {}
    for name, classes in images.classes.items():
        labels = torch.from_numpy(classes)
        head, _ = fit_linear_head(features[:_LEARNT].unsqueeze(1), labels[:_LEARNT])
        with torch.inference_mode():
            right = head(features[_LEARNT:]).argmax(dim=1) == labels[_LEARNT:]
        correct[name] = right.numpy().astype(np.float64)
    keep(run, DECODING, correct)
    return correct


# How well the features of each run carry an object's mask along a clip of the micro-world, as DAVIS measures it.


_CLIPS, _FRAMES, _STEP_SECONDS = 160, 12, 0.2
_SIZE, _STAGE = 128, 1
"""Pixels, twice those of training, as is usual for DAVIS, and the stage before the last: maps of 16 x 16 cells."""

_AT_ONCE = 8


@dataclass(frozen=True)
class Clips:
    """Clips with an object each.

    Attributes:
        pixels: uint8 (B, T, 3, S, S).
        masks: bool (B, T, S, S), the object where it is seen.
    """

    pixels: np.ndarray
    masks: np.ndarray


def track_all(runs: Sequence[Run], console: Console | None = None) -> dict[Run, dict[str, np.ndarray]]:
    """Carry masks along clips by the features of each run; results are stored next to the checkpoint and reused.

    Args:
        runs: Finished ones.
        console: Where to show progress; None is silent.

    Returns:
        By run and name of `TRACKED`: J&F of each clip, float64 (160,), 0..1, the mean of all frames but the first.
    """
    tracked = {run: stored for run in runs if (stored := known(run, TRACKING, TRACKED))}
    left = [run for run in runs if run not in tracked]
    if left:
        from ...models.registry import load
        from ...models.sources.files import name_of

        clips = tracking_clips(_CLIPS)
        with bar(console, "Carrying masks", len(left)) as advance:
            for run in left:
                network = cast("MicroResNet", load(name_of(run.checkpoint)).network)  # what every recipe here trains
                tracked[run] = {TRACKED[0]: track(network, clips)}
                keep(run, TRACKING, tracked[run])
                advance(1, run.method.name)
    return tracked


def tracking_clips(number: int) -> Clips:
    """Render clips of the set "val", the first of each class in turn.

    Args:
        number: Number of clips.
    """
    from ...tasks.microworld.sets import MicroSet

    indices = [clip for clip in range(number) for _ in range(_FRAMES)]
    times = [_STEP_SECONDS * frame for _ in range(number) for frame in range(_FRAMES)]
    frames = MicroSet("val", number).frames(indices, _SIZE, times)
    pixels = np.ascontiguousarray(frames.images.transpose(0, 3, 1, 2))
    return Clips(pixels.reshape(number, _FRAMES, 3, _SIZE, _SIZE), frames.mask.reshape(number, _FRAMES, _SIZE, _SIZE))


def track(network: MicroResNet, clips: Clips) -> np.ndarray:
    """J&F of each clip, float64 (B,).

    Args:
        network: In evaluation mode.
        clips: The clips.
    """
    import torch

    from ...models.pretraining.learners import normalise
    from ...tasks.understanding.propagation import propagate

    scores: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(clips.pixels), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            pixels, truth = torch.from_numpy(clips.pixels[part]), clips.masks[part]
            maps = network.every_map(normalise(pixels.flatten(0, 1).float() / 255.0))[_STAGE]
            features = maps.unflatten(0, pixels.shape[:2])
            carried = propagate(features, _shares(torch.from_numpy(truth[:, 0]), features.shape[-1]))
            scores += _judge(carried, truth)
    return np.array(scores)


def _shares(masks: Tensor, cells: int) -> Tensor:
    """float32 (B, 2, H, W): shares of background and object in each cell, from bool (B, S, S)."""
    import torch

    inside = torch.nn.functional.adaptive_avg_pool2d(masks.float().unsqueeze(1), cells)
    return torch.cat([1 - inside, inside], dim=1)


def _judge(carried: Tensor, truth: np.ndarray) -> list[float]:
    import torch

    from ...tasks.understanding.davis import boundary_accuracy, region_similarity

    whole = torch.nn.functional.interpolate(carried[:, :, 1], truth.shape[-1], mode="bilinear")
    masks = (whole > 0.5).numpy()
    return [
        float(
            np.mean(
                [
                    (region_similarity(one, true) + boundary_accuracy(one, true)) / 2
                    for one, true in zip(mask[1:], real[1:], strict=True)
                ]
            )
        )
        for mask, real in zip(masks, truth, strict=True)
    ]
