"""What features hold of shape and of texture, whatever the classifier made of it.

A linear classifier on natural frames takes the easy cue, which in the micro-world is texture, so that its decisions say
little of what the encoder knows. Here one is fitted to shape, and another to texture, on frozen features of images in
which neither tells of the other (Hermann, Chen & Kornblith 2020, NeurIPS, ask the same of networks of photographs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..progress import bar
from .declared import DECODED, DECODING
from .kept import keep, known
from .training import Run

if TYPE_CHECKING:
    from rich.console import Console

_SET = "cue-conflict"
_FIRST, _LEARNT, _ASKED = 100_000, 4096, 2000
"""Images that are learnt from lie beyond those that tasks ask about."""


@dataclass(frozen=True)
class _Images:
    """uint8 (n, 3, S, S) and int64 (n,) classes by what is decoded; the first `_LEARNT` are learnt from."""

    pixels: np.ndarray
    classes: dict[str, np.ndarray]


def decode_all(runs: Sequence[Run], console: Console | None = None) -> dict[Run, dict[str, np.ndarray]]:
    """Which images tell their shape and their texture by the features of each run.

    What is known of a checkpoint is kept beside it.

    Args:
        runs: Finished ones.
        console: Where to show progress; None is silent.

    Returns:
        By run and name of `DECODED`: float64 (2000,), 1 where the answer is right; by chance 1 / 16 of them.
    """
    found = {run: kept for run in runs if (kept := known(run, DECODING, DECODED))}
    left = [run for run in runs if run not in found]
    if left:
        images = _images(left[0].recipe.size)
        with bar(console, "Decoding", len(left)) as advance:
            for run in left:
                found[run] = _decode(run, images)
                advance(1, run.method.name)
    return found


def _images(size: int) -> _Images:
    from ...tasks.data.microworld.sets import MicroSet

    numbers = [*range(_FIRST, _FIRST + _LEARNT), *range(_ASKED)]
    source = MicroSet(_SET, _FIRST + _LEARNT)
    frames = source.frames(numbers, size)
    pixels = np.ascontiguousarray(frames.images.transpose(0, 3, 1, 2))
    textures = np.array([source.scene(number).texture for number in numbers], np.int64)
    return _Images(pixels, {"shape": np.asarray(frames.labels, np.int64), "texture": textures})


def _decode(run: Run, images: _Images) -> dict[str, np.ndarray]:
    import torch

    from ...models.pretraining.linear_head import fit_linear_head
    from ...models.registry import load
    from ...models.sources.files import name_of

    model = load(name_of(run.checkpoint))
    pixels = torch.from_numpy(images.pixels)
    features = torch.cat([model.features(part) for part in pixels.split(256)])
    found = {}
    for name, classes in images.classes.items():
        labels = torch.from_numpy(classes)
        head, _ = fit_linear_head(features[:_LEARNT].unsqueeze(1), labels[:_LEARNT])
        with torch.inference_mode():
            right = head(features[_LEARNT:]).argmax(dim=1) == labels[_LEARNT:]
        found[name] = right.numpy().astype(np.float64)
    keep(run, DECODING, found)
    return found
