"""Maps that know nothing of the image: the middle of the picture, and the mean of the other images' reference maps."""

from __future__ import annotations

import numpy as np

from ...data.saliency_maps import MapSource
from .agreement import Reference
from .measures import centred_gaussian
from .preparation import Preparation
from .protocol import CENTRE

_AT_ONCE = 100


def total_map(source: MapSource, preparation: Preparation, images: int) -> tuple[np.ndarray, int]:
    """Sum of the prepared maps of a set, each scaled to its own largest value.

    Args:
        source: The set.
        preparation: How its maps are made ready.
        images: How many of its images are in the sum, from the front.

    Returns:
        float64 (side, side), and the number of maps in it.
    """
    total, count = np.zeros((preparation.side, preparation.side)), 0
    for start in range(0, images, _AT_ONCE):
        indices = range(start, min(start + _AT_ONCE, images))
        raw, failed = source.maps(indices)
        for position, map_ in enumerate(raw):
            if position not in failed:
                total += scaled(preparation.apply(map_))
                count += 1
    return total, count


def scaled(map_: np.ndarray) -> np.ndarray:
    """A map (..., side, side) over its own largest value, float64; one without a positive value becomes zero."""
    largest = map_.max(axis=(-2, -1), keepdims=True).astype(np.float64)
    return np.where(largest > 0, map_ / np.where(largest > 0, largest, 1), 0.0)


def blind_maps(name: str, reference: Reference, total: tuple[np.ndarray, int]) -> np.ndarray:
    """The maps of a baseline, float32 (n, side, side).

    Args:
        name: One of `protocol.OBSERVERS`: the centred Gaussian for each image, or the mean map of all other images.
        reference: Of images that are part of the total.
        total: From `total_map`.
    """
    if name == CENTRE:
        return np.broadcast_to(centred_gaussian(reference.maps.shape[-1]), reference.maps.shape)
    others = (total[0] - scaled(reference.maps)) / max(total[1] - 1, 1)
    return others.astype(np.float32)
