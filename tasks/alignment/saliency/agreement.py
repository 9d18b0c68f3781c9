"""From the maps of some images to the numbers that are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...data.saliency_maps import MapSource
from ...data.source import LoadFailure
from .measures import TOP_SHARE, overlap, standard_ranks, top_pixels
from .preparation import resize
from .protocol import MapProtocol


@dataclass(frozen=True)
class Reference:
    """Maps of some images that those of all observers are compared with.

    Attributes:
        maps: float32 (n, side, side), prepared.
        ranks: From `standard_ranks`.
        top: Where the reference is highest, bool (n, side, side); an exact mask itself.
        share: How much of an observer's map is held against ``top``, (n,).
        failed: Why an image has none, by position.
    """

    maps: np.ndarray
    ranks: np.ndarray
    top: np.ndarray
    share: np.ndarray
    failed: Mapping[int, LoadFailure]

    def on(self, positions: np.ndarray) -> Reference:
        """Those of some of the images, all of which have one."""
        return Reference(self.maps[positions], self.ranks[positions], self.top[positions], self.share[positions], {})


def reference_of(source: MapSource, indices: Sequence[int], protocol: MapProtocol) -> Reference:
    """Read and prepare the maps of some images.

    Masks are ``exact``, and their extent means something: overlap is then that of the mask and as many pixels of an
    observer's map, not of the upper tenths. A blurred mask is flat in the middle of a large object and has no upper
    tenth.

    Args:
        source: The set.
        indices: Positions in its image ids.
        protocol: How they are made ready.
    """
    preparation = protocol.preparation
    raw, failed = source.maps(indices)
    maps = np.stack([preparation.apply(map_) for map_ in raw])
    if protocol.exact:
        top = np.stack([resize(map_, preparation.side) for map_ in raw]) > 0.5
        share = top.mean(axis=(1, 2))
    else:
        top, share = top_pixels(maps), np.full(len(maps), TOP_SHARE)
    return Reference(maps, standard_ranks(maps), top, share, failed)


def agreement(reference: Reference, maps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Compare the maps of an observer with the reference.

    Args:
        reference: Of n images.
        maps: (n, H, W) by name; of another size than the reference they are resized to it, bilinearly. The name ``""``
            is that of a map that an observer has whatever is asked.

    Returns:
        float64 (n,) for each map and each of `protocol.MEASURES`, as ``"gradient spearman"``; NaN where a map is
        constant or not finite.
    """
    numbers: dict[str, np.ndarray] = {}
    for name, own in maps.items():
        own = resize(own, reference.maps.shape[-1])
        correlation = np.einsum("np,np->n", standard_ranks(own), reference.ranks)
        dice, iou = overlap(top_pixels(own, reference.share), reference.top)
        prefix = f"{name} " if name else ""
        numbers |= {f"{prefix}spearman": correlation, f"{prefix}dice": dice, f"{prefix}iou": iou}
    return numbers
