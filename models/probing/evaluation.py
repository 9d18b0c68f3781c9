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
    """Count correct predictions.

    Args:
        model: A model with the label space of the images.
        part: The images; those that cannot be read are left out.
        progress: Called with (finished images, total).
        batch: Images per forward pass.

    Returns:
        Number of correct predictions, and number of images.

    Raises:
        DataError: None of the images can be read.
    """
    geometry = model.spec.preprocessing.geometry
    correct = images = 0
    for start in range(0, len(part), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(part)))
        pixels, failed = part.source.load(part.indices[rows].tolist(), geometry)
        readable = np.setdiff1d(np.arange(len(rows)), list(failed))
        if len(readable):
            logits, batch = answer(model, pixels[readable], batch)
            correct += int((logits.argmax(1).numpy() == part.labels[rows[readable]]).sum())
            images += len(readable)
        if progress is not None:
            progress(int(rows[-1]) + 1, len(part))
    if not images:
        raise DataError(f"None of the {len(part)} images of {part.source.name} could be read.")
    return correct, images
