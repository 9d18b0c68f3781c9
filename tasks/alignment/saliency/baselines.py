"""Maps that know nothing of the image: the middle of the picture, and the mean of the other images' reference maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...data.saliency_maps import MapSource
from .measures import centred_gaussian
from .preparation import Preparation
from .rows import Reference

CENTRE = "centre"
MEAN_MAP = "mean map"
BASELINES = {CENTRE: "centre@1", MEAN_MAP: "mean-map@1"}
"""Name and identity; the number is raised when the baseline changes."""

_AT_ONCE = 100


def total_map(
    source: MapSource, preparation: Preparation, advance: Callable[[int], None] | None = None
) -> tuple[np.ndarray, int]:
    """Sum of the prepared maps of a whole set, each scaled to its own largest value.

    Args:
        source: The set.
        preparation: How its maps are made ready.
        advance: Told of every image.

    Returns:
        float64 (side, side), and the number of maps in it.
    """
    total, count = np.zeros((preparation.side, preparation.side)), 0
    for start in range(0, len(source.image_ids), _AT_ONCE):
        indices = range(start, min(start + _AT_ONCE, len(source.image_ids)))
        raw, failed = source.maps(indices)
        for position, map_ in enumerate(raw):
            if position not in failed:
                total += scaled(preparation.apply(map_))
                count += 1
        if advance is not None:
            advance(len(indices))
    return total, count


def scaled(map_: np.ndarray) -> np.ndarray:
    """A map (..., side, side) over its own largest value, float64; one without a positive value becomes zero."""
    largest = map_.max(axis=(-2, -1), keepdims=True).astype(np.float64)
    return np.where(largest > 0, map_ / np.where(largest > 0, largest, 1), 0.0)


def centre_maps(reference: Reference) -> np.ndarray:
    """The centred Gaussian for each image, float32 (n, side, side)."""
    one = centred_gaussian(reference.maps.shape[-1])
    return np.broadcast_to(one, reference.maps.shape)


def mean_maps(reference: Reference, total: np.ndarray, count: int) -> np.ndarray:
    """For each image the mean map of all others, float32 (n, side, side).

    Args:
        reference: Of images that are part of the total.
        total: From `total_map`.
        count: From `total_map`.
    """
    others = (total - scaled(reference.maps)) / max(count - 1, 1)
    return others.astype(np.float32)
