"""Accuracy of a loaded model on labelled images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import DataError
from ..batching import answer
from ..model import Model
from .data import Part

_BLOCK = 200


def accuracy(
    model: Model, part: Part, progress: Callable[[int, int], None] | None = None, batch: int = 50
) -> tuple[int, int]:
    """Count right answers.

    Args:
        model: Answers in the classes of the images.
        part: The images; those that cannot be read are left out.
        progress: Called with (images done, images in all).
        batch: Images per forward pass.

    Returns:
        Right answers, and images that were asked about.

    Raises:
        DataError: None of the images could be read.
    """
    geometry = model.spec.preprocessing.geometry
    correct = images = 0
    for start in range(0, len(part), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(part)))
        pixels, failed = part.source.load(part.indices[rows].tolist(), geometry)
        kept = np.setdiff1d(np.arange(len(rows)), list(failed))
        if len(kept):
            logits, batch = answer(model, pixels[kept], batch)
            correct += int((logits.argmax(1).numpy() == part.labels[rows[kept]]).sum())
            images += len(kept)
        if progress is not None:
            progress(int(rows[-1]) + 1, len(part))
    if not images:
        raise DataError(f"None of the {len(part)} images of {part.source.name} could be read.")
    return correct, images
